package disk

import (
	"context"
	"slices"
	"sync/atomic"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// View is a branch, or a checkpoint (then read-only), opened for work. It
// follows its branch's name, and ends with the branch or when that is rolled
// back: then everything fails with NoView or Stale.
type View struct {
	disk     *Disk
	name     atomic.Pointer[Ref] // changes when the branch or checkpoint is renamed
	branch   uint32
	head     *layerState             // of a branch: the layer that is written
	chain    atomic.Pointer[[]level] // shorter when a layer was merged into another
	readOnly bool
	files    int64 // of a checkpoint: how many it has
	gone     atomic.Bool
	moved    atomic.Bool // gone, because the branch shows another state now
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
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.viewLocked(ref)
}

func (d *Disk) viewLocked(ref Ref) (*View, error) {
	if v := d.views[ref]; v != nil {
		return v, nil
	}
	b := d.branches[ref.Branch]
	if b == nil {
		return nil, errs.New("open", ref.String(), errs.NoView, "the disk has no such branch")
	}
	v := &View{disk: d, branch: b.num}
	v.name.Store(&ref)
	if ref.Checkpoint == "" {
		v.head = d.layers[b.layer]
		v.setChain(d.chainLocked(b.layer, maxEpoch))
	} else {
		p := b.by[ref.Checkpoint]
		if p == nil {
			return nil, errs.New("open", ref.String(), errs.NoView, "the disk has no such checkpoint")
		}
		v.readOnly, v.files = true, p.files
		v.setChain(d.chainLocked(p.at.layer, p.at.epoch))
	}
	d.freezeLocked(v.levels())
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
		out = append(out, level{layer: l, epoch: e, slot: d.slotLocked(s)})
		l, e = s.parent, s.parentEpoch
	}
	return out
}

// levels returns the layers that the view shows, its own first. Who reads a
// snapshot asks before it is taken: what a merge has moved by then is in it.
func (v *View) levels() []level { return *v.chain.Load() }

func (v *View) setChain(c []level) { v.chain.Store(&c) }

// shortenLocked leaves a layer out that is gone.
func (v *View) shortenLocked(gone layer) {
	c := v.levels()
	if i := slices.IndexFunc(c, func(l level) bool { return l.layer == gone }); i >= 0 {
		c = slices.Delete(slices.Clone(c), i, i+1)
		for i := range c {
			c[i].frozen = nil
		}
		v.disk.freezeLocked(c)
		v.setChain(c)
	}
}

// dropViewLocked forgets a view and makes work through it fail; moved tells
// that its branch is still there, with another state.
func (d *Disk) dropViewLocked(ref Ref, moved bool) {
	v := d.views[ref]
	if v == nil {
		return
	}
	delete(d.views, ref)
	d.hot.Delete(ref)
	v.moved.Store(moved)
	v.gone.Store(true)
	for k := range d.handles {
		if k.view == v {
			delete(d.handles, k)
		}
	}
}

// renameViewLocked moves a view, if there is one, to another name.
func (d *Disk) renameViewLocked(old, ref Ref) {
	v := d.views[old]
	if v == nil {
		return
	}
	delete(d.views, old)
	d.hot.Delete(old)
	v.name.Store(&ref)
	d.views[ref] = v
	d.hot.Store(ref, v)
}

// Ref returns what the view is opened by now.
func (v *View) Ref() Ref { return *v.name.Load() }

// Disk returns the disk.
func (v *View) Disk() *Disk { return v.disk }

// ReadOnly tells whether the view is of a checkpoint.
func (v *View) ReadOnly() bool { return v.readOnly }

// ended says why a view that is gone can't be used.
func (v *View) ended(op string) error {
	if v.moved.Load() {
		return errs.New(op, v.Ref().String(), errs.Stale, "the branch was rolled back meanwhile; open it again")
	}
	return errs.New(op, v.Ref().String(), errs.NoView, "the branch or checkpoint was deleted")
}

// read runs fn on a snapshot of the view.
func (v *View) read(ctx context.Context, fn func(r *reader) error) error {
	if v.gone.Load() {
		return v.ended("open")
	}
	if v.disk.gone.Load() {
		return errs.New("open", v.disk.id.String(), errs.NoDisk, "the disk was deleted")
	}
	v.disk.store.ops.Add(1)
	at := v.disk.store.rows.commits.Load()
	chain := v.levels()
	return v.disk.store.kv.View(ctx, func(k kv.Reader) error {
		// Again, now that there is a snapshot: what was there when it was
		// taken is whole in it.
		if v.gone.Load() {
			return v.ended("open")
		}
		r := readers.Get().(*reader)
		defer readers.Put(r)
		r.init(k, v.disk.id, chain)
		r.at, r.filters = at, v.disk.store.filters
		if len(chain) > 1 && chain[1].frozen != nil {
			r.frozen = v.disk.store.frozen
		}
		if !v.readOnly {
			r.rows = v.disk.store.rows
		}
		defer r.count()
		return fn(r)
	})
}
