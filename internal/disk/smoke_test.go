package disk

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"atoll/internal/errs"
)

func randomBytes(n int, seed uint64) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(n)})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// TestPutGetSizes puts files around every size at which the way they are
// stored changes, reads them back, also after a restart, and deletes them:
// then nothing is used any more.
func TestPutGetSizes(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	sizes := []int{0, 1, DefaultInlineMax - 1, DefaultInlineMax, DefaultInlineMax + 1, smallBuffer, smallBuffer + 1,
		extentSize - 1, extentSize, extentSize + 1, ChunkSize, ChunkSize + 1, 3*ChunkSize - 5, 50 << 20}
	name := func(n int) string { return "dir/sub/" + string(rune('a'+n)) }
	for i, n := range sizes {
		put(t, v, name(i), randomBytes(n, 1))
	}
	for range 2 {
		for i, n := range sizes {
			mustGet(t, v, name(i), randomBytes(n, 1))
		}
		e.reopen()
		v = e.root()
	}
	for i, n := range sizes { // replace by another size
		put(t, v, name(i), randomBytes(sizes[len(sizes)-1-i], uint64(n)))
	}
	for i, n := range sizes {
		mustGet(t, v, name(i), randomBytes(sizes[len(sizes)-1-i], uint64(n)))
		if ok, err := v.Remove(ctx, name(i), RemoveOptions{}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		_, _, err := get(v, name(i))
		wantKind(t, err, errs.NotFound)
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if u := v.disk.Usage(); u.Bytes != 0 || u.Files != 2 {
		t.Fatalf("usage after deleting all: %+v", u)
	}
	e.reopen()
	if u := e.root().disk.Usage(); u.Bytes != 0 || u.Files != 2 {
		t.Fatalf("usage after a restart: %+v", u)
	}
}

// TestForkSmoke checks that a fork and a checkpoint keep what was, and that
// neither sees the other's changes.
func TestForkSmoke(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	put(t, v, "a", []byte("one"))
	put(t, v, "d/b", bytes.Repeat([]byte("x"), 10_000))
	d := v.disk
	if err := d.Checkpoint(ctx, "", "c1"); err != nil {
		t.Fatal(err)
	}
	put(t, v, "a", []byte("two"))
	if err := d.Fork(ctx, Ref{}, "f"); err != nil {
		t.Fatal(err)
	}
	f := e.view(Ref{Branch: "f"})
	put(t, f, "a", []byte("three"))
	if _, err := f.Remove(ctx, "d/b", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		mustGet(t, e.view(Ref{}), "a", []byte("two"))
		mustGet(t, e.view(Ref{Checkpoint: "c1"}), "a", []byte("one"))
		mustGet(t, e.view(Ref{Branch: "f"}), "a", []byte("three"))
		mustGet(t, e.view(Ref{}), "d/b", bytes.Repeat([]byte("x"), 10_000))
		_, _, err := get(e.view(Ref{Branch: "f"}), "d/b")
		wantKind(t, err, errs.NotFound)
	}
	check()
	e.reopen()
	check()
	d = e.root().disk
	if err := d.DeleteBranch(ctx, "f", DeleteOptions{Cascade: true}); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteCheckpoint(ctx, "", "c1", DeleteOptions{Cascade: true}); err != nil {
		t.Fatal(err)
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if u := d.Usage(); u.Bytes != 10_003 || u.Files != 3 {
		t.Fatalf("usage: %+v", u)
	}
}
