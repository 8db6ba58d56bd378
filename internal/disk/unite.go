package disk

import (
	"context"
	"encoding/binary"
	"errors"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// A hidden layer that has been trimmed and whose only pin is that of a child,
// the head of a branch, is merged into it: its rows move to epoch 1 of the
// child, row by row, the child hangs on its parent, and it is gone. So what a
// branch was before it was rolled back is freed as the branch replaces it, and
// chains of layers do not grow with every rollback.
//
// Epoch 1 is the place for what a child begins with: nobody reads a layer at an
// earlier one, and where the child has a version of that epoch itself, nobody
// sees the parent's. Rows move one by one, each with the extents it names: at
// every moment the child's views show what they did.

const (
	// uniteRows is how many rows a layer is merged with at once. A larger one
	// waits until its child has at least a uniteShare-th as many.
	uniteRows  = 20_000
	uniteShare = 4
	// uniteLook is how many rows the child gets before they are counted
	// again, at least.
	uniteLook = 1000
)

// errNotUnited ends the merging of a layer that another child needs now, or
// whose child is no branch's any more.
var errNotUnited = errors.New("the layer has not just one child")

// soleChild returns the child that a hidden layer can be merged into; nil:
// there is none.
func (d *Disk) soleChild(r kv.Reader, p *layerState) (*layerState, error) {
	d.mu.Lock()
	able := p.hidden && len(p.pins) == 1 && d.layers[p.id] == p
	d.mu.Unlock()
	if !able {
		return nil, nil
	}
	var owner []byte
	pins := 0
	lo := layerKey(d.id, tabPin, p.id)
	it := r.Scan(lo, afterPrefix(lo))
	defer it.Close()
	for ; pins < 2 && it.Next(); pins++ {
		owner = append(owner[:0], it.Key()[len(lo)+4:]...)
	}
	if err := it.Err(); err != nil || pins != 1 || len(owner) != 5 || owner[0] != pinChild {
		return nil, err
	}
	_, _, waits, err := r.First(settleJobs(d.id, p.id))
	if err != nil || waits {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.layers[layer(binary.BigEndian.Uint32(owner[1:]))]
	if n == nil || n.hidden || n.parent != p.id {
		return nil, nil
	}
	return n, nil
}

// wantChild is soleChild that fails if there is none.
func (t *txn) wantChild(p *layerState) (*layerState, error) {
	n, err := t.g.d.soleChild(t.tx, p)
	if err == nil && n == nil {
		err = errNotUnited
	}
	return n, err
}

// unite merges a layer into its child, if that pays. from says where the last
// turn ended: the phase, and how far that came; nil: nothing was done.
func (d *Disk) unite(ctx context.Context, j job, p *layerState, from []byte) error {
	if from == nil {
		pays, err := d.unitePays(ctx, p)
		if err != nil || !pays {
			return err
		}
		from = []byte{0}
	}
	phases := []func(ctx context.Context, p *layerState, from []byte) (at []byte, err error){
		d.forgetDead,
		d.moveKind(kindEntry), d.moveKind(kindInode),
		d.moveContents,
		d.moveKind(kindLink), d.moveKind(kindXattr),
	}
	at := from[1:]
	for i := int(from[0]); i < len(phases); i++ {
		var err error
		if at, err = phases[i](ctx, p, at); err == nil {
			at = nil
			continue
		}
		if errors.Is(err, errTurn) {
			d.store.jobs.pace.next[j] = append([]byte{byte(i)}, at...)
		}
		return notUnited(err)
	}
	return notUnited(d.exclusive(ctx, func(t *txn) error { return t.endUnion(p, j) }))
}

// notUnited leaves the layer as it is if another child needs it; the job is
// queued again when that goes.
func notUnited(err error) error {
	if errors.Is(err, errNotUnited) {
		return nil
	}
	return err
}

// unitePays tells whether a layer is to be merged now. If its child is too
// thin, it will be asked again when that has grown.
func (d *Disk) unitePays(ctx context.Context, p *layerState) (pays bool, err error) {
	err = d.store.kv.View(ctx, func(r kv.Reader) error {
		n, err := d.soleChild(r, p)
		if err != nil || n == nil {
			return err
		}
		own, err := countRows(r, metaHeader(d.id, n.id), d.store.opts.uniteRows*10)
		if err != nil {
			return err
		}
		most := max(d.store.opts.uniteRows, uniteShare*own)
		rows, err := countRows(r, metaHeader(d.id, p.id), most+1)
		if pays = rows <= most; err != nil || pays {
			return err
		}
		d.mu.Lock()
		d.slotLocked(n).look.Store(int64(max(min(uniteLook, d.store.opts.uniteRows), own)))
		d.mu.Unlock()
		return nil
	})
	return pays, err
}

// lookAgain asks again whether the parent of a layer is to be merged into it.
func (d *Disk) lookAgain(l layer) {
	d.mu.Lock()
	up := layer(0)
	if n := d.layers[l]; n != nil {
		up = n.parent
	}
	d.mu.Unlock()
	if up != 0 {
		d.store.jobs.add(job{kind: jobLayer, disk: d.id, layer: up})
	}
}

// countRows counts the rows of a prefix, up to a limit.
func countRows(r kv.Reader, prefix []byte, limit int) (n int, err error) {
	it := r.Scan(prefix, afterPrefix(prefix))
	defer it.Close()
	for n < limit && it.Next() {
		n++
	}
	return n, it.Err()
}

// forgetDead empties the dead list of a layer that will be merged: what its
// pin needs is named by a row that the pin sees.
func (d *Disk) forgetDead(ctx context.Context, p *layerState, _ []byte) ([]byte, error) {
	lo := layerKey(d.id, tabDead, p.id)
	hi := afterPrefix(lo)
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, deadRows)
		if err != nil || len(keys) == 0 {
			return nil, err
		}
		lo = keys[0]
		err = d.step(ctx, p.id, func(t *txn) error {
			if _, err := t.wantChild(p); err != nil {
				return err
			}
			for i, k := range keys {
				if err := t.settleExtent(k, values[i]); err != nil {
					return err
				}
				if err := t.tx.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
}

// moveKind moves the rows of a kind.
func (d *Disk) moveKind(kind byte) func(ctx context.Context, p *layerState, from []byte) ([]byte, error) {
	return func(ctx context.Context, p *layerState, from []byte) ([]byte, error) {
		return d.moveRows(ctx, p, kind, from)
	}
}

// moveRows moves the rows of a kind, and before an inode's attributes the
// contents that they name.
func (d *Disk) moveRows(ctx context.Context, p *layerState, kind byte, from []byte) (lo []byte, err error) {
	lo = append(metaHeader(d.id, p.id), kind)
	hi := afterPrefix(lo)
	head := len(lo) - 1
	if len(from) > 0 {
		lo = from
	}
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, stepRows)
		if err != nil || len(keys) == 0 {
			return nil, err
		}
		var at, next int
		var file, nextFile contentsMove
		for at < len(keys) {
			err := d.uniteStep(ctx, p, func(m *mover) error {
				next, nextFile = at, file
				for next < len(keys) && m.room() {
					whole, err := m.file(&nextFile, values[next])
					if err != nil || !whole {
						return err
					}
					if err := m.row(keys[next][head:len(keys[next])-versionSz], values[next]); err != nil {
						return err
					}
					next, nextFile = next+1, contentsMove{}
				}
				return nil
			})
			if err != nil {
				return keys[min(next, len(keys)-1)], err
			}
			at, file = next, nextFile
		}
		lo = append(keys[len(keys)-1], 0)
	}
}

// uniteStep runs a step of a merge of a layer.
func (d *Disk) uniteStep(ctx context.Context, p *layerState, fn func(m *mover) error) error {
	return d.step(ctx, p.id, func(t *txn) error {
		n, err := t.wantChild(p)
		if err != nil {
			return err
		}
		t.beginLayer(n)
		m := &mover{txn: t, from: p, first: n.epoch}
		if len(n.pins) > 0 {
			m.first = n.pins[0]
		}
		return fn(m)
	})
}

// contentsBatch is how many chunk rows without attributes of their file are
// looked at together.
const contentsBatch = 2000

// moveContents moves the contents that no attributes of the same layer name:
// most of them nobody does, and they are freed.
func (d *Disk) moveContents(ctx context.Context, p *layerState, from []byte) (lo []byte, err error) {
	lo = append(metaHeader(d.id, p.id), kindData)
	hi := afterPrefix(lo)
	head := len(lo)
	if len(from) > 0 {
		lo = from
	}
	for {
		keys, _, err := d.firstRows(ctx, lo, hi, contentsBatch)
		if err != nil || len(keys) == 0 {
			return nil, err
		}
		lo = keys[0]
		var ids []DataID
		for _, k := range keys {
			if id := DataID(binary.BigEndian.Uint64(k[head:])); len(ids) == 0 || ids[len(ids)-1] != id {
				ids = append(ids, id)
			}
		}
		owners, err := d.ownersAbove(ctx, p, ids)
		if err != nil {
			return nil, err
		}
		var at, next int
		var chunk, nextChunk uint32
		for at < len(ids) {
			err := d.uniteStep(ctx, p, func(m *mover) error {
				next, nextChunk = at, chunk
				for next < len(ids) && m.room() {
					named, live, err := m.named(owners[ids[next]])
					if err != nil {
						return err
					}
					whole, err := m.contents(ids[next], &nextChunk, named, live)
					if err != nil || !whole {
						return err
					}
					next, nextChunk = next+1, 0
				}
				return nil
			})
			if err != nil {
				return lo, err
			}
			at, chunk = next, nextChunk
		}
	}
}

// owner is an inode and what its attributes name.
type owner struct {
	ino  Ino
	data DataID
}

// ownersAbove finds the inodes whose contents a layer has rows of, while their
// attributes stand in a layer above: a chunk was rewritten as it was, and no
// write followed. That is rare; so is that there are contents to be looked for.
func (d *Disk) ownersAbove(ctx context.Context, p *layerState, ids []DataID) (map[DataID]owner, error) {
	d.mu.Lock()
	chain := d.chainLocked(p.id, maxEpoch)[1:]
	d.mu.Unlock()
	out := map[DataID]owner{}
	if len(chain) == 0 {
		return out, nil
	}
	want := map[DataID]bool{}
	err := d.store.kv.View(ctx, func(k kv.Reader) error {
		for _, id := range ids {
			for _, l := range chain {
				lo := append(metaHeader(d.id, l.layer), dataPrefix(nil, id)...)
				_, _, ok, err := k.First(lo, afterPrefix(lo))
				if err != nil {
					return err
				}
				if ok {
					want[id] = true
				}
			}
		}
		if len(want) == 0 {
			return nil
		}
		r := &reader{}
		r.init(k, d.id, chain)
		for _, kind := range [...]byte{kindEntry, kindInode} {
			if err := r.owners(kind, want, out); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// owners finds which attributes among rows of a kind name contents.
func (r *reader) owners(kind byte, want map[DataID]bool, out map[DataID]owner) error {
	up := reader{} // of part tables: the walk needs r's scratch
	up.init(r.kv, r.disk, r.chain)
	s := r.scan([]byte{kind}, []byte{kind + 1})
	for s.next() {
		a, ok, err := attrsIn(s.value())
		var ids []DataID
		if err == nil && ok && a.parts {
			ids, _, err = up.partsOf(a.Data)
		}
		if err != nil {
			return errors.Join(err, s.close())
		}
		if !ok {
			continue
		}
		for _, id := range append(ids, a.Data) {
			if want[id] {
				out[id] = owner{a.Ino, a.Data}
			}
		}
	}
	return s.close()
}

// attrsIn reads the attributes in a row, if it has such.
func attrsIn(v []byte) (a Attr, ok bool, err error) {
	if len(v) == 0 || v[0] != tagAttrs {
		return a, false, nil
	}
	err = decodeAttr(v, &a)
	return a, err == nil, err
}

// endUnion puts the child in the place of a layer that is empty.
func (t *txn) endUnion(p *layerState, j job) error {
	d := t.g.d
	n, err := t.wantChild(p)
	if err != nil {
		return err
	}
	lo := metaHeader(d.id, p.id)
	if _, _, left, err := t.tx.First(lo, afterPrefix(lo)); err != nil || left {
		return errors.Join(err, errs.New("merge layers", d.id.String(), errs.Other, "a row came into a hidden layer"))
	}
	now := *n
	now.parent, now.parentEpoch = p.parent, p.parentEpoch
	if err := t.tx.Set(layerKey(d.id, tabLayer, n.id), now.row()); err != nil {
		return err
	}
	if err := t.tx.Delete(pinKey(d.id, p.id, n.parentEpoch, pinChild, childOwner(n.id))); err != nil {
		return err
	}
	if p.parent != 0 {
		if err := t.tx.Set(pinKey(d.id, p.parent, p.parentEpoch, pinChild, childOwner(n.id)), row(0)); err != nil {
			return err
		}
	} else if err := t.trimRootIndex(n); err != nil {
		return err
	}
	t.onCommit(func() { d.united(p, n) })
	return t.removeLayerRows(p, j)
}

// trimRootIndex removes from the change index of a layer that loses its parent
// what only layers with one need; if a pin is being settled, that does it.
func (t *txn) trimRootIndex(l *layerState) error {
	_, _, waits, err := t.tx.First(settleJobs(t.disk, l.id))
	if err != nil || waits {
		return err
	}
	return t.dropRootIndex(l)
}

// united brings what is kept in memory up to the end of a merge.
func (d *Disk) united(p, n *layerState) {
	d.mu.Lock()
	n.parent, n.parentEpoch = p.parent, p.parentEpoch
	for _, v := range d.views {
		v.shortenLocked(p.id)
	}
	up := d.layers[n.parent]
	hidden := up != nil && up.hidden
	d.mu.Unlock()
	if hidden {
		d.store.jobs.add(job{kind: jobLayer, disk: d.id, layer: up.id})
	}
}
