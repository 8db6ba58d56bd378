package disk

import (
	"context"
	"encoding/binary"
	"errors"
)

var errRestage = errors.New("a checkpoint came between staging and commit")

func isRestage(err error) bool { return errors.Is(err, errRestage) }

// restageRows is how many chunks one transaction moves on: each costs four
// mutations and one for each of its extents.
const restageRows = 6

// restage moves an upload's staged rows to the layer's current epoch.
func (u *Upload) restage() error {
	next, more := uint32(0), true
	var at epoch
	for more {
		o := &op{v: u.v, alone: true, fn: func(t *txn) (err error) {
			if next > 0 && t.lay.epoch != at {
				next = 0 // yet another checkpoint: begin again
			}
			at = t.lay.epoch
			from := next
			var last uint32
			last, more, err = t.restageFrom(u.data(), from)
			t.onCommit(func() { next = last })
			return err
		}}
		if err := u.v.disk.submit(context.WithoutCancel(u.ctx), o); err != nil {
			return err
		}
	}
	u.stagedEpoch = at
	return nil
}

// restageFrom moves some chunk rows, from a chunk number on, and returns
// where to go on.
func (t *txn) restageFrom(data DataID, from uint32) (next uint32, more bool, err error) {
	type old struct {
		n     uint32
		epoch epoch
		value []byte
	}
	var rows []old
	h := metaHeader(t.disk, t.lay.id)
	lo := append(h[:len(h):len(h)], dataBody(nil, data, from)...)
	hi := afterPrefix(append(h[:len(h):len(h)], dataPrefix(nil, data)...))
	it := t.tx.Scan(lo, hi)
	for ok := it.Next(); ok; ok = it.Next() {
		if len(rows) == restageRows {
			more = true
			break
		}
		k := it.Key()
		rows = append(rows, old{binary.BigEndian.Uint32(k[len(k)-8:]),
			epoch(^binary.BigEndian.Uint32(k[len(k)-4:])), append([]byte(nil), it.Value()...)})
	}
	if err := errors.Join(it.Err(), it.Close()); err != nil {
		return 0, false, err
	}
	for _, r := range rows {
		next = r.n + 1
		if r.epoch == t.lay.epoch {
			continue
		}
		body := dataBody(nil, data, r.n)
		if err := t.dropOld(body, r.epoch); err != nil {
			return 0, false, err
		}
		if err := t.putFresh(body, r.value); err != nil {
			return 0, false, err
		}
		if err := t.rebirth(r.value); err != nil {
			return 0, false, err
		}
	}
	return next, more, nil
}

// rebirth sets the birth of a chunk's extents to the current epoch.
func (t *txn) rebirth(value []byte) error {
	c, err := decodeChunk(value)
	if err != nil {
		return err
	}
	for _, ref := range c.refs {
		x, err := t.extentAt(ref.id)
		if err != nil {
			return err
		}
		x.birth = t.lay.epoch
		if err := t.tx.Set(idKey(t.disk, tabExtent, ref.id), x.row()); err != nil {
			return err
		}
	}
	return nil
}
