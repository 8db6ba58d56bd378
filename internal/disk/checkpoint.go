package disk

import (
	"context"
	"slices"
	"strings"
	"time"

	"atoll/internal/errs"
)

// CheckpointInfo describes a checkpoint.
type CheckpointInfo struct {
	Name    string
	Branch  string
	Created time.Time
	Files   int64 // files and directories, the root directory not counted
	// Auto tells that it was made for a fork of a branch's present state; it
	// goes when that fork is deleted. Once renamed it is one like others.
	Auto bool
}

func (p *point) info() CheckpointInfo {
	return CheckpointInfo{Name: p.name, Branch: p.branch.name, Created: p.created, Files: p.files, Auto: p.auto}
}

// Checkpoint gives the present state of a branch a name. It costs the same
// whatever the branch holds. Exists: the branch has a checkpoint of the name.
func (d *Disk) Checkpoint(ctx context.Context, branch, name string) error {
	if err := CheckRefName(name); err != nil {
		return err
	}
	return d.exclusive(ctx, func(t *txn) error {
		d.mu.Lock()
		b, err := d.branchLocked("checkpoint", branch)
		taken := err == nil && b.by[name] != nil
		d.mu.Unlock()
		if taken {
			err = errs.New("checkpoint", name, errs.Exists, "the branch has a checkpoint of this name")
		}
		if err != nil {
			return err
		}
		_, err = t.addPoint(b, name, false)
		return err
	})
}

// addPoint makes a checkpoint of a branch's present state.
func (t *txn) addPoint(b *branchState, name string, auto bool) (*point, error) {
	d := t.g.d
	d.mu.Lock()
	l := d.layers[b.layer]
	d.mu.Unlock()
	p := &point{at: level{layer: l.id, epoch: l.epoch}, name: name, created: t.g.now, files: l.usage.files, auto: auto, branch: b}
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.points[p.at], b.by[name] = p, p
	})
	if err := t.tx.Set(pointKey(d.id, p.at), p.row()); err != nil {
		return nil, err
	}
	return p, t.pin(l, pinCheckpoint, nil)
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

// unpin takes back a pin; what only it kept is settled by a job.
func (t *txn) unpin(l layer, e epoch, kind byte, owner []byte) error {
	d := t.g.d
	if err := t.tx.Delete(pinKey(d.id, l, e, kind, owner)); err != nil {
		return err
	}
	d.mu.Lock()
	s := d.layers[l]
	d.mu.Unlock()
	lo := layerEpochKey(d.id, tabPin, l, e)
	_, _, still, err := t.tx.First(lo, afterPrefix(lo))
	if err != nil || still {
		t.onCommit(func() { d.settled(s) }) // one child may be left
		return err
	}
	j := job{kind: jobSettle, disk: d.id, layer: l, epoch: e}
	if err := t.tx.Set(j.key(), row(0)); err != nil {
		return err
	}
	t.onCommit(func() {
		d.mu.Lock()
		s.removePin(e)
		d.thawLocked(func(k frozenKey) bool { return k.first == level{layer: l, epoch: e} })
		d.mu.Unlock()
		d.store.jobs.add(j)
	})
	return nil
}

// GetCheckpoint describes one checkpoint. NoView: there is none of this name.
func (d *Disk) GetCheckpoint(ctx context.Context, branch, name string) (CheckpointInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, p, err := d.pointLocked("get checkpoint", branch, name)
	if err != nil {
		return CheckpointInfo{}, err
	}
	return p.info(), nil
}

// Checkpoints lists a branch's checkpoints by name.
func (d *Disk) Checkpoints(ctx context.Context, branch string) ([]CheckpointInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := d.branchLocked("list checkpoints", branch)
	if err != nil {
		return nil, err
	}
	var out []CheckpointInfo
	for _, p := range b.by {
		out = append(out, p.info())
	}
	slices.SortFunc(out, func(a, b CheckpointInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// RenameCheckpoint gives a checkpoint another name. Exists: it is taken.
func (d *Disk) RenameCheckpoint(ctx context.Context, branch, old, name string) error {
	if err := CheckRefName(name); err != nil {
		return err
	}
	return d.exclusive(ctx, func(t *txn) error {
		d.mu.Lock()
		b, p, err := d.pointLocked("rename checkpoint", branch, old)
		taken := err == nil && name != old && b.by[name] != nil
		d.mu.Unlock()
		if taken {
			err = errs.New("rename checkpoint", name, errs.Exists, "the branch has a checkpoint of this name")
		}
		if err != nil || name == old {
			return err
		}
		now := *p
		now.name, now.auto = name, false
		t.onCommit(func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(b.by, old)
			*p = now
			b.by[name] = p
			d.renameViewLocked(Ref{b.name, old}, Ref{b.name, name})
		})
		return t.tx.Set(pointKey(d.id, p.at), now.row())
	})
}
