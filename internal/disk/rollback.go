package disk

import (
	"context"
	"slices"

	"atoll/internal/errs"
)

// MoveOptions are those of Rollback and Promote.
type MoveOptions struct {
	// Keep names the branch that the state left behind stays reachable as;
	// "": a name is made from the branch's and the time.
	Keep string
	// Force goes ahead although clients hold delegations or open files of
	// the branch: their delegations are revoked, their handles turn stale.
	Force bool
}

// Rollback makes a branch what it was at one of its checkpoints, at the same
// cost whatever it holds. What it was until now becomes a branch of its own,
// which is returned; checkpoints up to the target stay with the branch, later
// ones go with that. Work under way on what was there fails with Stale.
// Delegated: clients work on the branch, and no Force.
func (d *Disk) Rollback(ctx context.Context, branch, checkpoint string, o MoveOptions) (BranchInfo, error) {
	const op = "roll back"
	return d.move(ctx, o, func(t *txn, id ID) (*branchState, error) {
		d.mu.Lock()
		b, p, err := d.pointLocked(op, branch, checkpoint)
		d.mu.Unlock()
		if err == nil {
			err = d.wantNoClients(op, b, o)
		}
		if err != nil {
			return nil, err
		}
		return t.leaveBehind(op, b, p.at, p.files, p, id, o)
	})
}

// Promote makes the present state of a branch the root branch's, at the same
// cost whatever it holds. What the root branch was until now becomes a branch
// of its own, which is returned; the promoted branch stays as it is, and can be
// deleted. Checkpoints of the root branch that the promoted state descends from
// stay with it, the others go with what is left behind. Work under way on the
// root branch fails with Stale. Delegated: clients work on the root branch,
// and no Force.
func (d *Disk) Promote(ctx context.Context, branch string, o MoveOptions) (BranchInfo, error) {
	const op = "promote"
	return d.move(ctx, o, func(t *txn, id ID) (*branchState, error) {
		d.mu.Lock()
		b, err := d.branchLocked(op, branch)
		root := d.nums[rootNum]
		var at level
		var files int64
		var common *point
		if err == nil {
			l := d.layers[b.layer]
			at, files, common = level{layer: l.id, epoch: l.epoch}, l.usage.files, d.commonLocked(root, b)
		}
		d.mu.Unlock()
		if err == nil && b == root {
			err = errs.New(op, RootBranch, errs.Invalid, "this is the root branch")
		}
		if err == nil {
			err = d.wantNoClients(op, root, o)
		}
		if err != nil {
			return nil, err
		}
		return t.leaveBehind(op, root, at, files, common, id, o)
	})
}

// move runs a rollback or a promotion and describes what was left behind.
func (d *Disk) move(ctx context.Context, o MoveOptions, fn func(t *txn, id ID) (*branchState, error)) (BranchInfo, error) {
	if o.Keep != "" {
		if err := CheckRefName(o.Keep); err != nil {
			return BranchInfo{}, err
		}
	}
	var left *branchState
	err := d.withID(ctx, func(t *txn, id ID) (err error) {
		left, err = fn(t, id)
		return err
	})
	if err != nil {
		return BranchInfo{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if left.dying {
		return BranchInfo{}, errs.New("roll back", left.name, errs.NoView, "the state left behind was deleted meanwhile")
	}
	return d.infoLocked(left, d.claimsLocked()), nil
}

// commonLocked returns the last checkpoint of a branch that another one
// descends from; nil: there is none.
func (d *Disk) commonLocked(b, of *branchState) *point {
	for range len(d.nums) {
		p := d.points[of.from]
		if p == nil || p.branch == b {
			return p
		}
		of = p.branch
	}
	return nil
}

// wantNoClients refuses to take the state from a branch's clients without
// Force.
func (d *Disk) wantNoClients(op string, b *branchState, o MoveOptions) error {
	if o.Force {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	busy := false
	for k := range d.delegs {
		busy = busy || k.layer == b.layer
	}
	v := d.views[Ref{Branch: b.name}]
	for k := range d.handles {
		busy = busy || v != nil && k.view == v
	}
	if busy {
		return errs.New(op, b.name, errs.Delegated, "clients hold files of the branch; unmount it, or force it: their unwritten changes are lost then")
	}
	return nil
}

// maxSpans bounds how many spans a branch's row lists. One is added by a
// rollback to a checkpoint that is newer than the last rollback.
const maxSpans = 2000

// leaveBehind gives a branch another head, which begins as a layer is at an
// epoch, and makes a branch of what it had until now. keep is the last of its
// checkpoints that stays with it; nil: none does.
func (t *txn) leaveBehind(op string, b *branchState, at level, files int64, keep *point, id ID, o MoveOptions) (*branchState, error) {
	d := t.g.d
	left, err := t.leftBranch(op, b, keep, id, o.Keep)
	if err != nil {
		return nil, err
	}
	child, err := t.newChild(at, files)
	if err != nil {
		return nil, err
	}
	child.branch = b.num
	now := *b
	now.layer = child.id
	now.spans, left.spans = splitSpans(b, keep)
	now.spans = append(now.spans, headSpan(child.id, 1))
	if len(now.spans) > maxSpans || len(left.spans) > maxSpans {
		return nil, errs.New(op, b.name, errs.TooLarge, "the branch was rolled back too often; delete checkpoints that were made between rollbacks")
	}
	d.mu.Lock()
	head := d.layers[b.layer]
	d.mu.Unlock()
	old := *head
	old.branch = left.num
	if err := t.tx.Set(layerKey(d.id, tabLayer, head.id), old.row()); err != nil {
		return nil, err
	}
	if err := t.tx.Set(branchKey(d.id, b.num), now.row()); err != nil {
		return nil, err
	}
	if err := t.dropClients(head); err != nil {
		return nil, err
	}
	if err := t.writeLayer(child); err != nil {
		return nil, err
	}
	if err := t.addBranch(left); err != nil {
		return nil, err
	}
	t.onCommit(func() { d.leftBehind(b, &now, left, head) })
	return left, nil
}

// leftBranch makes the branch for what a branch leaves behind, all but its
// spans.
func (t *txn) leftBranch(op string, b *branchState, keep *point, id ID, name string) (*branchState, error) {
	d := t.g.d
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := 1; name == "" || n > 1; n++ {
		try := refNameFrom("", b.name, "-before-"+t.g.now.UTC().Format("20060102-150405"), n)
		if d.branches[try] == nil {
			name = try
			break
		}
	}
	if d.branches[name] != nil {
		return nil, errs.New(op, name, errs.Exists, "the disk has a branch of this name")
	}
	left := &branchState{num: d.nextBr + 1, id: id, name: name, layer: b.layer, created: t.g.now, left: true, by: map[string]*point{}}
	if keep != nil {
		left.from = keep.at
	}
	return left, nil
}

// splitSpans parts a branch's spans behind a checkpoint. Spans without
// checkpoints are left out, but for the last one.
func splitSpans(b *branchState, keep *point) (stay, rest []pointSpan) {
	used := func(s pointSpan) bool {
		for _, p := range b.by {
			if s.has(p.at) {
				return true
			}
		}
		return false
	}
	after := keep == nil
	for i, s := range b.spans {
		switch {
		case after:
			if i == len(b.spans)-1 || used(s) {
				rest = append(rest, s)
			}
		case s.has(keep.at):
			after = true
			stay = append(stay, pointSpan{s.layer, s.from, keep.at.epoch})
			later := pointSpan{s.layer, keep.at.epoch + 1, s.to}
			if i == len(b.spans)-1 || used(later) {
				rest = append(rest, later)
			}
		case used(s):
			stay = append(stay, s)
		}
	}
	return stay, rest
}

// leftBehind brings what is kept in memory up to a rollback.
func (d *Disk) leftBehind(b, now, left *branchState, head *layerState) {
	d.mu.Lock()
	head.branch = left.num
	d.dropViewLocked(Ref{Branch: b.name}, true)
	for name, p := range b.by {
		if !slices.ContainsFunc(now.spans, func(s pointSpan) bool { return s.has(p.at) }) {
			d.dropViewLocked(Ref{b.name, name}, true)
			delete(b.by, name)
			p.branch, left.by[name] = left, p
		}
	}
	b.layer, b.spans = now.layer, now.spans
	if b.num == rootNum {
		d.usage.Files = d.layers[b.layer].usage.files
	}
	d.mu.Unlock()
	d.store.jobs.add(job{kind: jobOrphans, disk: d.id, layer: head.id})
}
