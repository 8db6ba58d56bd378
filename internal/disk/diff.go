package disk

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// ChangeKind says how a path differs between two points of a disk's history.
type ChangeKind uint8

// The kinds of changes.
const (
	Added ChangeKind = iota + 1
	Changed
	Removed
)

// String gives the word that users see.
func (k ChangeKind) String() string {
	return [...]string{"", "added", "changed", "removed"}[k]
}

// Change is one path that differs. Directories' paths end in '/'.
type Change struct {
	Path string
	Kind ChangeKind
	Old  Attr // of Changed and Removed
	New  Attr // of Added and Changed
}

// DiffOptions ask for one page of a diff.
type DiffOptions struct {
	Prefix     string // only paths that begin with it
	StartAfter string // only paths after it
	Limit      int    // changes at most; 0: DefaultDiff
}

// DefaultDiff is how many changes a page has if nothing is said.
const DefaultDiff = 1000

// Diff tells what differs between two points of the disk's history, in the
// order of View.List: byte order of paths, those of directories ending in
// '/'. A file differs if its contents (as far as its digest tells, if it was
// replaced), its attributes or its modification time do; a directory if its owner, mode or extended attributes do (what is
// in it is told of by itself). What was renamed is removed and added. Diff
// costs what has changed between the two and nothing for what has not. more
// tells whether changes follow the page. Each page is of one instant.
func (d *Disk) Diff(ctx context.Context, a, b Ref, o DiffOptions) (changes []Change, more bool, err error) {
	va, err := d.View(ctx, a)
	if err != nil {
		return nil, false, err
	}
	vb, err := d.View(ctx, b)
	if err != nil {
		return nil, false, err
	}
	if o.Limit <= 0 {
		o.Limit = DefaultDiff
	}
	ca, cb := va.levels(), vb.levels()
	err = d.store.kv.View(ctx, func(r kv.Reader) error {
		for _, v := range []*View{va, vb} {
			if v.gone.Load() {
				return errs.New("diff", v.Ref().String(), errs.NoView, "the branch or checkpoint was deleted")
			}
		}
		f := differ{o: &o}
		f.side[0].init(r, d.id, ca)
		f.side[1].init(r, d.id, cb)
		if err := f.run(); err != nil {
			return err
		}
		changes, more = f.out, f.more
		return nil
	})
	if err != nil {
		return nil, false, errs.E("diff", a.String()+" "+b.String(), errs.KindOf(err), err)
	}
	return changes, more, nil
}

// differ compares two views, side by side: 0 is the old one, 1 the new one.
type differ struct {
	side    [2]reader
	o       *DiffOptions
	changed changeSet
	out     []Change
	more    bool
}

func (f *differ) run() error {
	if err := f.collect(); err != nil {
		return err
	}
	if len(f.changed.names) == 0 && len(f.changed.inodes) == 0 {
		return nil
	}
	return f.sameDir("", RootIno)
}

// wants tells whether keys that begin with the directory's key may be on the
// page: some lie behind StartAfter, and some have the prefix.
func (f *differ) wants(dir string) bool {
	if dir < f.o.StartAfter && !strings.HasPrefix(f.o.StartAfter, dir) {
		return false
	}
	return strings.HasPrefix(dir, f.o.Prefix) || strings.HasPrefix(f.o.Prefix, dir)
}

// emit adds a change, if it is of the page.
func (f *differ) emit(c Change) {
	if c.Path <= f.o.StartAfter || !strings.HasPrefix(c.Path, f.o.Prefix) {
		return
	}
	if len(f.out) == f.o.Limit {
		f.more = true
		return
	}
	f.out = append(f.out, c)
}

// sameDir compares a directory that is the same inode on both sides: only
// names that have changed, or that lead to changes, need a look.
func (f *differ) sameDir(prefix string, dir Ino) error {
	names := sorted(f.changed.names[dir])
	if len(names) == 0 {
		return nil
	}
	if rest, ok := strings.CutPrefix(f.o.StartAfter, prefix); ok {
		first, _, _ := strings.Cut(rest, "/")
		names = slices.DeleteFunc(names, func(n string) bool { return n < first && !strings.HasPrefix(first, n) })
	}
	return f.eachKey(prefix, &nameWalk{f: f, dir: dir, names: names})
}

// pair is what the two sides have under one key of a directory: both are
// directories, or neither is.
type pair struct {
	key  string // the name, with '/' if it is a directory's
	attr [2]Attr
	have [2]bool
}

// eachKey compares what a directory has, key by key in order.
func (f *differ) eachKey(prefix string, w walk) (err error) {
	defer func() { err = errors.Join(err, w.close()) }()
	for !f.more {
		p, ok, err := w.next()
		if err != nil || !ok {
			return err
		}
		path := prefix + p.key
		if path == ReservedDir || path == ReservedDir+"/" {
			continue
		}
		if path > f.o.Prefix && !strings.HasPrefix(path, f.o.Prefix) && !strings.HasPrefix(f.o.Prefix, path) {
			return nil // nor do those that follow
		}
		if err := f.pair(path, p); err != nil {
			return err
		}
	}
	return nil
}

// pair compares one key.
func (f *differ) pair(path string, p *pair) error {
	dir := path[len(path)-1] == '/'
	if dir && !f.wants(path) {
		return nil
	}
	switch {
	case p.have[0] && p.have[1]:
		differ, err := f.differs(&p.attr[0], &p.attr[1])
		if err != nil {
			return err
		}
		if differ {
			f.emit(Change{Path: path, Kind: Changed, Old: p.attr[0], New: p.attr[1]})
		}
		if !dir {
			return nil
		}
		if p.attr[0].Ino == p.attr[1].Ino {
			return f.sameDir(path, p.attr[0].Ino)
		}
	case p.have[0]:
		f.emit(Change{Path: path, Kind: Removed, Old: p.attr[0]})
	case p.have[1]:
		f.emit(Change{Path: path, Kind: Added, New: p.attr[1]})
	}
	if !dir {
		return nil
	}
	w := f.wholeDirs(path, p)
	return f.eachKey(path, w)
}

// differs tells whether two attributes under one path are a change.
func (f *differ) differs(a, b *Attr) (bool, error) {
	if a.Type != b.Type || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || string(a.Meta) != string(b.Meta) {
		return true, nil
	}
	if a.Type != Dir && (!sameContents(a, b) || !a.Mtime.Equal(b.Mtime) || a.Rdev != b.Rdev || a.Target != b.Target ||
		string(a.ContentMeta) != string(b.ContentMeta)) {
		return true, nil
	}
	if a.Ino == b.Ino && !f.changed.xattrs[a.Ino] || !a.xattrs && !b.xattrs {
		return false, nil
	}
	return f.xattrsDiffer(a.Ino, b.Ino)
}

// sameContents tells whether two files are known to have the same bytes: as
// one version of one inode, or by their digests. What is no file has none.
func sameContents(a, b *Attr) bool {
	if a.Type != File || a.Size != b.Size {
		return a.Type != File
	}
	return a.Ino == b.Ino && a.Version == b.Version || a.HasMD5 && b.HasMD5 && a.MD5 == b.MD5
}

// xattrsDiffer compares extended attributes, of the old side's inode a and
// the new side's inode b.
func (f *differ) xattrsDiffer(a, b Ino) (differ bool, err error) {
	var m [2]*merged
	for i, ino := range [...]Ino{a, b} {
		p := xattrPrefix(nil, ino)
		m[i] = f.side[i].scan(p, afterPrefix(p))
	}
	for !differ {
		more := m[0].next()
		if m[1].next() != more {
			differ = true
		}
		if !more {
			break
		}
		if !differ {
			differ = !bytes.Equal(m[0].body()[9:], m[1].body()[9:]) || !bytes.Equal(m[0].value(), m[1].value())
		}
	}
	return differ, errors.Join(m[0].close(), m[1].close())
}
