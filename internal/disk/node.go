package disk

import (
	"context"
	"strings"

	"atoll/internal/errs"
)

// This file and its neighbours rename.go, setattr.go, write.go and xattr.go
// hold the operations on inodes, as a mount needs them: one directory and one
// name at a time, no path, no link followed.

// checkName tells whether name can be an entry's.
func checkName(op, name string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return errs.New(op, name, errs.Invalid, "a name is not empty, not '.' or '..', and has no slash or NUL")
	case len(name) > MaxName:
		return errs.New(op, name, errs.NameTooLong, "a name has at most 255 bytes")
	}
	return nil
}

// Lookup returns the inode that a directory has under a name.
func (v *View) Lookup(ctx context.Context, dir Ino, name string) (a Attr, err error) {
	err = v.read(ctx, func(r *reader) error {
		var d Attr
		if err := r.dirInode("lookup", dir, &d); err != nil {
			return err
		}
		if name == ".." {
			return r.inode(d.parent, &a)
		}
		ok, err := r.lookup(dir, name, &a)
		if err == nil && !ok {
			err = errs.E("lookup", name, errs.NotFound, nil)
		}
		return err
	})
	return a, err
}

func (r *reader) dirInode(op string, dir Ino, a *Attr) error {
	if err := r.inode(dir, a); err != nil {
		return err
	}
	if a.Type != Dir {
		return errs.E(op, "", errs.NotDir, nil)
	}
	return nil
}

// GetAttr returns the attributes of an inode. Stale: it is gone.
func (v *View) GetAttr(ctx context.Context, ino Ino) (a Attr, err error) {
	err = v.read(ctx, func(r *reader) error { return r.inode(ino, &a) })
	return a, err
}

// ReadDir returns up to limit entries of a directory whose names come after
// the given one, in byte order of names, with their attributes.
func (v *View) ReadDir(ctx context.Context, dir Ino, after string, limit int) (out []DirEntry, err error) {
	err = v.read(ctx, func(r *reader) error {
		out = out[:0]
		var d Attr
		if err := r.dirInode("read directory", dir, &d); err != nil {
			return err
		}
		from := ""
		if after != "" {
			from = after + "\x01" // after the NUL that ends the name
		}
		m := r.entries(dir, from, "")
		defer m.close()
		for len(out) < limit && m.next() {
			e := DirEntry{Name: nameOf(m.body(), entryNamePos)}
			if e.Name <= after {
				continue
			}
			if err := decodeEntry(m.value(), &e.Attr); err != nil {
				return err
			}
			if err := r.fill(&e.Attr); err != nil {
				return err
			}
			out = append(out, e)
		}
		return m.close()
	})
	return out, err
}

// NewNode says what Create makes.
type NewNode struct {
	Type     Type   // not Dir: see Mkdir
	Mode     uint32 // permission bits
	UID, GID uint32
	Rdev     uint32 // of devices
	Target   string // of symlinks
	Client   uint64
}

// Create makes an empty file, a symbolic link, a device, socket or pipe.
// Exists: the name is taken.
func (v *View) Create(ctx context.Context, dir Ino, name string, n NewNode) (a Attr, err error) {
	if err := checkName("create", name); err != nil {
		return a, err
	}
	if n.Type == Symlink && (n.Target == "" || len(n.Target) > MaxPath || strings.Contains(n.Target, "\x00")) {
		return a, errs.New("symlink", name, errs.Invalid, "a link's target has 1 to 4096 bytes, none of them NUL")
	}
	if n.Type == Dir || n.Type == 0 {
		return a, errs.New("create", name, errs.Invalid, "Create makes no directories")
	}
	err = v.update(ctx, func(t *txn) error {
		id, err := t.prepareCreate(dir, name, n.Client)
		if err != nil {
			return err
		}
		now := t.g.now
		a = Attr{Ino: Ino(id), Type: n.Type, Mode: n.Mode & 0o7777, UID: n.UID, GID: n.GID, Nlink: 1,
			Rdev: n.Rdev, Mtime: now, Ctime: now, Btime: now, Version: id, parent: dir}
		if n.Type == Symlink {
			a.Target, a.Size = n.Target, int64(len(n.Target))
		}
		if err := t.touchDir(dir, 0); err != nil {
			return err
		}
		t.addUsage(t.lay.id, 0, 1)
		return t.newEntry(&a, name)
	})
	return a, err
}

// prepareCreate checks that a name can be made and gives it a number.
func (t *txn) prepareCreate(dir Ino, name string, client uint64) (uint64, error) {
	if _, err := t.dirForChange("create", dir); err != nil {
		return 0, err
	}
	if dir == RootIno && name == ReservedDir {
		return 0, errs.E("create", name, errs.Reserved, nil)
	}
	var old Attr
	ok, err := t.entry(dir, name, &old)
	if err != nil {
		return 0, err
	}
	if ok {
		return 0, errs.E("create", name, errs.Exists, nil)
	}
	if err := t.checkDelegated("create", name, dir, nil, client); err != nil {
		return 0, err
	}
	if err := t.checkQuota("create", 0, 1); err != nil {
		return 0, err
	}
	return t.newID()
}

// dirForChange returns a directory from the group's cache.
func (t *txn) dirForChange(op string, dir Ino) (*cachedInode, error) {
	var a Attr
	if err := t.inode(dir, &a); err != nil {
		return nil, err
	}
	if a.Type != Dir {
		return nil, errs.E(op, "", errs.NotDir, nil)
	}
	return t.cached(dir)
}

// Mkdir makes a directory.
func (v *View) Mkdir(ctx context.Context, dir Ino, name string, n NewNode) (a Attr, err error) {
	if err := checkName("mkdir", name); err != nil {
		return a, err
	}
	err = v.update(ctx, func(t *txn) error {
		id, err := t.prepareCreate(dir, name, n.Client)
		if err != nil {
			return err
		}
		a = t.newDir(Ino(id), dir, n.Mode, n.UID, n.GID)
		return t.addDir(&a, name)
	})
	return a, err
}

// Unlink removes a name of a file.
func (v *View) Unlink(ctx context.Context, dir Ino, name string, client uint64) error {
	return v.removeName(ctx, "unlink", dir, name, client, func(t *txn, a *Attr) error {
		if a.IsDir() {
			return errs.E("unlink", name, errs.IsDir, nil)
		}
		return t.unlink(a, dir, name)
	})
}

// Rmdir removes an empty directory.
func (v *View) Rmdir(ctx context.Context, dir Ino, name string, client uint64) error {
	return v.removeName(ctx, "rmdir", dir, name, client, func(t *txn, a *Attr) error {
		if !a.IsDir() {
			return errs.E("rmdir", name, errs.NotDir, nil)
		}
		empty, err := t.isEmptyDir(a.Ino)
		if err != nil {
			return err
		}
		if !empty {
			return errs.E("rmdir", name, errs.NotEmpty, nil)
		}
		return t.rmdir(a.Ino, dir, name)
	})
}

func (v *View) removeName(ctx context.Context, op string, dir Ino, name string, client uint64, fn func(*txn, *Attr) error) error {
	if err := checkName(op, name); err != nil {
		return err
	}
	return v.update(ctx, func(t *txn) error {
		if _, err := t.dirForChange(op, dir); err != nil {
			return err
		}
		var a Attr
		ok, err := t.lookup(dir, name, &a)
		if err != nil {
			return err
		}
		if !ok {
			return errs.E(op, name, errs.NotFound, nil)
		}
		if err := t.checkDelegated(op, name, dir, &a, client); err != nil {
			return err
		}
		return fn(t, &a)
	})
}

// Link gives a file one more name.
func (v *View) Link(ctx context.Context, ino, dir Ino, name string, client uint64) (a Attr, err error) {
	if err := checkName("link", name); err != nil {
		return a, err
	}
	err = v.update(ctx, func(t *txn) error {
		if err := t.inode(ino, &a); err != nil {
			return err
		}
		if a.IsDir() {
			return errs.New("link", name, errs.IsDir, "a directory has one name")
		}
		if a.Nlink == 0 {
			return errs.New("link", name, errs.NotFound, "the file has no name left")
		}
		if _, err := t.prepareCreate(dir, name, client); err != nil {
			return err
		}
		c, err := t.shared(&a)
		if err != nil {
			return err
		}
		c.attr.Nlink++
		c.attr.Ctime = t.g.now
		t.change(c)
		a = c.attr
		if err := t.touchDir(dir, 0); err != nil {
			return err
		}
		return t.addLink(&a, dir, name)
	})
	return a, err
}

// addLink writes one name of an inode with several.
func (t *txn) addLink(a *Attr, dir Ino, name string) error {
	if _, err := t.put(linkBody(nil, a.Ino, dir, name), row(0)); err != nil {
		return err
	}
	_, err := t.put(entryBody(nil, dir, name), appendBare(nil, a.Type, a.Ino))
	return err
}

// shared moves the attributes of an inode with one name from its entry into
// its inode row, as an inode with several has them.
func (t *txn) shared(a *Attr) (*cachedInode, error) {
	if a.Nlink > 1 {
		return t.cached(a.Ino)
	}
	dir, name, ok, err := t.where(a.Ino)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errs.New("link", "", errs.Corrupt, "a file with one name has no entry")
	}
	b := *a
	b.parent = 0
	if err := t.addLink(&b, dir, name); err != nil {
		return nil, err
	}
	return t.newCached(b), nil
}
