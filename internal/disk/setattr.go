package disk

import (
	"context"
	"time"

	"atoll/internal/errs"
)

// SetAttr says what to change; nil stays.
type SetAttr struct {
	Mode     *uint32
	UID, GID *uint32
	Size     *int64
	Mtime    *time.Time
	Meta     *[]byte // opaque metadata that stays with the file
	Client   uint64
}

// SetAttr changes attributes of an inode. A new size cuts the contents, or
// extends them with a hole.
func (v *View) SetAttr(ctx context.Context, ino Ino, s SetAttr) (a Attr, err error) {
	if s.Size != nil && (*s.Size < 0 || *s.Size > MaxSize) {
		return a, errs.New("set attributes", "", errs.TooLarge, "no file may have that size")
	}
	if s.Size != nil {
		if err := v.truncate(ctx, ino, *s.Size, s.Client); err != nil {
			return a, err
		}
	}
	err = v.update(ctx, func(t *txn) error {
		if err := t.inode(ino, &a); err != nil {
			return err
		}
		if err := t.checkDelegated("set attributes", "", a.parent, &a, s.Client); err != nil {
			return err
		}
		t.setFields(&a, &s)
		return t.store(&a)
	})
	return a, err
}

func (t *txn) setFields(a *Attr, s *SetAttr) {
	if s.Mode != nil {
		a.Mode = *s.Mode & 0o7777
	}
	if s.UID != nil {
		a.UID = *s.UID
	}
	if s.GID != nil {
		a.GID = *s.GID
	}
	if s.Mtime != nil {
		a.Mtime = *s.Mtime
	}
	if s.Meta != nil {
		a.Meta = *s.Meta
	}
	a.Ctime = t.g.now
}

// store writes changed attributes where the inode keeps them.
func (t *txn) store(a *Attr) error {
	if a.IsDir() || a.Nlink != 1 {
		c, err := t.cached(a.Ino)
		if err != nil {
			return err
		}
		c.attr = *a
		t.change(c)
		return nil
	}
	dir, name, ok, err := t.where(a.Ino)
	if err != nil {
		return err
	}
	if !ok {
		return errs.New("inode", "", errs.Corrupt, "a file with one name has no entry")
	}
	a.parent = dir
	return t.setEntry(a, name)
}

// contentsChanged brings attributes up to a change of the contents: what was
// known of the old ones goes.
func (t *txn) contentsChanged(a *Attr, version uint64) {
	a.Version = version
	a.Mtime, a.Ctime = t.g.now, t.g.now
	a.HasMD5, a.MD5, a.ContentMeta = false, [16]byte{}, nil
}

// truncate sets a file's size. To zero it swaps the data id; to another
// smaller size it cuts chunk by chunk from the end, in transactions of their
// own, each of which leaves a shorter file.
func (v *View) truncate(ctx context.Context, ino Ino, size int64, client uint64) error {
	for {
		again := false
		err := v.update(ctx, func(t *txn) error {
			var a Attr
			again = false
			if err := t.openForWrite("truncate", ino, client, &a); err != nil {
				return err
			}
			if a.Size == size {
				return nil
			}
			id, err := t.newID()
			if err != nil {
				return err
			}
			t.contentsChanged(&a, id)
			switch {
			case size > a.Size:
				a.Size = size
			case size == 0:
				err = t.freeData(&a)
				a.Data, a.parts, a.Size, a.Bytes = 0, false, 0, 0
			default:
				// Small parts go several at once: one needs few mutations.
				for again = true; err == nil && again && t.tx.Mutations() < 10; {
					again, err = t.shorten(&a, size)
				}
			}
			if err != nil {
				return err
			}
			return t.store(&a)
		})
		if err != nil || !again {
			return err
		}
	}
}

// openForWrite reads the attributes of a regular file that a client is about
// to change.
func (t *txn) openForWrite(op string, ino Ino, client uint64, a *Attr) error {
	if err := t.inode(ino, a); err != nil {
		return err
	}
	if a.Type == Dir {
		return errs.E(op, "", errs.IsDir, nil)
	}
	if a.Type != File {
		return errs.E(op, "", errs.Invalid, nil)
	}
	return t.checkDelegated(op, "", a.parent, a, client)
}

// shorten cuts the last chunk of a file, or what of it is beyond size.
func (t *txn) shorten(a *Attr, size int64) (again bool, err error) {
	if a.Data == 0 {
		a.Size = size
		return false, nil
	}
	s, err := t.span(a, a.Size-1)
	if err != nil {
		return false, err
	}
	last, _ := s.chunk(a.Size - 1)
	lo := max(size, s.from) // what comes before it is of other parts
	n, cut, err := t.lastChunk(s.data, int64(last), lo-s.from)
	if err != nil {
		return false, err
	}
	if cut >= 0 { // else there are only holes
		if err := t.cutChunk(a, s.data, uint32(n), uint32(cut-n*ChunkSize)); err != nil {
			return false, err
		}
		lo = s.from + cut
	}
	a.Size = lo
	return lo > size, nil
}

// lastChunk finds the last chunk row of a file at or before n that reaches
// beyond size, so that holes are cut in one step; cut is -1 if there is none.
func (t *txn) lastChunk(data DataID, n, size int64) (number, cut int64, err error) {
	const window = 256 // rows looked at in one go
	for first := size / ChunkSize; n >= first; n -= window {
		last, ok, err := t.lastRow(data, uint32(max(first, n-window+1)), uint32(n))
		if err != nil {
			return 0, 0, err
		}
		if ok {
			return int64(last), max(size, int64(last)*ChunkSize), nil
		}
	}
	return 0, -1, nil
}

// lastRow returns the highest chunk number in [from, to] that has a row.
func (r *reader) lastRow(data DataID, from, to uint32) (last uint32, ok bool, err error) {
	m := r.scan(dataBody(nil, data, from), append(dataBody(nil, data, to), 0xff, 0xff, 0xff, 0xff, 0xff))
	for m.next() {
		last, ok = chunkNumber(m.body()), true
	}
	return last, ok, m.close()
}

// cutChunk removes what a chunk has from an offset on.
func (t *txn) cutChunk(a *Attr, data DataID, n, off uint32) error {
	c, err := t.chunkAt(data, n)
	if err != nil {
		return err
	}
	before := c.covered()
	old := c
	var gone []uint64
	if c.inline != nil {
		c.inline = c.inline[:min(int(off), len(c.inline))]
	} else {
		c.refs = append([]extentRef(nil), c.refs...)
		gone = c.cut(off, ChunkSize)
	}
	a.Bytes -= before - c.covered()
	if err := t.storeChunk(data, n, &old, &c); err != nil {
		return err
	}
	return t.dropExtents(gone)
}

// storeChunk writes a changed chunk row, or removes one that became empty.
func (t *txn) storeChunk(data DataID, n uint32, old, c *chunk) error {
	body := dataBody(nil, data, n)
	var replaced bool
	var err error
	if c.covered() == 0 {
		replaced, err = t.del(body, false)
	} else {
		replaced, err = t.put(body, c.append(nil))
		t.addUsage(t.lay.id, int64(len(c.inline)), 0)
	}
	if replaced {
		t.addUsage(t.lay.id, -int64(len(old.inline)), 0)
	}
	return err
}
