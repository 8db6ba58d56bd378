package disk

import (
	"context"

	"atoll/internal/errs"
)

// Remove deletes the file, or the symbolic link itself, that path names; its
// parents stay. removed is false, without an error, if nothing is there or a
// directory is. Reserved, Delegated, and what RemoveOptions.Check says.
func (v *View) Remove(ctx context.Context, path string, o RemoveOptions) (removed bool, err error) {
	return v.removePath(ctx, "remove", path, o, false)
}

// RemoveDir deletes the directory that path names if it is empty; else, or if
// nothing or a file is there, removed is false without an error.
func (v *View) RemoveDir(ctx context.Context, path string, o RemoveOptions) (removed bool, err error) {
	return v.removePath(ctx, "remove directory", path, o, true)
}

func (v *View) removePath(ctx context.Context, op, path string, o RemoveOptions, dir bool) (removed bool, err error) {
	if err := CheckPath(path); err != nil {
		return false, err
	}
	err = v.update(ctx, func(t *txn) error {
		removed = false
		p, err := t.walk(op, path, false)
		switch errs.KindOf(err) {
		case errs.NotDir, errs.LeavesDisk, errs.Loop: // nothing is there
			p, err = place{}, nil
		}
		if err != nil {
			return err
		}
		there := p.exists && p.attr.IsDir() == dir
		if o.Check != nil {
			var old *Attr
			if there {
				old = &p.attr
			}
			if err := o.Check(old); err != nil {
				return err
			}
		}
		if !there {
			return nil
		}
		if err := t.checkDelegated(op, path, p.dir, &p.attr, o.Client); err != nil {
			return err
		}
		if dir {
			removed, err = t.removeEmpty(&p)
			return err
		}
		removed = true
		return t.unlink(&p.attr, p.dir, p.name)
	})
	return removed && err == nil, err
}

func (t *txn) removeEmpty(p *place) (bool, error) {
	if p.attr.Ino == RootIno {
		return false, nil
	}
	empty, err := t.isEmptyDir(p.attr.Ino)
	if err != nil || !empty {
		return false, err
	}
	return true, t.rmdir(p.attr.Ino, p.dir, p.name)
}

// unlink removes the entry of a file.
func (t *txn) unlink(a *Attr, dir Ino, name string) error {
	if err := t.touchDir(dir, 0); err != nil {
		return err
	}
	if _, err := t.del(entryBody(t.body[:0], dir, name), false); err != nil {
		return err
	}
	return t.dropName(a, dir, name)
}

// rmdir removes the entry and the inode of an empty directory.
func (t *txn) rmdir(ino, dir Ino, name string) error {
	c, err := t.cached(ino)
	if err != nil {
		return err
	}
	if err := t.touchDir(dir, -1); err != nil {
		return err
	}
	if _, err := t.del(entryBody(t.body[:0], dir, name), false); err != nil {
		return err
	}
	if _, err := t.del(inodeBody(t.body[:0], ino), false); err != nil {
		return err
	}
	c.gone = true
	t.change(c)
	t.addUsage(t.lay.id, 0, -1)
	if c.attr.xattrs {
		return t.reapLater(DataID(ino), reapNamed)
	}
	return nil
}

// MakeDir makes the directory path and its missing parents. created is false,
// without an error, if it is there already; NotDir if path or a parent is a
// file.
func (v *View) MakeDir(ctx context.Context, path string, o MakeDirOptions) (created bool, err error) {
	if err := CheckPath(path); err != nil {
		return false, err
	}
	if !o.HasMode {
		o.Mode = 0o755
	}
	po := PutOptions{UID: o.UID, GID: o.GID, Client: o.Client}
	if err := v.makeParents(ctx, path, &po); err != nil {
		return false, err
	}
	err = v.update(ctx, func(t *txn) error {
		created = false
		p, err := t.walk("make directory", path, true)
		if errs.Is(err, errs.LeavesDisk) || errs.Is(err, errs.Loop) || err == nil && p.dangling {
			return errs.New("make directory", path, errs.Exists, "a symbolic link on this path leads nowhere inside the disk")
		}
		if err != nil {
			return err
		}
		if p.exists {
			if !p.attr.IsDir() {
				return errs.New("make directory", path, errs.NotDir, "a file of this name exists")
			}
			return nil
		}
		names := p.missing
		if len(names) == 0 {
			names = []string{p.name}
		}
		created = true
		return t.makePath(path, p.dir, names, &o)
	})
	return created && err == nil, err
}

func (t *txn) makePath(path string, dir Ino, names []string, o *MakeDirOptions) error {
	if len(names) > maxMissing+1 {
		return errs.New("make directory", path, errs.Stale, "a parent directory was removed meanwhile; try again")
	}
	if err := t.checkDelegated("make directory", path, dir, nil, o.Client); err != nil {
		return err
	}
	if err := t.checkQuota("make directory", 0, int64(len(names))); err != nil {
		return err
	}
	ids, err := t.newID()
	if err != nil {
		return err
	}
	last := len(names) - 1
	if dir, err = t.makeDirs(dir, names[:last], o.UID, o.GID); err != nil {
		return err
	}
	a := t.newDir(Ino(ids), dir, o.Mode, o.UID, o.GID)
	return t.addDir(&a, names[last])
}
