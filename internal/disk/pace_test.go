package disk

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestRemoveBranchSteps deletes a branch with many files: it is gone at once,
// and its space comes back in few transactions, each of which frees as much as
// one can.
func TestRemoveBranchSteps(t *testing.T) {
	const files = 400
	e := newEnv(t, nil, Options{NoCompaction: true, GatherMax: -1})
	d := e.root().disk
	put(t, e.root(), "base", randomBytes(5000, 1))
	if err := d.Fork(ctx, Ref{}, "b"); err != nil {
		t.Fatal(err)
	}
	before := d.Usage().Bytes
	v := e.view(Ref{Branch: "b"})
	for i := range files {
		put(t, v, fmt.Sprintf("f%d", i), randomBytes(4096-i%2*4000, uint64(i)))
	}
	put(t, v, "base", randomBytes(5000, 2))
	commits := e.kv.Metrics().Commits
	if err := d.DeleteBranch(ctx, "b", DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if n := e.kv.Metrics().Commits - commits; n > 10 {
		t.Errorf("%d transactions for %d files", n, files)
	}
	if got := d.Usage().Bytes; got != before {
		t.Errorf("%d bytes are left, of the root branch there are %d", got, before)
	}
	e.audit(t, testDisk)
}

// TestJobsRest checks when a job holds back and when its turn ends.
func TestJobsRest(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true, turnSteps: 2})
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	r := newJobRunner(e.s) // one that does not run
	now := time.Unix(1e9, 0)
	if r.holdBack(now) {
		t.Error("a job rests although nobody works")
	}
	e.root()
	for what, do := range map[string]func(){
		"reads":  func() { _, _ = e.root().Stat(ctx, "", false) },
		"writes": func() { put(t, e.root(), "a", []byte("b")) },
	} {
		now = now.Add(2 * busyFor)
		do()
		if !r.holdBack(now) || !r.holdBack(now.Add(busyFor-1)) {
			t.Errorf("a job does not rest although somebody %s", what)
		}
		if r.holdBack(now.Add(busyFor)) {
			t.Errorf("a job rests long after somebody %s", what)
		}
	}
	put(t, e.root(), "a", []byte("c"))
	r.waiters = 1
	if r.holdBack(now) {
		t.Error("a job rests although somebody waits for it")
	}
	r.pace.steps = 0
	r.queue = []job{{}}
	if err := r.rest(ctx, 0); err != nil {
		t.Errorf("the turn ended after a step: %v", err)
	}
	if err := r.rest(ctx, 0); !errors.Is(err, errTurn) {
		t.Errorf("the turn did not end: %v", err)
	}
}

// TestSettleTakesTurns settles two pins by turns of one step each, with more
// extents on the dead list than a step looks at, all of which have to stay.
func TestSettleTakesTurns(t *testing.T) {
	const files = 2*deadRows + 10
	e := newEnv(t, nil, Options{NoCompaction: true, GatherMax: -1, turnSteps: 1})
	v := e.root()
	d := v.disk
	for i := range files {
		put(t, v, fmt.Sprintf("f%d", i), randomBytes(3000, uint64(i)))
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := d.Checkpoint(ctx, "", name); err != nil {
			t.Fatal(err)
		}
		put(t, v, "between", []byte(name))
	}
	for i := range files {
		if _, err := v.Remove(ctx, fmt.Sprintf("f%d", i), RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"b", "c"} {
		if err := d.DeleteCheckpoint(ctx, "", name, DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	r := e.s.jobs
	r.mu.Lock() // once more, both at the same time
	for at := range epoch(2) {
		j := job{kind: jobSettle, disk: testDisk, layer: 1, epoch: 2 + at}
		r.queued[j] = true
		r.queue = append(r.queue, j)
	}
	r.mu.Unlock()
	r.add(job{kind: jobReap, disk: testDisk})
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	mustGet(t, e.view(Ref{Branch: RootBranch, Checkpoint: "a"}), "f7", randomBytes(3000, 7))
	e.audit(t, testDisk)
}
