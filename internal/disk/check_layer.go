package disk

import (
	"bytes"
	"encoding/binary"

	"atoll/internal/kv"
)

// layerCheck goes over the versioned rows of one layer: all versions, seen by
// a view or not.
type layerCheck struct {
	d  *diskCheck
	l  *layerState
	up []level // the layers above

	dead bitset // extents on the layer's dead list

	// The version before, which is the next newer one if the body is the same.
	body     []byte
	epoch    epoch
	whiteout bool
	lost     uint64 // data id that was reported as unnamed
}

func (d *diskCheck) checkLayer(l *layerState) {
	d.disk.mu.Lock()
	chain := d.disk.chainLocked(l.id, maxEpoch)
	d.disk.mu.Unlock()
	c := &layerCheck{d: d, l: l, up: chain[1:]}
	c.checkDead()
	h := metaHeader(d.id, l.id)
	var last kv.Reader
	whole := d.scan(h, afterPrefix(h), func(r kv.Reader, k, v []byte) {
		last = r
		d.c.sum.Rows++
		if n := Split(k); len(k) != n+versionSz || n <= bodyPos {
			d.bad(l.id, "a versioned row's key does not parse: %x", k)
			return
		}
		e := epoch(^binary.BigEndian.Uint32(k[len(k)-versionSz:]))
		c.row(r, k[len(h):len(k)-versionSz], e, v)
	})
	if whole && last != nil {
		d.view(func(r kv.Reader) { c.oldest(r) })
	}
}

// view runs fn on a snapshot of its own.
func (d *diskCheck) view(fn func(kv.Reader)) {
	err := d.c.o.KV.View(d.c.ctx, func(r kv.Reader) error { fn(r); return nil })
	if err != nil {
		d.damaged = true
		d.c.unreadable(d.id, 0, err)
	}
}

// failed notes an error of a look-up.
func (d *diskCheck) failed(l layer, err error) bool {
	if err != nil {
		d.damaged = true
		d.c.unreadable(d.id, l, err)
	}
	return err != nil
}

// checkDead reads the layer's dead list.
func (c *layerCheck) checkDead() {
	lo := layerKey(c.d.id, tabDead, c.l.id)
	c.d.scan(lo, afterPrefix(lo), func(r kv.Reader, k, v []byte) {
		var birth uint64
		if len(k) != len(lo)+12 {
			c.d.bad(c.l.id, "a dead list's key does not parse: %x", k)
			return
		}
		if _, err := unrow(v, &birth); err != nil {
			c.d.bad(c.l.id, "a dead list's row does not parse")
			return
		}
		death, id := epoch(binary.BigEndian.Uint32(k[len(lo):])), idOf(k)
		x, ok := c.d.extentRow(r, id)
		switch {
		case c.d.removing[c.l.id]:
		case !ok:
			c.d.problem(Warning, c.l.id, ProblemLeak, "the dead list has extent %d, which is not there", id)
		case x.layer != c.l.id || x.birth != epoch(birth) || death <= x.birth || death > c.l.epoch:
			c.d.problem(Error, c.l.id, ProblemContents, "the dead list and extent %d disagree on its birth", id)
		}
		if ok && !c.dead.has(id) {
			c.d.kept[c.l.id] += x.loc.Length
		}
		c.dead.set(id)
		c.d.named.set(id)
	})
}

// extentRow reads a t row; ok is false if it is missing or does not parse
// (which is reported with its table).
func (d *diskCheck) extentRow(r kv.Reader, id uint64) (x extent, ok bool) {
	v, ok, err := r.Get(idKey(d.id, tabExtent, id))
	if d.failed(0, err) || !ok {
		return x, false
	}
	x, err = decodeExtent(v)
	return x, err == nil
}

// row checks one version. Versions of a body come newest first.
func (c *layerCheck) row(r kv.Reader, body []byte, e epoch, v []byte) {
	newest := !bytes.Equal(body, c.body)
	before := c.epoch
	if newest {
		before = maxEpoch
	}
	seen := newest && !c.l.hidden || c.l.pinned(e, before)
	if newest {
		c.oldest(r)
		c.body = append(c.body[:0], body...)
	}
	if !seen && !c.d.settling[c.l.id] && !c.d.removing[c.l.id] {
		c.d.problem(Warning, c.l.id, ProblemLeak, "version %d of row %q is seen by nothing", e, body)
	}
	if c.whiteout && !newest && len(v) == 0 {
		c.d.problem(Warning, c.l.id, ProblemLeak, "two whiteouts of row %q in a row", body)
	}
	if e == 0 || e > c.l.epoch {
		c.d.problem(Error, c.l.id, ProblemRow, "row %q has epoch %d, but the layer is at %d", body, e, c.l.epoch)
	}
	c.epoch, c.whiteout = e, len(v) == 0
	c.changeNoted(r, body, e)
	if len(v) > 0 {
		c.value(r, body, v, newest, seen)
	}
}

// oldest ends a body: a whiteout as its oldest version must hide something.
func (c *layerCheck) oldest(r kv.Reader) {
	if len(c.body) == 0 || !c.whiteout || c.d.removing[c.l.id] || c.d.settling[c.l.id] {
		return
	}
	if len(c.up) > 0 {
		var up reader
		up.init(r, c.d.id, c.up)
		v, err := up.get(c.body)
		if c.d.failed(c.l.id, err) || v != nil {
			return
		}
	}
	c.d.problem(Warning, c.l.id, ProblemLeak, "a whiteout of row %q hides nothing", c.body)
}

// changeNoted checks that the change index has a row that settling would need.
func (c *layerCheck) changeNoted(r kv.Reader, body []byte, e epoch) {
	if e == 1 || c.l.parent == 0 && (len(c.l.pins) == 0 || c.l.pins[0] >= e) || c.d.removing[c.l.id] {
		return
	}
	_, ok, err := r.Get(append(layerEpochKey(c.d.id, tabChange, c.l.id, e), body...))
	if !c.d.failed(c.l.id, err) && !ok {
		c.d.problem(Warning, c.l.id, ProblemHistory, "the change index lacks row %q of epoch %d", body, e)
	}
}

// value checks what one version says.
func (c *layerCheck) value(r kv.Reader, body, v []byte, newest, seen bool) {
	d := c.d
	first := uint64(0)
	if len(body) >= 9 {
		first = binary.BigEndian.Uint64(body[1:])
	}
	d.use(first)
	var a Attr
	var err error
	switch body[0] {
	case kindEntry:
		if err = decodeEntry(v, &a); err == nil {
			d.use(uint64(a.Ino), uint64(a.Data), a.Version)
		}
		if err == nil && checkName("", nameOf(body, entryNamePos)) != nil {
			d.problem(Error, c.l.id, ProblemRow, "an entry of directory %d has the name %q", first, nameOf(body, entryNamePos))
		}
	case kindInode:
		if v[0] == tagPointer {
			_, _, err = decodePointer(v)
		} else if err = decodeAttr(v, &a); err == nil {
			d.use(uint64(a.Ino), uint64(a.Data), a.Version)
			if a.Ino != Ino(first) {
				d.problem(Error, c.l.id, ProblemRow, "the row of inode %d is of inode %d", first, a.Ino)
			}
		}
	case kindLink, kindXattr:
		if v[0] != tagRow {
			err = corrupt("row")
		}
	case kindData:
		err = c.chunk(r, body, v, newest, seen)
	}
	if err != nil {
		d.bad(c.l.id, "row %q does not parse", body)
	}
}

// chunk checks a chunk row, or one of a part table, and what it names.
func (c *layerCheck) chunk(r kv.Reader, body, v []byte, newest, seen bool) (err error) {
	var ch chunk
	if chunkNumber(body) >= partTable {
		err = c.partRow(body, v)
	} else {
		ch, err = decodeChunk(v)
	}
	if err != nil {
		return err
	}
	d, data := c.d, binary.BigEndian.Uint64(body[1:])
	d.inline[c.l.id] += int64(len(ch.inline))
	if !newest {
		d.kept[c.l.id] += int64(len(ch.inline))
	}
	// Pinned versions may be of a file that was removed before the pin and
	// whose contents were freed after it.
	if newest && !c.l.hidden && !d.settling[c.l.id] && !d.damaged && c.lost != data &&
		!d.contents.has(data) && !d.unnamed.has(data) {
		c.lost = data
		d.problem(Warning, c.l.id, ProblemLeak, "contents %d belong to no file", data)
	}
	for i := range ch.refs {
		c.ref(r, &ch.refs[i], data, newest, seen)
	}
	return nil
}

// ref checks one reference to an extent.
func (c *layerCheck) ref(r kv.Reader, ref *extentRef, data uint64, newest, seen bool) {
	d := c.d
	d.use(ref.id)
	d.named.set(ref.id)
	x, ok := d.extentRow(r, ref.id)
	wrong := func(text string) {
		d.problem(Error, c.l.id, ProblemContents, "extent %d of contents %d: %s", ref.id, data, text)
	}
	own := x.layer == c.l.id
	switch {
	case d.removing[c.l.id] || !seen && d.settling[c.l.id]:
	case !ok:
		wrong("it is not there")
	case int64(ref.extOff)+int64(ref.len) > x.loc.Length:
		wrong("it is shorter than what is read of it")
	case own && x.birth > c.epoch:
		wrong("it is younger than the row that names it")
	case !own && !c.above(&x):
		wrong("it belongs to a layer that is not above")
	case own && newest && !c.l.hidden && c.dead.has(ref.id):
		wrong("it is on the list of what may be freed")
	}
}

// above tells whether an extent was born in a layer above, before the fork.
func (c *layerCheck) above(x *extent) bool {
	for _, u := range c.up {
		if u.layer == x.layer {
			return x.birth <= u.epoch
		}
	}
	return false
}
