package disk

import (
	"encoding/binary"

	"atoll/internal/errs"
)

// dropName takes one name from an inode; a is what an entry look-up gave. The
// entry's row is the caller's. The last name takes the inode with it, unless
// it is open: then it lives, without a name, until it is closed.
func (t *txn) dropName(a *Attr, dir Ino, name string) error {
	if a.Nlink > 1 {
		return t.unlinkOne(a, dir, name)
	}
	t.addUsage(t.lay.id, 0, -1)
	if t.g.d.isOpen(t.v, a.Ino) {
		return t.orphan(a)
	}
	if _, err := t.del(inodeBody(t.body[:0], a.Ino), false); err != nil {
		return err
	}
	return t.freeInode(a)
}

// unlinkOne takes a name from an inode with several. When one is left, the
// attributes move into its entry.
func (t *txn) unlinkOne(a *Attr, dir Ino, name string) error {
	c, err := t.cached(a.Ino)
	if err != nil {
		return err
	}
	if _, err := t.del(linkBody(nil, a.Ino, dir, name), false); err != nil {
		return err
	}
	c.attr.Nlink--
	c.attr.Ctime = t.g.now
	t.change(c)
	if c.attr.Nlink > 1 {
		return nil
	}
	left, err := t.links(a.Ino)
	if err != nil {
		return err
	}
	if len(left) != 1 {
		return errs.New("unlink", name, errs.Corrupt, "an inode's link count and its links differ")
	}
	l := left[0]
	if _, err := t.del(linkBody(nil, a.Ino, l.dir, l.name), false); err != nil {
		return err
	}
	t.forget(c)
	last := c.attr
	last.parent = l.dir
	if _, err := t.put(inodeBody(nil, a.Ino), appendPointer(nil, l.dir, l.name)); err != nil {
		return err
	}
	return t.setEntry(&last, l.name)
}

// forget takes an inode out of the group's cache.
func (t *txn) forget(c *cachedInode) {
	for i, o := range t.g.inodes {
		if o == c {
			t.g.inodes = append(t.g.inodes[:i:i], t.g.inodes[i+1:]...)
			t.g.changes++
			return
		}
	}
}

type linkName struct {
	dir  Ino
	name string
}

// links lists the names of an inode that has (or had) several.
func (r *reader) links(ino Ino) ([]linkName, error) {
	p := linkPrefix(nil, ino)
	m := r.scan(p, afterPrefix(p))
	var out []linkName
	for m.next() {
		b := m.body()
		out = append(out, linkName{Ino(binary.BigEndian.Uint64(b[9:])), nameOf(b, 17)})
	}
	return out, m.close()
}

// freeInode frees what an inode without a name owns: xattrs and contents.
func (t *txn) freeInode(a *Attr) error {
	if a.xattrs {
		if err := t.reapLater(DataID(a.Ino), reapNamed); err != nil {
			return err
		}
	}
	return t.freeData(a)
}

// maxDirect is how many extents are freed in the transaction that drops them;
// contents with more get a reap row and are freed by a job.
const maxDirect = 4

// freeData frees the contents that attributes named, and nothing names any
// more.
func (t *txn) freeData(a *Attr) error {
	switch {
	case a.Data == 0:
		return nil
	case a.parts, a.Size > ChunkSize:
		return t.reapLater(a.Data, reapNamed)
	}
	c, err := t.chunkAt(a.Data, 0)
	if err != nil {
		return err
	}
	if len(c.refs) > maxDirect {
		return t.reapLater(a.Data, reapNamed)
	}
	return t.dropChunk(a.Data, 0, &c)
}

// reapLater leaves a reap row, for a job; ids are those of reapList.
func (t *txn) reapLater(data DataID, flag uint64, ids ...uint64) error {
	if err := t.tx.Set(reapKey(t.disk, t.lay.id, data), row(append([]uint64{flag}, ids...)...)); err != nil {
		return err
	}
	j := job{kind: jobReap, disk: t.disk, layer: t.lay.id, data: data}
	t.onCommit(func() { t.g.d.store.jobs.add(j) })
	return nil
}

// dropChunk removes a chunk of a data id that nothing names any more, with
// the extents that only it used. c is the chunk as the view sees it.
func (t *txn) dropChunk(data DataID, n uint32, c *chunk) error {
	replaced, err := t.del(dataBody(t.body[:0], data, n), true)
	if err != nil {
		return err
	}
	if replaced {
		t.addUsage(t.lay.id, -int64(len(c.inline)), 0)
	}
	var ids []uint64
	for _, r := range c.refs {
		ids = append(ids, r.id)
	}
	return t.dropExtents((&chunk{}).stillNamed(ids))
}

// dropExtents gives up extents that the view's contents named. Those of an
// ancestor are the ancestor's; of the own ones, those that a pin may need
// wait on the dead list.
func (t *txn) dropExtents(ids []uint64) error {
	for _, id := range ids {
		x, err := t.extentAt(id)
		if err != nil {
			return err
		}
		if x.layer != t.lay.id {
			continue
		}
		if x.birth <= t.lay.newestPin() {
			k := deadKey(t.disk, t.lay.id, t.lay.epoch, id)
			if err := t.tx.Set(k, row(uint64(x.birth))); err != nil {
				return err
			}
			t.addRetained(x.loc.Length)
			continue
		}
		if err := t.freeExtent(id, &x); err != nil {
			return err
		}
	}
	return nil
}

// freeExtent removes an extent's row.
func (t *txn) freeExtent(id uint64, x *extent) error {
	k := idKey(t.disk, tabExtent, id)
	if err := t.tx.Delete(k); err != nil {
		return err
	}
	t.g.noteKey(k)
	t.g.dead = append(t.g.dead, x.loc)
	t.g.changes++
	t.addUsage(x.layer, -x.loc.Length, 0)
	return nil
}
