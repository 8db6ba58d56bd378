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
		if err := d.settleVersions(ctx, l, j.epoch+1, until); err != nil {
			return err
		}
		if err := d.settleDead(ctx, l, j.epoch+1, until); err != nil {
			return err
		}
	}
	return d.exclusive(ctx, func(t *txn) error {
		if l != nil {
			t.onCommit(func() { d.removeIfUnused(l) })
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
	it := t.tx.Scan(t.settleJobs(l.id))
	defer it.Close()
	for ok := it.Next(); ok; ok = it.Next() {
		if !bytes.Equal(it.Key(), j.key()) {
			return nil
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	lo := layerKey(t.disk, tabChange, l.id)
	hi := afterPrefix(lo)
	if len(l.pins) > 0 {
		hi = layerEpochKey(t.disk, tabChange, l.id, l.pins[0]+1)
	}
	return t.tx.DeleteRange(lo, hi)
}

// settleJobs is the range of a layer's rows of settle jobs.
func (t *txn) settleJobs(l layer) (lo, hi []byte) {
	lo = append(tableKey(t.disk, tabJob), byte(jobSettle))
	lo = binary.BigEndian.AppendUint32(lo, uint32(l))
	return lo, afterPrefix(lo)
}

// removeIfUnused queues a hidden layer without pins for removal.
func (d *Disk) removeIfUnused(l *layerState) {
	d.mu.Lock()
	unused := l.hidden && len(l.pins) == 0
	d.mu.Unlock()
	if unused {
		d.store.jobs.add(job{kind: jobLayer, disk: d.id, layer: l.id})
	}
}

// settleVersions goes over the rows that changed in epochs [from, until].
func (d *Disk) settleVersions(ctx context.Context, l *layerState, from, until epoch) error {
	lo := layerEpochKey(d.id, tabChange, l.id, from)
	hi := layerEpochKey(d.id, tabChange, l.id, until+1)
	head := len(lo)
	for {
		keys, _, err := d.firstRows(ctx, lo, hi, stepRows)
		if err != nil || len(keys) == 0 {
			return err
		}
		done := 0 // rows of keys that are settled
		err = d.onLayer(ctx, l.id, func(t *txn) error {
			for done = 0; done < len(keys); done++ {
				whole, err := t.settleRow(keys[done][head:])
				if err != nil || !whole {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if done > 0 {
			lo = append(keys[done-1], 0)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.layerGone(l.id) {
			return nil
		}
	}
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
		}
	}
	return t.dropOld(body, v.epoch)
}

// settleDead goes over the extents that were dropped in epochs [from, until].
func (d *Disk) settleDead(ctx context.Context, l *layerState, from, until epoch) error {
	lo := layerEpochKey(d.id, tabDead, l.id, from)
	hi := layerEpochKey(d.id, tabDead, l.id, until+1)
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, 24)
		if err != nil || len(keys) == 0 {
			return err
		}
		err = d.onLayer(ctx, l.id, func(t *txn) error {
			for i, k := range keys {
				if err := t.settleExtent(k, values[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		lo = append(keys[len(keys)-1], 0)
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
	return t.tx.Delete(k)
}

// removeLayer removes a hidden layer that nothing needs any more, and takes
// its pin off its parent.
func (d *Disk) removeLayer(ctx context.Context, j job) error {
	d.mu.Lock()
	l := d.layers[j.layer]
	needed := l != nil && (!l.hidden || len(l.pins) > 0)
	d.mu.Unlock()
	if needed { // its children go first; then the job is queued again
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

// freeLayerData frees the extents born in a layer that its chunk rows name.
func (d *Disk) freeLayerData(ctx context.Context, l *layerState) error {
	h := append(metaHeader(d.id, l.id), kindData)
	lo, hi := h, afterPrefix(h)
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, 1)
		if err != nil || len(keys) == 0 {
			return err
		}
		err = d.onLayer(ctx, l.id, func(t *txn) error {
			if err := t.tx.Delete(keys[0]); err != nil || len(values[0]) == 0 || values[0][0] == tagParts {
				return err
			}
			c, err := decodeChunk(values[0])
			if err != nil {
				return err
			}
			t.addUsage(l.id, -int64(len(c.inline)), 0)
			var ids []uint64
			for _, r := range c.refs {
				ids = append(ids, r.id)
			}
			for _, id := range (&chunk{}).stillNamed(ids) {
				if err := t.freeOwn(id); err != nil {
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

// freeOwn frees an extent if it was born in the layer and is still there:
// several versions of a chunk may name it.
func (t *txn) freeOwn(id uint64) error {
	v, ok, err := t.tx.Get(idKey(t.disk, tabExtent, id))
	if err != nil || !ok {
		return err
	}
	x, err := decodeExtent(v)
	if err != nil || x.layer != t.lay.id {
		return err
	}
	return t.freeExtent(id, &x)
}

// freeListed frees the extents on a dead list.
func (d *Disk) freeListed(ctx context.Context, l *layerState, lo, hi []byte) error {
	for {
		keys, _, err := d.firstRows(ctx, lo, hi, 24)
		if err != nil || len(keys) == 0 {
			return err
		}
		err = d.onLayer(ctx, l.id, func(t *txn) error {
			for _, k := range keys {
				if err := t.freeOwn(binary.BigEndian.Uint64(k[len(k)-8:])); err != nil {
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
