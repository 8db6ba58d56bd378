package disk

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"atoll/internal/errs"
)

// putPart uploads one part.
func putPart(t tester, v *View, path string, id MultipartID, number int, data []byte) Part {
	t.Helper()
	u, err := v.NewPart(ctx, path, id, number, int64(len(data)))
	if err != nil {
		t.Fatalf("part %d of %s: %v", number, path, err)
	}
	defer u.Abort()
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 300_000)
		if _, err := u.Write(rest[:n]); err != nil {
			t.Fatalf("part %d of %s: %v", number, path, err)
		}
		rest = rest[n:]
	}
	p, err := u.Commit(ctx, md5.Sum(data), []byte{byte(number)})
	if err != nil {
		t.Fatalf("part %d of %s: %v", number, path, err)
	}
	return p
}

func createMultipart(t tester, v *View, path string, o PutOptions) MultipartID {
	t.Helper()
	id, err := v.CreateMultipart(ctx, path, o)
	if err != nil {
		t.Fatalf("multipart upload of %s: %v", path, err)
	}
	return id
}

// putParts makes a file of parts of the given sizes and returns its bytes.
func putParts(t tester, v *View, path string, sizes ...int) []byte {
	t.Helper()
	id := createMultipart(t, v, path, PutOptions{})
	var parts []Part
	var whole []byte
	for i, n := range sizes {
		data := randomBytes(n, uint64(i+1)+uint64(id))
		parts = append(parts, putPart(t, v, path, id, i+1, data))
		whole = append(whole, data...)
	}
	if _, err := v.CompleteMultipart(ctx, path, id, parts, PutOptions{}); err != nil {
		t.Fatalf("complete %s: %v", path, err)
	}
	return whole
}

// TestMultipart follows an upload from its beginning to its completion.
func TestMultipart(t *testing.T) {
	for _, sizes := range [][]int{{0}, {1}, {5 << 20}, {0, 0}, {0, 7, 0}, {3, 2}, {100_000, 70_000, 1}, {5<<20 + 1, 5 << 20, 123}, {ChunkSize, ChunkSize, 0, 2*ChunkSize + 1}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			e := newEnv(t, nil, Options{NoCompaction: true})
			v := e.root()
			whole := putParts(t, v, "d/f", sizes...)
			mustGet(t, v, "d/f", whole)
			e.reopen()
			v = e.root()
			mustGet(t, v, "d/f", whole)
			e.audit(t, testDisk)
			if got, more, err := v.ListMultipart(ctx, "", "", 0, 10); err != nil || more || len(got) > 0 {
				t.Errorf("uploads left: %v, %v, %v", got, more, err)
			}
			for _, remove := range []func() (bool, error){
				func() (bool, error) { return v.Remove(ctx, "d/f", RemoveOptions{}) },
				func() (bool, error) { return v.RemoveDir(ctx, "d", RemoveOptions{}) },
			} {
				if ok, err := remove(); err != nil || !ok {
					t.Fatal(ok, err)
				}
			}
			e.wantEmpty(t)
		})
	}
}

// wantEmpty waits for the jobs and wants nothing on the disk but its root.
func (e *env) wantEmpty(t tester) {
	t.Helper()
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	e.audit(t, testDisk)
	if u := e.view(Ref{}).Disk().Usage(); u != (Usage{}) {
		t.Errorf("the disk still holds %+v", u)
	}
}

// TestMultipartParts looks at parts that take another's place, that are not
// asked for or that are not there, and at what an upload keeps.
func TestMultipartParts(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	opts := PutOptions{Mode: 0o604, HasMode: true, UID: 3, GID: 4, Meta: []byte("meta"), ContentMeta: []byte("begun")}
	id := createMultipart(t, v, "f", opts)
	big, small := randomBytes(3<<20, 1), randomBytes(50, 2)
	first := putPart(t, v, "f", id, 7, big)
	putPart(t, v, "f", id, 7, small)
	putPart(t, v, "f", id, 3, big)
	putPart(t, v, "f", id, 9, big)
	e.reopen()
	v = e.root()
	in, err := v.Multipart(ctx, "f", id)
	if err != nil || in.Path != "f" || in.ID != id || string(in.Options.Meta) != "meta" || string(in.Options.ContentMeta) != "begun" || in.Options.UID != 3 || in.Options.Mode != 0o604 {
		t.Errorf("the upload is %+v, %v", in, err)
	}
	complete := func(o PutOptions, parts ...Part) error {
		_, err := v.CompleteMultipart(ctx, "f", id, parts, o)
		return err
	}
	third, seventh := Part{Number: 3, MD5: md5.Sum(big)}, Part{Number: 7, MD5: md5.Sum(small)}
	wantKind(t, complete(PutOptions{}), errs.Invalid)
	wantKind(t, complete(PutOptions{}, seventh, third), errs.Invalid)
	wantKind(t, complete(PutOptions{}, third, third), errs.Invalid)
	wantKind(t, complete(PutOptions{}, third, first), errs.Invalid) // taken back since
	wantKind(t, complete(PutOptions{}, third, Part{Number: 4}), errs.Invalid)
	wantKind(t, complete(PutOptions{}, third, Part{Number: 10}), errs.Invalid)
	wantKind(t, complete(PutOptions{}, Part{Number: MaxParts + 1}), errs.Invalid)
	no := errors.New("no")
	if err := complete(PutOptions{Check: func(*Attr) error { return no }}, third); !errors.Is(err, no) {
		t.Errorf("Check said no, completing %v", err)
	}
	if got, more, err := v.Parts(ctx, "f", id, 3, 1); err != nil || !more || len(got) != 1 || got[0].Number != 7 || got[0].Size != 50 || got[0].MD5 != seventh.MD5 || !bytes.Equal(got[0].Meta, []byte{7}) {
		t.Errorf("parts after 3: %+v, %v, %v", got, more, err)
	}
	if err := complete(PutOptions{MD5: [16]byte{1}, HasMD5: true, ContentMeta: []byte("done")}, third, seventh); err != nil {
		t.Fatal(err)
	}
	a, err := v.Stat(ctx, "f", true)
	if err != nil || a.MD5 != [16]byte{1} || !a.HasMD5 || string(a.Meta) != "meta" || string(a.ContentMeta) != "done" || a.Mode != 0o604 || a.GID != 4 || a.Size != int64(len(big)+50) {
		t.Errorf("the file is %+v, %v", a, err)
	}
	mustGet(t, v, "f", append(bytes.Clone(big), small...))
	wantKind(t, complete(PutOptions{}, third), errs.NotFound)
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if got, want := v.disk.Usage().Bytes, int64(len(big)+50); got != want {
		t.Errorf("%d bytes are used, want %d", got, want)
	}
	e.audit(t, testDisk)
}

// TestMultipartRefused looks at what uploads are refused for.
func TestMultipartRefused(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	put(t, v, "d/f", []byte("data"))
	if err := v.disk.Checkpoint(ctx, "", "c"); err != nil {
		t.Fatal(err)
	}
	refused := func(v *View, path string, kind errs.Kind) {
		t.Helper()
		_, err := v.CreateMultipart(ctx, path, PutOptions{})
		wantKind(t, err, kind)
	}
	refused(v, "d", errs.IsDir)
	refused(v, "d/f/g", errs.NotDir)
	refused(v, "", errs.Invalid)
	refused(v, ReservedDir+"/f", errs.Reserved)
	refused(v, string(bytes.Repeat([]byte("1234567/"), 129))+"x", errs.NameTooLong)
	point := e.view(Ref{RootBranch, "c"})
	refused(point, "f", errs.ReadOnly)
	id := createMultipart(t, v, "d/g", PutOptions{})
	_, err := point.NewPart(ctx, "d/g", id, 1, 1)
	wantKind(t, err, errs.ReadOnly)
	_, err = point.CompleteMultipart(ctx, "d/g", id, []Part{{Number: 1}}, PutOptions{})
	wantKind(t, err, errs.ReadOnly)
	wantKind(t, point.AbortMultipart(ctx, "d/g", id), errs.ReadOnly)
	_, _, err = point.Parts(ctx, "d/g", id, 0, 1)
	wantKind(t, err, errs.NotFound)
	for _, bad := range []int{-1, 0, MaxParts + 1} {
		_, err = v.NewPart(ctx, "d/g", id, bad, 1)
		wantKind(t, err, errs.Invalid)
	}
	_, err = v.NewPart(ctx, "d/h", id, 1, 1)
	wantKind(t, err, errs.NotFound)
	_, err = v.NewPart(ctx, "d/g", id+1, 1, 1)
	wantKind(t, err, errs.NotFound)

	// The quota counts parts as they come, and refuses early.
	if err := v.disk.SetQuota(ctx, Quota{Bytes: 1000}); err != nil {
		t.Fatal(err)
	}
	putPart(t, v, "d/g", id, 1, make([]byte, 900))
	_, err = v.NewPart(ctx, "d/g", id, 2, 200)
	wantKind(t, err, errs.Quota)
	u, err := v.NewPart(ctx, "d/g", id, 2, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	_, err = u.Commit(ctx, [16]byte{}, nil)
	wantKind(t, err, errs.Quota)
	u.Abort()

	// A part of an upload that is aborted meanwhile.
	u, err = v.NewPart(ctx, "d/g", id, 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.AbortMultipart(ctx, "d/g", id); err != nil {
		t.Fatal(err)
	}
	_, err = u.Commit(ctx, [16]byte{}, nil)
	wantKind(t, err, errs.NotFound)
	u.Abort()
	e.audit(t, testDisk)
	if n := v.disk.Usage().Bytes; n != 4 {
		t.Errorf("%d bytes are used, want 4", n)
	}
}

// TestExpireMultipart expires uploads by age, on branches and disks, and those
// of a branch that is deleted and whose layer stays for its children.
func TestExpireMultipart(t *testing.T) {
	now := time.Unix(1000, 0)
	e := newEnv(t, nil, Options{NoCompaction: true, Now: func() time.Time { return now }})
	v := e.root()
	d := v.disk
	put(t, v, "f", []byte("x"))
	fork := func(from, name string) *View {
		t.Helper()
		if err := d.Fork(ctx, Ref{Branch: from}, name); err != nil {
			t.Fatal(err)
		}
		return e.view(Ref{Branch: name})
	}
	begin := func(v *View, path string) MultipartID {
		id := createMultipart(t, v, path, PutOptions{})
		putPart(t, v, path, id, 1, make([]byte, 3000))
		return id
	}
	b := fork(RootBranch, "b")
	put(t, b, "g", []byte("y"))
	old := begin(v, "old")
	begin(b, "old")
	now = now.Add(time.Hour)
	young := begin(v, "young")
	begin(b, "young")
	expire := func(want int) {
		t.Helper()
		if n, err := e.s.ExpireMultipart(ctx, time.Unix(1000+60, 0)); err != nil || n != want {
			t.Errorf("%d uploads expired (%v), want %d", n, err, want)
		}
	}
	expire(2)
	expire(0)
	_, err := v.Multipart(ctx, "old", old)
	wantKind(t, err, errs.NotFound)
	if _, err := v.Multipart(ctx, "young", young); err != nil {
		t.Error(err)
	}
	e.audit(t, testDisk)
	if n := d.Usage().Bytes; n != 6002 {
		t.Errorf("%d bytes are used, want 6002", n)
	}
	setHidden := func(h bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.layers[d.branches["b"].layer].hidden = h
	}
	setHidden(true)
	expire(1)
	setHidden(false)
	e.audit(t, testDisk)
	if n := d.Usage().Bytes; n != 3002 {
		t.Errorf("%d bytes are used, want 3002", n)
	}
}

// TestManyParts completes an upload of as many parts as there may be, every
// third of which is left out, in a layer with history.
func TestManyParts(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	put(t, v, "f", []byte("x"))
	if err := v.disk.Fork(ctx, Ref{}, "b"); err != nil {
		t.Fatal(err)
	}
	b := e.view(Ref{Branch: "b"})
	put(t, b, "g", []byte("x"))
	if err := v.disk.Checkpoint(ctx, "b", "c"); err != nil {
		t.Fatal(err)
	}
	parts := manyParts(t, b, "g", MaxParts)
	id, want := parts.id, []byte(nil)
	var use []Part
	for i, p := range parts.parts {
		if i%3 != 0 {
			use = append(use, p)
			want = append(want, partBytes(i+1)...)
		}
	}
	if _, err := b.CompleteMultipart(ctx, "g", id, use, PutOptions{}); err != nil {
		t.Fatal(err)
	}
	mustGet(t, b, "g", want)
	buf := make([]byte, 7)
	a, err := b.Stat(ctx, "g", true)
	if err != nil {
		t.Fatal(err)
	}
	for off := int64(0); off < a.Size; off += 997 {
		n, _ := b.ReadAt(ctx, a.Ino, buf, off)
		if !bytes.Equal(buf[:n], want[off:min(off+7, a.Size)]) {
			t.Fatalf("bytes at %d differ", off)
		}
	}
	e.audit(t, testDisk)
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Errorf("check: %v", found)
	}
	e.open()
	b = e.view(Ref{Branch: "b"})
	mustGet(t, e.view(Ref{"b", "c"}), "g", []byte("x"))
	if _, err := b.Remove(ctx, "g", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.disk.DeleteCheckpoint(ctx, "b", "c", DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.audit(t, testDisk)
	if n := b.disk.Usage().Bytes; n != 1 {
		t.Errorf("%d bytes are used, want 1", n)
	}
}

type uploaded struct {
	id    MultipartID
	parts []Part
}

// partBytes are those of a part of manyParts.
func partBytes(number int) []byte { return fmt.Appendf(nil, "%d,", number) }

// manyParts uploads n small parts.
func manyParts(t tester, v *View, path string, n int) uploaded {
	t.Helper()
	u := uploaded{createMultipart(t, v, path, PutOptions{}), make([]Part, n)}
	var wg sync.WaitGroup
	const at = 16
	for w := range at {
		wg.Go(func() {
			for i := w; i < n; i += at {
				u.parts[i] = putPart(t, v, path, u.id, i+1, partBytes(i+1))
			}
		})
	}
	wg.Wait()
	return u
}

// TestMultipartRace uploads, completes, aborts and expires parts of the same
// few uploads at once, with checkpoints in between: whatever wins, a file is
// whole and nothing is left over.
func TestMultipartRace(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	var mu sync.Mutex
	ids := map[string]MultipartID{}
	current := func(path string) MultipartID {
		mu.Lock()
		defer mu.Unlock()
		if ids[path] == 0 {
			ids[path] = createMultipart(t, v, path, PutOptions{})
		}
		return ids[path]
	}
	over := func(path string, id MultipartID) {
		mu.Lock()
		defer mu.Unlock()
		if ids[path] == id {
			delete(ids, path)
		}
	}
	allowed := func(err error) {
		if err != nil && !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.Invalid) {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 60 {
				path := fmt.Sprint("f", (w+i)%2)
				id := current(path)
				switch (w*7 + i) % 11 {
				case 0:
					allowed(v.AbortMultipart(ctx, path, id))
					over(path, id)
				case 1, 2:
					parts, _, err := v.Parts(ctx, path, id, 0, 100)
					allowed(err)
					_, err = v.CompleteMultipart(ctx, path, id, parts, PutOptions{})
					allowed(err)
					if err == nil {
						over(path, id)
					}
				case 3:
					name := fmt.Sprintf("c%d-%d", w, i)
					allowed(v.disk.Checkpoint(ctx, "", name))
					allowed(v.disk.DeleteCheckpoint(ctx, "", name, DeleteOptions{}))
				case 4:
					_, err := e.s.ExpireMultipart(ctx, time.Unix(0, 0))
					allowed(err)
				default:
					u, err := v.NewPart(ctx, path, id, 1+i%5, -1)
					allowed(err)
					if err != nil {
						over(path, id)
						continue
					}
					data := bytes.Repeat([]byte{byte('a' + i%5)}, 1+w*w*w*900)
					if _, err := u.Write(data); err != nil {
						t.Error(err)
					}
					_, err = u.Commit(ctx, md5.Sum(data), nil)
					allowed(err)
					u.Abort()
				}
			}
		})
	}
	wg.Wait()
	for _, path := range []string{"f0", "f1"} {
		data, a, err := get(v, path)
		if err != nil || int64(len(data)) != a.Size || bytes.ContainsAny(data, "\x00") {
			t.Errorf("%s: %d bytes of %d, %v", path, len(data), a.Size, err)
		}
		if _, err := v.Remove(ctx, path, RemoveOptions{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := e.s.ExpireMultipart(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	e.wantEmpty(t)
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Errorf("check: %v", found)
	}
	e.open()
}
