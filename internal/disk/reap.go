package disk

import (
	"context"
	"encoding/binary"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Reap rows carry a flag.
const (
	reapNamed  = 0 // had a name: pins may need its rows
	reapStaged = 1 // never had one: no pin needs anything
	reapList   = 2 // a list of data ids that never had one follows
)

// beginLayer turns the transaction to a layer itself, of a branch or hidden.
func (t *txn) beginLayer(l *layerState) {
	t.tx, t.v, t.lay = t.g.tx, nil, l
	t.g.d.mu.Lock()
	chain := t.g.d.chainLocked(l.id, maxEpoch)
	t.g.d.mu.Unlock()
	t.init(t.tx, t.g.d.id, chain)
	t.at, t.filters = t.g.at, t.g.d.store.filters
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
			if err := d.reap(ctx, l, data, values[i]); err != nil {
				return err
			}
		}
	}
}

// reaping is how far the contents that a reap row names are freed.
type reaping struct {
	row    DataID
	ids    []DataID // what is to be freed: of contents in parts, the parts
	staged bool     // no pin needs anything of it
	at     int      // which of ids comes next
	from   uint32   // its chunk that comes next
}

// reap frees what a reap row names, and the xattrs of the inode of that
// number, step by step.
func (d *Disk) reap(ctx context.Context, l layer, data DataID, v []byte) error {
	w, err := d.toReap(ctx, l, data, v)
	if err != nil {
		return err
	}
	if !w.staged && d.layerHidden(l) { // nobody sees that it lost its name
		return d.exclusive(ctx, func(t *txn) error { return t.tx.Delete(reapKey(d.id, l, data)) })
	}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := w
		err := d.onLayer(ctx, l, func(t *txn) (err error) {
			next = w
			more, err = t.reapStep(&next)
			return err
		})
		if err != nil {
			return err
		}
		if d.layerGone(l) { // with all its rows
			return nil
		}
		w = next
	}
	return nil
}

// toReap finds out what a reap row names.
func (d *Disk) toReap(ctx context.Context, l layer, data DataID, v []byte) (w reaping, err error) {
	flag, ids, err := decodeReap(v)
	if err != nil {
		return w, err
	}
	w = reaping{row: data, ids: []DataID{data}, staged: flag != reapNamed}
	switch flag {
	case reapList:
		w.ids = ids
	case reapNamed:
		d.mu.Lock()
		chain := d.chainLocked(l, maxEpoch)
		d.mu.Unlock()
		err = d.store.kv.View(ctx, func(k kv.Reader) error {
			r := reader{}
			r.init(k, d.id, chain)
			ids, rows, err := r.partsOf(data)
			if rows > 0 {
				w.ids = ids
			}
			return err
		})
	}
	return w, err
}

// decodeReap reads a reap row.
func decodeReap(v []byte) (flag uint64, ids []DataID, err error) {
	rest, err := unrow(v, &flag)
	if err != nil || flag > reapList || flag != reapList && len(rest) > 0 {
		return 0, nil, corrupt("reap row")
	}
	d := decoder{b: rest}
	for len(d.b) > 0 {
		ids = append(ids, DataID(d.uint()))
	}
	if d.bad {
		return 0, nil, corrupt("reap row")
	}
	return flag, ids, nil
}

func (d *Disk) layerGone(l layer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.layers[l] == nil
}

// reapStep frees some chunks; when none are left, the part table, the xattrs
// and the reap row itself.
func (t *txn) reapStep(w *reaping) (more bool, err error) {
	for looks := 0; w.at < len(w.ids); looks++ {
		if looks == stepRows {
			return true, nil
		}
		data := w.ids[w.at]
		rows, err := t.ownChunks(data, w.from)
		if err != nil {
			return false, err
		}
		for _, r := range rows {
			if t.tx.Mutations()+len(r.c.refs) > 64 {
				return true, nil
			}
			if w.staged {
				err = t.dropStagedChunk(data, &r)
			} else {
				err = t.dropChunk(data, r.n, &r.c)
			}
			if err != nil {
				return false, err
			}
			w.from = r.n + 1
		}
		if len(rows) == stepRows {
			return true, nil
		}
		w.at, w.from = w.at+1, 0
	}
	if t.tx.Mutations() > reapEndRoom {
		return true, nil
	}
	return false, t.reapEnd(w.row)
}

// reapEndRoom is how many mutations a transaction may have had for its last
// step to fit.
const reapEndRoom = 20

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
	_, rows, err := t.partsOf(data)
	if err != nil {
		return err
	}
	if err := t.dropParts(data, rows); err != nil {
		return err
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
	hi := append(h[:len(h):len(h)], dataBody(nil, data, partTable)...)
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
	if err := t.dropOld(dataBody(nil, data, r.n), r.epoch); err != nil {
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
