package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"atoll/internal/kv"
)

// settle frees what only one pin of a layer kept: versions of rows that were
// superseded after it and before the next pin, and extents that were dropped
// then. The change index and the dead list say which.
func (d *Disk) settle(ctx context.Context, j job) error {
	d.mu.Lock()
	l := d.layers[j.layer]
	var until epoch
	done := l == nil
	if l != nil {
		until = l.epoch
		done = l.hidden && len(l.pins) == 0 // it goes as a whole
		for _, p := range l.pins {
			if p == j.epoch {
				done = true // pinned again
			}
			if p > j.epoch {
				until = p
				break
			}
		}
	}
	d.mu.Unlock()
	if !done {
		next := d.store.jobs.pace.next[j] // where the last turn ended
		if next == nil || next[tablePos] == tabChange {
			if err := d.settleVersions(ctx, j, l, j.epoch+1, until); err != nil {
				return err
			}
		}
		if err := d.settleDead(ctx, j, l, j.epoch+1, until); err != nil {
			return err
		}
	}
	return d.exclusive(ctx, func(t *txn) error {
		if l != nil {
			t.onCommit(func() { d.settled(l) })
			if err := t.trimIndex(l, j); err != nil {
				return err
			}
		}
		return t.tx.Delete(j.key())
	})
}

// trimIndex removes what nothing will ask of a root layer's change index: the
// changes up to its oldest pin, once no other pin waits to be settled.
func (t *txn) trimIndex(l *layerState, j job) error {
	if l.parent != 0 {
		return nil
	}
	it := t.tx.Scan(settleJobs(t.disk, l.id))
	defer it.Close()
	for ok := it.Next(); ok; ok = it.Next() {
		if !bytes.Equal(it.Key(), j.key()) {
			return nil
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	return t.dropRootIndex(l)
}

// settleJobs is the range of a layer's rows of settle jobs.
func settleJobs(id ID, l layer) (lo, hi []byte) {
	lo = append(tableKey(id, tabJob), byte(jobSettle))
	lo = binary.BigEndian.AppendUint32(lo, uint32(l))
	return lo, afterPrefix(lo)
}

// settled queues a hidden layer for removal, or for what is left to be
// trimmed.
func (d *Disk) settled(l *layerState) {
	d.mu.Lock()
	hidden := l.hidden
	d.mu.Unlock()
	if hidden {
		d.store.jobs.add(job{kind: jobLayer, disk: d.id, layer: l.id})
	}
}

// settleVersions goes over the rows that changed in epochs [from, until].
func (d *Disk) settleVersions(ctx context.Context, j job, l *layerState, from, until epoch) error {
	lo := layerEpochKey(d.id, tabChange, l.id, from)
	hi := layerEpochKey(d.id, tabChange, l.id, until+1)
	head := len(lo)
	if next := d.store.jobs.pace.next[j]; next != nil {
		lo = next
	}
	for {
		keys, next, err := d.unsettled(ctx, l, lo, hi)
		if err != nil {
			return err
		}
		done := 0 // rows of keys that are settled
		if len(keys) > 0 {
			err = d.step(ctx, l.id, func(t *txn) error {
				for done = 0; done < len(keys); done++ {
					whole, err := t.settleRow(keys[done][head:])
					if err != nil || !whole {
						return err
					}
				}
				return nil
			})
		} else {
			err = ctx.Err()
		}
		if err != nil && !errors.Is(err, errTurn) {
			return err
		}
		if done == len(keys) {
			lo = next
		} else if done > 0 {
			lo = append(keys[done-1], 0)
		}
		if err == nil && (lo == nil || d.layerGone(l.id)) {
			return nil
		}
		if err != nil {
			if lo == nil {
				lo = hi
			}
			d.store.jobs.pace.next[j] = lo
			return err
		}
	}
}

// unsettled finds rows of the change index, from lo on, that have something to
// settle: it is looked for outside of transactions, which others wait for.
// next is where to go on; nil: nowhere.
func (d *Disk) unsettled(ctx context.Context, l *layerState, lo, hi []byte) (keys [][]byte, next []byte, err error) {
	d.mu.Lock()
	chain := d.chainLocked(l.id, maxEpoch)
	now := layerState{parent: l.parent, epoch: l.epoch, pins: l.pins}
	d.mu.Unlock()
	head := len(layerEpochKey(d.id, tabChange, l.id, 0))
	err = d.store.kv.View(ctx, func(k kv.Reader) error {
		keys, next = nil, nil
		r := &reader{}
		r.init(k, d.id, chain)
		it := k.Scan(lo, hi)
		defer it.Close()
		for n := 0; it.Next(); n++ {
			if n == scanRows || len(keys) == stepRows {
				next = append([]byte(nil), it.Key()...)
				break
			}
			if len(it.Key()) == head {
				continue
			}
			any, err := r.superseded(&now, it.Key()[head:])
			if err != nil {
				return err
			}
			if any {
				keys = append(keys, append([]byte(nil), it.Key()...))
			}
		}
		return it.Err()
	})
	return keys, next, err
}

// scanRows is how many rows a job looks at in one snapshot.
const scanRows = 1000

// superseded tells whether a row has a version that nothing sees, or a
// whiteout at its end, which may hide nothing any more.
func (r *reader) superseded(l *layerState, body []byte) (bool, error) {
	vs, err := r.versions(r.chain[0].layer, body)
	for i, v := range vs {
		if i > 0 && !l.pinned(v.epoch, vs[i-1].epoch) || i == len(vs)-1 && v.whiteout {
			return true, err
		}
	}
	return false, err
}

// settleBudget is how many mutations a step of settling makes.
const settleBudget = 80

// settleRow removes the versions of a row that nothing sees any more; whole
// is false if the transaction had no room for all of them.
func (t *txn) settleRow(body []byte) (whole bool, err error) {
	if len(body) == 0 {
		return true, nil
	}
	vs, err := t.versions(t.lay.id, body)
	if err != nil {
		return false, err
	}
	var kept []version
	for i, v := range vs {
		if i == 0 || t.lay.pinned(v.epoch, vs[i-1].epoch) {
			kept = append(kept, v)
			continue
		}
		if t.tx.Mutations() >= settleBudget {
			return false, nil
		}
		if err := t.dropVersion(body, v); err != nil {
			return false, err
		}
	}
	for i := 1; i < len(kept); i++ { // what stood between two whiteouts is gone
		if kept[i-1].whiteout && kept[i].whiteout {
			if err := t.dropOld(body, kept[i-1].epoch); err != nil {
				return false, err
			}
		}
	}
	if n := len(kept); n > 0 && kept[n-1].whiteout {
		show, err := t.parentHas(body)
		if err != nil || show {
			return err == nil, err
		}
		return true, t.dropOld(body, kept[n-1].epoch)
	}
	return true, nil
}

// dropVersion removes one version; its extents are on the dead list or still
// named by a newer version.
func (t *txn) dropVersion(body []byte, v version) error {
	if body[0] == kindData && !v.whiteout {
		val, ok, err := t.tx.Get(t.versioned(body, v.epoch))
		if err != nil {
			return err
		}
		if ok && val[0] == tagInline {
			t.addUsage(t.lay.id, -int64(len(val)-1), 0)
			t.addRetained(-int64(len(val) - 1))
		}
	}
	return t.dropOld(body, v.epoch)
}

// deadRows is how many extents of a dead list a step frees: each costs two
// mutations.
const deadRows = 40

// settleDead goes over the extents that were dropped in epochs [from, until].
func (d *Disk) settleDead(ctx context.Context, j job, l *layerState, from, until epoch) error {
	lo := layerEpochKey(d.id, tabDead, l.id, from)
	hi := layerEpochKey(d.id, tabDead, l.id, until+1)
	if next := d.store.jobs.pace.next[j]; next != nil && next[tablePos] == tabDead {
		lo = next
	}
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, deadRows)
		if err != nil || len(keys) == 0 {
			return err
		}
		err = d.step(ctx, l.id, func(t *txn) error {
			for i, k := range keys {
				if err := t.settleExtent(k, values[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errTurn) {
			return err
		}
		lo = append(keys[len(keys)-1], 0)
		if err != nil {
			d.store.jobs.pace.next[j] = lo
			return err
		}
	}
}

func (t *txn) settleExtent(k, v []byte) error {
	var birth uint64
	if _, err := unrow(v, &birth); err != nil {
		return err
	}
	n := len(k)
	death := epoch(binary.BigEndian.Uint32(k[n-12:]))
	if t.lay.pinned(epoch(birth), death) {
		return nil
	}
	id := binary.BigEndian.Uint64(k[n-8:])
	x, err := t.extentAt(id)
	if err != nil {
		return err
	}
	if err := t.freeExtent(id, &x); err != nil {
		return err
	}
	t.addRetained(-x.loc.Length)
	return t.tx.Delete(k)
}

// removeLayer removes a hidden layer that nothing needs any more, and takes
// its pin off its parent. One that has pins is trimmed.
func (d *Disk) removeLayer(ctx context.Context, j job) error {
	d.mu.Lock()
	l := d.layers[j.layer]
	needed := l != nil && (!l.hidden || len(l.pins) > 0)
	trim := needed && l.hidden
	d.mu.Unlock()
	if trim { // its children go first; then the job is queued again
		from := d.store.jobs.pace.next[j]
		if from == nil {
			trimmed, err := d.trimLayer(ctx, l)
			if err != nil || !trimmed {
				return err
			}
		}
		return d.unite(ctx, j, l, from)
	}
	if needed {
		return nil
	}
	if l == nil {
		return d.exclusive(ctx, func(t *txn) error { return t.tx.Delete(j.key()) })
	}
	if err := d.freeLayerData(ctx, l); err != nil {
		return err
	}
	lo := layerKey(d.id, tabDead, l.id)
	if err := d.freeListed(ctx, l, lo, afterPrefix(lo)); err != nil {
		return err
	}
	return d.exclusive(ctx, func(t *txn) error { return t.removeLayerRows(l, j) })
}

// chunkRows is a run of chunk rows of a layer that is removed.
type chunkRows struct {
	lo, next []byte   // what it spans; next nil: there are none
	extents  []uint64 // born in the layer
	inline   int64    // bytes in the rows themselves
}

// freeLayerData frees the extents born in a layer that its chunk rows name.
func (d *Disk) freeLayerData(ctx context.Context, l *layerState) error {
	h := append(metaHeader(d.id, l.id), kindData)
	lo, hi := h, afterPrefix(h)
	for {
		c, err := d.chunkRows(ctx, l.id, lo, hi)
		if err != nil || c.next == nil {
			return err
		}
		err = d.step(ctx, l.id, func(t *txn) error {
			t.addUsage(l.id, -c.inline, 0)
			for _, id := range c.extents {
				if err := t.freeOwn(id, 0); err != nil {
					return err
				}
			}
			return t.tx.DeleteRange(c.lo, c.next)
		})
		if err != nil {
			return err
		}
		lo = c.next
	}
}

// freeExtents is how many extents a step frees: each costs one mutation.
const freeExtents = 80

// chunkRows reads chunk rows of a layer, as many as one step can free. Nobody
// else changes rows of a layer that is removed.
func (d *Disk) chunkRows(ctx context.Context, l layer, lo, hi []byte) (c chunkRows, err error) {
	err = d.store.kv.View(ctx, func(k kv.Reader) error {
		c = chunkRows{lo: lo}
		it := k.Scan(lo, hi)
		defer it.Close()
		for n := 0; n < scanRows && it.Next(); n++ {
			v := it.Value()
			var ch chunk
			if len(v) > 0 && v[0] != tagParts {
				var err error
				if ch, err = decodeChunk(v); err != nil {
					return err
				}
			}
			own, err := ownExtents(k, d.id, l, &ch)
			if err != nil {
				return err
			}
			if n > 0 && len(c.extents)+len(own) > freeExtents {
				break
			}
			c.extents = append(c.extents, own...)
			c.inline += int64(len(ch.inline))
			c.next = append(append(c.next[:0], it.Key()...), 0)
		}
		return it.Err()
	})
	return c, err
}

// ownExtents lists what a chunk names of the extents born in a layer that are
// still there.
func ownExtents(k kv.Reader, id ID, l layer, c *chunk) (own []uint64, err error) {
	var ids []uint64
	for _, ref := range c.refs {
		ids = append(ids, ref.id)
	}
	for _, e := range (&chunk{}).stillNamed(ids) {
		v, ok, err := k.Get(idKey(id, tabExtent, e))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		x, err := decodeExtent(v)
		if err != nil {
			return nil, err
		}
		if x.layer == l {
			own = append(own, e)
		}
	}
	return own, nil
}

// freeListed frees the extents on a dead list.
func (d *Disk) freeListed(ctx context.Context, l *layerState, lo, hi []byte) error {
	for {
		keys, _, err := d.firstRows(ctx, lo, hi, deadRows)
		if err != nil || len(keys) == 0 {
			return err
		}
		err = d.step(ctx, l.id, func(t *txn) error {
			for _, k := range keys {
				if err := t.freeOwn(binary.BigEndian.Uint64(k[len(k)-8:]), 0); err != nil {
					return err
				}
				if err := t.tx.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
}

// removeLayerRows removes what is left of a layer.
func (t *txn) removeLayerRows(l *layerState, j job) error {
	d := t.g.d
	for _, table := range [...]byte{tabMeta, tabChange, tabDead, tabReap, tabOrphan, tabDeleg, tabUpload, tabPart} {
		lo := layerKey(d.id, table, l.id)
		if err := t.tx.DeleteRange(lo, afterPrefix(lo)); err != nil {
			return err
		}
	}
	for _, k := range [][]byte{layerKey(d.id, tabLayer, l.id), layerKey(d.id, tabUsage, l.id), j.key()} {
		if err := t.tx.Delete(k); err != nil {
			return err
		}
	}
	t.onCommit(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.usage.Bytes -= l.usage.bytes
		delete(d.layers, l.id)
		d.store.filters.drop(l.slot)
	})
	if l.parent == 0 {
		return nil
	}
	return t.unpin(l.parent, l.parentEpoch, pinChild, childOwner(l.id))
}

// liveExtent tells whether a t row still says that an extent is at loc.
func liveExtent(r kv.Reader, key []byte, x *extent) (bool, error) {
	v, ok, err := r.Get(key)
	if err != nil || !ok {
		return false, err
	}
	now, err := decodeExtent(v)
	if err != nil || now.loc != x.loc {
		return false, err
	}
	*x = now
	return true, nil
}
