package disk

import (
	"bytes"
	"crypto/md5"
	"errors"
	"testing"

	"atoll/internal/errs"
)

func TestCopy(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	data := randomBytes(3<<20, 1)
	src, err := tryPut(v, "d/f", data, PutOptions{Mode: 0o600, HasMode: true, UID: 5, Meta: []byte("m"), ContentMeta: []byte("c")})
	if err != nil {
		t.Fatal(err)
	}
	var seen Attr
	a, err := v.Copy(ctx, "new/g", v, "d/f", func(a *Attr) error { seen = *a; return nil }, PutOptions{UID: 6, Meta: []byte("n")})
	if err != nil {
		t.Fatal(err)
	}
	if a.UID != 6 || string(a.Meta) != "n" || string(a.ContentMeta) != "c" || !a.HasMD5 || a.MD5 != src.MD5 || a.Ino == src.Ino || seen.Version != src.Version {
		t.Errorf("the copy is %+v, check saw %+v", a, seen)
	}
	mustGet(t, v, "new/g", data)
	if _, err := v.WriteAt(ctx, src.Ino, []byte("changed"), 100, 0); err != nil {
		t.Fatal(err)
	}
	mustGet(t, v, "new/g", data)

	// Onto itself, without an MD5 and through a link.
	copy(data[100:], "changed")
	dir, err := v.Lookup(ctx, RootIno, "d")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Create(ctx, dir.Ino, "l", NewNode{Type: Symlink, Target: "f"}); err != nil {
		t.Fatal(err)
	}
	a, err = v.Copy(ctx, "d/f", v, "d/l", nil, PutOptions{})
	if err != nil || !a.HasMD5 || a.MD5 != md5.Sum(data) || a.UID != 5 || a.Mode != 0o600 {
		t.Fatalf("a copy onto itself is %+v, %v", a, err)
	}
	mustGet(t, v, "d/l", data)

	// From a checkpoint to another disk, of parts.
	parts := putParts(t, v, "p", 5<<20+1, 3, 70_000)
	if err := v.disk.Checkpoint(ctx, "", "c"); err != nil {
		t.Fatal(err)
	}
	if err := e.s.Create(ctx, testDisk+1, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	d, err := e.s.Disk(ctx, testDisk+1)
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.View(ctx, Ref{})
	if err != nil {
		t.Fatal(err)
	}
	if a, err = other.Copy(ctx, "p", e.view(Ref{RootBranch, "c"}), "p", nil, PutOptions{}); err != nil || a.parts || a.MD5 != md5.Sum(parts) {
		t.Fatalf("a copy of parts is %+v, %v", a, err)
	}
	if err := e.s.Delete(ctx, testDisk); err != nil {
		t.Fatal(err)
	}
	e.audit(t, testDisk+1)
	mustGet(t, other, "p", parts)
}

func TestCopyRefused(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	put(t, v, "d/f", []byte("data"))
	if _, err := v.Create(ctx, RootIno, "pipe", NewNode{Type: FIFO}); err != nil {
		t.Fatal(err)
	}
	if err := v.disk.Checkpoint(ctx, "", "c"); err != nil {
		t.Fatal(err)
	}
	refused := func(v *View, from, to string, kind errs.Kind) {
		t.Helper()
		_, err := v.Copy(ctx, to, v, from, nil, PutOptions{})
		wantKind(t, err, kind)
	}
	refused(v, "d", "x", errs.IsDir)
	refused(v, "pipe", "x", errs.Invalid)
	refused(v, "none", "x", errs.NotFound)
	refused(v, "d/f", "d", errs.IsDir)
	refused(v, "d/f", "d/f/g", errs.NotDir)
	refused(e.view(Ref{RootBranch, "c"}), "d/f", "g", errs.ReadOnly)
	no := errors.New("no")
	if _, err := v.Copy(ctx, "g", v, "d/f", func(*Attr) error { return no }, PutOptions{}); !errors.Is(err, no) {
		t.Errorf("check said no, Copy %v", err)
	}
	if _, err := v.Stat(ctx, "g", true); !errs.Is(err, errs.NotFound) {
		t.Errorf("a refused copy is there: %v", err)
	}
	e.audit(t, testDisk)
}

// TestCopySparse: what was never written of a large file is not written by a
// copy or by a restore either.
func TestCopySparse(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	f, err := v.Create(ctx, RootIno, "f", NewNode{Type: File, Mode: 0o644})
	if err != nil {
		t.Fatal(err)
	}
	const size = 9*ChunkSize + 5
	n := int64(size)
	if _, err := v.SetAttr(ctx, f.Ino, SetAttr{Size: &n}); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	for _, off := range []int{10, 3*ChunkSize - 4, 3 * ChunkSize, 7*ChunkSize + 100} {
		b := randomBytes(1000, uint64(off))
		if _, err := v.WriteAt(ctx, f.Ino, b, int64(off), 0); err != nil {
			t.Fatal(err)
		}
		copy(data[off:], b)
	}
	a, err := v.Copy(ctx, "copy", v, "f", nil, PutOptions{})
	if err != nil || a.MD5 != md5.Sum(data) || a.Bytes > 5*ChunkSize {
		t.Errorf("the copy is %+v, %v", a, err)
	}
	mustGet(t, v, "copy", data)

	n = 1 << 40
	if _, err := v.SetAttr(ctx, f.Ino, SetAttr{Size: &n}); err != nil {
		t.Fatal(err)
	}
	if err := v.disk.Checkpoint(ctx, "", "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Remove(ctx, "f", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.disk.Restore(ctx, Ref{Checkpoint: "c"}, "f", ""); err != nil {
		t.Fatal(err)
	}
	back, err := v.Stat(ctx, "f", false)
	if err != nil || back.Size != n || back.Bytes > 5*ChunkSize {
		t.Fatalf("restored: %+v, %v", back, err)
	}
	got := make([]byte, size)
	if _, err := v.ReadAt(ctx, back.Ino, got, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the restored bytes differ (%v)", err)
	}
}
