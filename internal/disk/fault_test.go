package disk

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"atoll/internal/errs"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var errInjected = errors.New("injected")

// faultyFS fails reads of segments, or writes to them, while told to.
type faultyFS struct {
	reads, writes atomic.Bool
	after         atomic.Int64 // reads that still succeed
}

func (f *faultyFS) String() string { return "faults" }

func (f *faultyFS) MaybeError(op errorfs.Op) error {
	if !strings.HasPrefix(op.Path, "blob") {
		return nil
	}
	switch op.Kind {
	case errorfs.OpFileRead, errorfs.OpFileReadAt:
		if f.reads.Load() && f.after.Add(-1) < 0 {
			return errInjected
		}
	case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpCreate, errorfs.OpFilePreallocate:
		if f.writes.Load() {
			return syscall.ENOSPC
		}
	}
	return nil
}

// TestReadErrors fails reads at every place: a read gives an error or the
// right bytes, and compaction stops and removes nothing.
func TestReadErrors(t *testing.T) {
	f := &faultyFS{}
	e := smallSegments(t, errorfs.Wrap(vfs.NewMem(), f))
	v := e.root()
	contents := map[string][]byte{}
	for i := range 12 {
		k := fmt.Sprint(i)
		contents[k] = randomBytes(1<<20+i, uint64(i))
		put(t, v, k, contents[k])
	}
	for i := range 12 {
		if i%4 != 0 {
			if _, err := v.Remove(ctx, fmt.Sprint(i), RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
			delete(contents, fmt.Sprint(i))
		}
	}
	e.waitJobs()
	e.reopen() // nothing is remembered as read
	v = e.root()
	if err := e.s.recount(ctx); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for n := int64(0); ; n++ {
		f.after.Store(n)
		f.reads.Store(true)
		before := e.blobBytes()
		got, _, err := get(v, "4")
		freed, cerr := e.s.Compact(ctx)
		f.reads.Store(false)
		if err == nil && !bytes.Equal(got, contents["4"]) {
			t.Fatalf("wrong bytes after %d reads", n)
		}
		if cerr == nil {
			break // this many reads are enough
		}
		failed++
		if err != nil && !errors.Is(err, errInjected) || !errors.Is(cerr, errInjected) {
			t.Fatal(err, cerr)
		}
		if after := e.blobBytes(); freed == 0 && after < before {
			t.Fatalf("a compaction that failed removed %d bytes", before-after)
		}
	}
	if failed == 0 {
		t.Fatal("nothing failed")
	}
	e.audit(t, testDisk)
	for k, want := range contents {
		mustGet(t, v, k, want)
	}
}

// TestNoSpace fills the disk: puts and writes say so and leave nothing,
// small ones that need no segment and deletes go on.
func TestNoSpace(t *testing.T) {
	f := &faultyFS{}
	e := smallSegments(t, errorfs.Wrap(vfs.NewMem(), f))
	v := e.root()
	old := randomBytes(300_000, 1)
	a := put(t, v, "a", old)
	put(t, v, "b", old)
	f.writes.Store(true)
	for _, n := range []int{5000, 300_000, stagedSize} {
		_, err := tryPut(v, "a", randomBytes(n, 2), PutOptions{})
		wantKind(t, err, errs.NoSpace)
	}
	_, err := v.WriteAt(ctx, a.Ino, randomBytes(9000, 3), 100, 0)
	wantKind(t, err, errs.NoSpace)
	mustGet(t, v, "a", old)
	put(t, v, "c", []byte("inline"))
	if ok, err := v.Remove(ctx, "b", RemoveOptions{}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	e.audit(t, testDisk)
	if u := v.disk.Usage(); u.Bytes != int64(len(old))+6 || u.Files != 2 {
		t.Fatalf("usage %+v", u)
	}
	f.writes.Store(false)
	put(t, v, "a", randomBytes(stagedSize, 2))
	mustGet(t, v, "a", randomBytes(stagedSize, 2))
	e.audit(t, testDisk)
}
