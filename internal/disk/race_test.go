package disk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"atoll/internal/errs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestConflictingChanges runs puts, renames, removes, listings, forks and
// checkpoints of the same few names at once. Only outcomes that some order
// explains are allowed, and the rows must be sound afterwards.
func TestConflictingChanges(t *testing.T) {
	e := smallSegments(t, vfs.NewMem())
	v := e.root()
	d := v.disk
	for _, dir := range []string{"x", "y"} {
		if _, err := v.MakeDir(ctx, dir, MakeDirOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	x, _ := v.Lookup(ctx, RootIno, "x")
	y, _ := v.Lookup(ctx, RootIno, "y")
	allowed := func(err error, kinds ...errs.Kind) {
		if err == nil {
			return
		}
		for _, k := range kinds {
			if errs.Is(err, k) {
				return
			}
		}
		t.Error(err)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for range 150 {
				dirs, name := []string{"x", "y"}, fmt.Sprint(rng.IntN(4))
				from, to := []Ino{x.Ino, y.Ino}[rng.IntN(2)], []Ino{x.Ino, y.Ino}[rng.IntN(2)]
				path := dirs[rng.IntN(2)] + "/" + name
				switch rng.IntN(9) {
				case 0, 1, 2:
					_, err := tryPut(v, path, bytes.Repeat([]byte{byte(w)}, rng.IntN(9000)), PutOptions{})
					allowed(err)
				case 3:
					_, err := v.Remove(ctx, path, RemoveOptions{})
					allowed(err)
				case 4:
					allowed(v.Rename(ctx, from, name, to, fmt.Sprint(rng.IntN(4)), RenameFlags(rng.IntN(3)), 0), errs.NotFound, errs.Exists)
				case 5:
					a, err := v.Lookup(ctx, from, name)
					if err == nil {
						_, err = v.Link(ctx, a.Ino, to, fmt.Sprint(rng.IntN(4)), 0)
					}
					allowed(err, errs.NotFound, errs.Exists, errs.Stale)
				case 6:
					a, err := v.Lookup(ctx, from, name)
					if err == nil {
						_, err = v.WriteAt(ctx, a.Ino, []byte{byte(w)}, int64(rng.IntN(5000)), 0)
					}
					allowed(err, errs.NotFound, errs.Stale)
				case 7:
					_, _, err := v.List(ctx, ListOptions{Limit: 5})
					allowed(err)
					_, _, err = get(v, path)
					allowed(err, errs.NotFound)
				case 8:
					ref := fmt.Sprint("r", rng.IntN(2))
					switch rng.IntN(5) {
					case 0:
						allowed(d.Checkpoint(ctx, "", ref), errs.Exists)
					case 1:
						allowed(d.DeleteCheckpoint(ctx, "", ref, DeleteOptions{Cascade: true}), errs.NoView)
					case 2:
						allowed(d.Fork(ctx, Ref{}, ref), errs.Exists)
					case 3:
						allowed(d.DeleteBranch(ctx, ref, DeleteOptions{Cascade: true}), errs.NoView, errs.Stale)
					default:
						_, err := e.s.Compact(ctx)
						allowed(err)
					}
				}
			}
		})
	}
	wg.Wait()
	e.audit(t, testDisk)
	e.reopen()
	e.audit(t, testDisk)
}

// TestReaderKeepsItsVersion reads an object to its end after it was
// overwritten, deleted, and its segments were compacted; what comes is the
// version that it was opened at.
func TestReaderKeepsItsVersion(t *testing.T) {
	e := smallSegments(t, vfs.NewMem())
	v := e.root()
	want := randomBytes(10<<20, 1)
	put(t, v, "a", want)
	o, err := v.Open(ctx, "a", func(a *Attr) []Range { return []Range{{0, a.Size}} })
	if err != nil {
		t.Fatal(err)
	}
	half := int64(len(want) / 2)
	var got bytes.Buffer
	if _, err := o.WriteRange(&got, Range{0, half}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		put(t, v, "a", randomBytes(9<<20, uint64(i)))
	}
	if _, err := v.Remove(ctx, "a", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	e.collect()
	if _, err := o.WriteRange(&got, Range{half, int64(len(want)) - half}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatal("the reader got other bytes")
	}
	o.Close()
	e.collect()
	if n := e.blobBytes(); n > 4*(4<<20) {
		t.Fatalf("%d bytes taken after the reader ended", n)
	}
}

// TestViewOfDeletedCheckpoint opens a checkpoint again and again while it is
// made, with other contents each time, and deleted: what is read is always
// whole, and a deleted one is never seen under a later one's name.
func TestViewOfDeletedCheckpoint(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	d := v.disk
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p, err := d.View(ctx, Ref{Checkpoint: "c"})
				var a, b []byte
				if err == nil {
					a, _, err = get(p, "a")
				}
				if err == nil {
					b, _, err = get(p, "b")
				}
				if err != nil && !errs.Is(err, errs.NoView) {
					t.Error(err)
					return
				}
				if err == nil && !bytes.Equal(a, b) {
					t.Errorf("a checkpoint with %q and %q", a, b)
					return
				}
			}
		})
	}
	for i := range 150 {
		now := fmt.Append(nil, "round ", i)
		put(t, v, "a", now)
		put(t, v, "b", now)
		if err := d.Checkpoint(ctx, "", "c"); err != nil {
			t.Fatal(err)
		}
		put(t, v, "a", nil)
		mustGet(t, e.view(Ref{Checkpoint: "c"}), "b", now)
		if err := d.DeleteCheckpoint(ctx, "", "c", DeleteOptions{Cascade: true}); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	e.audit(t, testDisk)
}
