package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"atoll/internal/blob"
	"atoll/internal/errs"
)

func chunkNumber(body []byte) uint32 { return binary.BigEndian.Uint32(body[len(body)-4:]) }

// ReadAt reads from a file. It returns io.EOF with what there is when the
// file ends first.
func (v *View) ReadAt(ctx context.Context, ino Ino, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errs.New("read", "", errs.Invalid, "a negative offset")
	}
	o, err := v.OpenInode(ctx, ino, func(*Attr) []Range { return []Range{{off, int64(len(p))}} })
	if err != nil {
		return 0, err
	}
	defer o.Close()
	if o.Attr.Type == Dir {
		return 0, errs.E("read", "", errs.IsDir, nil)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= o.Attr.Size {
		return 0, io.EOF
	}
	return o.ReadAt(p, off)
}

// maxWrite is the longest piece that one transaction writes.
const maxWrite = extentSize

// WriteAt writes into a file in place, at any offset; a gap becomes a hole.
// Each piece of up to 1 MiB that crosses no boundary of a chunk or of a part
// is atomic.
func (v *View) WriteAt(ctx context.Context, ino Ino, p []byte, off int64, client uint64) (n int, err error) {
	if off < 0 {
		return 0, errs.New("write", "", errs.Invalid, "a negative offset")
	}
	if off+int64(len(p)) > MaxSize {
		return 0, errs.New("write", "", errs.TooLarge, "no file may be that large")
	}
	for n < len(p) {
		m := min(int64(len(p)-n), maxWrite, v.writeRoom(ctx, ino, off))
		err := v.writePiece(ctx, ino, p[n:n+int(m)], off, client)
		if errors.Is(err, errCrosses) {
			continue
		}
		if err != nil {
			return n, err
		}
		n, off = n+int(m), off+m
	}
	return n, nil
}

// errCrosses is an attempt to write over the boundary of a chunk, because the
// contents were put anew since their shape was looked at.
var errCrosses = errors.New("a write crosses a boundary of chunks")

// writeRoom tells how much can be written at off in one piece. What prevents
// the write is found out when it is tried.
func (v *View) writeRoom(ctx context.Context, ino Ino, off int64) int64 {
	s := span{to: math.MaxInt64}
	_ = v.read(ctx, func(r *reader) error {
		var a Attr
		if err := r.inode(ino, &a); err != nil {
			return err
		}
		at, err := r.span(&a, off)
		if err == nil {
			s = at
		}
		return err
	})
	return s.room(off)
}

// piece is one write within a chunk.
type piece struct {
	p    []byte
	off  int64
	ext  uint64 // id of its extent
	loc  blob.Loc
	held bool // loc is to be settled
}

func (v *View) writePiece(ctx context.Context, ino Ino, p []byte, off int64, client uint64) error {
	ids, err := v.disk.newIDs(ctx, 3) // extent, version, data
	if err != nil {
		return err
	}
	w := &piece{p: p, off: off, ext: ids}
	if end := off%ChunkSize + int64(len(p)); off >= ChunkSize || end > int64(v.disk.store.opts.InlineMax) {
		if err := w.append(v.disk); err != nil {
			return err
		}
	}
	for {
		o := &op{v: v}
		if w.held {
			o.locs = []blob.Loc{w.loc}
		}
		tooMany := false
		o.fn = func(t *txn) error {
			var err error
			tooMany, err = t.writeAt(ino, w, ids, client)
			return err
		}
		if err = v.disk.submit(ctx, o); err != nil || !tooMany {
			break
		}
		if !w.held { // the file outgrew inline contents
			err = w.append(v.disk)
		} else {
			err = v.rewriteChunk(ctx, ino, off)
		}
		if err != nil {
			break
		}
	}
	if w.held {
		v.disk.store.blob.Settle(w.loc)
		if err != nil {
			v.disk.store.blob.AddDead(w.loc)
		}
	}
	return err
}

func (w *piece) append(d *Disk) (err error) {
	w.loc, err = d.store.blob.Append(blob.Owner{Disk: uint64(d.id), Extent: w.ext}, w.p)
	w.held = err == nil
	return err
}

// writeAt places a piece. retry: it needs an extent, or the chunk has too
// many references and must be rewritten first; nothing was changed then.
func (t *txn) writeAt(ino Ino, w *piece, ids uint64, client uint64) (retry bool, err error) {
	var a Attr
	if err := t.openForWrite("write", ino, client, &a); err != nil {
		return false, err
	}
	if a.Data == 0 {
		a.Data = DataID(ids + 2)
	}
	s, err := t.span(&a, w.off)
	if err != nil {
		return false, err
	}
	if int64(len(w.p)) > s.room(w.off) {
		return false, errCrosses
	}
	n, base := s.chunk(w.off)
	at := uint32(w.off - base)
	end := at + uint32(len(w.p))
	old, err := t.chunkAt(s.data, n)
	if err != nil {
		return false, err
	}
	c, gone, retry := t.overlay(&old, w, at, end)
	if retry {
		return true, nil
	}
	if err := t.checkQuota("write", int64(len(w.p)), 0); err != nil {
		return false, err
	}
	t.contentsChanged(&a, ids+1)
	a.Size = max(a.Size, w.off+int64(len(w.p)))
	a.Bytes += c.covered() - old.covered()
	if w.held {
		x := extent{loc: w.loc, layer: t.lay.id, birth: t.lay.epoch}
		if err := t.tx.Set(idKey(t.disk, tabExtent, w.ext), x.row()); err != nil {
			return false, err
		}
		t.addUsage(t.lay.id, w.loc.Length, 0)
	}
	if err := t.storeChunk(s.data, n, &old, &c); err != nil {
		return false, err
	}
	if err := t.dropExtents(gone); err != nil {
		return false, err
	}
	return false, t.store(&a)
}

// overlay gives the chunk with a piece written over it.
func (t *txn) overlay(old *chunk, w *piece, at, end uint32) (c chunk, gone []uint64, retry bool) {
	if !w.held {
		if len(old.refs) > 0 || max(int(end), len(old.inline)) > t.g.d.store.opts.InlineMax {
			return c, nil, true
		}
		c.inline = make([]byte, max(int(end), len(old.inline)))
		copy(c.inline, old.inline)
		copy(c.inline[at:], w.p)
		return c, nil, false
	}
	if len(old.inline) > 0 && !covers(at, end, len(old.inline)) {
		return c, nil, true // the inline bytes need an extent of their own
	}
	c.refs = append([]extentRef(nil), old.refs...)
	gone = c.cut(at, end)
	c.insert(extentRef{off: at, len: end - at, id: w.ext})
	return c, gone, len(c.refs) > MaxExtents
}

func covers(at, end uint32, n int) bool { return at == 0 && int(end) >= n }

// rewriteChunk turns the chunk at an offset, which has inline bytes or many
// references, into one with few extents.
func (v *View) rewriteChunk(ctx context.Context, ino Ino, off int64) error {
	var base int64
	var whole Range
	o, err := v.open(ctx, func(*Attr) []Range { return []Range{whole} }, func(r *reader, a *Attr) error {
		if err := r.inode(ino, a); err != nil {
			return err
		}
		s, err := r.span(a, off)
		_, base = s.chunk(off)
		whole = Range{base, min(ChunkSize, s.to-base)}
		return err
	})
	if err != nil {
		return err
	}
	defer o.Close()
	version := o.Attr.Version
	var exts []upExtent
	var c chunk
	var locs []blob.Loc
	used := false
	defer func() {
		v.disk.store.blob.Settle(locs...)
		if !used {
			v.disk.store.addDead(locs)
		}
	}()
	for _, run := range o.runs() {
		x, err := v.copyRange(ctx, o, run)
		if err != nil {
			return err
		}
		locs = append(locs, x.loc)
		exts = append(exts, x)
		c.refs = append(c.refs, extentRef{off: uint32(run.Off - base), len: uint32(run.Len), id: x.id})
	}
	return v.disk.submit(ctx, &op{v: v, locs: locs, alone: true, fn: func(t *txn) (err error) {
		used, err = t.swapChunk(ino, version, off, &c, exts)
		return err
	}})
}

// copyRange appends the bytes of a range as an extent that no row names yet.
func (v *View) copyRange(ctx context.Context, o *Object, r Range) (upExtent, error) {
	buf := make([]byte, r.Len)
	if _, err := o.ReadAt(buf, r.Off); err != nil && err != io.EOF {
		return upExtent{}, err
	}
	id, err := v.disk.newIDs(ctx, 1)
	if err != nil {
		return upExtent{}, err
	}
	loc, err := v.disk.store.blob.Append(blob.Owner{Disk: uint64(v.disk.id), Extent: id}, buf)
	return upExtent{id, loc}, err
}

// runs lists the stretches of the picked range that are not holes, in pieces
// of up to extentSize. Short holes count as zeros; if that leaves many
// pieces, long ones too.
func (o *Object) runs() []Range {
	const few = 8
	out := o.runsOver(16 << 10)
	if len(out) > few {
		out = o.runsOver(extentSize)
	}
	return out
}

func (o *Object) runsOver(gap int64) []Range {
	var out []Range
	for i := range o.parts {
		p := &o.parts[i]
		if k := len(out) - 1; k >= 0 && p.off-(out[k].Off+out[k].Len) < gap && p.off+p.len-out[k].Off <= extentSize {
			out[k].Len = p.off + p.len - out[k].Off
			continue
		}
		out = append(out, Range{p.off, p.len})
	}
	return out
}

// swapChunk replaces a chunk row by one with the same bytes, if the contents
// have not changed since they were read.
func (t *txn) swapChunk(ino Ino, version uint64, off int64, c *chunk, exts []upExtent) (done bool, err error) {
	var a Attr
	if err := t.inode(ino, &a); err != nil || a.Version != version || a.Data == 0 {
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
	for _, x := range exts {
		e := extent{loc: x.loc, layer: t.lay.id, birth: t.lay.epoch}
		if err := t.tx.Set(idKey(t.disk, tabExtent, x.id), e.row()); err != nil {
			return false, err
		}
		t.addUsage(t.lay.id, x.loc.Length, 0)
	}
	if err := t.storeChunk(s.data, n, &old, c); err != nil {
		return false, err
	}
	a.Bytes += c.covered() - old.covered()
	var gone []uint64
	for _, r := range old.refs {
		gone = append(gone, r.id)
	}
	if err := t.dropExtents((&chunk{}).stillNamed(gone)); err != nil {
		return false, err
	}
	return true, t.store(&a)
}
