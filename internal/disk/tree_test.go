package disk

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"atoll/internal/blob"
	"atoll/internal/errs"
	"atoll/internal/kv"
	"atoll/internal/kv/pebblekv"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestWritersDuringRollback writes files while the branch is rolled back and
// others are promoted again and again. What was acknowledged is on the branch
// or in a state that was left behind; what was refused is nowhere.
func TestWritersDuringRollback(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	d := e.root().disk
	for _, c := range []func() error{
		func() error { return d.Checkpoint(ctx, "", "base") },
		func() error { return d.Fork(ctx, Ref{Checkpoint: "base"}, "other") },
	} {
		if err := c(); err != nil {
			t.Fatal(err)
		}
	}
	const writers, rounds = 4, 25
	stop := make(chan struct{})
	var wg sync.WaitGroup
	acked := make([][]string, writers)
	refused := make([][]string, writers)
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("w%d-%d", w, i)
				v, err := d.View(ctx, Ref{})
				if err == nil {
					_, err = tryPut(v, name, randomBytes(10+3000*(i%2), uint64(i)), PutOptions{})
				}
				switch {
				case err == nil:
					acked[w] = append(acked[w], name)
				case errs.Is(err, errs.Stale):
					refused[w] = append(refused[w], name)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range rounds {
		var err error
		if i%2 == 0 {
			_, err = d.Rollback(ctx, "", "base", MoveOptions{})
		} else {
			_, err = d.Promote(ctx, "other", MoveOptions{})
		}
		if err != nil {
			t.Error(err)
		}
		put(t, e.view(Ref{Branch: "other"}), "here", fmt.Append(nil, i))
	}
	close(stop)
	wg.Wait()
	seen := map[string]int{}
	for ref, files := range worldOf(t, e) {
		if ref.Checkpoint == "" && ref.Branch != "other" {
			for name := range files {
				seen[name]++
			}
		}
	}
	for w := range writers {
		for _, name := range acked[w] {
			if seen[name] != 1 {
				t.Fatalf("%s was acknowledged and is in %d branches", name, seen[name])
			}
		}
		for _, name := range refused[w] {
			if seen[name] != 0 {
				t.Fatalf("%s was refused and is there", name)
			}
		}
	}
	e.audit(t, testDisk)
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}

// TestRollbackTakesClients checks what becomes of delegations, open files and
// files without a name when their branch is rolled back.
func TestRollbackTakesClients(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	d := v.disk
	put(t, v, "dir/kept", randomBytes(5000, 1))
	if err := d.Checkpoint(ctx, "", "cp"); err != nil {
		t.Fatal(err)
	}
	a := put(t, v, "dir/open", randomBytes(100_000, 2))
	if err := v.Hold(ctx, a.Ino); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Remove(ctx, "dir/open", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := d.Rollback(ctx, "", "cp", MoveOptions{})
	wantKind(t, err, errs.Delegated)
	dir, err := v.Stat(ctx, "dir", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Delegate(ctx, dir.Ino, 5); err != nil {
		t.Fatal(err)
	}
	left, err := d.Rollback(ctx, "", "cp", MoveOptions{Force: true, Keep: "before"})
	if err != nil || left.Name != "before" || left.From != (Ref{RootBranch, "cp"}) {
		t.Fatalf("left %+v, %v", left, err)
	}
	_, err = v.WriteAt(ctx, a.Ino, []byte("late"), 0, 5)
	wantKind(t, err, errs.Stale)
	wantKind(t, v.Unhold(ctx, a.Ino), errs.Stale)
	if err := e.s.Wait(ctx); err != nil { // what was open without a name is freed
		t.Fatal(err)
	}
	for _, ref := range []Ref{{}, {Branch: "before"}} {
		put(t, e.view(ref), "dir/new", []byte("the delegation is gone"))
		_, err := e.view(ref).GetAttr(ctx, a.Ino)
		wantKind(t, err, errs.Stale)
	}
	e.audit(t, testDisk)
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}

// TestTrimWhilePinsGo deletes the checkpoints of a layer that was left behind
// and deleted, so that they go while it is trimmed: all of it comes back.
func TestTrimWhilePinsGo(t *testing.T) {
	e := smallSegments(t, vfs.NewMem())
	d := e.root().disk
	const rounds, files = 6, 40
	for r := range rounds {
		for f := range files {
			put(t, e.root(), fmt.Sprint("f", f), randomBytes(3000+f, uint64(r*files+f)))
		}
		if err := d.Checkpoint(ctx, "", fmt.Sprint("c", r)); err != nil {
			t.Fatal(err)
		}
	}
	for f := range files {
		put(t, e.root(), fmt.Sprint("f", f), randomBytes(4000, uint64(f)))
	}
	staged := startUpload(t, e.root(), stagedSize)
	if _, err := d.Rollback(ctx, "", "c4", MoveOptions{Keep: "left"}); err != nil {
		t.Fatal(err)
	}
	_, err := staged.Commit(ctx, "late", PutOptions{})
	wantKind(t, err, errs.Stale)
	staged.Abort()
	if err := d.DeleteBranch(ctx, "left", DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []int{4, 1, 3, 0, 2} {
		if err := d.DeleteCheckpoint(ctx, "", fmt.Sprint("c", r), DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	e.collect()
	e.audit(t, testDisk)
	var want int64
	for f := range files {
		want += int64(3000 + f)
	}
	b, err := d.Branch(ctx, "")
	if u := d.Usage(); err != nil || u.Bytes != want || b.Bytes != want || b.Retained != 0 || u.Files != files {
		t.Fatalf("usage %+v, branch %+v, %v; want %d bytes", u, b, err, want)
	}
	for f := range files {
		mustGet(t, e.root(), fmt.Sprint("f", f), randomBytes(3000+f, uint64(4*files+f)))
	}
	e.reopen()
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}

// rowsOf counts all rows of the store.
func (e *env) rowsOf(t *testing.T) (n int) {
	t.Helper()
	err := e.kv.View(ctx, func(r kv.Reader) error {
		n = 0
		return eachIn(r, []byte{0}, []byte{0xff}, func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHistoryCostsTheSame makes checkpoints, forks, rollbacks and promotions of
// a small and of a larger tree: the same rows come, and no contents. When all is
// deleted again, all is as it was.
func TestHistoryCostsTheSame(t *testing.T) {
	var rows [2][]int
	for i, files := range []int{3, 600} {
		e := newEnv(t, nil, Options{NoCompaction: true})
		v := e.root()
		d := v.disk
		var bulk []BulkFile
		for n := range files {
			bulk = append(bulk, BulkFile{Name: fmt.Sprint("f", n), Data: []byte("contents"), Mode: 0o644})
		}
		if err := v.BulkCreate(ctx, RootIno, bulk); err != nil {
			t.Fatal(err)
		}
		put(t, v, "large", randomBytes(100_000, 1))
		if err := d.Checkpoint(ctx, "", "first"); err != nil { // from here on changes are noted
			t.Fatal(err)
		}
		before, used := e.rowsOf(t), d.Usage()
		for _, step := range []func() error{
			func() error { return d.Checkpoint(ctx, "", "second") },
			func() error { return d.Fork(ctx, Ref{}, "a") },
			func() error { return d.Fork(ctx, Ref{Branch: "a"}, "b") },
			func() error { _, err := d.Rollback(ctx, "", "first", MoveOptions{Keep: "l1"}); return err },
			func() error { _, err := d.Promote(ctx, "b", MoveOptions{Keep: "l2"}); return err },
		} {
			was := e.rowsOf(t)
			if err := step(); err != nil {
				t.Fatal(err)
			}
			if d.Usage() != used {
				t.Fatalf("usage %+v, was %+v", d.Usage(), used)
			}
			rows[i] = append(rows[i], e.rowsOf(t)-was)
		}
		for _, b := range []string{"b", "a", "l1", "l2"} {
			if err := d.DeleteBranch(ctx, b, DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.s.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		// The head's layer hangs on the first one: its row, usage and pin, the job
		// that waits for it and one of the usage that was not there.
		if now := e.rowsOf(t); now > before+5 || d.Usage() != used {
			t.Errorf("%d rows, there were %d; usage %+v, was %+v", now, before, d.Usage(), used)
		}
		e.audit(t, testDisk)
	}
	if fmt.Sprint(rows[0]) != fmt.Sprint(rows[1]) {
		t.Errorf("rows of each step: %v with few files, %v with many", rows[0], rows[1])
	}
}

// TestLocate finds disks and branches by all forms of addresses, also after a
// restart, a rename and the deletion of the disk.
func TestLocate(t *testing.T) {
	e := newEnv(t, nil, Options{})
	d := e.root().disk
	if err := d.Fork(ctx, Ref{}, "dev"); err != nil {
		t.Fatal(err)
	}
	dev, err := d.Branch(ctx, "dev")
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, e.s.Create(ctx, dev.ID, CreateOptions{}), errs.Exists)
	find := func(addr string, want Ref) {
		t.Helper()
		a, ok := ParseAddress(addr)
		if !ok || a.String() != addr {
			t.Fatalf("%s is read as %v", addr, a)
		}
		if id, ref, err := e.s.Locate(ctx, a); err != nil || id != testDisk || ref != want {
			t.Fatalf("%s is %v of %v, %v; want %v", addr, ref, id, err, want)
		}
	}
	for range 2 {
		find(testDisk.String(), Ref{})
		find(testDisk.String()+".dev", Ref{Branch: "dev"})
		find(dev.ID.String(), Ref{Branch: "dev"})
		find(dev.ID.String()+".root.fork-dev", Ref{RootBranch, "fork-dev"})
		e.reopen()
	}
	if err := e.root().disk.RenameBranch(ctx, "dev", "new"); err != nil {
		t.Fatal(err)
	}
	find(dev.ID.String(), Ref{Branch: "new"})
	_, _, err = e.s.Locate(ctx, Address{ID: 99})
	wantKind(t, err, errs.NoDisk)
	if err := e.s.Delete(ctx, testDisk); err != nil {
		t.Fatal(err)
	}
	_, _, err = e.s.Locate(ctx, Address{ID: dev.ID})
	wantKind(t, err, errs.NoDisk)
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if n := e.rowsOf(t); n != 0 {
		t.Fatalf("%d rows are left", n)
	}
}

// TestRefNames checks the rule of new names, and that names that format 1
// allowed can still be addressed.
func TestRefNames(t *testing.T) {
	long := strings.Repeat("a", maxRefName)
	for name, ok := range map[string]bool{"a": true, "0-9": true, "my-branch": true, long: true, "": false, long + "a": false,
		"-a": false, "a-": false, "A": false, "a_b": false, "a.b": false, "ä": false} {
		if err := CheckRefName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, old := range []string{"My_Branch", "-", "_x-"} {
		if _, ok := ParseAddress(testDisk.String() + "." + old); !ok {
			t.Errorf("%q can't be addressed", old)
		}
		for _, prefix := range []string{"fork-", ""} {
			for _, n := range []int{1, 2, 10} {
				if made := refNameFrom(prefix, old, "-before-1", n); CheckRefName(made) != nil {
					t.Errorf("made %q of %q", made, old)
				}
			}
		}
	}
	if made := refNameFrom("fork-", long, "", 2); CheckRefName(made) != nil || !strings.HasSuffix(made, "-2") {
		t.Errorf("made %q", made)
	}
}

// stopping fails all updates after the first few.
type stopping struct {
	kv.Store
	left int
}

func (s *stopping) Update(c context.Context, fn func(kv.Txn) error) error {
	if s.left--; s.left < 0 {
		return errs.New("update", "", errs.Canceled, "stopped")
	}
	return s.Store.Update(c, fn)
}

// TestUpgradeStopped stops the upgrade of a store of format 1 after each of its
// transactions; the next start finishes it.
func TestUpgradeStopped(t *testing.T) {
	done := false
	for n := 0; !done; n++ {
		e := newEnv(t, unpackGolden(t, goldenV1), goldenOptions())
		e.close()
		e = &env{t: t, fs: unpackGolden(t, goldenV1), opts: goldenOptions(), bo: e.bo}
		e.bo.FS = e.fs
		e.offline(false, func(k *pebblekv.Store, _ *blob.Store) {
			s := &Store{kv: &stopping{k, n}}
			err := s.upgrade(ctx, testDisk)
			if done = err == nil; !done {
				wantKind(t, err, errs.Canceled)
			}
		})
		if _, found := e.check(false, nil); done && len(found) > 0 {
			t.Fatal(found)
		}
		e.open()
		checkGolden(t, e)
		fork, err := e.root().disk.Branch(ctx, "fork")
		if err != nil || fork.ID == 0 || fork.From != (Ref{RootBranch, "cp"}) {
			t.Fatalf("%+v, %v", fork, err)
		}
		root, err := e.root().disk.Branch(ctx, "")
		if err != nil || root.ID != testDisk || root.Retained == 0 {
			t.Fatalf("%+v, %v", root, err)
		}
		wantKind(t, e.root().disk.DeleteCheckpoint(ctx, "", "cp", DeleteOptions{}), errs.NotEmpty)
		if _, found := e.check(false, nil); len(found) > 0 {
			t.Fatalf("after %d steps: %v", n, found)
		}
	}
}
