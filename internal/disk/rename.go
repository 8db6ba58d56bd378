package disk

import (
	"context"

	"atoll/internal/errs"
)

// RenameFlags are those of renameat2(2).
type RenameFlags uint8

// The flags; they exclude each other.
const (
	RenameNoReplace RenameFlags = 1
	RenameExchange  RenameFlags = 2
)

// Rename moves an entry, in one step. What the new name had before is
// replaced as rename(2) says: a file by a file, an empty directory by a
// directory.
func (v *View) Rename(ctx context.Context, dir Ino, name string, newDir Ino, newName string, flags RenameFlags, client uint64) error {
	for _, n := range [...]string{name, newName} {
		if err := checkName("rename", n); err != nil {
			return err
		}
	}
	if flags > RenameExchange {
		return errs.New("rename", name, errs.Invalid, "NOREPLACE and EXCHANGE exclude each other")
	}
	return v.update(ctx, func(t *txn) error {
		m := move{dir: dir, name: name, newDir: newDir, newName: newName, flags: flags}
		if err := t.checkMove(&m, client); err != nil || m.same {
			return err
		}
		if flags == RenameExchange {
			return t.exchange(&m)
		}
		return t.rename(&m)
	})
}

type move struct {
	dir, newDir   Ino
	name, newName string
	flags         RenameFlags
	a, b          Attr // what the names have; b if there
	there         bool
	same          bool // both names are one inode: nothing to do
}

func (m *move) fail(kind errs.Kind) error { return errs.E("rename", m.name, kind, nil) }

// checkMove looks everything up and refuses what can't be.
func (t *txn) checkMove(m *move, client uint64) error {
	for _, d := range [...]Ino{m.dir, m.newDir} {
		if _, err := t.dirForChange("rename", d); err != nil {
			return err
		}
	}
	if m.dir == RootIno && m.name == ReservedDir || m.newDir == RootIno && m.newName == ReservedDir {
		return m.fail(errs.Reserved)
	}
	ok, err := t.lookup(m.dir, m.name, &m.a)
	if err == nil && !ok {
		err = m.fail(errs.NotFound)
	}
	if err != nil {
		return err
	}
	if m.there, err = t.lookup(m.newDir, m.newName, &m.b); err != nil {
		return err
	}
	if err := t.checkDelegated("rename", m.name, m.dir, &m.a, client); err != nil {
		return err
	}
	if err := t.checkDelegated("rename", m.newName, m.newDir, &m.b, client); err != nil {
		return err
	}
	if m.there && m.flags != RenameNoReplace && m.a.Ino == m.b.Ino {
		m.same = true
		return nil
	}
	if err := t.checkTarget(m); err != nil {
		return err
	}
	return t.checkCycle(m)
}

func (t *txn) checkTarget(m *move) error {
	switch {
	case m.flags == RenameExchange:
		if !m.there {
			return m.fail(errs.NotFound)
		}
	case !m.there:
	case m.flags == RenameNoReplace:
		return m.fail(errs.Exists)
	case m.a.IsDir() && !m.b.IsDir():
		return m.fail(errs.NotDir)
	case !m.a.IsDir() && m.b.IsDir():
		return m.fail(errs.IsDir)
	case m.b.IsDir():
		empty, err := t.isEmptyDir(m.b.Ino)
		if err == nil && !empty {
			err = m.fail(errs.NotEmpty)
		}
		return err
	}
	return nil
}

// checkCycle refuses to move a directory below itself.
func (t *txn) checkCycle(m *move) error {
	if m.dir == m.newDir {
		return nil
	}
	if m.a.IsDir() {
		if err := t.notBelow(m.a.Ino, m.newDir, m); err != nil {
			return err
		}
	}
	if m.flags == RenameExchange && m.b.IsDir() {
		return t.notBelow(m.b.Ino, m.dir, m)
	}
	return nil
}

func (t *txn) notBelow(ino, dir Ino, m *move) error {
	for dir != RootIno {
		if dir == ino {
			return errs.New("rename", m.name, errs.Invalid, "a directory can't be moved below itself")
		}
		var a Attr
		if err := t.inode(dir, &a); err != nil {
			return err
		}
		dir = a.parent
	}
	return nil
}

func (t *txn) rename(m *move) error {
	sub := 0
	if m.a.IsDir() {
		sub = 1
	}
	if m.there && m.b.IsDir() {
		if err := t.rmdir(m.b.Ino, m.newDir, m.newName); err != nil {
			return err
		}
	} else if m.there {
		if err := t.dropName(&m.b, m.newDir, m.newName); err != nil {
			return err
		}
	}
	if err := t.touchDir(m.dir, -sub); err != nil {
		return err
	}
	if err := t.touchDir(m.newDir, sub); err != nil {
		return err
	}
	if _, err := t.del(entryBody(t.body[:0], m.dir, m.name), false); err != nil {
		return err
	}
	return t.settleAttr(&m.a, linkName{m.dir, m.name}, linkName{m.newDir, m.newName})
}

// exchange swaps what two names have.
func (t *txn) exchange(m *move) error {
	da, db := 0, 0
	if m.a.IsDir() {
		da = 1
	}
	if m.b.IsDir() {
		db = 1
	}
	if err := t.touchDir(m.dir, db-da); err != nil {
		return err
	}
	if err := t.touchDir(m.newDir, da-db); err != nil {
		return err
	}
	from, to := linkName{m.dir, m.name}, linkName{m.newDir, m.newName}
	a, b := m.a, m.b
	if err := t.settleAttr(&a, from, to); err != nil {
		return err
	}
	return t.settleAttr(&b, to, from)
}

// settleAttr writes an inode's entry at a new place, and what names the place.
func (t *txn) settleAttr(a *Attr, from, to linkName) error {
	if a.IsDir() {
		c, err := t.cached(a.Ino)
		if err != nil {
			return err
		}
		c.attr.parent, c.attr.name, c.attr.Ctime = to.dir, to.name, t.g.now
		t.change(c)
		_, err = t.put(entryBody(nil, to.dir, to.name), appendBare(nil, Dir, a.Ino))
		return err
	}
	if a.Nlink > 1 {
		c, err := t.cached(a.Ino)
		if err != nil {
			return err
		}
		c.attr.Ctime = t.g.now
		t.change(c)
		if _, err := t.del(linkBody(nil, a.Ino, from.dir, from.name), false); err != nil {
			return err
		}
		return t.addLink(a, to.dir, to.name)
	}
	a.parent, a.Ctime = to.dir, t.g.now
	if _, err := t.put(inodeBody(nil, a.Ino), appendPointer(nil, to.dir, to.name)); err != nil {
		return err
	}
	return t.setEntry(a, to.name)
}
