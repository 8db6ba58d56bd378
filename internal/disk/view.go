package disk

import (
	"context"
	"errors"
	"sync/atomic"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// View is a branch, or a checkpoint (then read-only), opened for work.
type View struct {
	disk     *Disk
	ref      Ref
	branch   uint32
	head     *layerState // of a branch: the layer that is written
	chain    []level
	readOnly bool
	files    int64 // of a checkpoint: how many it has
	gone     atomic.Bool
}

// View opens a point of the disk's history. NoView: there is none of that
// name.
func (d *Disk) View(ctx context.Context, ref Ref) (*View, error) {
	if ref.Branch == "" {
		ref.Branch = RootBranch
	}
	if v, ok := d.hot.Load(ref); ok {
		return v.(*View), nil
	}
	if d.gone.Load() {
		return nil, errs.New("open", d.id.String(), errs.NoDisk, "no such disk")
	}
	if ref.Checkpoint != "" {
		for {
			if v, err := d.checkpointView(ctx, ref); err != errRetry {
				return v, err
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.branches[ref.Branch]
	if b == nil {
		return nil, errs.New("open", ref.String(), errs.NoView, "the disk has no such branch")
	}
	if v := d.views[ref]; v != nil {
		return v, nil
	}
	v := &View{disk: d, ref: ref, branch: b.id, head: d.layers[b.layer]}
	v.chain = d.chainLocked(b.layer, maxEpoch)
	d.views[ref] = v
	d.hot.Store(ref, v)
	return v, nil
}

var errRetry = errors.New("a view was dropped meanwhile")

// checkpointView opens a checkpoint.
func (d *Disk) checkpointView(ctx context.Context, ref Ref) (*View, error) {
	var l, e, created, files uint64
	d.mu.Lock()
	b, drops := d.branches[ref.Branch], d.drops
	d.mu.Unlock()
	missing := errs.New("open", ref.String(), errs.NoView, "the disk has no such checkpoint")
	if b == nil {
		return nil, missing
	}
	err := d.store.kv.View(ctx, func(r kv.Reader) error {
		v, ok, err := r.Get(checkpointKey(d.id, b.id, ref.Checkpoint))
		if err != nil || !ok {
			if err == nil {
				err = missing
			}
			return err
		}
		_, err = unrow(v, &l, &e, &created, &files)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if v := d.views[ref]; v != nil {
		return v, nil
	}
	v := &View{disk: d, ref: ref, branch: b.id, readOnly: true, files: int64(files), chain: d.chainLocked(layer(l), epoch(e))}
	if d.drops != drops { // perhaps this one was deleted since it was read
		return nil, errRetry
	}
	d.views[ref] = v
	d.hot.Store(ref, v)
	return v, nil
}

// chainLocked lists a layer and its ancestors with the epochs to read at.
func (d *Disk) chainLocked(l layer, e epoch) []level {
	var out []level
	for l != 0 {
		s := d.layers[l]
		if s == nil {
			break
		}
		out = append(out, level{l, e, d.slotLocked(s)})
		l, e = s.parent, s.parentEpoch
	}
	return out
}

// dropView forgets a view and makes work through it fail.
func (d *Disk) dropView(ref Ref) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drops++
	v := d.views[ref]
	delete(d.views, ref)
	d.hot.Delete(ref)
	if v != nil {
		v.gone.Store(true)
	}
}

// Ref returns what the view was opened by.
func (v *View) Ref() Ref { return v.ref }

// Disk returns the disk.
func (v *View) Disk() *Disk { return v.disk }

// ReadOnly tells whether the view is of a checkpoint.
func (v *View) ReadOnly() bool { return v.readOnly }

// read runs fn on a snapshot of the view.
func (v *View) read(ctx context.Context, fn func(r *reader) error) error {
	if v.gone.Load() {
		return errs.New("open", v.ref.String(), errs.NoView, "the branch or checkpoint was deleted")
	}
	if v.disk.gone.Load() {
		return errs.New("open", v.disk.id.String(), errs.NoDisk, "the disk was deleted")
	}
	v.disk.store.ops.Add(1)
	at := v.disk.store.rows.commits.Load()
	return v.disk.store.kv.View(ctx, func(k kv.Reader) error {
		// Again, now that there is a snapshot: what was there when it was
		// taken is whole in it.
		if v.gone.Load() {
			return errs.New("open", v.ref.String(), errs.NoView, "the branch or checkpoint was deleted")
		}
		r := readers.Get().(*reader)
		defer readers.Put(r)
		r.init(k, v.disk.id, v.chain)
		r.at, r.filters = at, v.disk.store.filters
		if !v.readOnly {
			r.rows = v.disk.store.rows
		}
		defer r.count()
		return fn(r)
	})
}
