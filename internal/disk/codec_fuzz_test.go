package disk

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func FuzzDecodeAttr(f *testing.F) {
	f.Add(appendAttr(nil, &Attr{Ino: 16, Type: File, Mode: 0o644, Nlink: 1, Size: 5, Data: 16, Version: 17, HasMD5: true,
		Meta: []byte("m"), ContentMeta: []byte("c"), Mtime: time.Unix(1, 2), Ctime: time.Unix(3, 4), Btime: time.Unix(5, 6), parent: 1, xattrs: true}))
	f.Add(appendAttr(nil, &Attr{Ino: 17, Type: Symlink, Nlink: 1, Target: "a/b", Rdev: 9}))
	f.Add([]byte{tagAttrs})
	f.Fuzz(func(t *testing.T, v []byte) {
		var a, b Attr
		if decodeAttr(v, &a) != nil {
			return
		}
		if err := decodeAttr(appendAttr(nil, &a), &b); err != nil {
			t.Fatalf("%+v does not come back: %v", a, err)
		}
		if d := cmp.Diff(a, b, cmp.AllowUnexported(Attr{}), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add((&chunk{inline: []byte("abc")}).append(nil))
	f.Add((&chunk{refs: []extentRef{{0, 10, 99, 5}, {20, 10, 99, 15}}}).append(nil))
	f.Add([]byte{tagExtents, 65})
	f.Fuzz(func(t *testing.T, v []byte) {
		c, err := decodeChunk(v)
		if err != nil {
			return
		}
		if n := c.covered(); n < 0 || c.inline == nil && n > ChunkSize {
			t.Fatalf("%d bytes covered", n)
		}
		d, err := decodeChunk(c.append(nil))
		if err != nil || !bytes.Equal(c.append(nil), d.append(nil)) {
			t.Fatalf("%+v does not come back: %+v, %v", c, d, err)
		}
		c.refs = append([]extentRef(nil), c.refs...)
		c.cut(5, 2000)
		for _, r := range c.refs {
			if r.off < 2000 && r.off+r.len > 5 {
				t.Fatalf("%+v was not cut", r)
			}
		}
	})
}

// FuzzDecodePartRow reads rows of part tables: what is valid comes back, and a
// look-up finds the part that looking through all of them finds.
func FuzzDecodePartRow(f *testing.F) {
	f.Add(appendPartRow(nil, nil, []partRef{{0, 16}, {5<<20 + 1, 18}}), int64(5<<20))
	f.Add(appendPartRow(nil, []int64{7, 9}, []partRef{{0, 16}, {3, 18}}), int64(8))
	f.Add([]byte{tagParts, 200, 1}, int64(0))
	f.Fuzz(func(t *testing.T, v []byte, off int64) {
		p, err := decodePartRow(v)
		if err != nil || !p.valid() {
			return
		}
		var refs []partRef
		var starts []int64
		want := -1
		for i := range p.parts() {
			refs = append(refs, p.ref(i))
			if refs[i].start <= off {
				want = i
			}
		}
		for i := range p.rows() {
			starts = append(starts, p.rowStart(i))
		}
		if got := p.find(off); got != want {
			t.Fatalf("offset %d is in part %d, want %d of %v", off, got, want, refs)
		}
		if !bytes.Equal(appendPartRow(nil, starts, refs), v) {
			t.Fatalf("%v, %v do not come back", starts, refs)
		}
	})
}

func FuzzDecodeMultipart(f *testing.F) {
	in := MultipartInfo{Started: time.Unix(1, 2), Options: PutOptions{Mode: 0o600, HasMode: true, UID: 1, GID: 2, HasMD5: true, Meta: []byte("m"), ContentMeta: []byte("c")}}
	f.Add(append([]byte("a/b\x00"), 0, 0, 0, 0, 0, 0, 0, 16), in.row())
	f.Add([]byte("12345678"), (&Part{Size: 3, Time: time.Unix(1, 2), data: 16, Meta: []byte("m")}).row())
	f.Fuzz(func(t *testing.T, k, v []byte) {
		if in, err := decodeMultipartRow(k, v); err == nil {
			again, err := decodeMultipartRow(multipartKey(1, 2, in.Path, in.ID)[layerPos+4:], in.row())
			if err != nil || !cmp.Equal(in, again, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(PutOptions{}, "Check")) {
				t.Fatalf("%+v does not come back: %+v, %v", in, again, err)
			}
		}
		if p, err := decodePart(k, v); err == nil {
			again, err := decodePart(k, p.row())
			if err != nil || !cmp.Equal(p, again, cmpopts.EquateEmpty(), cmp.AllowUnexported(Part{})) {
				t.Fatalf("%+v does not come back: %+v, %v", p, again, err)
			}
		}
	})
}

func FuzzDecodeExtent(f *testing.F) {
	f.Add((&extent{layer: 1, birth: 2}).row())
	f.Add([]byte{tagRow, 1, 2, 3})
	f.Fuzz(func(t *testing.T, v []byte) {
		x, err := decodeExtent(v)
		if err != nil {
			return
		}
		y, err := decodeExtent(x.row())
		if err != nil || x != y {
			t.Fatalf("%+v does not come back: %+v, %v", x, y, err)
		}
	})
}

func FuzzCheckPath(f *testing.F) {
	for _, p := range []string{"", "a", "a/b", "/a", "a//b", "a/", ".", "a/../b", "a\x00", "\xff", strings.Repeat("x", 256), "é/\U0001F600"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		ok := CheckPath(p) == nil
		for _, s := range strings.Split(p, "/") {
			if bad := checkName("test", s) != nil; bad && ok {
				t.Fatalf("%q is taken, its segment %q is no name", p, s)
			}
		}
		if strings.ToValidUTF8(p, "") != p && ok {
			t.Fatalf("%q is taken", p)
		}
	})
}
