package disk

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

// A store of each released format is kept in testdata. A new format needs a
// new file, made with
//
//	go test ./internal/disk -run TestFormatV2 -make-golden
//
// before its release; the files of released formats never change. That of
// format 1 was made by the program of that time.
var makeGolden = flag.Bool("make-golden", false, "write the store of the present format into testdata")

const goldenV1 = "testdata/v1.tgz"

// goldenTime is the clock of the golden store.
var goldenTime = time.Unix(1_700_000_000, 123_456_789)

func goldenOptions() Options {
	return Options{Now: func() time.Time { return goldenTime }, NoCompaction: true}
}

// writeTree makes what the stores of all formats hold.
func writeTree(t *testing.T, e *env) {
	t.Helper()
	v := e.root()
	d := v.disk
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, v, "docs/inline.txt", []byte("inline contents"))
	put(t, v, "docs/sub/extent.bin", bytes.Repeat([]byte("extent "), 2000))
	put(t, v, "empty", nil)
	put(t, v, "zwei", []byte("linked"))
	_, err := tryPut(v, "meta", []byte("m"), PutOptions{Mode: 0o640, HasMode: true, UID: 12, GID: 34,
		Meta: []byte("meta bytes"), ContentMeta: []byte("content bytes")})
	must(err)
	zwei, err := v.Stat(ctx, "zwei", false)
	must(err)
	docs, err := v.Stat(ctx, "docs", false)
	must(err)
	_, err = v.Link(ctx, zwei.Ino, docs.Ino, "second name", 0)
	must(err)
	must(v.SetXattr(ctx, zwei.Ino, "user.note", []byte("an attribute"), 0, 0))
	_, err = v.Create(ctx, RootIno, "link", NewNode{Type: Symlink, Target: "docs/inline.txt"})
	must(err)
	_, err = v.Create(ctx, RootIno, "device", NewNode{Type: CharDev, Mode: 0o600, Rdev: 0x103})
	must(err)
	sparse, err := v.Create(ctx, docs.Ino, "sparse", NewNode{Type: File, Mode: 0o644})
	must(err)
	_, err = v.WriteAt(ctx, sparse.Ino, []byte("far"), 3*ChunkSize+7, 0)
	must(err)
	must(d.Checkpoint(ctx, "", "cp"))
	must(d.Fork(ctx, Ref{Checkpoint: "cp"}, "fork"))
	f := e.view(Ref{Branch: "fork"})
	put(t, f, "docs/inline.txt", []byte("of the fork"))
	_, err = f.Remove(ctx, "empty", RemoveOptions{})
	must(err)
	put(t, v, "docs/sub/extent.bin", bytes.Repeat([]byte("later "), 2000))
	_, err = v.Remove(ctx, "meta", RemoveOptions{})
	must(err)
}

// TestFormatV1 opens a store that the first release's code made, reads all of
// it, and goes on writing to it.
func TestFormatV1(t *testing.T) {
	e := newEnv(t, unpackGolden(t, goldenV1), goldenOptions())
	checkGolden(t, e)
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
	e.open()
	v := e.root()
	put(t, v, "new", []byte("by this program"))
	e.reopen()
	mustGet(t, e.root(), "new", []byte("by this program"))
	checkGolden(t, e)
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}

// checkGolden compares the store with what writeTree made, a quota and a
// delegation.
func checkGolden(t *testing.T, e *env) {
	t.Helper()
	root, cp, fork := e.root(), e.view(Ref{Checkpoint: "cp"}), e.view(Ref{Branch: "fork"})
	mustGet(t, root, "docs/inline.txt", []byte("inline contents"))
	mustGet(t, root, "docs/sub/extent.bin", bytes.Repeat([]byte("later "), 2000))
	mustGet(t, root, "docs/second name", []byte("linked"))
	mustGet(t, root, "link", []byte("inline contents"))
	mustGet(t, root, "docs/sparse", append(make([]byte, 3*ChunkSize+7), "far"...))
	mustGet(t, cp, "docs/sub/extent.bin", bytes.Repeat([]byte("extent "), 2000))
	mustGet(t, cp, "meta", []byte("m"))
	mustGet(t, fork, "docs/inline.txt", []byte("of the fork"))
	mustGet(t, fork, "meta", []byte("m"))
	_, _, err := get(fork, "empty")
	wantKind(t, err, errs.NotFound)

	a, err := cp.Stat(ctx, "meta", false)
	if err != nil || a.Mode != 0o640 || a.UID != 12 || a.GID != 34 || string(a.Meta) != "meta bytes" || !a.HasMD5 ||
		string(a.ContentMeta) != "content bytes" || !a.Mtime.Equal(goldenTime) || !a.Btime.Equal(goldenTime) {
		t.Errorf("meta: %+v, %v", a, err)
	}
	z, err := root.Stat(ctx, "zwei", false)
	if err != nil || z.Nlink != 2 {
		t.Errorf("zwei: %+v, %v", z, err)
	}
	if x, err := root.GetXattr(ctx, z.Ino, "user.note"); err != nil || string(x) != "an attribute" {
		t.Errorf("xattr: %q, %v", x, err)
	}
	if a, err := root.Stat(ctx, "link", false); err != nil || a.Target != "docs/inline.txt" {
		t.Errorf("link: %+v, %v", a, err)
	}
	if a, err := root.Stat(ctx, "device", false); err != nil || a.Type != CharDev || a.Rdev != 0x103 {
		t.Errorf("device: %+v, %v", a, err)
	}
	docs, err := root.Stat(ctx, "docs", false)
	if err != nil || docs.Nlink != 3 {
		t.Errorf("docs: %+v, %v", docs, err)
	}
	wantKind(t, root.Unlink(ctx, docs.Ino, "sparse", 78), errs.Delegated)
	if q := root.disk.Quota(); q != (Quota{Bytes: 1 << 30, Files: 1000}) {
		t.Errorf("quota: %+v", q)
	}
}

// filesOf lists the files below dir, sorted.
func filesOf(t *testing.T, f vfs.FS, dir string) (out []string) {
	t.Helper()
	names, err := f.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		path := dir + "/" + n
		st, err := f.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.IsDir() {
			out = append(out, filesOf(t, f, path)...)
		} else if n != "LOCK" {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

func packGolden(t *testing.T, from vfs.FS, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is there: a released format does not change", path)
	}
	e := &env{t: t, fs: from}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, name := range append(filesOf(t, from, "meta"), filesOf(t, from, "blob")...) {
		data := readAll(t, e, name)
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func unpackGolden(t *testing.T, path string) vfs.FS {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	mem := vfs.NewMem()
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return mem
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := mem.MkdirAll(h.Name[:strings.LastIndexByte(h.Name, '/')], 0o700); err != nil {
			t.Fatal(err)
		}
		writeAll(t, &env{t: t, fs: mem}, h.Name, data)
	}
}

// TestUnknownRowForm refuses values with a tag that this program does not
// know, as a newer one might write, instead of misreading them.
func TestUnknownRowForm(t *testing.T) {
	for tag := range 256 {
		v := append([]byte{byte(tag)}, make([]byte, 40)...)
		var a Attr
		t.Run(fmt.Sprint(tag), func(t *testing.T) {
			if err := decodeAttr(v, &a); err == nil && tag != tagAttrs {
				t.Error("attributes")
			}
			if err := decodeEntry(v, &a); err == nil && tag != tagAttrs && tag != tagBare {
				t.Error("entry")
			}
			if _, err := decodeChunk(v); err == nil && tag != tagInline && tag != tagExtents {
				t.Error("chunk")
			}
			if _, err := unrow(v); err == nil && tag != tagRow {
				t.Error("row")
			}
		})
	}
}
