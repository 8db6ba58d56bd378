package disk

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// rollBack rolls the root branch back and deletes what is left behind.
func rollBack(t tester, d *Disk, point string) {
	t.Helper()
	left, err := d.Rollback(ctx, "", point, MoveOptions{})
	must(t, err)
	must(t, d.DeleteBranch(ctx, left.Name, DeleteOptions{}))
}

// TestReplacedAfterRollback replaces everything after a rollback whose left
// behind state is deleted: the space comes back while the branch lives, as soon
// as no checkpoint needs it.
func TestReplacedAfterRollback(t *testing.T) {
	e := smallSegments(t, vfs.NewMem())
	v := e.root()
	d := v.disk
	const files = 40
	data := func(f, round int) []byte { return randomBytes([]int{100, 3000, 70_000}[f%3]+f, uint64(round*files+f)) }
	fill := func(round int) {
		for f := range files {
			put(t, e.root(), fmt.Sprint("d/f", f), data(f, round))
		}
	}
	fill(0)
	must(t, d.Checkpoint(ctx, "", "base"))
	fill(1)
	rollBack(t, d, "base")
	must(t, d.Checkpoint(ctx, "", "before"))
	fill(2)
	_, err := e.root().Remove(ctx, "d/f1", RemoveOptions{})
	must(t, err)
	must(t, d.Checkpoint(ctx, "", "after"))
	must(t, d.DeleteCheckpoint(ctx, "", "base", DeleteOptions{}))
	held := e.view(Ref{Checkpoint: "before"})
	e.audit(t, testDisk)
	for _, v := range []*View{e.root(), held} {
		if len(v.levels()) != 1 {
			t.Fatalf("%v reads %d layers", v.Ref(), len(v.levels()))
		}
	}
	for f := range files {
		mustGet(t, held, fmt.Sprint("d/f", f), data(f, 0))
	}
	changes, _, err := d.Diff(ctx, Ref{Checkpoint: "before"}, Ref{}, DiffOptions{Limit: 2 * files})
	if err != nil || len(changes) != files {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
	if changes, _, err := d.Diff(ctx, Ref{Checkpoint: "after"}, Ref{}, DiffOptions{}); err != nil || len(changes) != 0 {
		t.Fatalf("changes %v, %v", changes, err)
	}
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
	e.open()
	d = e.root().disk
	for _, c := range []string{"before", "after"} {
		must(t, d.DeleteCheckpoint(ctx, "", c, DeleteOptions{}))
	}
	e.collect()
	e.audit(t, testDisk)
	var want int64
	for f := range files {
		if f != 1 {
			want += int64(len(data(f, 2)))
			mustGet(t, e.root(), fmt.Sprint("d/f", f), data(f, 2))
		}
	}
	b, err := d.Branch(ctx, "")
	if u := d.Usage(); err != nil || u.Bytes != want || b.Bytes != want || b.Retained != 0 || u.Files != files {
		t.Fatalf("usage %+v, branch %+v, %v; want %d bytes", u, b, err, want)
	}
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}

// TestManyRollbacks rolls back again and again, and deletes what is left
// behind: chains do not grow.
func TestManyRollbacks(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	d := e.root().disk
	for i := range 50 {
		put(t, e.root(), fmt.Sprint("f", i%7), randomBytes(3000, uint64(i)))
		point := fmt.Sprint("c", i)
		must(t, d.Checkpoint(ctx, "", point))
		put(t, e.root(), "lost", randomBytes(3000, uint64(i)))
		rollBack(t, d, point)
		if i%3 > 0 {
			must(t, d.DeleteCheckpoint(ctx, "", point, DeleteOptions{}))
		}
	}
	for i := 0; i < 50; i += 3 {
		must(t, d.DeleteCheckpoint(ctx, "", fmt.Sprint("c", i), DeleteOptions{}))
	}
	e.audit(t, testDisk)
	if n := len(e.root().levels()); n != 1 || len(d.layers) != 1 {
		t.Fatalf("%d layers, the root branch reads %d", len(d.layers), n)
	}
	for f := range 7 {
		mustGet(t, e.root(), fmt.Sprint("f", f), randomBytes(3000, uint64(43+(f+6)%7)))
	}
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}

// TestThinChildWaits checks that a large layer stays while its child has few
// rows, and goes when that has grown.
func TestThinChildWaits(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true, uniteRows: 10})
	d := e.root().disk
	for i := range 60 {
		put(t, e.root(), fmt.Sprint("f", i), randomBytes(3000, uint64(i)))
	}
	must(t, d.Checkpoint(ctx, "", "c"))
	rollBack(t, d, "c")
	must(t, d.DeleteCheckpoint(ctx, "", "c", DeleteOptions{}))
	e.audit(t, testDisk)
	if n := len(e.root().levels()); n != 2 {
		t.Fatalf("the branch reads %d layers", n)
	}
	for i := range 60 {
		put(t, e.root(), fmt.Sprint("f", i), randomBytes(3001, uint64(i)))
	}
	e.audit(t, testDisk)
	if n := len(e.root().levels()); n != 1 || d.Usage().Bytes != 60*3001 {
		t.Fatalf("the branch reads %d layers; usage %+v", n, d.Usage())
	}
}

// TestWritersDuringMerge writes, reads and forks while layers are merged.
func TestWritersDuringMerge(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true, turnSteps: 1})
	d := e.root().disk
	const files, rounds = 60, 4
	for round := range rounds {
		for f := range files {
			put(t, e.root(), fmt.Sprint("f", f), randomBytes(2500+f, uint64(round)))
		}
		must(t, d.Checkpoint(ctx, "", "c"))
		rollBack(t, d, "c")
		must(t, d.DeleteCheckpoint(ctx, "", "c", DeleteOptions{}))
		v := e.root()
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				for f := w; f < files; f += 3 {
					name := fmt.Sprint("f", f)
					got, _, err := get(v, name)
					if err != nil || digest(got) != digest(randomBytes(2500+f, uint64(round))) {
						t.Errorf("%s: %d bytes, %v", name, len(got), err)
					}
					if f%2 == 0 {
						_, err = v.Remove(ctx, name, RemoveOptions{})
					} else {
						_, err = tryPut(v, name, randomBytes(2600+f, uint64(round)), PutOptions{})
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		fork := fmt.Sprint("fork", round)
		must(t, d.Fork(ctx, Ref{}, fork))
		wg.Wait()
		if round%2 == 0 {
			must(t, d.DeleteBranch(ctx, fork, DeleteOptions{}))
		}
		e.audit(t, testDisk)
		for f := 1; f < files; f += 2 {
			mustGet(t, v, fmt.Sprint("f", f), randomBytes(2600+f, uint64(round)))
		}
	}
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}

// uniteScript rolls back, deletes what is left behind and replaces some of
// what was there, with checkpoints before and after.
func uniteScript() []crashStep {
	base, early, late, left := Ref{RootBranch, "base"}, Ref{RootBranch, "early"}, Ref{RootBranch, "late"}, Ref{Branch: "left"}
	point := func(ref Ref) crashStep {
		return stepDisk("checkpoint", func(d *Disk) error { return d.Checkpoint(ctx, "", ref.Checkpoint) },
			func(w world) { w[ref] = maps.Clone(w[rootRef]) })
	}
	unpoint := func(ref Ref) crashStep {
		return stepDisk("delete checkpoint", func(d *Disk) error { return d.DeleteCheckpoint(ctx, "", ref.Checkpoint, DeleteOptions{}) },
			func(w world) { delete(w, ref) })
	}
	var steps []crashStep
	for i := range 24 {
		steps = append(steps, stepPut(rootRef, fmt.Sprint("d/", i), []int{100, 5000}[i%2], uint64(i)))
	}
	return append(steps, point(base),
		stepPut(rootRef, "d/1", 6000, 100),
		stepDisk("roll back", func(d *Disk) error {
			_, err := d.Rollback(ctx, "", "base", MoveOptions{Keep: "left"})
			return err
		}, func(w world) { w[left], w[rootRef] = w[rootRef], maps.Clone(w[base]) }),
		stepPut(rootRef, "d/2", 6000, 101),
		point(early),
		stepPut(rootRef, "d/3", 6000, 102),
		stepRemove(rootRef, "d/5"),
		point(late),
		stepDisk("delete what was left", func(d *Disk) error { return d.DeleteBranch(ctx, "left", DeleteOptions{}) }, func(w world) { delete(w, left) }),
		unpoint(base),
		stepQuiet("merge", (*env).waitJobs),
		stepPut(rootRef, "d/7", 6000, 103),
		unpoint(early),
		stepQuiet("settle", (*env).waitJobs),
		unpoint(late),
		stepQuiet("settle", (*env).waitJobs),
	)
}

func TestPowerCutsOfMerges(t *testing.T) { runPowerCuts(t, uniteScript(), true, 30) }
