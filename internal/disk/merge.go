package disk

import (
	"context"
	"slices"

	"atoll/internal/blob"
)

// mergeMin is how many of a chunk's last references are merged at least, if
// they fit into an extent.
const mergeMin = MaxExtents / 2

// mergeTail merges the last references of the chunk at an offset into one.
// Going on to the left while what it meets is no longer than what it has, it
// leaves lengths that double from right to left, so that a byte appended is
// copied a number of times that grows with the logarithm of the chunk's size.
func (v *View) mergeTail(ctx context.Context, ino Ino, off int64) error {
	var tail []extentRef
	var whole Range
	o, err := v.open(ctx, func(*Attr) []Range { return []Range{whole} }, func(r *reader, a *Attr) error {
		tail, whole = nil, Range{}
		if err := r.inode(ino, a); err != nil || a.Data == 0 {
			return err
		}
		s, err := r.span(a, off)
		if err != nil {
			return err
		}
		n, base := s.chunk(off)
		c, err := r.chunkAt(s.data, n)
		if tail = c.tail(); len(tail) > 0 {
			end := tail[len(tail)-1]
			whole = Range{base + int64(tail[0].off), int64(end.off + end.len - tail[0].off)}
		}
		return err
	})
	if err != nil {
		return err
	}
	defer o.Close()
	if len(tail) < 2 || o.Attr.Size < whole.Off+whole.Len {
		return v.rewriteChunk(ctx, ino, off)
	}
	x, err := v.copyRange(ctx, o, whole)
	if err != nil {
		return err
	}
	used := false
	err = v.disk.submit(ctx, &op{v: v, locs: []blob.Loc{x.loc}, alone: true, fn: func(t *txn) (err error) {
		used, err = t.mergeRefs(ino, off, tail, x)
		return err
	}})
	v.disk.store.blob.Settle(x.loc)
	if err != nil || !used {
		v.disk.store.blob.AddDead(x.loc)
	}
	return err
}

// tail returns the last references of a chunk, those without holes between
// them, that are worth merging.
func (c *chunk) tail() []extentRef {
	i := len(c.refs) - 1
	if i < 0 {
		return nil
	}
	total := c.refs[i].len
	for ; i > 0; i-- {
		r := c.refs[i-1]
		if r.off+r.len != c.refs[i].off || total+r.len > extentSize || len(c.refs)-i >= mergeMin && r.len > total {
			break
		}
		total += r.len
	}
	return c.refs[i:]
}

// mergeRefs replaces references, if they are still there, by one to an extent
// with the same bytes.
func (t *txn) mergeRefs(ino Ino, off int64, tail []extentRef, x upExtent) (done bool, err error) {
	var a Attr
	if err := t.inode(ino, &a); err != nil || a.Data == 0 {
		return false, err
	}
	s, err := t.span(&a, off)
	if err != nil {
		return false, err
	}
	n, _ := s.chunk(off)
	old, err := t.chunkAt(s.data, n)
	if err != nil {
		return false, err
	}
	i := slices.Index(old.refs, tail[0])
	if i < 0 || len(old.refs) < i+len(tail) || !slices.Equal(old.refs[i:i+len(tail)], tail) {
		return false, nil
	}
	merged := extentRef{off: tail[0].off, len: uint32(x.loc.Length), id: x.id}
	c := chunk{refs: slices.Concat(old.refs[:i], []extentRef{merged}, old.refs[i+len(tail):])}
	if err := t.nameExtents([]upExtent{x}); err != nil {
		return false, err
	}
	if err := t.storeChunk(s.data, n, &old, &c); err != nil {
		return false, err
	}
	var gone []uint64
	for _, r := range tail {
		gone = append(gone, r.id)
	}
	return true, t.dropExtents(c.stillNamed(gone))
}

// trimParts takes the parts off a file's part table that begin behind its
// end: its last part has no end again. They have no chunks any more: the
// truncation has cut them.
func (v *View) trimParts(ctx context.Context, ino Ino) error {
	return v.alone(ctx, func(t *txn) error {
		var a Attr
		if err := t.inode(ino, &a); err != nil || !a.parts {
			return err
		}
		first, err := t.partRow(a.Data, 0)
		if err != nil {
			return err
		}
		rows := first.rows() + 1
		keep := 0 // the number of the last row that stays
		var starts []int64
		for keep < first.rows() && first.rowStart(keep) <= a.Size {
			starts = append(starts, first.rowStart(keep))
			keep++
		}
		last, err := t.partRow(a.Data, uint32(keep))
		if err != nil {
			return err
		}
		if err := t.rewritePartRow(a.Data, 0, first, len(first.refs)/partRefSize, starts); err != nil {
			return err
		}
		n := last.find(a.Size) + 1
		if keep > 0 {
			starts = nil
		}
		if err := t.rewritePartRow(a.Data, uint32(keep), last, n, starts); err != nil {
			return err
		}
		for i := keep + 1; i < rows; i++ {
			if _, err := t.del(dataBody(nil, a.Data, partTable+uint32(i)), false); err != nil {
				return err
			}
		}
		return nil
	})
}

// rewritePartRow writes a row of a part table with its first n parts.
func (t *txn) rewritePartRow(data DataID, i uint32, p partRow, n int, starts []int64) error {
	refs := make([]partRef, n)
	for j := range refs {
		refs[j] = p.ref(j)
	}
	_, err := t.put(dataBody(nil, data, partTable+i), appendPartRow(nil, starts, refs))
	return err
}
