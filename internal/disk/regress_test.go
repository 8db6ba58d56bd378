package disk

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"atoll/internal/errs"
)

// waitJobs is Store.Wait with an end, for jobs that might never.
func (e *env) waitJobs() {
	e.t.Helper()
	c, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := e.s.Wait(c); err != nil {
		e.t.Fatalf("the background jobs do not end: %v", err)
	}
}

// startUpload writes n bytes of an upload without committing it.
func startUpload(t testing.TB, v *View, n int) *Upload {
	t.Helper()
	return startUploadOf(t, v, randomBytes(n, 9))
}

func startUploadOf(t tester, v *View, data []byte) *Upload {
	t.Helper()
	u, err := v.NewUpload(ctx, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(data); err != nil {
		t.Fatal(err)
	}
	return u
}

// stagedSize is so large that rows are staged before the commit.
const stagedSize = 36 << 20

// TestSettleManyVersions deletes many checkpoints at once, between which many
// rows with names of all lengths changed: more rows than one step looks at,
// and more versions of each than one transaction can remove.
func TestSettleManyVersions(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	d := v.disk
	const rounds = 12
	name := func(i int) string { return strings.Repeat("n", 200-5*i) }
	for r := range rounds {
		for i := range 40 {
			put(t, v, name(i), fmt.Appendf(nil, "%d in round %d", i, r))
		}
		if err := d.Checkpoint(ctx, "", fmt.Sprint("c", r)); err != nil {
			t.Fatal(err)
		}
	}
	for r := range rounds {
		if err := d.DeleteCheckpoint(ctx, "", fmt.Sprint("c", r), DeleteOptions{Cascade: true}); err != nil {
			t.Fatal(err)
		}
	}
	e.waitJobs()
	e.audit(t, testDisk)
	for i := range 40 {
		mustGet(t, v, name(i), fmt.Appendf(nil, "%d in round %d", i, rounds-1))
	}
}

// TestSettleOneRowOfManyVersions is the same for one row with more versions
// than a transaction has room for.
func TestSettleOneRowOfManyVersions(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	for r := range 120 {
		put(t, v, "a", fmt.Append(nil, r))
		if err := v.disk.Checkpoint(ctx, "", fmt.Sprint("c", r)); err != nil {
			t.Fatal(err)
		}
	}
	e.waitJobs()
	for r := range 120 {
		mustGet(t, e.view(Ref{Checkpoint: fmt.Sprint("c", r)}), "a", fmt.Append(nil, r))
	}
	for r := range 120 {
		if err := v.disk.DeleteCheckpoint(ctx, "", fmt.Sprint("c", r), DeleteOptions{Cascade: true}); err != nil {
			t.Fatal(err)
		}
	}
	e.waitJobs()
	e.audit(t, testDisk)
}

// TestAbortAfterBranchIsGone gives a staged upload up when the layer that it
// was staged in has been removed.
func TestAbortAfterBranchIsGone(t *testing.T) {
	for _, restart := range []bool{false, true} {
		e := newEnv(t, nil, Options{NoCompaction: true})
		d := e.root().disk
		if err := d.Fork(ctx, Ref{}, "b"); err != nil {
			t.Fatal(err)
		}
		u := startUpload(t, e.view(Ref{Branch: "b"}), stagedSize)
		if err := d.DeleteBranch(ctx, "b", DeleteOptions{Cascade: true}); err != nil {
			t.Fatal(err)
		}
		e.waitJobs()
		if _, err := u.Commit(ctx, "x", PutOptions{}); !errs.Is(err, errs.NoView) {
			t.Fatalf("commit into a deleted branch: %v", err)
		}
		if restart {
			e.reopen()
		} else {
			u.Abort()
		}
		e.waitJobs()
		e.audit(t, testDisk)
		if u := e.root().disk.Usage(); u.Bytes != 0 {
			t.Fatalf("usage %+v", u)
		}
	}
}

// TestForkOfCheckpointCountsFiles forks a checkpoint whose branch has gained
// and lost files since.
func TestForkOfCheckpointCountsFiles(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	put(t, v, "a", nil)
	put(t, v, "b", nil)
	if err := v.disk.Checkpoint(ctx, "", "c"); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		put(t, v, fmt.Sprint("d/", i), nil)
	}
	if err := v.disk.Fork(ctx, Ref{Checkpoint: "c"}, "f"); err != nil {
		t.Fatal(err)
	}
	e.audit(t, testDisk)
	e.reopen()
	if err := e.root().disk.Fork(ctx, Ref{Checkpoint: "c"}, "g"); err != nil {
		t.Fatal(err)
	}
	e.audit(t, testDisk)
}

// TestDanglingInsideLink puts through a link whose target leads through
// another link to something missing: nothing may be made there.
func TestDanglingInsideLink(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	if _, err := v.MakeDir(ctx, "d", MakeDirOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"outer": "inner/sub", "inner": "d"} {
		if _, err := v.Create(ctx, RootIno, name, NewNode{Type: Symlink, Target: target}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := tryPut(v, "outer/f", nil, PutOptions{})
	wantKind(t, err, errs.Exists)
	_, err = tryPut(v, "outer", nil, PutOptions{})
	wantKind(t, err, errs.Exists)
	put(t, v, "inner/sub/f", nil) // what is missing is named by the path itself
	put(t, v, "outer/g", nil)
	mustGet(t, v, "d/sub/g", nil)
}

// TestQuotaOfStagedUpload puts a file that just fits and whose rows are
// staged: what is staged must not be counted twice. One that does not fit and
// did not say so is refused on the way.
func TestQuotaOfStagedUpload(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	if err := v.disk.SetQuota(ctx, Quota{Bytes: stagedSize}); err != nil {
		t.Fatal(err)
	}
	put(t, v, "a", randomBytes(stagedSize, 1))
	_, err := tryPut(v, "b", []byte("x"), PutOptions{})
	wantKind(t, err, errs.Quota)
	if ok, err := v.Remove(ctx, "a", RemoveOptions{}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	e.waitJobs()
	u, err := v.NewUpload(ctx, -1)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 * stagedSize >> 20 {
		if _, err = u.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	wantKind(t, err, errs.Quota)
	u.Abort()
	e.audit(t, testDisk)
	put(t, v, "b", []byte("x"))
}

// TestQuotaOfFilesOnBranches checks that each branch may have as many files as
// the quota says, whatever the others have.
func TestQuotaOfFilesOnBranches(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	put(t, v, "a", nil)
	if err := v.disk.SetQuota(ctx, Quota{Files: 2}); err != nil {
		t.Fatal(err)
	}
	if err := v.disk.Fork(ctx, Ref{}, "work"); err != nil {
		t.Fatal(err)
	}
	w, err := v.disk.View(ctx, Ref{Branch: "work"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, w, "b", nil)
	_, err = tryPut(w, "c", nil, PutOptions{}) // the root branch has one
	wantKind(t, err, errs.Quota)
	put(t, v, "b", nil)
	if _, err := w.Remove(ctx, "b", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, w, "c", nil) // the root branch has two
	_, err = tryPut(v, "c", nil, PutOptions{})
	wantKind(t, err, errs.Quota)
}

// TestDelegationOfLinkedFile checks that a delegated directory also covers a
// file that has a second name elsewhere, and that a delegation of something
// deleted hinders nobody.
func TestDelegationOfLinkedFile(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	put(t, v, "d/a", []byte("x"))
	d, err := v.Lookup(ctx, RootIno, "d")
	if err != nil {
		t.Fatal(err)
	}
	a, err := v.Lookup(ctx, d.Ino, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Link(ctx, a.Ino, RootIno, "b", 0); err != nil {
		t.Fatal(err)
	}
	if err := v.Delegate(ctx, d.Ino, 5); err != nil {
		t.Fatal(err)
	}
	_, err = v.WriteAt(ctx, a.Ino, []byte("y"), 0, 0)
	wantKind(t, err, errs.Delegated)
	if _, err = v.WriteAt(ctx, a.Ino, []byte("y"), 0, 5); err != nil {
		t.Fatal(err)
	}
	_, err = tryPut(v, "d/new/er", nil, PutOptions{})
	wantKind(t, err, errs.Delegated)
	_, err = v.Remove(ctx, "d/a", RemoveOptions{})
	wantKind(t, err, errs.Delegated)
	put(t, v, "elsewhere", nil)
	c, err := v.Create(ctx, d.Ino, "c", NewNode{Type: File, Client: 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Undelegate(ctx, d.Ino); err != nil {
		t.Fatal(err)
	}
	if err := v.Delegate(ctx, c.Ino, 5); err != nil {
		t.Fatal(err)
	}
	wantKind(t, v.Delegate(ctx, d.Ino, 6), errs.Delegated)
	if err := v.Unlink(ctx, d.Ino, "c", 5); err != nil {
		t.Fatal(err)
	}
	if err := v.Delegate(ctx, d.Ino, 6); err != nil {
		t.Fatal(err)
	}
	e.reopen()
	v = e.root()
	_, err = tryPut(v, "d/x", nil, PutOptions{})
	wantKind(t, err, errs.Delegated)
}

// TestRestage takes checkpoints and forks while uploads are being staged, one
// of which is committed and one given up.
func TestRestage(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	d := v.disk
	put(t, v, "a", []byte("old"))
	up, lost := startUpload(t, v, stagedSize), startUpload(t, v, stagedSize)
	steps := []func() error{
		func() error { return d.Checkpoint(ctx, "", "c1") },
		func() error { return d.Fork(ctx, Ref{}, "f") },
		func() error { return d.Checkpoint(ctx, "", "c2") },
	}
	data := randomBytes(stagedSize, 9)
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		for _, u := range []*Upload{up, lost} {
			if _, err := u.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	lost.Abort()
	if _, err := up.Commit(ctx, "a", PutOptions{}); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat(data, 4)
	mustGet(t, v, "a", want)
	e.audit(t, testDisk)
	old := []Ref{{Checkpoint: "c1"}, {Checkpoint: "c2"}, {Branch: "f"}}
	for _, ref := range old {
		mustGet(t, e.view(ref), "a", []byte("old"))
	}
	if u := d.Usage(); u.Bytes != int64(len(want))+3 {
		t.Fatalf("usage %+v", u)
	}
	if ok, err := v.Remove(ctx, "a", RemoveOptions{}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	e.audit(t, testDisk)
	if u := d.Usage(); u.Bytes != 3 { // no pin came after the commit
		t.Fatalf("usage after removing it: %+v", u)
	}
}

// TestFailedOperationLeavesGroupAlone runs operations in one transaction some
// of which fail after they have written, also over rows that others of the
// group have written.
func TestFailedOperationLeavesGroupAlone(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	a, err := v.Create(ctx, RootIno, "a", NewNode{Type: File})
	if err != nil {
		t.Fatal(err)
	}
	boom := errs.New("test", "", errs.Precondition, "on purpose")
	var ops []*op
	add := func(fail bool, mode uint32) *op {
		o := &op{v: v, done: make(chan struct{}), fn: func(t *txn) error {
			var at Attr
			if err := t.inode(a.Ino, &at); err != nil {
				return err
			}
			at.Mode = mode
			if err := t.store(&at); err != nil || !fail {
				return err
			}
			return boom
		}}
		ops = append(ops, o)
		return o
	}
	good, bad := add(false, 0o600), add(true, 0o777)
	if n := v.disk.committer.commit(ops); n != 2 {
		t.Fatalf("%d operations committed", n)
	}
	if good.err != nil || bad.err != boom {
		t.Fatal(good.err, bad.err)
	}
	if at, err := v.GetAttr(ctx, a.Ino); err != nil || at.Mode != 0o600 {
		t.Fatalf("mode %o, %v", at.Mode, err)
	}
}

// TestGroupBeyondBudget commits more at once than one transaction takes.
func TestGroupBeyondBudget(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	var ops []*op
	for i := range 60 {
		ops = append(ops, &op{v: v, done: make(chan struct{}), fn: func(t *txn) error {
			if i%7 == 0 { // more than what a group keeps in reserve
				for k := range 70 {
					if err := t.tx.Set(idKey(t.disk, tabQuota, uint64(i*100+k)), row(0)); err != nil {
						return err
					}
				}
			}
			_, err := t.makeDirs(RootIno, []string{fmt.Sprint(i)}, 0, 0)
			return err
		}})
	}
	all := ops
	for len(ops) > 0 {
		ops = ops[v.disk.committer.commit(ops):]
	}
	for i, o := range all {
		if o.err != nil {
			t.Fatalf("operation %d: %v", i, o.err)
		}
	}
	if got := listAll(t, v, ListOptions{Delimiter: true}, 100); len(got) != 60 {
		t.Fatalf("%d directories", len(got))
	}
	if u := v.disk.Usage(); u.Files != 60 {
		t.Fatalf("usage %+v", u)
	}
}

// TestAllocatedBytes checks that Attr.Bytes counts what rewriting a chunk
// fills in.
func TestAllocatedBytes(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	a, err := v.Create(ctx, RootIno, "a", NewNode{Type: File})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(150) {
		if _, err := v.WriteAt(ctx, a.Ino, []byte{1}, 100+i*1000, 0); err != nil {
			t.Fatal(err)
		}
	}
	var c chunk
	err = v.read(ctx, func(r *reader) (err error) {
		if err = r.inode(a.Ino, &a); err == nil {
			c, err = r.chunkAt(a.Data, 0)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if a.Bytes != c.covered() {
		t.Fatalf("%d bytes, the chunk has %d", a.Bytes, c.covered())
	}
	zero := int64(1)
	if a, err = v.SetAttr(ctx, a.Ino, SetAttr{Size: &zero}); err != nil || a.Bytes < 0 || a.Bytes > 1 {
		t.Fatalf("%d bytes after cutting, %v", a.Bytes, err)
	}
	e.audit(t, testDisk)
}
