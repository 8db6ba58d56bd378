package disk

import (
	"encoding/binary"

	"atoll/internal/blob"
)

// extentRef says that bytes [off, off+len) of a chunk are bytes
// [extOff, extOff+len) of an extent.
type extentRef struct {
	off, len uint32
	id       uint64
	extOff   uint32
}

// chunk is a decoded chunk row: inline bytes from the chunk's start, or
// references sorted by off that do not overlap. What neither covers reads as
// zeros.
type chunk struct {
	inline []byte
	refs   []extentRef
}

func (c *chunk) append(b []byte) []byte {
	if c.inline != nil {
		return append(append(b, tagInline), c.inline...)
	}
	b = binary.AppendUvarint(append(b, tagExtents), uint64(len(c.refs)))
	for _, r := range c.refs {
		for _, v := range [...]uint64{uint64(r.off), uint64(r.len), r.id, uint64(r.extOff)} {
			b = binary.AppendUvarint(b, v)
		}
	}
	return b
}

// decodeChunk reads a chunk row; inline bytes alias v.
func decodeChunk(v []byte) (c chunk, err error) {
	if len(v) == 0 {
		return c, corrupt("chunk")
	}
	if v[0] == tagInline {
		c.inline = v[1:len(v):len(v)]
		return c, nil
	}
	d := decoder{b: v[1:]}
	n := d.uint()
	if v[0] != tagExtents || n > MaxExtents {
		return c, corrupt("chunk")
	}
	c.refs = make([]extentRef, n)
	end := uint64(0)
	for i := range c.refs {
		off, ln, id, eo := d.uint(), d.uint(), d.uint(), d.uint()
		if off < end || ln == 0 || off+ln > ChunkSize || eo+ln > blob.MaxExtent {
			return c, corrupt("chunk")
		}
		end = off + ln
		c.refs[i] = extentRef{uint32(off), uint32(ln), id, uint32(eo)}
	}
	if d.bad || len(d.b) != 0 {
		return c, corrupt("chunk")
	}
	return c, nil
}

// covered returns how many bytes are not holes.
func (c *chunk) covered() int64 {
	n := int64(len(c.inline))
	for _, r := range c.refs {
		n += int64(r.len)
	}
	return n
}

// cut removes [from, to) from the references; names that no longer occur
// are returned in gone.
func (c *chunk) cut(from, to uint32) (gone []uint64) {
	var keep []extentRef
	for _, r := range c.refs {
		end := r.off + r.len
		if end <= from || r.off >= to {
			keep = append(keep, r)
			continue
		}
		left := r.off < from
		right := end > to
		if left {
			keep = append(keep, extentRef{r.off, from - r.off, r.id, r.extOff})
		}
		if right {
			keep = append(keep, extentRef{to, end - to, r.id, r.extOff + (to - r.off)})
		}
		if !left && !right {
			gone = append(gone, r.id)
		}
	}
	c.refs = keep
	return c.stillNamed(gone)
}

// stillNamed drops from ids what some reference names and repeats.
func (c *chunk) stillNamed(ids []uint64) []uint64 {
	var out []uint64
next:
	for _, id := range ids {
		for _, r := range c.refs {
			if r.id == id {
				continue next
			}
		}
		for _, o := range out {
			if o == id {
				continue next
			}
		}
		out = append(out, id)
	}
	return out
}

// insert places r, whose range must have been cut before.
func (c *chunk) insert(r extentRef) {
	i := 0
	for i < len(c.refs) && c.refs[i].off < r.off {
		i++
	}
	c.refs = append(c.refs, extentRef{})
	copy(c.refs[i+1:], c.refs[i:])
	c.refs[i] = r
}

// extent is a t row: where an extent's bytes are, and the layer and epoch of
// the commit that named it.
type extent struct {
	loc   blob.Loc
	layer layer
	birth epoch
}

func (e *extent) row() []byte {
	return row(e.loc.Segment, uint64(e.loc.Offset), uint64(e.loc.Length), uint64(e.layer), uint64(e.birth))
}

func decodeExtent(v []byte) (e extent, err error) {
	var seg, off, ln, l, b uint64
	rest, err := unrow(v, &seg, &off, &ln, &l, &b)
	if err != nil || len(rest) != 0 || ln > blob.MaxExtent {
		return e, corrupt("extent")
	}
	return extent{blob.Loc{Segment: seg, Offset: int64(off), Length: int64(ln)}, layer(l), epoch(b)}, nil
}

// idOf cuts the extent id out of a t row's key.
func idOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }
