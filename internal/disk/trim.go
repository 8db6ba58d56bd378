package disk

import (
	"context"
	"encoding/binary"
)

// A hidden layer, whose branch is deleted, has no present state that anybody
// sees: only its pins see anything of it. Trimming frees what is newer than
// its newest pin, as if the layer had never gone on from there.

// trimLayer trims a hidden layer with pins. The job's row stays until the
// layer is gone: merged into its last child, or without pins. trimmed is false
// if something is to be settled before.
func (d *Disk) trimLayer(ctx context.Context, l *layerState) (trimmed bool, err error) {
	d.mu.Lock()
	newest, last := l.newestPin(), l.epoch
	d.mu.Unlock()
	// What pins kept that are gone is settled before: then an extent on the
	// dead list is as old as a pin, and its row in sight of one.
	waits := false
	err = d.exclusive(ctx, func(t *txn) error {
		lo, hi := settleJobs(d.id, l.id)
		_, _, ok, err := t.tx.First(lo, hi)
		waits = ok
		return err
	})
	if err != nil || waits {
		return false, err // the last of them queues this job again
	}
	lo := layerEpochKey(d.id, tabChange, l.id, newest+1)
	hi := layerEpochKey(d.id, tabChange, l.id, last+1)
	for {
		keys, _, err := d.firstRows(ctx, lo, hi, stepRows)
		if err != nil || len(keys) == 0 {
			return err == nil, err
		}
		err = d.step(ctx, l.id, func(t *txn) error {
			for _, k := range keys {
				whole, err := t.trimRow(k[len(lo):], newest)
				if err != nil || !whole {
					return err
				}
				if err := t.tx.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
}

// dropRootIndex removes the changes up to a root layer's oldest pin from its
// index.
func (t *txn) dropRootIndex(l *layerState) error {
	lo := layerKey(t.disk, tabChange, l.id)
	hi := afterPrefix(lo)
	if len(l.pins) > 0 {
		hi = layerEpochKey(t.disk, tabChange, l.id, l.pins[0]+1)
	}
	return t.tx.DeleteRange(lo, hi)
}

// trimRow removes the versions of a row that are newer than the pin that was
// the layer's newest when the trimming began: what another one kept that has gone
// meanwhile is to be settled first. whole is false if the transaction had no
// room for all of them.
func (t *txn) trimRow(body []byte, newest epoch) (whole bool, err error) {
	vs, err := t.versions(t.lay.id, body)
	if err != nil {
		return false, err
	}
	for _, v := range vs {
		if v.epoch <= newest {
			break
		}
		if t.tx.Mutations() >= trimBudget {
			return false, nil
		}
		if body[0] == kindData && !v.whiteout && chunkNumber(body) < partTable {
			room, err := t.trimChunk(body, v.epoch, newest)
			if err != nil || !room {
				return false, err
			}
		}
		if err := t.dropOld(body, v.epoch); err != nil {
			return false, err
		}
	}
	return t.tx.Mutations() < trimBudget, nil
}

// trimBudget leaves room for one version of a chunk and the change index.
const trimBudget = 80

// trimChunk frees what a version of a chunk has that is newer than a pin. Older extents are named by a version that stays. room is false
// if the transaction had no room for it.
func (t *txn) trimChunk(body []byte, e, newest epoch) (room bool, err error) {
	v, ok, err := t.tx.Get(t.versioned(body, e))
	if err != nil || !ok {
		return err == nil, err
	}
	c, err := decodeChunk(v)
	if err != nil {
		return false, err
	}
	n := t.tx.Mutations()
	if n > 2 && n+len(c.refs) > trimBudget {
		return false, nil
	}
	t.addUsage(t.lay.id, -int64(len(c.inline)), 0)
	var ids []uint64
	for _, r := range c.refs {
		ids = append(ids, r.id)
	}
	for _, id := range (&chunk{}).stillNamed(ids) {
		if err := t.freeOwn(id, newest); err != nil {
			return false, err
		}
	}
	return true, nil
}

// freeOwn frees an extent if it was born in the layer, after an epoch, and is
// still there: several versions of a chunk may name it.
func (t *txn) freeOwn(id uint64, after epoch) error {
	v, ok, err := t.tx.Get(idKey(t.disk, tabExtent, id))
	if err != nil || !ok {
		return err
	}
	x, err := decodeExtent(v)
	if err != nil || x.layer != t.lay.id || x.birth <= after {
		return err
	}
	return t.freeExtent(id, &x)
}

// freeOrphansOf frees the files of a layer that nobody has open and that have
// no name: a rollback or a promotion has taken them from their clients. After
// a stop, the start does this.
func (d *Disk) freeOrphansOf(ctx context.Context, l layer) error {
	lo := layerKey(d.id, tabOrphan, l)
	hi := afterPrefix(lo)
	for {
		keys, _, err := d.firstRows(ctx, lo, hi, stepRows)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, k := range keys {
			ino := Ino(binary.BigEndian.Uint64(k[len(k)-8:]))
			err := d.onLayer(ctx, l, func(t *txn) error {
				if _, ok, err := t.tx.Get(k); err != nil || !ok || d.isHeld(l, ino) {
					return err
				}
				return t.dropOrphan(ino)
			})
			if err != nil {
				return err
			}
		}
		lo = append(keys[len(keys)-1], 0)
	}
}

// isHeld tells whether an inode is open through a view of a layer.
func (d *Disk) isHeld(l layer, ino Ino) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.handles {
		if k.ino == ino && k.view.head.id == l {
			return true
		}
	}
	return false
}
