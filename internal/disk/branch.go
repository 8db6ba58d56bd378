package disk

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// BranchInfo describes a branch.
type BranchInfo struct {
	Name    string
	ID      ID // its own; the root branch has the disk's
	Created time.Time
	// From is the branch and checkpoint that it was forked from; zero for the
	// root branch.
	From Ref

	Bytes    int64 // contents born in the branch that it still shows
	Retained int64 // contents born in it that only checkpoints and other branches keep
	Files    int64 // files and directories, the root directory not counted
}

// CheckpointInfo describes a checkpoint.
type CheckpointInfo struct {
	Name    string
	Branch  string
	Created time.Time
	Files   int64 // files and directories, the root directory not counted
	// Auto tells that it was made for a fork of a branch's present state; it
	// goes when that fork is deleted.
	Auto bool
}

// DeleteOptions are those of DeleteBranch and DeleteCheckpoint.
type DeleteOptions struct {
	// Cascade deletes also the branches that depend on it, with what depends
	// on those. Without, they make the deletion fail with NotEmpty.
	Cascade bool
}

func checkpointPrefix(id ID, branch uint32) []byte {
	return binary.BigEndian.AppendUint32(tableKey(id, tabCheckpt), branch)
}

func checkpointKey(id ID, branch uint32, name string) []byte {
	return append(checkpointPrefix(id, branch), name...)
}

// maxRefName is how long names of branches and checkpoints may be.
const maxRefName = 63

// CheckRefName tells whether a branch or a checkpoint may have a name: 1 to
// 63 of a-z, A-Z, 0-9, '-' and '_'.
func CheckRefName(name string) error {
	ok := name != "" && len(name) <= maxRefName
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
	}
	if !ok {
		return errs.New("name", name, errs.Invalid, "names of branches and checkpoints are 1 to 63 letters, digits, '-' and '_'")
	}
	return nil
}

// Checkpoint gives the present state of a branch a name. It costs the same
// whatever the branch holds.
func (d *Disk) Checkpoint(ctx context.Context, branch, name string) error {
	if err := CheckRefName(name); err != nil {
		return err
	}
	v, err := d.View(ctx, Ref{Branch: branch})
	if err != nil {
		return err
	}
	return v.alone(ctx, func(t *txn) error {
		k := checkpointKey(t.disk, v.branch, name)
		if _, ok, err := t.tx.Get(k); err != nil || ok {
			if ok {
				err = errs.New("checkpoint", name, errs.Exists, "the branch has a checkpoint of this name")
			}
			return err
		}
		at := t.lay.epoch
		files := t.g.d.layerUsage(t.lay.id).files
		if err := t.tx.Set(k, row(uint64(t.lay.id), uint64(at), uint64(t.g.now.UnixNano()), uint64(files))); err != nil {
			return err
		}
		return t.pin(t.lay, pinCheckpoint, checkpointOwner(v.branch, name))
	})
}

// pin keeps a layer's current epoch for an owner and starts the next one.
func (t *txn) pin(l *layerState, kind byte, owner []byte) error {
	at := l.epoch
	if err := t.tx.Set(pinKey(t.disk, l.id, at, kind, owner), row(0)); err != nil {
		return err
	}
	next := *l
	next.epoch++
	if err := t.tx.Set(layerKey(t.disk, tabLayer, l.id), next.row()); err != nil {
		return err
	}
	d := t.g.d
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		l.epoch = at + 1
		l.addPin(at)
	})
	return nil
}

func (l *layerState) addPin(e epoch) {
	i, there := slices.BinarySearch(l.pins, e)
	if !there {
		l.pins = slices.Insert(slices.Clone(l.pins), i, e)
	}
}

func (l *layerState) removePin(e epoch) {
	if i, there := slices.BinarySearch(l.pins, e); there {
		l.pins = slices.Delete(slices.Clone(l.pins), i, i+1)
	}
}

// Fork makes a branch that begins as from, a branch or a checkpoint, is now.
// It costs the same whatever that holds.
func (d *Disk) Fork(ctx context.Context, from Ref, name string) error {
	if err := CheckRefName(name); err != nil {
		return err
	}
	v, err := d.View(ctx, from)
	if err != nil {
		return err
	}
	o := &op{alone: true, fn: func(t *txn) error {
		if v.gone.Load() {
			return errs.New("fork", from.String(), errs.NoView, "what should be forked was deleted")
		}
		if _, ok, err := t.tx.Get(nameKey(d.id, name)); err != nil || ok {
			if ok {
				err = errs.New("fork", name, errs.Exists, "the disk has a branch of this name")
			}
			return err
		}
		return t.fork(v, name)
	}}
	return d.submit(ctx, o)
}

func (t *txn) fork(v *View, name string) error {
	d := t.g.d
	d.mu.Lock()
	child := &layerState{id: d.nextLyr + 1, epoch: 1, branch: d.nextBr + 1}
	base := d.layers[v.chain[0].layer]
	at := base.epoch
	files := base.usage.files
	if v.readOnly {
		at, files = v.chain[0].epoch, v.files
	}
	d.mu.Unlock()
	base, at, err := t.skipEmpty(base, at)
	if err != nil {
		return err
	}
	child.parent, child.parentEpoch, child.usage.files = base.id, at, files
	b := branchRow{name: name, layer: child.id, created: t.g.now}
	for _, kv := range [][2][]byte{
		{layerKey(d.id, tabLayer, child.id), child.row()},
		{layerKey(d.id, tabUsage, child.id), child.usage.row()},
		{branchKey(d.id, child.branch), b.row()},
		{nameKey(d.id, name), row(uint64(child.branch))},
	} {
		if err := t.tx.Set(kv[0], kv[1]); err != nil {
			return err
		}
	}
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.nextLyr, d.nextBr = child.id, child.branch
		d.layers[child.id] = child
		d.store.filters.newborn(d, child)
		d.branches[name] = &branchState{id: child.branch, name: name, layer: child.id, created: t.g.now}
	})
	if at == base.epoch {
		return t.pin(base, pinChild, childOwner(child.id))
	}
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		base.addPin(at)
	})
	return t.tx.Set(pinKey(d.id, base.id, at, pinChild, childOwner(child.id)), row(0))
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

// Branch describes one branch. NoView: there is none of this name.
func (d *Disk) Branch(ctx context.Context, name string) (BranchInfo, error) {
	bs, err := d.Branches(ctx)
	for _, b := range bs {
		if b.Name == name {
			return b, nil
		}
	}
	if err == nil {
		err = errs.New("get branch", name, errs.NoView, "the disk has no such branch")
	}
	return BranchInfo{}, err
}

// GetCheckpoint describes one checkpoint. NoView: there is none of this name.
func (d *Disk) GetCheckpoint(ctx context.Context, branch, name string) (CheckpointInfo, error) {
	cs, err := d.Checkpoints(ctx, branch)
	for _, c := range cs {
		if c.Name == name {
			return c, nil
		}
	}
	if err == nil {
		err = errs.New("get checkpoint", name, errs.NoView, "the branch has no such checkpoint")
	}
	return CheckpointInfo{}, err
}

// RenameBranch gives a branch another name; its id and all else stay. The
// root branch can't be renamed. Exists: the name is taken.
func (d *Disk) RenameBranch(ctx context.Context, old, name string) error {
	return errs.New("rename branch", old, errs.Unsupported, "not offered yet")
}

// RenameCheckpoint gives a checkpoint another name. Exists: it is taken.
func (d *Disk) RenameCheckpoint(ctx context.Context, branch, old, name string) error {
	return errs.New("rename checkpoint", old, errs.Unsupported, "not offered yet")
}

// Branches lists the disk's branches by name.
func (d *Disk) Branches(context.Context) ([]BranchInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []BranchInfo
	for _, b := range d.branches {
		out = append(out, BranchInfo{Name: b.name, Created: b.created})
	}
	slices.SortFunc(out, func(a, b BranchInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Checkpoints lists a branch's checkpoints by name.
func (d *Disk) Checkpoints(ctx context.Context, branch string) (out []CheckpointInfo, err error) {
	v, err := d.View(ctx, Ref{Branch: branch})
	if err != nil {
		return nil, err
	}
	err = d.store.kv.View(ctx, func(r kv.Reader) error {
		out = out[:0]
		p := checkpointPrefix(d.id, v.branch)
		return eachIn(r, p, afterPrefix(p), func(k, val []byte) error {
			var l, e, created uint64
			if _, err := unrow(val, &l, &e, &created); err != nil {
				return err
			}
			out = append(out, CheckpointInfo{Name: string(k[len(p):]), Branch: v.ref.Branch, Created: time.Unix(0, int64(created))})
			return nil
		})
	})
	return out, err
}

// DeleteCheckpoint forgets a checkpoint. Branches that were forked from it
// keep what they need. What only it kept is freed in the background.
func (d *Disk) DeleteCheckpoint(ctx context.Context, branch, name string, o DeleteOptions) error {
	v, err := d.View(ctx, Ref{Branch: branch})
	if err != nil {
		return err
	}
	return v.alone(ctx, func(t *txn) error {
		k := checkpointKey(t.disk, v.branch, name)
		val, ok, err := t.tx.Get(k)
		if err != nil {
			return err
		}
		if !ok {
			return errs.New("delete checkpoint", name, errs.NoView, "the branch has no such checkpoint")
		}
		var l, e uint64
		if _, err := unrow(val, &l, &e); err != nil {
			return err
		}
		if err := t.tx.Delete(k); err != nil {
			return err
		}
		t.onCommit(func() { d.dropView(Ref{Branch: v.ref.Branch, Checkpoint: name}) })
		return t.unpin(layer(l), epoch(e), pinCheckpoint, checkpointOwner(v.branch, name))
	})
}

// unpin takes back a pin; what only it kept is settled by a job.
func (t *txn) unpin(l layer, e epoch, kind byte, owner []byte) error {
	d := t.g.d
	if err := t.tx.Delete(pinKey(d.id, l, e, kind, owner)); err != nil {
		return err
	}
	lo := layerEpochKey(d.id, tabPin, l, e)
	_, _, still, err := t.tx.First(lo, afterPrefix(lo))
	if err != nil || still {
		return err
	}
	d.mu.Lock()
	s := d.layers[l]
	d.mu.Unlock()
	j := job{kind: jobSettle, disk: d.id, layer: l, epoch: e}
	if err := t.tx.Set(j.key(), row(0)); err != nil {
		return err
	}
	t.onCommit(func() {
		d.mu.Lock()
		s.removePin(e)
		d.mu.Unlock()
		d.store.jobs.add(j)
	})
	return nil
}

// DeleteBranch removes a branch with its checkpoints. Branches forked from it
// keep what they need: then its layer stays, hidden, until they are gone. The
// root branch can't be deleted.
func (d *Disk) DeleteBranch(ctx context.Context, name string, o DeleteOptions) error {
	if name == RootBranch || name == "" {
		return errs.New("delete branch", RootBranch, errs.Invalid, "the root branch goes with its disk")
	}
	cps, err := d.Checkpoints(ctx, name)
	if err != nil {
		return err
	}
	for _, c := range cps {
		if err := d.DeleteCheckpoint(ctx, name, c.Name, o); err != nil && !errs.Is(err, errs.NoView) {
			return err
		}
	}
	v, err := d.View(ctx, Ref{Branch: name})
	if err != nil {
		return err
	}
	return v.alone(ctx, func(t *txn) error { return t.deleteBranch(v, name) })
}

func (t *txn) deleteBranch(v *View, name string) error {
	d := t.g.d
	cp := checkpointPrefix(d.id, v.branch)
	if _, _, ok, err := t.tx.First(cp, afterPrefix(cp)); err != nil || ok {
		if ok {
			err = errs.New("delete branch", name, errs.Stale, "a checkpoint was made meanwhile; try again")
		}
		return err
	}
	hidden := *t.lay
	hidden.hidden, hidden.branch = true, 0
	j := job{kind: jobLayer, disk: d.id, layer: hidden.id}
	for _, k := range [][]byte{branchKey(d.id, v.branch), nameKey(d.id, name)} {
		if err := t.tx.Delete(k); err != nil {
			return err
		}
	}
	if err := t.tx.Set(layerKey(d.id, tabLayer, hidden.id), hidden.row()); err != nil {
		return err
	}
	if err := t.tx.Set(j.key(), row(0)); err != nil {
		return err
	}
	lay := t.lay
	t.onCommit(func() {
		d.mu.Lock()
		delete(d.branches, name)
		lay.hidden, lay.branch = true, 0
		d.mu.Unlock()
		d.dropView(v.ref)
		d.store.jobs.add(j)
	})
	return nil
}
