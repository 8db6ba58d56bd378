package disk

import (
	"fmt"
	"math/rand/v2"
	"path"
	"testing"

	"atoll/internal/blob"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// smallSegments makes a store whose segments hold 4 MiB.
func smallSegments(t testing.TB, fs vfs.FS) *env {
	t.Helper()
	e := &env{t: t, fs: fs, opts: Options{NoCompaction: true, GatherMax: -1},
		bo: blob.Options{Dir: "blob", FS: fs, PreallocateBytes: -1, SegmentBytes: 4 << 20}}
	e.open()
	t.Cleanup(e.close)
	return e
}

// blobBytes is the size of the segment log's directory.
func (e *env) blobBytes() (n int64) {
	e.t.Helper()
	names, err := e.fs.List("blob")
	if err != nil {
		e.t.Fatal(err)
	}
	for _, name := range names {
		info, err := e.fs.Stat(path.Join("blob", name))
		if err != nil {
			e.t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// collect lets the jobs end and compacts until nothing more comes back.
func (e *env) collect() {
	e.t.Helper()
	for {
		e.waitJobs()
		n, err := e.s.Compact(ctx)
		if err != nil {
			e.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// TestSpaceComesBack overwrites ten times what a store holds, through uploads
// and in place, and watches the directory's size.
func TestSpaceComesBack(t *testing.T) {
	e := smallSegments(t, vfs.NewMem())
	v := e.root()
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{3000, 50_000, 700_000, 3 << 20}
	const files = 12
	var live, written int64
	at := map[int]int64{}
	contents := map[int][]byte{}
	var peak int64
	for round := 0; written < 10*live || round < 4*files; round++ {
		i := rng.IntN(files)
		data := randomBytes(sizes[i%len(sizes)]+rng.IntN(1000), uint64(round))
		put(t, v, fmt.Sprint("d/", i), data)
		live += int64(len(data)) - at[i]
		at[i], contents[i] = int64(len(data)), data
		written += int64(len(data))
		if _, err := e.s.Compact(ctx); err != nil {
			t.Fatal(err)
		}
		peak = max(peak, e.blobBytes())
		// The segments that are open for writing, and one that is moved.
		if limit := 3*live + 6*(4<<20); e.blobBytes() > limit {
			t.Fatalf("round %d: %d bytes for %d live ones", round, e.blobBytes(), live)
		}
	}
	e.collect()
	for i, data := range contents {
		mustGet(t, v, fmt.Sprint("d/", i), data)
	}
	t.Logf("%d bytes live, %d written, at most %d taken, %d at the end", live, written, peak, e.blobBytes())
	for i := range contents {
		if _, err := v.Remove(ctx, fmt.Sprint("d/", i), RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	e.collect()
	if n := e.blobBytes(); n > 4*(4<<20) { // what is open for writing
		t.Fatalf("%d bytes after deleting all", n)
	}
	e.reopen() // seals what was open
	e.fresh(t)
}

// fresh counts what is alive anew, as a start does, and wants no segment left
// of an empty store.
func (e *env) fresh(t testing.TB) {
	t.Helper()
	if err := e.s.recount(ctx); err != nil {
		t.Fatal(err)
	}
	e.collect()
	for _, g := range e.blob.Segments() {
		if g.Payload > 0 {
			t.Errorf("segment %+v is left", g)
		}
	}
}

// TestAbandonedSpaceComesBack gives up uploads of all sizes, staged or not:
// their bytes are garbage without a restart.
func TestAbandonedSpaceComesBack(t *testing.T) {
	e := smallSegments(t, vfs.NewMem())
	v := e.root()
	for round := range 6 {
		for _, n := range []int{10, 5000, 3 << 20, stagedSize} {
			u := startUpload(t, v, n)
			if round%2 == 0 {
				if _, err := u.Commit(ctx, "a/../b", PutOptions{}); err == nil {
					t.Fatal("a bad path was taken")
				}
			}
			u.Abort()
		}
		e.collect()
		if n := e.blobBytes(); n > 6*(4<<20) {
			t.Fatalf("round %d: %d bytes taken", round, n)
		}
	}
	e.audit(t, testDisk)
	if u := v.disk.Usage(); u != (Usage{}) {
		t.Fatalf("usage %+v", u)
	}
	e.reopen()
	e.fresh(t)
}

// TestDeletedDiskSpaceComesBack deletes a disk with branches while another
// stays.
func TestDeletedDiskSpaceComesBack(t *testing.T) {
	e := smallSegments(t, vfs.NewMem())
	v := e.root()
	const other = ID(7)
	if err := e.s.Create(ctx, other, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	o, err := e.s.Disk(ctx, other)
	if err != nil {
		t.Fatal(err)
	}
	ov, err := o.View(ctx, Ref{})
	if err != nil {
		t.Fatal(err)
	}
	keep := randomBytes(2<<20, 3)
	for i := range 6 {
		put(t, v, fmt.Sprint(i), randomBytes(3<<20, 4))
		put(t, ov, fmt.Sprint(i), keep)
	}
	if err := v.disk.Fork(ctx, Ref{}, "b"); err != nil {
		t.Fatal(err)
	}
	u := startUpload(t, v, stagedSize)
	if err := e.s.Delete(ctx, testDisk); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(ctx, "x", PutOptions{}); err == nil {
		t.Fatal("a commit into a deleted disk was acknowledged")
	}
	u.Abort()
	e.collect()
	if rows := e.tables(t, testDisk); rows != "" {
		t.Fatalf("rows left: %s", rows)
	}
	for i := range 6 {
		mustGet(t, ov, fmt.Sprint(i), keep)
	}
	if n := e.blobBytes(); n > 3*6*(2<<20) {
		t.Fatalf("%d bytes taken", n)
	}
	e.audit(t, other)
}

// TestGarbageInFillingSegments checks that what was deleted gives its space
// back although the segments that hold it are far from full.
func TestGarbageInFillingSegments(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	const files = 2 * sealGarbage / extentSize
	for i := range files {
		put(t, v, fmt.Sprintf("f%d", i), randomBytes(extentSize, uint64(i)))
	}
	for i := range files {
		if _, err := v.Remove(ctx, fmt.Sprintf("f%d", i), RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	freed, err := e.s.Compact(ctx)
	if err != nil || freed < files*extentSize {
		t.Fatalf("compaction gave back %d bytes, err %v", freed, err)
	}
}
