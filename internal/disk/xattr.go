package disk

import (
	"context"

	"atoll/internal/errs"
)

// maxXattrs is how many extended attributes one inode may have.
const maxXattrs = 256

// XattrFlags are those of setxattr(2).
type XattrFlags uint8

// The flags; they exclude each other.
const (
	XattrCreate  XattrFlags = 1 // Exists if it is there
	XattrReplace XattrFlags = 2 // NotFound if it is not
)

// SetXattr sets an extended attribute.
func (v *View) SetXattr(ctx context.Context, ino Ino, name string, value []byte, flags XattrFlags, client uint64) error {
	if err := checkXattrName(name); err != nil {
		return err
	}
	if len(value) > MaxXattr {
		return errs.New("set xattr", name, errs.NoSpace, "an attribute's value has at most 60 KiB")
	}
	return v.update(ctx, func(t *txn) error {
		a, have, err := t.xattrTarget("set xattr", ino, name, client)
		if err != nil {
			return err
		}
		switch {
		case have && flags&XattrCreate != 0:
			return errs.E("set xattr", name, errs.Exists, nil)
		case !have && flags&XattrReplace != 0:
			return errs.E("set xattr", name, errs.NotFound, nil)
		}
		if !have {
			if names, err := t.xattrNames(ino); err != nil || len(names) >= maxXattrs {
				if err == nil {
					err = errs.New("set xattr", name, errs.NoSpace, "an inode has at most 256 attributes")
				}
				return err
			}
		}
		if _, err := t.put(xattrBody(nil, ino, name), append([]byte{tagRow}, value...)); err != nil {
			return err
		}
		a.xattrs, a.Ctime = true, t.g.now
		return t.store(a)
	})
}

func checkXattrName(name string) error {
	if name == "" || len(name) > MaxName {
		return errs.New("xattr", name, errs.Invalid, "an attribute's name has 1 to 255 bytes")
	}
	for i := range len(name) {
		if name[i] == 0 {
			return errs.New("xattr", name, errs.Invalid, "an attribute's name has no NUL")
		}
	}
	return nil
}

func (t *txn) xattrTarget(op string, ino Ino, name string, client uint64) (*Attr, bool, error) {
	a := new(Attr)
	if err := t.inode(ino, a); err != nil {
		return nil, false, err
	}
	if err := t.checkDelegated(op, name, a.parent, a, client); err != nil {
		return nil, false, err
	}
	v, err := t.get(xattrBody(nil, ino, name))
	return a, v != nil, err
}

// GetXattr returns an extended attribute, or NotFound.
func (v *View) GetXattr(ctx context.Context, ino Ino, name string) (value []byte, err error) {
	if err := checkXattrName(name); err != nil {
		return nil, err
	}
	err = v.read(ctx, func(r *reader) error {
		b, err := r.get(xattrBody(nil, ino, name))
		if err != nil {
			return err
		}
		if b == nil {
			return errs.E("get xattr", name, errs.NotFound, nil)
		}
		value = append([]byte{}, b[1:]...)
		return nil
	})
	return value, err
}

// ListXattr returns the names of an inode's extended attributes, in order.
func (v *View) ListXattr(ctx context.Context, ino Ino) (names []string, err error) {
	err = v.read(ctx, func(r *reader) error {
		var a Attr
		if err := r.inode(ino, &a); err != nil || !a.xattrs {
			return err
		}
		names, err = r.xattrNames(ino)
		return err
	})
	return names, err
}

func (r *reader) xattrNames(ino Ino) (names []string, err error) {
	p := xattrPrefix(nil, ino)
	m := r.scan(p, afterPrefix(p))
	for m.next() {
		names = append(names, nameOf(m.body(), 9))
	}
	return names, m.close()
}

// RemoveXattr removes an extended attribute, or fails with NotFound.
func (v *View) RemoveXattr(ctx context.Context, ino Ino, name string, client uint64) error {
	if err := checkXattrName(name); err != nil {
		return err
	}
	return v.update(ctx, func(t *txn) error {
		a, have, err := t.xattrTarget("remove xattr", ino, name, client)
		if err != nil {
			return err
		}
		if !have {
			return errs.E("remove xattr", name, errs.NotFound, nil)
		}
		if _, err := t.del(xattrBody(nil, ino, name), false); err != nil {
			return err
		}
		a.Ctime = t.g.now
		return t.store(a)
	})
}
