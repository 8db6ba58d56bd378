package disk

import (
	"context"
	"encoding/binary"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// A delegation is one client's exclusive right to change a file, or a
// directory and all below it.

type delegKey struct {
	layer layer
	ino   Ino
}

func delegationKey(id ID, k delegKey) []byte {
	return binary.BigEndian.AppendUint64(layerKey(id, tabDeleg, k.layer), uint64(k.ino))
}

func (d *Disk) loadDelegations(r kv.Reader) error {
	return eachRow(r, d.id, tabDeleg, func(k, v []byte) error {
		var client uint64
		if _, err := unrow(v, &client); err != nil {
			return err
		}
		n := len(k)
		d.delegs[delegKey{layer(binary.BigEndian.Uint32(k[n-12:])), Ino(binary.BigEndian.Uint64(k[n-8:]))}] = client
		return nil
	})
}

// Delegate gives a client (not 0) the exclusive right to change an inode and
// what is below it. Delegated: another client holds it, or something above or
// below it.
func (v *View) Delegate(ctx context.Context, ino Ino, client uint64) error {
	if client == 0 {
		return errs.New("delegate", "", errs.Invalid, "client 0 is nobody")
	}
	d := v.disk
	return d.submit(ctx, &op{v: v, alone: true, fn: func(t *txn) error {
		if err := t.holderAbove("delegate", "", ino, client); err != nil {
			return err
		}
		if err := t.holderBelow(ino, client); err != nil {
			return err
		}
		k := delegKey{t.lay.id, ino}
		t.onCommit(func() { d.setDelegation(k, client) })
		return t.tx.Set(delegationKey(d.id, k), row(client))
	}})
}

// Undelegate gives a delegation back; it is no error if there is none.
func (v *View) Undelegate(ctx context.Context, ino Ino) error {
	d := v.disk
	return d.submit(ctx, &op{v: v, alone: true, fn: func(t *txn) error {
		k := delegKey{t.lay.id, ino}
		t.onCommit(func() { d.setDelegation(k, 0) })
		return t.tx.Delete(delegationKey(d.id, k))
	}})
}

func (d *Disk) setDelegation(k delegKey, client uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if client == 0 {
		delete(d.delegs, k)
	} else {
		d.delegs[k] = client
	}
}

// holder returns who holds ino; any tells whether anything is held at all.
func (d *Disk) holder(k delegKey) (client uint64, any bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.delegs[k], len(d.delegs) > 0
}

// checkDelegated refuses a change of the entry (dir, path's last name) and of
// the inode that has it now, if another client than the caller holds either
// or something above.
func (t *txn) checkDelegated(op, path string, dir Ino, old *Attr, client uint64) error {
	if _, any := t.g.d.holder(delegKey{}); !any {
		return nil
	}
	if old != nil && old.Ino != 0 {
		if c, _ := t.g.d.holder(delegKey{t.lay.id, old.Ino}); c != 0 && c != client {
			return delegated(op, path)
		}
	}
	if dir == 0 && old != nil && old.Nlink > 1 { // it has a parent for each name
		names, err := t.links(old.Ino)
		for i := 0; err == nil && i < len(names); i++ {
			err = t.holderAbove(op, path, names[i].dir, client)
		}
		return err
	}
	return t.holderAbove(op, path, dir, client)
}

func delegated(op, path string) error {
	return errs.New(op, path, errs.Delegated, "a mount holds the exclusive right to write here; try again when it has given it back")
}

// holderAbove refuses if another client holds ino or a directory above it.
func (t *txn) holderAbove(op, path string, ino Ino, client uint64) error {
	for {
		if c, _ := t.g.d.holder(delegKey{t.lay.id, ino}); c != 0 && c != client {
			return delegated(op, path)
		}
		if ino == RootIno || ino == 0 {
			return nil
		}
		var a Attr
		if err := t.inode(ino, &a); err != nil {
			return err
		}
		ino = a.parent
	}
}

// holderBelow refuses if another client holds something below ino.
func (t *txn) holderBelow(ino Ino, client uint64) error {
	t.g.d.mu.Lock()
	var all []Ino
	for k, c := range t.g.d.delegs {
		if k.layer == t.lay.id && c != client {
			all = append(all, k.ino)
		}
	}
	t.g.d.mu.Unlock()
held:
	for _, h := range all {
		for h != RootIno && h != 0 {
			if h == ino {
				return delegated("delegate", "")
			}
			var a Attr
			err := t.inode(h, &a)
			if errs.Is(err, errs.Stale) { // it was deleted since it was delegated
				continue held
			}
			if err != nil {
				return err
			}
			h = a.parent
		}
		if ino == RootIno {
			return delegated("delegate", "")
		}
	}
	return nil
}
