package disk

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/blob"
	"atoll/internal/crashfs"
	"atoll/internal/errs"
	"atoll/internal/kv"
	"atoll/internal/kv/pebblekv"
)

const (
	goldenV2 = "testdata/v2.tgz"
	// goldenRefs was made by the program of format 1: branches and checkpoints
	// with names that new ones may not have.
	goldenRefs = "testdata/v1-refs.tgz"
)

// goldenTables are the tables that format 2 has rows in.
const goldenTables = "abcghlmnopqrstuvwxyz"

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lines(s string) []byte { return bytes.Repeat([]byte(s+" "), 2000) }

// writeGoldenV2 makes a store with rows of every kind, those that are there
// for a moment only included: it is what a power cut leaves.
func writeGoldenV2(t *testing.T) vfs.FS {
	mem := crashfs.New()
	e := newEnv(t, mem, goldenOptions())
	writeTree(t, e)
	e.reopen() // what was written stands in tables now, what follows in the log
	v := e.root()
	d := v.disk
	writeFiles(t, v)
	writeHistory(t, e)
	v = e.root()
	docs, err := v.Stat(ctx, "docs", false)
	must(t, err)
	must(t, v.Delegate(ctx, docs.Ino, 77))
	must(t, d.SetQuota(ctx, Quota{Bytes: 1 << 30, Files: 1000}))

	held := put(t, v, "held", lines("held"))
	must(t, v.Hold(ctx, held.Ino))
	must(t, v.Unlink(ctx, RootIno, "held", 0))
	staged, err := v.NewUpload(ctx, -1)
	must(t, err)
	defer staged.Abort()
	_, err = staged.Write(make([]byte, ChunkSize))
	must(t, err)
	must(t, staged.stage())
	reaped := createMultipart(t, v, "reaped", PutOptions{})
	putPart(t, v, "reaped", reaped, 1, lines("reaped"))
	must(t, d.Fork(ctx, Ref{Branch: "fork"}, "gone"))
	put(t, e.view(Ref{Branch: "gone"}), "gone", lines("gone"))
	must(t, d.DeleteBranch(ctx, "gone", DeleteOptions{}))
	must(t, v.AbortMultipart(ctx, "reaped", reaped))
	return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))}).MemFS
}

// writeFiles makes files of format 2 on a branch.
func writeFiles(t *testing.T, v *View) {
	t.Helper()
	putThree(t, v, "parts")
	putThree(t, v, "parts written")
	a, err := v.Stat(ctx, "parts written", false)
	must(t, err)
	_, err = v.WriteAt(ctx, a.Ino, []byte("written"), 5998, 0)
	must(t, err)
	_, err = v.Copy(ctx, "copy", v, "parts", nil, PutOptions{})
	must(t, err)
	for _, b := range [][]byte{[]byte("first,"), lines("later"), []byte("last")} {
		_, err = v.Append(ctx, "appended", b, PutOptions{})
		must(t, err)
	}
	_, err = v.MakeDir(ctx, "folder/in", MakeDirOptions{})
	must(t, err)
	put(t, v, "folder/in/it", []byte("in it"))
	must(t, v.Rename(ctx, RootIno, "folder", RootIno, "renamed", 0, 0))
	id := createMultipart(t, v, "pending", PutOptions{Mode: 0o600, HasMode: true, UID: 12, GID: 34, Meta: []byte("meta")})
	putPart(t, v, "pending", id, 1, []byte("replaced"))
	putPart(t, v, "pending", id, 1, lines("one"))
	putPart(t, v, "pending", id, 7, []byte("seven"))
}

// writeHistory makes branches and checkpoints of every kind; the root branch
// is left with the same files.
func writeHistory(t *testing.T, e *env) {
	t.Helper()
	d := e.root().disk
	must(t, d.Checkpoint(ctx, "fork", "f1"))
	must(t, d.Fork(ctx, Ref{Branch: "fork", Checkpoint: "f1"}, "deep"))
	put(t, e.view(Ref{Branch: "deep"}), "deep", lines("deep"))
	must(t, d.RenameBranch(ctx, "deep", "renamed"))
	must(t, d.RenameCheckpoint(ctx, "fork", "f1", "f-one"))

	must(t, d.Fork(ctx, Ref{Checkpoint: "cp"}, "rolled"))
	r := e.view(Ref{Branch: "rolled"})
	for _, s := range []string{"r1", "r2", "r3"} {
		put(t, r, "x", lines(s))
		must(t, d.Checkpoint(ctx, "rolled", s))
	}
	put(t, r, "x", lines("kept"))
	_, err := d.Rollback(ctx, "rolled", "r1", MoveOptions{Keep: "kept"})
	must(t, err)
	put(t, e.view(Ref{Branch: "rolled"}), "y", lines("after"))

	must(t, d.Fork(ctx, Ref{}, "now"))
	must(t, d.Checkpoint(ctx, "", "of-old-root"))
	put(t, e.root(), "old", lines("old"))
	put(t, e.view(Ref{Branch: "now"}), "promoted", lines("promoted"))
	_, err = d.Promote(ctx, "now", MoveOptions{Keep: "old-root", Force: true})
	must(t, err)
}

// putThree makes a file of three parts.
func putThree(t *testing.T, v *View, path string) {
	t.Helper()
	id := createMultipart(t, v, path, PutOptions{})
	var parts []Part
	for i, b := range threeParts() {
		parts = append(parts, putPart(t, v, path, id, i+1, b))
	}
	_, err := v.CompleteMultipart(ctx, path, id, parts, PutOptions{})
	must(t, err)
}

func threeParts() [][]byte { return [][]byte{lines("one"), []byte("2"), lines("three")} }

// checkV2 compares the store with what writeGoldenV2 made.
func checkV2(t *testing.T, e *env) {
	t.Helper()
	checkGolden(t, e)
	root, old := e.root(), e.view(Ref{Branch: "old-root"})
	for _, v := range []*View{root, old, e.view(Ref{Branch: "now"}), e.view(Ref{Branch: "old-root", Checkpoint: "of-old-root"})} {
		checkFiles(t, v)
	}
	mustGet(t, root, "promoted", lines("promoted"))
	mustGet(t, old, "old", lines("old"))
	mustGet(t, e.view(Ref{Branch: "renamed"}), "deep", lines("deep"))
	mustGet(t, e.view(Ref{Branch: "renamed"}), "docs/inline.txt", []byte("of the fork"))
	rolled, kept := e.view(Ref{Branch: "rolled"}), e.view(Ref{Branch: "kept"})
	mustGet(t, rolled, "x", lines("r1"))
	mustGet(t, rolled, "y", lines("after"))
	mustGet(t, kept, "x", lines("kept"))
	mustGet(t, e.view(Ref{Branch: "kept", Checkpoint: "r2"}), "x", lines("r2"))
	for _, path := range []string{"held", "reaped", "gone", "old", "pending"} {
		_, _, err := get(root, path)
		wantKind(t, err, errs.NotFound)
	}
	checkPending(t, old)

	d := root.disk
	branches, err := d.Branches(ctx)
	must(t, err)
	var got []string
	for _, b := range branches {
		from := "-"
		if b.From != (Ref{}) {
			from = b.From.String()
		}
		cps, err := d.Checkpoints(ctx, b.Name)
		must(t, err)
		for _, c := range cps {
			from += " " + c.Name
			if c.Auto {
				from += "(auto)"
			}
		}
		got = append(got, b.Name+": "+from)
		if id, ref, err := e.s.Locate(ctx, Address{ID: b.ID}); err != nil || id != testDisk || e.view(ref).Ref() != e.view(Ref{Branch: b.Name}).Ref() {
			t.Errorf("%s is %v of %s, %v", b.ID, ref, id, err)
		}
		if !b.Created.Equal(goldenTime) {
			t.Errorf("%+v", b)
		}
	}
	if all := strings.Join(got, "\n"); all != goldenBranches {
		t.Errorf("branches:\n%s\nwant\n%s", all, goldenBranches)
	}
}

// goldenBranches are all branches: where they began, and their checkpoints.
const goldenBranches = `fork: root.cp f-one
kept: rolled.r1 r2 r3
now: root.fork-now
old-root: root.fork-now of-old-root
renamed: fork.f-one
rolled: root.cp r1
root: - cp fork-now(auto)`

func checkFiles(t *testing.T, v *View) {
	t.Helper()
	whole := bytes.Join(threeParts(), nil)
	mustGet(t, v, "parts", whole)
	mustGet(t, v, "copy", whole)
	copy(whole[5998:], "written")
	mustGet(t, v, "parts written", whole)
	mustGet(t, v, "appended", bytes.Join([][]byte{[]byte("first,"), lines("later"), []byte("last")}, nil))
	mustGet(t, v, "renamed/in/it", []byte("in it"))
}

// checkPending looks at the upload that is under way.
func checkPending(t *testing.T, v *View) {
	t.Helper()
	ups, more, err := v.ListMultipart(ctx, "", "", 0, 10)
	if err != nil || more || len(ups) != 1 {
		t.Fatalf("uploads: %+v, %v", ups, err)
	}
	u := ups[0]
	if o := u.Options; u.Path != "pending" || !u.Started.Equal(goldenTime) || o.Mode != 0o600 || o.UID != 12 || o.GID != 34 || string(o.Meta) != "meta" {
		t.Errorf("upload %+v", u)
	}
	parts, more, err := v.Parts(ctx, "pending", u.ID, 0, 10)
	if err != nil || more || len(parts) != 2 || parts[0].Number != 1 || parts[0].Size != int64(len(lines("one"))) ||
		parts[1].Number != 7 || parts[1].Size != 5 || !bytes.Equal(parts[1].Meta, []byte{7}) {
		t.Errorf("parts %+v, %v", parts, err)
	}
}

// tablesOf tells which tables of the disk have rows, before the store is
// opened.
func (e *env) tablesOf(t *testing.T) (found string) {
	t.Helper()
	e.close()
	e.offline(true, func(k *pebblekv.Store, _ *blob.Store) {
		must(t, k.View(ctx, func(r kv.Reader) error {
			found = ""
			for tab := byte('a'); tab <= 'z'; tab++ {
				lo, hi := tableRange(testDisk, tab)
				it := r.Scan(lo, hi)
				if it.Next() {
					found += string(tab)
				}
				err := it.Err()
				it.Close()
				if err != nil {
					return err
				}
			}
			return nil
		}))
	})
	return found
}

// goldenEnv is a store of testdata that was not opened yet.
func goldenEnv(t *testing.T, path string) *env {
	t.Helper()
	e := &env{t: t, fs: unpackGolden(t, path), opts: goldenOptions(), bo: blob.Options{Dir: "blob", PreallocateBytes: -1}}
	e.bo.FS = e.fs
	t.Cleanup(e.close)
	return e
}

func (e *env) wantClean(t *testing.T) {
	t.Helper()
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
	e.open()
}

// TestFormatV2 opens a store that format 2's first release made, reads all of
// it, and goes on writing to it.
func TestFormatV2(t *testing.T) {
	if *makeGolden {
		packGolden(t, writeGoldenV2(t), goldenV2)
	}
	e := goldenEnv(t, goldenV2)
	if got := e.tablesOf(t); got != goldenTables {
		t.Fatalf("the store has rows in the tables %q, want %q", got, goldenTables)
	}
	e.wantClean(t)
	checkV2(t, e)
	e.reopen()
	must(t, e.s.Wait(ctx))
	checkV2(t, e)
	old := e.view(Ref{Branch: "old-root"})
	finishPending(t, old)
	for _, branch := range []string{"", "fork", "renamed", "rolled", "kept"} {
		e.workOn(t, branch)
	}
	e.wantClean(t)
	mustGet(t, e.view(Ref{Branch: "old-root"}), "pending", append(lines("one"), "seven"...))
	checkFiles(t, e.view(Ref{Branch: "old-root"}))
	checkFiles(t, e.view(Ref{Branch: "now"}))
}

// finishPending completes the upload that is under way.
func finishPending(t *testing.T, v *View) {
	t.Helper()
	ups, _, err := v.ListMultipart(ctx, "", "", 0, 10)
	must(t, err)
	parts, _, err := v.Parts(ctx, "pending", ups[0].ID, 0, 10)
	must(t, err)
	a, err := v.CompleteMultipart(ctx, "pending", ups[0].ID, parts, PutOptions{})
	must(t, err)
	if a.Mode != 0o600 || a.UID != 12 || string(a.Meta) != "meta" {
		t.Errorf("%+v", a)
	}
}

// workOn changes a branch in every way there is, and checks what comes of it,
// also after a restart.
func (e *env) workOn(t *testing.T, branch string) {
	t.Helper()
	d := e.view(Ref{Branch: branch}).disk
	v := e.view(Ref{Branch: branch})
	before := listAll(t, v, ListOptions{}, 100)
	must(t, d.Checkpoint(ctx, branch, "w-cp"))
	put(t, v, "w/replaced", lines("one"))
	putThree(t, v, "w/parts")
	_, err := v.Append(ctx, "w/parts", []byte("and more"), PutOptions{})
	must(t, err)
	must(t, d.Fork(ctx, Ref{Branch: branch}, "w-now"))
	must(t, d.Fork(ctx, Ref{Branch: branch, Checkpoint: "w-cp"}, "w-then"))
	put(t, v, "w/replaced", lines("two"))
	createMultipart(t, v, "w/pending", PutOptions{})
	left, err := d.Rollback(ctx, branch, "w-cp", MoveOptions{Force: true})
	must(t, err)
	must(t, d.RenameBranch(ctx, left.Name, "w-left"))
	put(t, e.view(Ref{Branch: branch}), "w/own", lines("own"))
	if branch != "" {
		_, err = d.Promote(ctx, branch, MoveOptions{Force: true})
		must(t, err)
		mustGet(t, e.root(), "w/own", lines("own"))
	}
	wantKind(t, d.DeleteCheckpoint(ctx, branch, "w-cp", DeleteOptions{}), errs.NotEmpty)
	for range 2 {
		mustGet(t, e.view(Ref{Branch: "w-now"}), "w/parts", append(bytes.Join(threeParts(), nil), "and more"...))
		mustGet(t, e.view(Ref{Branch: "w-left"}), "w/replaced", lines("two"))
		mustGet(t, e.view(Ref{Branch: branch}), "w/own", lines("own"))
		if got := listAll(t, e.view(Ref{Branch: "w-then"}), ListOptions{}, 100); len(got) != len(before) {
			t.Fatalf("%s: %d files at the checkpoint, want %d", branch, len(got), len(before))
		}
		e.wantClean(t)
	}
	d = e.view(Ref{Branch: branch}).disk
	must(t, d.DeleteCheckpoint(ctx, branch, "w-cp", DeleteOptions{Cascade: true}))
	for _, gone := range []string{"w-left", "w-now"} {
		if err := d.DeleteBranch(ctx, gone, DeleteOptions{Cascade: true}); err != nil && !errs.Is(err, errs.NoView) {
			t.Fatal(err)
		}
	}
	_, err = e.view(Ref{Branch: branch}).Remove(ctx, "w/own", RemoveOptions{})
	must(t, err)
	must(t, e.s.Wait(ctx))
	e.wantClean(t)
}

// TestUpgradedStores writes to stores of format 1 in every way of format 2.
func TestUpgradedStores(t *testing.T) {
	t.Run("v1", func(t *testing.T) {
		e := goldenEnv(t, goldenV1)
		e.wantClean(t)
		writeFiles(t, e.root())
		writeHistory(t, e)
		checkFiles(t, e.root())
		e.wantClean(t)
		for _, branch := range []string{"", "fork", "rolled", "kept"} {
			e.workOn(t, branch)
		}
		finishPending(t, e.view(Ref{Branch: "old-root"}))
		checkFiles(t, e.view(Ref{Branch: "old-root"}))
		e.wantClean(t)
	})
	t.Run("names", testOldNames)
}

// testOldNames has branches and checkpoints with names that only format 1
// allowed: they can be looked up, written to, forked from, renamed and deleted.
func testOldNames(t *testing.T) {
	e := goldenEnv(t, goldenRefs)
	e.wantClean(t)
	for at, path := range map[Ref]map[string]string{
		{}:                      {"A/inline": "two", "A/big": "three"},
		{Checkpoint: "CP_1"}:    {"A/inline": "one", "A/big": "one"},
		{Checkpoint: "CP_2"}:    {"A/inline": "two", "A/big": "two"},
		{Branch: "_x-"}:         {"A/inline": "two", "A/big": "two"},
		{Branch: "My_Branch"}:   {"A/inline": "one", "A/own": "own"},
		{"My_Branch", "CP_1"}:   {"A/big": "one", "A/own": "own"},
		{Branch: "Deep_Branch"}: {"A/big": "one", "A/own": "own", "A/deep": "deep"},
	} {
		a, ok := ParseAddress(testDisk.String() + "." + at.String())
		if !ok {
			t.Fatalf("%v can't be addressed", at)
		}
		_, ref, err := e.s.Locate(ctx, a)
		must(t, err)
		for p, want := range path {
			if p != "A/inline" {
				mustGet(t, e.view(ref), p, lines(want))
			} else {
				mustGet(t, e.view(ref), p, []byte(want))
			}
		}
	}
	d := e.root().disk
	wantKind(t, d.Fork(ctx, Ref{}, "New_Branch"), errs.Invalid)
	wantKind(t, d.Checkpoint(ctx, "My_Branch", "CP_9"), errs.Invalid)
	wantKind(t, d.RenameBranch(ctx, "My_Branch", "My_Branch2"), errs.Invalid)
	for _, branch := range []string{"", "My_Branch", "Deep_Branch", "_x-"} {
		e.workOn(t, branch)
	}
	d = e.root().disk
	must(t, d.RenameCheckpoint(ctx, "My_Branch", "CP_1", "cp-1"))
	must(t, d.RenameBranch(ctx, "My_Branch", "my-branch"))
	mustGet(t, e.view(Ref{"my-branch", "cp-1"}), "A/own", lines("own"))
	wantKind(t, d.DeleteBranch(ctx, "my-branch", DeleteOptions{}), errs.NotEmpty)
	must(t, d.DeleteBranch(ctx, "_x-", DeleteOptions{}))
	must(t, d.DeleteBranch(ctx, "Deep_Branch", DeleteOptions{}))
	e.wantClean(t)
	branches, err := e.root().disk.Branches(ctx)
	must(t, err)
	for _, b := range branches {
		if CheckRefName(b.Name) != nil {
			t.Errorf("%s is left, or was made", b.Name)
		}
	}
	must(t, e.root().disk.DeleteBranch(ctx, "my-branch", DeleteOptions{Cascade: true}))
	must(t, e.s.Wait(ctx))
	e.wantClean(t)
}
