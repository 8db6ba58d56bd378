package disk

import (
	"context"
	"encoding/binary"

	"atoll/internal/errs"
)

// Reap rows carry a flag.
const (
	reapNamed  = 0 // had a name: pins may need its rows
	reapStaged = 1 // never had one: no pin needs anything
)

// beginLayer turns the transaction to a layer itself, of a branch or hidden.
func (t *txn) beginLayer(l *layerState) {
	t.tx, t.v, t.lay = t.g.tx, nil, l
	t.g.d.mu.Lock()
	chain := t.g.d.chainLocked(l.id, maxEpoch)
	t.g.d.mu.Unlock()
	t.init(t.tx, t.g.d.id, chain)
}

// onLayer runs fn in a transaction of its own on a layer; it does nothing if
// the layer is gone.
func (d *Disk) onLayer(ctx context.Context, l layer, fn func(*txn) error) error {
	return d.exclusive(ctx, func(t *txn) error {
		d.mu.Lock()
		s := d.layers[l]
		d.mu.Unlock()
		if s == nil {
			return nil
		}
		t.beginLayer(s)
		return fn(t)
	})
}

// discardStaged frees what an abandoned upload staged.
func (s *Store) discardStaged(v *View, data DataID) {
	err := v.disk.abandon(context.Background(), v.head.id, data)
	if err != nil && !errs.Is(err, errs.NoDisk) {
		s.opts.Logger.Warn("an abandoned upload will be freed at the next start", "disk", v.disk.id.String(), "err", err)
	}
}

// abandon turns a staged upload into a reap row.
func (d *Disk) abandon(ctx context.Context, l layer, data DataID) error {
	err := d.exclusive(ctx, func(t *txn) error {
		if err := t.tx.Delete(idKey(d.id, tabStaged, uint64(data))); err != nil {
			return err
		}
		if d.layerGone(l) { // its contents went with it
			return nil
		}
		return t.tx.Set(reapKey(d.id, l, data), row(reapStaged))
	})
	if err == nil {
		d.store.jobs.add(job{kind: jobReap, disk: d.id})
	}
	return err
}

// abandonStaged abandons all staged uploads: at a start none is in progress.
func (d *Disk) abandonStaged(ctx context.Context) error {
	lo, hi := tableRange(d.id, tabStaged)
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, stepRows)
		if err != nil || len(keys) == 0 {
			return err
		}
		for i, k := range keys {
			var l uint64
			if _, err := unrow(values[i], &l); err != nil {
				return err
			}
			if err := d.abandon(ctx, layer(l), DataID(binary.BigEndian.Uint64(k[len(k)-8:]))); err != nil {
				return err
			}
			d.store.resumed.uploads++
		}
	}
}

// freeOrphans frees open files without a name: at a start nothing is open.
func (d *Disk) freeOrphans(ctx context.Context) error {
	lo, hi := tableRange(d.id, tabOrphan)
	keys, _, err := d.firstRows(ctx, lo, hi, 1<<20)
	if err != nil {
		return err
	}
	for _, k := range keys {
		n := len(k)
		l, ino := layer(binary.BigEndian.Uint32(k[n-12:])), Ino(binary.BigEndian.Uint64(k[n-8:]))
		if err := d.onLayer(ctx, l, func(t *txn) error { return t.dropOrphan(ino) }); err != nil {
			return err
		}
		d.store.resumed.orphans++
	}
	return nil
}

// reapAll frees the contents named by the disk's reap rows.
func (d *Disk) reapAll(ctx context.Context) error {
	lo, hi := tableRange(d.id, tabReap)
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, stepRows)
		if err != nil || len(keys) == 0 {
			return err
		}
		for i, k := range keys {
			n := len(k)
			l, data := layer(binary.BigEndian.Uint32(k[n-12:])), DataID(binary.BigEndian.Uint64(k[n-8:]))
			var flag uint64
			if _, err := unrow(values[i], &flag); err != nil {
				return err
			}
			if err := d.reap(ctx, l, data, flag == reapStaged); err != nil {
				return err
			}
		}
	}
}

// reap frees one data id, or the xattrs of one inode, step by step.
func (d *Disk) reap(ctx context.Context, l layer, data DataID, staged bool) error {
	from := uint32(0)
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := from
		err := d.onLayer(ctx, l, func(t *txn) (err error) {
			next, more, err = t.reapStep(data, from, staged)
			return err
		})
		if err != nil {
			return err
		}
		if d.layerGone(l) { // with all its rows
			return nil
		}
		from = next
	}
	return nil
}

func (d *Disk) layerGone(l layer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.layers[l] == nil
}

// reapStep frees some chunks; when none are left, the xattrs and the reap row
// itself.
func (t *txn) reapStep(data DataID, from uint32, staged bool) (next uint32, more bool, err error) {
	rows, err := t.ownChunks(data, from)
	if err != nil {
		return from, false, err
	}
	next = from
	for _, r := range rows {
		if t.tx.Mutations()+len(r.c.refs) > 64 {
			return next, true, nil
		}
		if staged {
			err = t.dropStagedChunk(data, &r)
		} else {
			err = t.dropChunk(data, r.n, &r.c)
		}
		if err != nil {
			return from, false, err
		}
		next = r.n + 1
	}
	if len(rows) == stepRows {
		return next, true, nil
	}
	return next, false, t.reapEnd(data)
}

func (t *txn) reapEnd(data DataID) error {
	// A data id may be the number of an inode that only changed its contents.
	alive, err := t.get(inodeBody(nil, Ino(data)))
	if err != nil {
		return err
	}
	var names []string
	if alive == nil {
		if names, err = t.xattrNames(Ino(data)); err != nil {
			return err
		}
	}
	for i, n := range names {
		if i == 10 { // the rest in another round, the reap row stays
			j := job{kind: jobReap, disk: t.disk}
			t.onCommit(func() { t.g.d.store.jobs.add(j) })
			return nil
		}
		if _, err := t.del(xattrBody(nil, Ino(data), n), false); err != nil {
			return err
		}
	}
	return t.tx.Delete(reapKey(t.disk, t.lay.id, data))
}

// ownChunk is the newest version of a chunk row in the layer.
type ownChunk struct {
	n     uint32
	epoch epoch
	c     chunk
}

// ownChunks lists the chunk rows of a data id in the own layer whose newest
// version is not a whiteout.
func (t *txn) ownChunks(data DataID, from uint32) (out []ownChunk, err error) {
	h := metaHeader(t.disk, t.lay.id)
	lo := append(h[:len(h):len(h)], dataBody(nil, data, from)...)
	hi := afterPrefix(append(h[:len(h):len(h)], dataPrefix(nil, data)...))
	it := t.tx.Scan(lo, hi)
	defer it.Close()
	last, any := uint32(0), false
	for len(out) < stepRows && it.Next() {
		k := it.Key()
		n := binary.BigEndian.Uint32(k[len(k)-8:])
		if any && n == last {
			continue
		}
		last, any = n, true
		if len(it.Value()) == 0 {
			continue
		}
		c, err := decodeChunk(append([]byte(nil), it.Value()...))
		if err != nil {
			return nil, err
		}
		out = append(out, ownChunk{n, epoch(^binary.BigEndian.Uint32(k[len(k)-4:])), c})
	}
	return out, it.Err()
}

// dropStagedChunk removes a chunk that no version of anything ever named.
func (t *txn) dropStagedChunk(data DataID, r *ownChunk) error {
	if err := t.tx.Delete(t.versioned(dataBody(t.body[:0], data, r.n), r.epoch)); err != nil {
		return err
	}
	t.addUsage(t.lay.id, -int64(len(r.c.inline)), 0)
	for _, ref := range r.c.refs {
		x, err := t.extentAt(ref.id)
		if err != nil {
			return err
		}
		if err := t.freeExtent(ref.id, &x); err != nil {
			return err
		}
	}
	return nil
}
