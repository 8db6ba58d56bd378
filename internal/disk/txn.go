package disk

import (
	"encoding/binary"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// txn is one operation's part of a group: a reader of its view that also sees
// what the group has written, and the writes.
//
// An operation looks before it writes: an error before its first write ends
// just that operation; after it, the whole group runs again without it.
type txn struct {
	reader
	g   *group
	tx  kv.Txn
	v   *View
	lay *layerState
	key []byte // scratch
	val []byte // scratch
}

// begin turns the transaction to a view (nil: none, for changes of the disk
// itself) and takes its layer's epoch into the conflict set.
func (t *txn) begin(v *View) error {
	t.tx = t.g.tx
	if v == nil {
		t.v, t.lay = nil, nil
		t.init(t.tx, t.g.d.id, nil)
		return nil
	}
	if t.v == v {
		return nil
	}
	if v.readOnly {
		return errs.New("update", v.Ref().String(), errs.ReadOnly, "a checkpoint can't be changed")
	}
	if v.gone.Load() {
		return v.ended("update")
	}
	t.v, t.lay = v, v.head
	t.init(t.tx, t.g.d.id, v.levels())
	t.rows, t.filters, t.at, t.own = t.g.d.store.rows, t.g.d.store.filters, t.g.at, t.g.own
	return t.checkLayer()
}

func (t *txn) checkLayer() error {
	for _, l := range t.g.checked {
		if l == t.lay.id {
			return nil
		}
	}
	v, ok, err := t.tx.Get(layerKey(t.disk, tabLayer, t.lay.id))
	if err != nil {
		return err
	}
	if !ok {
		return errs.New("update", t.v.Ref().String(), errs.NoView, "the branch was deleted")
	}
	l, err := decodeLayer(t.lay.id, v)
	if err != nil {
		return err
	}
	if l.epoch != t.lay.epoch {
		return errs.New("update", "", errs.Other, "a layer's epoch moved on without its owner")
	}
	t.g.checked = append(t.g.checked, l.id)
	return nil
}

// versioned builds the key of body in the own layer at epoch e.
func (t *txn) versioned(body []byte, e epoch) []byte {
	k := append(t.key[:0], 'd')
	k = binary.BigEndian.AppendUint64(k, uint64(t.disk))
	k = append(k, tabMeta)
	k = binary.BigEndian.AppendUint32(k, uint32(t.lay.id))
	k = append(k, body...)
	t.key = binary.BigEndian.AppendUint32(k, ^uint32(e))
	return t.key
}

// put writes the current version of a row. An older version that no pin needs
// goes in the same step. replaced tells that the version that was visible so
// far, if it stood in this layer, is no more.
func (t *txn) put(body, value []byte) (replaced bool, err error) {
	t.g.note(t.lay.id, body)
	if !t.lay.history() {
		return true, t.tx.Set(t.versioned(body, t.lay.epoch), value)
	}
	old, any, err := t.newest(t.lay.id, body, maxEpoch)
	if err != nil {
		return false, err
	}
	if err := t.tx.Set(t.versioned(body, t.lay.epoch), value); err != nil {
		return false, err
	}
	if any && old.epoch == t.lay.epoch {
		return true, nil
	}
	if err := t.noteChange(body); err != nil {
		return false, err
	}
	switch {
	case !any:
		return false, nil
	case !t.lay.pinned(old.epoch, t.lay.epoch):
		return true, t.dropOld(body, old.epoch)
	}
	return false, t.retain(body, old)
}

// retain counts the inline bytes of a version that only pins see from now on.
func (t *txn) retain(body []byte, v version) error {
	if body[0] != kindData || v.whiteout {
		return nil
	}
	val, ok, err := t.tx.Get(t.versioned(body, v.epoch))
	if err == nil && ok && val[0] == tagInline {
		t.addRetained(int64(len(val) - 1))
	}
	return err
}

// putFresh is put for a row that no layer of the chain can have, because its
// number is new.
func (t *txn) putFresh(body, value []byte) error {
	t.g.note(t.lay.id, body)
	if err := t.tx.Set(t.versioned(body, t.lay.epoch), value); err != nil {
		return err
	}
	return t.noteChange(body)
}

// del removes the current version of a row. A whiteout stays where a pinned
// version of this layer would show through, and, unless the row's number is
// not named any more (unnamed), where an ancestor's would. replaced is as in
// put.
func (t *txn) del(body []byte, unnamed bool) (replaced bool, err error) {
	t.g.note(t.lay.id, body)
	if !t.lay.history() {
		return true, t.tx.Delete(t.versioned(body, t.lay.epoch))
	}
	v, any, err := t.newest(t.lay.id, body, maxEpoch)
	if err != nil {
		return false, err
	}
	hide, known, fresh := false, false, true
	if any && (v.epoch == t.lay.epoch || !t.lay.pinned(v.epoch, t.lay.epoch)) {
		replaced = true
		if fresh = v.epoch != t.lay.epoch; fresh {
			if err := t.dropOld(body, v.epoch); err != nil {
				return false, err
			}
		}
		if v, known, err = t.newest(t.lay.id, body, v.epoch-1); err != nil {
			return false, err
		}
	} else if known = any; known {
		if err := t.retain(body, v); err != nil {
			return false, err
		}
	}
	if known {
		hide = !v.whiteout // what would show through
	}
	if !known && !unnamed {
		if hide, err = t.parentHas(body); err != nil {
			return false, err
		}
	}
	if !any && !hide {
		return false, nil
	}
	if !hide {
		if fresh {
			return replaced, nil
		}
		return replaced, t.dropOld(body, t.lay.epoch)
	}
	if fresh {
		if err := t.noteChange(body); err != nil {
			return false, err
		}
	}
	return replaced, t.tx.Set(t.versioned(body, t.lay.epoch), nil)
}

// dropOld removes a version that nothing sees any more, and its note in the
// change index: so that has as many rows as there are versions. It is not
// missed: between that version and the one that took its place there is no pin,
// so nobody asks for what changed from the one to the other.
func (t *txn) dropOld(body []byte, e epoch) error {
	if err := t.tx.Delete(t.versioned(body, e)); err != nil {
		return err
	}
	if t.lay.parent == 0 && (len(t.lay.pins) == 0 || e <= t.lay.pins[0]) {
		return nil // it was not noted, or the note is gone
	}
	return t.tx.Delete(append(layerEpochKey(t.disk, tabChange, t.lay.id, e), body...))
}

// parentHas tells whether an ancestor shows a row.
func (t *txn) parentHas(body []byte) (bool, error) {
	if len(t.chain) < 2 {
		return false, nil
	}
	up := reader{}
	up.init(t.tx, t.disk, t.chain[1:])
	up.at, up.filters = t.at, t.filters
	v, err := up.get(body)
	return v != nil, err
}

// noteChange writes the change index: which rows an epoch changed, for diff and
// for settling and trimming, which ask what changed after a pin. Before a layer's
// first epoch there is none.
func (t *txn) noteChange(body []byte) error {
	if t.lay.epoch == 1 || t.lay.parent == 0 && len(t.lay.pins) == 0 {
		return nil
	}
	k := append(layerEpochKey(t.disk, tabChange, t.lay.id, t.lay.epoch), body...)
	return t.tx.Set(k, []byte{tagRow})
}

// addRetained counts contents of the own layer that only pins keep.
func (t *txn) addRetained(bytes int64) {
	if bytes != 0 {
		t.layerDelta(t.lay.id).retained += bytes
	}
}

// addUsage counts contents born (or freed) in a layer and files of its view.
func (t *txn) addUsage(l layer, bytes, files int64) {
	if bytes == 0 && files == 0 {
		return
	}
	u := t.layerDelta(l)
	u.bytes += bytes
	u.files += files
}

// layerDelta is what the group adds to the figures of a layer.
func (t *txn) layerDelta(l layer) *usageRow {
	if t.g.usage == nil {
		t.g.usage = map[layer]*usageRow{}
	}
	u := t.g.usage[l]
	if u == nil {
		u = &usageRow{}
		t.g.usage[l] = u
	}
	t.g.changes++
	return u
}

// rowRoom is what the rows of a new file take of the disk at most, in bytes,
// counting that the store writes them more than once.
const rowRoom = 8 << 10

// checkQuota tells whether there is free space, and whether bytes and files more would fit, the group's other
// operations counted.
func (t *txn) checkQuota(op string, bytes, files int64) error {
	if bytes <= 0 && files <= 0 {
		return nil
	}
	if err := t.g.d.store.blob.CheckRoom(rowRoom); err != nil {
		return errs.E(op, "", errs.NoSpace, err)
	}
	b, f := bytes, files
	for l, u := range t.g.usage {
		b += u.bytes
		if l == t.lay.id {
			f += u.files
		}
	}
	if bytes <= 0 {
		b = 0
	}
	if files <= 0 {
		f = 0
	}
	return t.g.d.checkQuota(op, t.lay, b, f)
}

// cached returns the inode from the group's cache, loading it from its i row.
// Directories and files with several links are changed only through it.
func (t *txn) cached(ino Ino) (*cachedInode, error) {
	for _, c := range t.g.inodes {
		if c.attr.Ino == ino && c.v == t.v {
			if c.gone {
				return nil, errs.New("inode", "", errs.Stale, "the inode is gone")
			}
			return c, nil
		}
	}
	c := &cachedInode{v: t.v}
	t.body = inodeBody(t.body[:0], ino)
	v, err := t.get(t.body)
	if err != nil {
		return nil, err
	}
	if v == nil || v[0] != tagAttrs {
		return nil, errs.New("inode", "", errs.Stale, "the inode is gone")
	}
	if err := decodeAttr(v, &c.attr); err != nil {
		return nil, err
	}
	t.g.inodes = append(t.g.inodes, c)
	return c, nil
}

// newCached puts a fresh inode into the cache, to be written with the group.
func (t *txn) newCached(a Attr) *cachedInode {
	c := &cachedInode{v: t.v, attr: a, dirty: true}
	t.g.inodes = append(t.g.inodes, c)
	t.g.changes++
	return c
}

// change marks a cached inode as to be written.
func (t *txn) change(c *cachedInode) {
	c.dirty = true
	t.g.changes++
}

// touchDir records that a directory's entries changed; nlink counts
// subdirectories that came or went.
func (t *txn) touchDir(dir Ino, nlink int) error {
	c, err := t.cached(dir)
	if err != nil {
		return err
	}
	c.attr.Mtime, c.attr.Ctime = t.g.now, t.g.now
	c.attr.Nlink = uint32(int(c.attr.Nlink) + nlink)
	t.change(c)
	return nil
}

// inode is reader.inode that sees what the group has changed.
func (t *txn) inode(ino Ino, a *Attr) error {
	for _, c := range t.g.inodes {
		if c.attr.Ino == ino && c.v == t.v {
			if c.gone {
				return errs.New("inode", "", errs.Stale, "the inode is gone")
			}
			*a = c.attr
			return nil
		}
	}
	return t.reader.inode(ino, a)
}

// lookup is reader.lookup that sees what the group has changed.
func (t *txn) lookup(dir Ino, name string, a *Attr) (ok bool, err error) {
	ok, err = t.entry(dir, name, a)
	if err == nil && ok && a.bare() {
		err = t.inode(a.Ino, a)
	}
	return ok, err
}
