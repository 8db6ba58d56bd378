package disk

import (
	"context"
	"encoding/binary"
	"time"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// The upgrade of format 1, where branches had no ids, checkpoints were named
// by branch and name, and usage did not tell what only pins keep. The row of
// the root branch is written last, so that its form tells that all is done; a
// stop on the way is no harm.

// oldPoint is a row of a checkpoint in format 1.
type oldPoint struct {
	key, pin []byte
	p        point
}

// upgrade brings a disk's rows to the present format. Nobody uses it yet.
func (s *Store) upgrade(ctx context.Context, id ID) error {
	var branches []*branchState
	var points []oldPoint
	at := map[level]bool{} // where there are checkpoints
	old := false
	d := &Disk{id: id, store: s}
	err := s.kv.View(ctx, func(r kv.Reader) error {
		v, ok, err := r.Get(branchKey(id, rootNum))
		if old = ok && len(v) > 0 && v[0] == tagRow; err != nil || !old {
			return err
		}
		if d.layers, err = loadLayers(r, id); err != nil {
			return err
		}
		err = eachRow(r, id, tabBranch, func(k, v []byte) error {
			b, err := decodeBranch(binary.BigEndian.Uint32(k[len(k)-4:]), v)
			branches = append(branches, b)
			return err
		})
		if err != nil {
			return err
		}
		err = eachRow(r, id, tabPoint, func(k, v []byte) error {
			p, err := decodePoint(k, v)
			if err == nil {
				at[p.at] = true
			}
			return err
		})
		if err != nil {
			return err
		}
		return eachRow(r, id, tabOldPoint, func(k, v []byte) error {
			p, err := decodeOldPoint(id, k, v)
			points, at[p.p.at] = append(points, p), true
			return err
		})
	})
	if err != nil || !old {
		return err
	}
	return d.upgradeRows(ctx, branches, points, at)
}

func decodeOldPoint(id ID, k, v []byte) (o oldPoint, err error) {
	var l, e, created, files uint64
	owner := k[len(tableKey(id, tabOldPoint)):]
	if _, err := unrow(v, &l, &e, &created, &files); err != nil || len(owner) < 5 {
		return o, corrupt("checkpoint")
	}
	o.key = append(o.key, k...)
	o.pin = pinKey(id, layer(l), epoch(e), pinCheckpoint, owner)
	o.p = point{at: level{layer: layer(l), epoch: epoch(e)}, name: string(owner[4:]), created: time.Unix(0, int64(created)), files: int64(files)}
	return o, nil
}

// upgradeBatch is how many checkpoints or layers a transaction upgrades.
const upgradeBatch = 20

func (d *Disk) upgradeRows(ctx context.Context, branches []*branchState, points []oldPoint, at map[level]bool) error {
	for _, b := range branches {
		if b.id != 0 || b.num == rootNum {
			continue
		}
		if l := d.layers[b.layer]; l != nil {
			if up := (level{layer: l.parent, epoch: l.parentEpoch}); at[up] {
				b.from = up
			}
		}
		if err := d.upgradeBranch(ctx, b); err != nil {
			return err
		}
	}
	for len(points) > 0 {
		batch := points[:min(len(points), upgradeBatch)]
		err := d.store.kv.Update(ctx, func(tx kv.Txn) error {
			for i := range batch {
				if err := batch[i].upgrade(tx, d.id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		points = points[len(batch):]
	}
	for _, l := range d.layers {
		if err := d.upgradeUsage(ctx, l); err != nil {
			return err
		}
	}
	for _, b := range branches {
		if b.num == rootNum {
			b.id = d.id
			return d.store.kv.Update(ctx, func(tx kv.Txn) error { return tx.Set(branchKey(d.id, b.num), b.row()) })
		}
	}
	return errs.New("upgrade", d.id.String(), errs.Corrupt, "the root branch is missing")
}

func (o *oldPoint) upgrade(tx kv.Txn, id ID) error {
	for _, k := range [][]byte{o.key, o.pin} {
		if err := tx.Delete(k); err != nil {
			return err
		}
	}
	if err := tx.Set(pinKey(id, o.p.at.layer, o.p.at.epoch, pinCheckpoint, nil), row(0)); err != nil {
		return err
	}
	return tx.Set(pointKey(id, o.p.at), o.p.row())
}

// upgradeBranch gives a branch an id.
func (d *Disk) upgradeBranch(ctx context.Context, b *branchState) error {
	for {
		var err error
		if b.id, err = d.store.drawID(); err != nil {
			return err
		}
		taken := false
		err = d.store.kv.Update(ctx, func(tx kv.Txn) error {
			t := txn{tx: tx}
			err := t.wantFreeID(b.id)
			if taken = err == errIDTaken; err != nil {
				return err
			}
			if err := tx.Set(branchIDKey(b.id), located{d.id, b.num}.row()); err != nil {
				return err
			}
			return tx.Set(branchKey(d.id, b.num), b.row())
		})
		if !taken {
			return err
		}
	}
}

// upgradeUsage counts what only pins keep of a layer's contents.
func (d *Disk) upgradeUsage(ctx context.Context, l *layerState) error {
	if l.epoch == 1 {
		return nil
	}
	u := l.usage
	u.retained = 0
	err := d.store.kv.View(ctx, func(r kv.Reader) error {
		lo := layerKey(d.id, tabDead, l.id)
		return eachIn(r, lo, afterPrefix(lo), func(k, _ []byte) error {
			v, ok, err := r.Get(idKey(d.id, tabExtent, idOf(k)))
			if err != nil || !ok {
				return err
			}
			x, err := decodeExtent(v)
			u.retained += x.loc.Length
			return err
		})
	})
	if err != nil {
		return err
	}
	lo := append(metaHeader(d.id, l.id), kindData)
	hi, last := afterPrefix(lo), ""
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, 1000)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		for i, k := range keys {
			body := string(k[:len(k)-versionSz])
			if body == last && len(values[i]) > 0 && values[i][0] == tagInline {
				u.retained += int64(len(values[i]) - 1)
			}
			last = body
		}
		lo = append(keys[len(keys)-1], 0)
	}
	return d.store.kv.Update(ctx, func(tx kv.Txn) error { return tx.Set(layerKey(d.id, tabUsage, l.id), u.row()) })
}
