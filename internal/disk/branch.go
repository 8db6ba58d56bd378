package disk

import (
	"context"
	"time"

	"atoll/internal/errs"
)

// BranchInfo describes a branch.
type BranchInfo struct {
	Name    string
	ID      ID // its own; the root branch has the disk's
	Created time.Time
	// From is the branch and checkpoint that it was forked from; of a state
	// that a rollback or a promotion left behind, the last checkpoint that both
	// have. It is zero for the root branch, and where that checkpoint is gone.
	// Of branches of format 1 it may lack the checkpoint.
	From Ref

	// Bytes are the contents born in the branch that it still shows, and those
	// of deleted branches that it reads through, unless an older branch does.
	Bytes    int64
	Retained int64 // contents born in it that only checkpoints and other branches keep
	Files    int64 // files and directories, the root directory not counted
}

// Branch describes one branch. NoView: there is none of this name.
func (d *Disk) Branch(ctx context.Context, name string) (BranchInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := d.branchLocked("get branch", name)
	if err != nil {
		return BranchInfo{}, err
	}
	return d.infoLocked(b, d.claimsLocked()), nil
}

// Branches lists the disk's branches by name.
func (d *Disk) Branches(context.Context) ([]BranchInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	claims := d.claimsLocked()
	var out []BranchInfo
	for _, b := range d.sortedBranches() {
		out = append(out, d.infoLocked(b, claims))
	}
	return out, nil
}

func (d *Disk) infoLocked(b *branchState, claims map[uint32]int64) BranchInfo {
	u := d.layers[b.layer].usage
	return BranchInfo{Name: b.name, ID: b.id, Created: b.created, From: d.fromLocked(b),
		Bytes: u.bytes - u.retained + claims[b.num], Retained: u.retained, Files: u.files}
}

// fromLocked names the checkpoint that a branch began from.
func (d *Disk) fromLocked(b *branchState) Ref {
	if b.from != (level{}) {
		if p := d.points[b.from]; p != nil && !p.branch.dying {
			return Ref{p.branch.name, p.name}
		}
		return Ref{}
	}
	if b.num == rootNum || b.left {
		return Ref{}
	}
	if up := d.layers[d.layers[b.layer].parent]; up != nil { // forked by format 1
		if o := d.nums[up.branch]; o != nil && o != b {
			return Ref{Branch: o.name}
		}
	}
	return Ref{}
}

// rootNum is the number of the branch that a disk is born with.
const rootNum = 1

// claimsLocked gives the bytes of layers of deleted branches to the branches
// that read through them: to the oldest, where there are several.
func (d *Disk) claimsLocked() map[uint32]int64 {
	hidden := false
	for _, l := range d.layers {
		hidden = hidden || l.hidden
	}
	if !hidden {
		return nil
	}
	first := map[layer]uint32{}
	for _, b := range d.branches {
		for l := d.layers[b.layer].parent; l != 0; {
			s := d.layers[l]
			if s == nil {
				break
			}
			if n, ok := first[l]; s.hidden && (!ok || b.num < n) {
				first[l] = b.num
			}
			l = s.parent
		}
	}
	out := map[uint32]int64{}
	for l, n := range first {
		out[n] += d.layers[l].usage.bytes
	}
	return out
}

// Fork makes a branch that begins as from, a branch or a checkpoint, is now.
// It costs the same whatever that holds. Of a branch, it makes a checkpoint
// first, named fork-NAME, which goes when the new branch is deleted.
func (d *Disk) Fork(ctx context.Context, from Ref, name string) error {
	if err := CheckRefName(name); err != nil {
		return err
	}
	return d.withID(ctx, func(t *txn, id ID) error { return t.fork(from, name, id) })
}

func (t *txn) fork(from Ref, name string, id ID) error {
	d := t.g.d
	d.mu.Lock()
	b, err := d.branchLocked("fork", from.Branch)
	var p *point
	if err == nil && from.Checkpoint != "" {
		_, p, err = d.pointLocked("fork", from.Branch, from.Checkpoint)
	}
	taken := d.branches[name] != nil
	d.mu.Unlock()
	if err == nil && taken {
		err = errs.New("fork", name, errs.Exists, "the disk has a branch of this name")
	}
	if err != nil {
		return err
	}
	if p == nil {
		auto := b.freePointName(name)
		if p, err = t.addPoint(b, auto, true); err != nil {
			return err
		}
	}
	child, err := t.newChild(p.at, p.files)
	if err != nil {
		return err
	}
	f := &branchState{num: child.branch, id: id, name: name, layer: child.id, created: t.g.now, from: p.at,
		spans: []pointSpan{headSpan(child.id, 1)}, by: map[string]*point{}}
	if err := t.writeLayer(child); err != nil {
		return err
	}
	return t.addBranch(f)
}

// freePointName finds a name for the checkpoint that a fork makes. It is
// called by the committer, the only one to change names.
func (b *branchState) freePointName(fork string) string {
	for n := 1; ; n++ {
		if name := refNameFrom("fork-", fork, "", n); b.by[name] == nil {
			return name
		}
	}
}

// newChild makes a layer, for a branch that is yet to be, that begins as a
// layer was at an epoch, and pins that. Its row is the caller's to write, with
// writeLayer.
func (t *txn) newChild(at level, files int64) (*layerState, error) {
	d := t.g.d
	d.mu.Lock()
	child := &layerState{id: d.nextLyr + 1, epoch: 1, branch: d.nextBr + 1}
	base := d.layers[at.layer]
	d.mu.Unlock()
	base, e, err := t.skipEmpty(base, at.epoch)
	if err != nil {
		return nil, err
	}
	child.parent, child.parentEpoch, child.usage.files = base.id, e, files
	if e == base.epoch {
		return child, t.pin(base, pinChild, childOwner(child.id))
	}
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		base.addPin(e)
	})
	return child, t.tx.Set(pinKey(d.id, base.id, e, pinChild, childOwner(child.id)), row(0))
}

// writeLayer writes the rows of a new layer.
func (t *txn) writeLayer(l *layerState) error {
	d := t.g.d
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.nextLyr = l.id
		d.layers[l.id] = l
		d.store.filters.newborn(d, l)
	})
	if err := t.tx.Set(layerKey(d.id, tabLayer, l.id), l.row()); err != nil {
		return err
	}
	return t.tx.Set(layerKey(d.id, tabUsage, l.id), l.usage.row())
}

// addBranch writes the rows of a new branch.
func (t *txn) addBranch(b *branchState) error {
	d := t.g.d
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.nextBr = max(d.nextBr, b.num)
		d.branches[b.name], d.nums[b.num] = b, b
	})
	for _, kv := range [][2][]byte{
		{branchKey(d.id, b.num), b.row()},
		{nameKey(d.id, b.name), row(uint64(b.num))},
		{branchIDKey(b.id), located{d.id, b.num}.row()},
	} {
		if err := t.tx.Set(kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

// skipEmpty goes from a layer that holds nothing to its parent, so that
// empty layers do not lengthen chains.
func (t *txn) skipEmpty(l *layerState, at epoch) (*layerState, epoch, error) {
	for l.parent != 0 {
		lo := layerKey(t.disk, tabMeta, l.id)
		_, _, ok, err := t.tx.First(lo, afterPrefix(lo))
		if err != nil {
			return nil, 0, err
		}
		if ok {
			break
		}
		d := t.g.d
		d.mu.Lock()
		l, at = d.layers[l.parent], l.parentEpoch
		d.mu.Unlock()
	}
	return l, at, nil
}

// RenameBranch gives a branch another name; its id and all else stay. The
// root branch can't be renamed. Exists: the name is taken.
func (d *Disk) RenameBranch(ctx context.Context, old, name string) error {
	if err := CheckRefName(name); err != nil {
		return err
	}
	if old == RootBranch || old == "" {
		return errs.New("rename branch", RootBranch, errs.Invalid, "the root branch keeps its name")
	}
	return d.exclusive(ctx, func(t *txn) error {
		d.mu.Lock()
		b, err := d.branchLocked("rename branch", old)
		taken := d.branches[name]
		d.mu.Unlock()
		if err == nil && taken != nil && taken != b {
			err = errs.New("rename branch", name, errs.Exists, "the disk has a branch of this name")
		}
		if err != nil || taken == b {
			return err
		}
		now := *b
		now.name = name
		if err := t.tx.Set(branchKey(d.id, b.num), now.row()); err != nil {
			return err
		}
		if err := t.tx.Delete(nameKey(d.id, old)); err != nil {
			return err
		}
		t.onCommit(func() { d.renamed(b, name) })
		return t.tx.Set(nameKey(d.id, name), row(uint64(b.num)))
	})
}

// renamed gives a branch and its views the name that it has now.
func (d *Disk) renamed(b *branchState, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.branches, b.name)
	d.renameViewLocked(Ref{Branch: b.name}, Ref{Branch: name})
	for cp := range b.by {
		d.renameViewLocked(Ref{b.name, cp}, Ref{name, cp})
	}
	b.name = name
	d.branches[name] = b
}
