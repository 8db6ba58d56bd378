package disk

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"atoll/internal/errs"
)

// DeleteOptions are those of DeleteBranch and DeleteCheckpoint.
type DeleteOptions struct {
	// Cascade deletes also the branches that depend on it, with what depends
	// on those. Without, they make the deletion fail with NotEmpty.
	Cascade bool
}

// dependents is the cause of a NotEmpty: the branches that something was
// not deleted for.
type dependents struct {
	nums []uint32
	text string
}

func (e *dependents) Error() string { return e.text }

// wantNoDependents refuses if branches were forked from a checkpoint that
// which accepts. The committer calls it.
func (d *Disk) wantNoDependents(op, what string, which func(*point) bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := new(dependents)
	var names []string
	for _, b := range d.sortedBranches() {
		if p := d.points[b.from]; p != nil && !b.left && which(p) {
			e.nums = append(e.nums, b.num)
			names = append(names, b.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	const shown = 10
	more := ""
	if n := len(names) - shown; n > 0 {
		names, more = names[:shown], " and "+strconv.Itoa(n)+" more"
	}
	e.text = "branches were forked from it: " + strings.Join(names, ", ") + more + "; delete them first, or with it (cascade)"
	return errs.E(op, what, errs.NotEmpty, e)
}

// cascading runs a deletion; with Cascade it deletes what depends on it first.
func (d *Disk) cascading(ctx context.Context, o DeleteOptions, fn func(t *txn) error) error {
	for first := true; ; first = false {
		err := d.exclusive(ctx, fn)
		var deps *dependents
		if !o.Cascade || !errors.As(err, &deps) {
			if !first && errs.Is(err, errs.NoView) { // it went with what depended on it
				err = nil
			}
			return err
		}
		for _, n := range deps.nums {
			if err := d.deleteBranch(ctx, n, o); err != nil && !errs.Is(err, errs.NoView) {
				return err
			}
		}
	}
}

// DeleteCheckpoint forgets a checkpoint. What only it kept is freed in the
// background. NotEmpty: branches were forked from it, and no Cascade.
func (d *Disk) DeleteCheckpoint(ctx context.Context, branch, name string, o DeleteOptions) error {
	const op = "delete checkpoint"
	return d.cascading(ctx, o, func(t *txn) error {
		d.mu.Lock()
		_, p, err := d.pointLocked(op, branch, name)
		d.mu.Unlock()
		if err == nil {
			err = d.wantNoDependents(op, name, func(q *point) bool { return q == p })
		}
		if err != nil {
			return err
		}
		return t.dropPoint(p)
	})
}

// dropPoint removes a checkpoint.
func (t *txn) dropPoint(p *point) error {
	d := t.g.d
	if err := t.tx.Delete(pointKey(d.id, p.at)); err != nil {
		return err
	}
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.points, p.at)
		delete(p.branch.by, p.name)
		if !p.branch.dying {
			d.dropViewLocked(Ref{p.branch.name, p.name}, false)
		}
	})
	return t.unpin(p.at.layer, p.at.epoch, pinCheckpoint, nil)
}

// DeleteBranch removes a branch with its checkpoints, at once whatever it
// holds; its space comes back in the background. NotEmpty: branches were
// forked from it, and no Cascade. Branches that a rollback or a promotion left
// behind, or that were promoted, keep what they need. The root branch can't be
// deleted.
func (d *Disk) DeleteBranch(ctx context.Context, name string, o DeleteOptions) error {
	if name == RootBranch || name == "" {
		return errs.New("delete branch", RootBranch, errs.Invalid, "the root branch goes with its disk")
	}
	d.mu.Lock()
	b, err := d.branchLocked("delete branch", name)
	num := uint32(0)
	if err == nil {
		num = b.num
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.deleteBranch(ctx, num, o)
}

func (d *Disk) deleteBranch(ctx context.Context, num uint32, o DeleteOptions) error {
	const op = "delete branch"
	return d.cascading(ctx, o, func(t *txn) error {
		d.mu.Lock()
		b := d.nums[num]
		d.mu.Unlock()
		if b == nil || b.dying {
			return errs.New(op, "", errs.NoView, "the branch was deleted")
		}
		if err := d.wantNoDependents(op, b.name, func(p *point) bool { return p.branch == b }); err != nil {
			return err
		}
		return t.deleteBranch(b)
	})
}

// deleteBranch takes name and id from a branch and hides its layer. Its row
// stays while there are checkpoints of it, which a job removes.
func (t *txn) deleteBranch(b *branchState) error {
	d := t.g.d
	d.mu.Lock()
	l := d.layers[b.layer]
	hidden := *l
	origin := d.lonelyOriginLocked(b)
	d.mu.Unlock()
	hidden.hidden, hidden.branch = true, 0
	gone := *b
	gone.dying = true
	jobs := []job{{kind: jobBranch, disk: d.id, layer: layer(b.num)}, {kind: jobLayer, disk: d.id, layer: l.id}}
	for _, j := range jobs {
		if err := t.tx.Set(j.key(), row(0)); err != nil {
			return err
		}
	}
	for _, k := range [][]byte{nameKey(d.id, b.name), branchIDKey(b.id)} {
		if err := t.tx.Delete(k); err != nil {
			return err
		}
	}
	if err := t.tx.Set(branchKey(d.id, b.num), gone.row()); err != nil {
		return err
	}
	if err := t.tx.Set(layerKey(d.id, tabLayer, l.id), hidden.row()); err != nil {
		return err
	}
	if err := t.dropClients(l); err != nil {
		return err
	}
	lo := layerKey(d.id, tabOrphan, l.id)
	if err := t.tx.DeleteRange(lo, afterPrefix(lo)); err != nil {
		return err
	}
	t.onCommit(func() {
		d.mu.Lock()
		l.hidden, l.branch = true, 0
		d.thawLocked(func(k frozenKey) bool { return k.first.layer == l.id || k.last == l.id })
		d.forgetBranchLocked(b)
		d.mu.Unlock()
		for _, j := range jobs {
			d.store.jobs.add(j)
		}
	})
	if origin == nil {
		return nil
	}
	return t.dropPoint(origin)
}

// lonelyOriginLocked returns the checkpoint that was made for a branch when
// it was forked, if it still is for that and no other branch depends on it.
func (d *Disk) lonelyOriginLocked(b *branchState) *point {
	p := d.points[b.from]
	if p == nil || !p.auto || b.left {
		return nil
	}
	for _, o := range d.branches {
		if o != b && o.from == b.from && !o.left {
			return nil
		}
	}
	return p
}

func (d *Disk) forgetBranchLocked(b *branchState) {
	d.dropViewLocked(Ref{Branch: b.name}, false)
	for cp := range b.by {
		d.dropViewLocked(Ref{b.name, cp}, false)
	}
	delete(d.branches, b.name)
	d.store.ids.Delete(b.id)
	b.dying = true
}

// dropClients takes their rights from the clients of a layer.
func (t *txn) dropClients(l *layerState) error {
	d := t.g.d
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		for k := range d.delegs {
			if k.layer == l.id {
				delete(d.delegs, k)
			}
		}
	})
	lo := layerKey(d.id, tabDeleg, l.id)
	return t.tx.DeleteRange(lo, afterPrefix(lo))
}

// pointsAStep is how many checkpoints of a deleted branch one transaction
// removes.
const pointsAStep = 16

// removeBranch removes the checkpoints of a deleted branch, and then its row.
func (d *Disk) removeBranch(ctx context.Context, j job) error {
	num := uint32(j.layer)
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := d.exclusive(ctx, func(t *txn) error {
			d.mu.Lock()
			b := d.nums[num]
			var ps []*point
			if b != nil && b.dying {
				ps = b.sortedPoints()
			}
			d.mu.Unlock()
			more = len(ps) > pointsAStep
			for _, p := range ps[:min(len(ps), pointsAStep)] {
				if err := t.dropPoint(p); err != nil {
					return err
				}
			}
			if more {
				return nil
			}
			if b != nil && b.dying {
				t.onCommit(func() {
					d.mu.Lock()
					defer d.mu.Unlock()
					delete(d.nums, num)
				})
				if err := t.tx.Delete(branchKey(d.id, num)); err != nil {
					return err
				}
			}
			return t.tx.Delete(j.key())
		})
		if err != nil {
			return err
		}
	}
	return nil
}
