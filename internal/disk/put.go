package disk

import (
	"context"

	"atoll/internal/errs"
)

// Commit gives the contents the name path, in one step: it creates missing
// parent directories, and replaces a file that is there (which keeps its mode
// and owner; its other names and open handles keep the old contents). Of a
// symbolic link, the file that it leads to is written. It returns when all
// that is durable.
//
// IsDir: path is a directory; NotDir: a parent is a file; Exists: path is
// neither, or a link that dangles or leaves the disk; Reserved; Delegated;
// Quota; NoSpace; and what PutOptions.Check says. After an error the upload is
// still to be aborted.
func (u *Upload) Commit(ctx context.Context, path string, o PutOptions) (Attr, error) {
	if u.done {
		return Attr{}, errs.New("put", path, errs.Stale, "the upload has ended")
	}
	if err := checkPut(path, &o); err != nil {
		return Attr{}, err
	}
	u.ctx = ctx
	if err := u.finish(); err != nil {
		return Attr{}, err
	}
	if err := u.v.makeParents(ctx, path, &o); err != nil {
		return Attr{}, err
	}
	var a Attr
	op := &op{v: u.v, locs: u.held, alone: len(u.pending)+len(u.exts) > 8}
	op.fn = func(t *txn) (err error) {
		if u.staged && t.lay.epoch != u.stagedEpoch {
			return errRestage
		}
		a, err = t.putFile(path, u, &o)
		return err
	}
	if err := u.submit(op); err != nil {
		return Attr{}, errs.E("put", path, errs.KindOf(err), err)
	}
	u.staged = false
	u.end()
	return a, nil
}

func checkPut(path string, o *PutOptions) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	if len(o.Meta)+len(o.ContentMeta) > MaxMeta {
		return errs.New("put", path, errs.TooLarge, "the file's metadata is too large")
	}
	return nil
}

// finish turns what is buffered into the last chunk.
func (u *Upload) finish() error {
	rest := u.small
	if u.buf != nil {
		rest = u.buf[:u.n]
	}
	if len(rest) == 0 {
		u.endChunk(u.size - 1)
		return nil
	}
	if int64(len(rest)) == u.size && len(rest) <= u.v.disk.store.opts.InlineMax {
		u.cur = chunk{inline: rest}
	} else if err := u.flush(rest); err != nil {
		return err
	}
	u.n = 0
	if u.small != nil {
		u.small = u.small[:0:cap(u.small)]
	}
	u.endChunk(u.size - 1)
	return nil
}

// contents is what putFile gives a name.
type contents interface {
	describe(a *Attr)         // sets inode number, version, size, allocated size and data id
	unstaged() int64          // bytes that the usage does not count yet
	writeContents(*txn) error // writes their rows
}

func (u *Upload) describe(a *Attr) {
	a.Ino, a.Version, a.Size, a.Bytes = Ino(u.ids), u.ids+1, u.size, u.size-u.holes
	if u.size > 0 {
		a.Data = u.data()
	}
}

func (u *Upload) writeContents(t *txn) error {
	if err := t.writeChunks(u); err != nil || !u.staged {
		return err
	}
	return t.tx.Delete(idKey(t.disk, tabStaged, uint64(u.data())))
}

// putFile places contents.
func (t *txn) putFile(path string, c contents, o *PutOptions) (a Attr, err error) {
	p, err := t.walkPut("put", path)
	if err != nil {
		return a, err
	}
	var old *Attr
	if p.exists {
		old = &p.attr
	}
	if o.Check != nil {
		if err := o.Check(old); err != nil {
			return a, err
		}
	}
	if err := t.checkDelegated("put", path, p.dir, old, o.Client); err != nil {
		return a, err
	}
	files := int64(len(p.missing))
	if old == nil && files == 0 {
		files = 1
	}
	if err := t.checkQuota("put", c.unstaged(), files); err != nil {
		return a, err
	}
	if len(p.missing) > maxMissing+1 {
		return a, errs.New("put", path, errs.Stale, "a parent directory was removed meanwhile; try again")
	}
	if len(p.missing) > 0 {
		last := len(p.missing) - 1
		if p.dir, err = t.makeDirs(p.dir, p.missing[:last], o.UID, o.GID); err != nil {
			return a, err
		}
		p.name = p.missing[last]
	}
	a = t.newFile(c, o, old)
	a.parent = p.dir
	if old != nil {
		if err := t.replaced(old, p.dir, p.name); err != nil {
			return a, err
		}
	} else if err := t.touchDir(p.dir, 0); err != nil {
		return a, err
	}
	if err := c.writeContents(t); err != nil {
		return a, err
	}
	t.addUsage(t.lay.id, 0, 1)
	return a, t.newEntry(&a, p.name)
}

// walkPut resolves the path of something that is to be written.
func (t *txn) walkPut(op, path string) (place, error) {
	p, err := t.walk(op, path, true)
	if errs.Is(err, errs.LeavesDisk) || errs.Is(err, errs.Loop) {
		return p, errs.New(op, path, errs.Exists, "a symbolic link on this path leaves the disk or loops; remove the link first")
	}
	if err != nil {
		return p, err
	}
	switch {
	case p.dangling:
		return p, errs.New(op, path, errs.Exists, "a symbolic link on this path points to nothing; remove the link first")
	case p.exists && p.attr.Type == Dir:
		return p, errs.New(op, path, errs.IsDir, "a directory of this name exists")
	case p.exists && p.attr.Type != File:
		return p, errs.New(op, path, errs.Exists, "a device, socket or pipe of this name exists")
	}
	return p, nil
}

// newFile gives the attributes of the file that contents become.
func (t *txn) newFile(c contents, o *PutOptions, old *Attr) Attr {
	now := t.g.now
	a := Attr{Type: File, Mode: 0o644, UID: o.UID, GID: o.GID, Nlink: 1, Mtime: now, Ctime: now, Btime: now,
		MD5: o.MD5, HasMD5: o.HasMD5, Meta: o.Meta, ContentMeta: o.ContentMeta}
	c.describe(&a)
	if o.HasMode {
		a.Mode = o.Mode & 0o7777
	}
	if old != nil {
		a.Mode, a.UID, a.GID = old.Mode, old.UID, old.GID
	}
	return a
}

// replaced takes the name (dir, name) from the inode that has it now; the
// entry's row is the caller's to write or delete.
func (t *txn) replaced(old *Attr, dir Ino, name string) error {
	if err := t.touchDir(dir, 0); err != nil {
		return err
	}
	return t.dropName(old, dir, name)
}

// newEntry writes the entry and the inode row of a new inode with one link.
func (t *txn) newEntry(a *Attr, name string) error {
	t.val = appendPointer(t.val[:0], a.parent, name)
	t.body = inodeBody(t.body[:0], a.Ino)
	if err := t.putFresh(t.body, t.val); err != nil {
		return err
	}
	return t.setEntry(a, name)
}

// setEntry writes the attributes of an inode with one link into its entry.
func (t *txn) setEntry(a *Attr, name string) error {
	t.val = appendAttr(t.val[:0], a)
	t.body = entryBody(t.body[:0], a.parent, name)
	_, err := t.put(t.body, t.val)
	return err
}

// maxMissing is how many missing parents one transaction makes; more are made
// before, in transactions of their own.
const maxMissing = 6

// makeParents makes the missing parents of path, if there are many, but for
// the last maxMissing.
func (v *View) makeParents(ctx context.Context, path string, o *PutOptions) error {
	if n := depth(path); n <= maxMissing {
		return nil
	}
	for {
		more := false
		err := v.update(ctx, func(t *txn) error {
			more = false
			p, err := t.walkPut("put", path)
			if err != nil || len(p.missing) <= maxMissing+1 {
				return err
			}
			more = true
			if err := t.checkDelegated("put", path, p.dir, nil, o.Client); err != nil {
				return err
			}
			if err := t.checkQuota("put", 0, maxMissing); err != nil {
				return err
			}
			_, err = t.makeDirs(p.dir, p.missing[:maxMissing], o.UID, o.GID)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
}

func depth(path string) int {
	n := 0
	for i := range len(path) {
		if path[i] == '/' {
			n++
		}
	}
	return n
}

// makeDirs makes directories below dir, each in the one before, with mode
// 0755, and returns the last.
func (t *txn) makeDirs(dir Ino, names []string, uid, gid uint32) (Ino, error) {
	for _, name := range names {
		id, err := t.newID()
		if err != nil {
			return 0, err
		}
		a := t.newDir(Ino(id), dir, 0o755, uid, gid)
		if err := t.addDir(&a, name); err != nil {
			return 0, err
		}
		dir = a.Ino
	}
	return dir, nil
}

func (t *txn) newDir(ino, parent Ino, mode, uid, gid uint32) Attr {
	now := t.g.now
	return Attr{Ino: ino, Type: Dir, Mode: mode & 0o7777, UID: uid, GID: gid, Nlink: 2,
		Mtime: now, Ctime: now, Btime: now, parent: parent}
}

// addDir writes a new directory.
func (t *txn) addDir(a *Attr, name string) error {
	if err := t.touchDir(a.parent, 1); err != nil {
		return err
	}
	a.name = name
	t.newCached(*a)
	t.addUsage(t.lay.id, 0, 1)
	_, err := t.put(entryBody(nil, a.parent, name), appendBare(nil, Dir, a.Ino))
	return err
}
