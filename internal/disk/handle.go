package disk

import (
	"context"

	"atoll/internal/errs"
)

// handleKey names an inode that is held open; branches are apart.
type handleKey struct {
	view *View
	ino  Ino
}

// Hold keeps an inode alive while it is open, also without a name. Each Hold
// needs one Unhold.
func (v *View) Hold(ctx context.Context, ino Ino) error {
	return v.alone(ctx, func(t *txn) error {
		var a Attr
		if err := t.inode(ino, &a); err != nil {
			return err
		}
		t.onCommit(func() {
			v.disk.mu.Lock()
			v.disk.handles[handleKey{v, ino}]++
			v.disk.mu.Unlock()
		})
		return nil
	})
}

// Unhold ends one Hold; the last one frees an inode that has no name.
func (v *View) Unhold(ctx context.Context, ino Ino) error {
	return v.alone(ctx, func(t *txn) error {
		k := handleKey{v, ino}
		last := v.disk.handleCount(k) <= 1
		t.onCommit(func() {
			v.disk.mu.Lock()
			defer v.disk.mu.Unlock()
			if v.disk.handles[k]--; v.disk.handles[k] <= 0 {
				delete(v.disk.handles, k)
			}
		})
		if !last {
			return nil
		}
		if _, ok, err := t.tx.Get(orphanKey(t.disk, t.lay.id, ino)); err != nil || !ok {
			return err
		}
		return t.dropOrphan(ino)
	})
}

func (d *Disk) handleCount(k handleKey) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.handles[k]
}

func (d *Disk) isOpen(v *View, ino Ino) bool { return d.handleCount(handleKey{v, ino}) > 0 }

// orphan keeps an open inode that lost its last name: its attributes move to
// the inode row, and a row of its own has it freed after a crash.
func (t *txn) orphan(a *Attr) error {
	o := *a
	o.Nlink, o.Ctime = 0, t.g.now
	if err := t.tx.Set(orphanKey(t.disk, t.lay.id, a.Ino), row(0)); err != nil {
		return err
	}
	for _, c := range t.g.inodes {
		if c.attr.Ino == a.Ino && c.v == t.v {
			c.attr = o
			t.change(c)
			return nil
		}
	}
	t.newCached(o)
	return nil
}

// dropOrphan frees an inode without a name.
func (t *txn) dropOrphan(ino Ino) error {
	c, err := t.cached(ino)
	if err != nil {
		return err
	}
	if c.attr.Nlink != 0 {
		return errs.New("close", "", errs.Corrupt, "an orphan has a name")
	}
	c.gone = true
	t.change(c)
	if err := t.tx.Delete(orphanKey(t.disk, t.lay.id, ino)); err != nil {
		return err
	}
	if _, err := t.del(inodeBody(t.body[:0], ino), false); err != nil {
		return err
	}
	return t.freeInode(&c.attr)
}
