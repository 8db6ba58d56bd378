package disk

import (
	"context"
	"strings"
	"sync"
	"unicode/utf8"

	"atoll/internal/errs"
)

// readers is a pool of scratch memory, not state.
var readers = sync.Pool{New: func() any { return new(reader) }}

// ReservedDir is the directory at the root of each view that belongs to the
// system.
const ReservedDir = ".archil"

// IsReserved tells whether path is the reserved directory or under it.
func IsReserved(path string) bool {
	return strings.HasPrefix(path, ReservedDir) && (len(path) == len(ReservedDir) || path[len(ReservedDir)] == '/')
}

// CheckPath tells whether a path (relative, without a slash at its end) can
// name a file: Invalid for empty, '.' and '..' segments, NUL and invalid
// UTF-8, NameTooLong for a segment over MaxName bytes.
func CheckPath(path string) error {
	bad := func(kind errs.Kind, text string) error { return errs.New("path", path, kind, text) }
	if path == "" {
		return bad(errs.Invalid, "the path is empty")
	}
	if !utf8.ValidString(path) {
		return bad(errs.Invalid, "the path is not valid UTF-8")
	}
	if strings.IndexByte(path, 0) >= 0 {
		return bad(errs.Invalid, "the path has a NUL character")
	}
	for rest := path; ; {
		seg, tail, more := strings.Cut(rest, "/")
		switch {
		case seg == "":
			return bad(errs.Invalid, "the path has an empty segment (a leading or doubled slash)")
		case seg == "." || seg == "..":
			return bad(errs.Invalid, "the path has a segment '.' or '..'")
		case len(seg) > MaxName:
			return bad(errs.NameTooLong, "a segment of the path is longer than 255 bytes")
		}
		if !more {
			return nil
		}
		rest = tail
	}
}

// maxLinks is how many symbolic links one path may go through, as on Linux.
const maxLinks = 40

// place is where a path leads: the entry (dir, name), which may not exist.
type place struct {
	dir    Ino // directory of the entry; 0 for the root itself
	name   string
	exists bool
	attr   Attr // if it exists

	missing  []string // the segments from name on, when a parent is missing
	dangling bool     // what is missing was named by a symlink
}

// walker resolves paths. entries come from a reader or a transaction.
type walker struct {
	lookup func(dir Ino, name string, a *Attr) (bool, error)
	inode  func(ino Ino, a *Attr) error
	op     string
	path   string
	follow bool // follow a symlink in the last component
	links  int
	tail   int // length of what follows the last link of the path itself
}

func (w *walker) fail(kind errs.Kind, text string) error { return errs.New(w.op, w.path, kind, text) }

// walk resolves a path from the root. Links in the middle are always
// followed. NotDir: a component in the middle is no directory; Loop;
// LeavesDisk; NotFound only where the reserved directory is met.
func (w *walker) walk(path string) (p place, err error) {
	w.path = path
	if path == "" {
		p.exists = true
		return p, w.inode(RootIno, &p.attr)
	}
	rest := path
	dir := RootIno
	for {
		name, tail, more := strings.Cut(rest, "/")
		if dir == RootIno && name == ReservedDir {
			return p, w.fail(errs.Reserved, "the path leads into "+ReservedDir+"/, which belongs to the system")
		}
		if name == "" || name == "." {
			if !more {
				return w.self(dir)
			}
			rest = tail
			continue
		}
		if name == ".." {
			if dir, err = w.up(dir); err != nil {
				return p, err
			}
			if !more {
				return w.self(dir)
			}
			rest = tail
			continue
		}
		p.dir, p.name = dir, name
		if p.exists, err = w.lookup(dir, name, &p.attr); err != nil {
			return p, err
		}
		if !p.exists {
			if more {
				p.missing = strings.Split(rest, "/")
			}
			p.dangling = w.links > 0 && len(rest) > w.tail
			return p, nil
		}
		if p.attr.Type == Symlink && (more || w.follow) {
			if rest, err = w.link(p.attr.Target, tail, more); err != nil {
				return p, err
			}
			continue
		}
		if !more {
			return p, nil
		}
		if p.attr.Type != Dir {
			return p, w.fail(errs.NotDir, "a parent of this path is a file")
		}
		dir, rest = p.attr.Ino, tail
	}
}

// link gives the path that remains after a symlink was met.
func (w *walker) link(target, tail string, more bool) (string, error) {
	if w.links++; w.links > maxLinks {
		return "", w.fail(errs.Loop, "too many symbolic links")
	}
	if strings.HasPrefix(target, "/") {
		return "", w.fail(errs.LeavesDisk, "a symbolic link leaves the disk")
	}
	if w.links == 1 { // what follows a link inside a link's target is not the path's own
		w.tail = len(tail)
	}
	w.tail = min(w.tail, len(tail))
	if more {
		return target + "/" + tail, nil
	}
	return target, nil
}

func (w *walker) up(dir Ino) (Ino, error) {
	if dir == RootIno {
		return 0, w.fail(errs.LeavesDisk, "a symbolic link leaves the disk")
	}
	var a Attr
	if err := w.inode(dir, &a); err != nil {
		return 0, err
	}
	return a.parent, nil
}

// self is the place of a directory that a link's "." or ".." ended at.
func (w *walker) self(dir Ino) (p place, err error) {
	p.exists = true
	return p, w.inode(dir, &p.attr)
}

func (r *reader) walk(op, path string, follow bool) (place, error) {
	w := walker{lookup: r.lookup, inode: r.inode, op: op, follow: follow}
	return w.walk(path)
}

func (t *txn) walk(op, path string, follow bool) (place, error) {
	w := walker{lookup: t.lookup, inode: t.inode, op: op, follow: follow}
	return w.walk(path)
}

// find is walk for reading: what is missing, is NotFound.
func (r *reader) find(op, path string, follow bool) (place, error) {
	p, err := r.walk(op, path, follow)
	if errs.Is(err, errs.Reserved) {
		return p, errs.E(op, path, errs.NotFound, nil)
	}
	if err == nil && !p.exists {
		err = errs.E(op, path, errs.NotFound, nil)
	}
	return p, err
}

// Stat returns the attributes of what path names; follow resolves a symbolic
// link in its last component (links before it are always followed, inside the
// disk). NotFound, NotDir, Loop, LeavesDisk.
func (v *View) Stat(ctx context.Context, path string, follow bool) (a Attr, err error) {
	err = v.read(ctx, func(r *reader) error {
		p, err := r.find("stat", path, follow)
		a = p.attr
		return err
	})
	return a, err
}
