package disk

import (
	"context"
	"io"

	"atoll/internal/blob"
	"atoll/internal/errs"
)

// Object is one version of a file (or what else a path led to), opened for
// reading. It serves the ranges that were picked when it was opened, whatever
// becomes of the file meanwhile. It must be closed; one goroutine uses it.
type Object struct {
	Attr  Attr
	store *Store
	parts []part
	held  []uint64 // segments that are held
	arr   [2]part
	harr  [2]uint64
}

// part is a run of bytes of the file: inline bytes or a piece of an extent.
// Between parts are holes.
type part struct {
	off    int64 // in the file
	len    int64
	inline []byte
	loc    blob.Loc
	ext    int64 // offset in the extent
}

// Open opens what path leads to, following links. pick sees its attributes
// and tells which ranges will be read (nil, or no ranges: just attributes);
// they are clipped to the file. It may be called again if the first attempt
// lost a race against the compactor.
func (v *View) Open(ctx context.Context, path string, pick func(a *Attr) []Range) (*Object, error) {
	return v.open(ctx, pick, func(r *reader, a *Attr) error {
		p, err := r.find("open", path, true)
		*a = p.attr
		return err
	})
}

// OpenInode is Open by inode number.
func (v *View) OpenInode(ctx context.Context, ino Ino, pick func(a *Attr) []Range) (*Object, error) {
	return v.open(ctx, pick, func(r *reader, a *Attr) error { return r.inode(ino, a) })
}

func (v *View) open(ctx context.Context, pick func(*Attr) []Range, find func(*reader, *Attr) error) (*Object, error) {
	for {
		o := &Object{store: v.disk.store}
		o.parts, o.held = o.arr[:0], o.harr[:0]
		err := v.read(ctx, func(r *reader) error {
			if err := find(r, &o.Attr); err != nil {
				return err
			}
			if pick == nil {
				return nil
			}
			for _, rg := range pick(&o.Attr) {
				if err := o.collect(r, rg); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if o.hold() {
			return o, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, errs.E("open", "", errs.Canceled, err)
		}
	}
}

// collect resolves a range to parts.
func (o *Object) collect(r *reader, rg Range) error {
	end := min(rg.Off+rg.Len, o.Attr.Size)
	if o.Attr.Type != File || o.Attr.Data == 0 || rg.Off >= end {
		return nil
	}
	for pos := rg.Off; pos < end; {
		s, err := r.span(&o.Attr, pos)
		if err != nil {
			return err
		}
		for to := min(s.to, end); pos < to; {
			n, base := s.chunk(pos)
			c, err := r.chunkAt(s.data, n)
			if err != nil {
				return err
			}
			next := min(base+ChunkSize, to)
			if err := o.addChunk(r, &c, base, pos, next); err != nil {
				return err
			}
			pos = next
		}
	}
	return nil
}

// addChunk takes over what a chunk, which begins at base in the file, has of
// [from, end).
func (o *Object) addChunk(r *reader, c *chunk, base, from, end int64) error {
	if c.inline != nil {
		ln := min(int64(len(c.inline)), end-base)
		if ln > 0 {
			o.parts = append(o.parts, part{off: base, len: ln, inline: append([]byte(nil), c.inline[:ln]...)})
		}
		return nil
	}
	for _, ref := range c.refs {
		from, to := max(base+int64(ref.off), from), min(base+int64(ref.off)+int64(ref.len), end)
		if from >= to {
			continue
		}
		x, err := r.extentAt(ref.id)
		if err != nil {
			return err
		}
		o.parts = append(o.parts, part{off: from, len: to - from, loc: x.loc,
			ext: int64(ref.extOff) + from - base - int64(ref.off)})
	}
	return nil
}

// hold takes a reference on each segment; false if one is already gone.
func (o *Object) hold() bool {
	for i := range o.parts {
		p := &o.parts[i]
		if p.inline != nil || holds(o.held, p.loc.Segment) {
			continue
		}
		if !o.store.blob.Acquire(p.loc.Segment) {
			o.Close()
			return false
		}
		o.held = append(o.held, p.loc.Segment)
	}
	return true
}

func holds(segs []uint64, s uint64) bool {
	for _, h := range segs {
		if h == s {
			return true
		}
	}
	return false
}

// Close lets the object's bytes go.
func (o *Object) Close() {
	for _, s := range o.held {
		o.store.blob.Release(s)
	}
	o.held = nil
}

// zeros is what holes are written from; never changed.
var zeros [64 << 10]byte

// WriteRange writes bytes [r.Off, r.Off+r.Len) of the file to w. Large pieces
// go by sendfile if w allows it (an http.ResponseWriter does).
func (o *Object) WriteRange(w io.Writer, r Range) (n int64, err error) {
	pos, end := r.Off, r.Off+r.Len
	hole := func(to int64) error {
		for pos < to {
			m, err := w.Write(zeros[:min(to-pos, int64(len(zeros)))])
			n, pos = n+int64(m), pos+int64(m)
			if err != nil {
				return err
			}
		}
		return nil
	}
	for i := range o.parts {
		p := &o.parts[i]
		if p.off+p.len <= pos {
			continue
		}
		if p.off >= end {
			break
		}
		if err := hole(p.off); err != nil {
			return n, err
		}
		skip := pos - p.off
		ln := min(p.len-skip, end-pos)
		var m int64
		if p.inline != nil {
			k, werr := w.Write(p.inline[skip : skip+ln])
			m, err = int64(k), werr
		} else {
			m, err = o.store.blob.WriteRange(w, p.loc, p.ext+skip, ln)
		}
		n, pos = n+m, pos+m
		if err != nil {
			return n, err
		}
	}
	return n, hole(end)
}

// ReadAt reads within the picked ranges; what is beyond the end of the file
// gives io.EOF.
func (o *Object) ReadAt(p []byte, off int64) (int, error) {
	want := min(int64(len(p)), o.Attr.Size-off)
	if want <= 0 {
		return 0, io.EOF
	}
	clear(p[:want])
	end := off + want
	for i := range o.parts {
		q := &o.parts[i]
		from, to := max(q.off, off), min(q.off+q.len, end)
		if from >= to {
			continue
		}
		dst := p[from-off : to-off]
		if q.inline != nil {
			copy(dst, q.inline[from-q.off:])
			continue
		}
		if _, err := o.store.blob.ReadAt(context.Background(), q.loc, dst, q.ext+from-q.off); err != nil {
			return 0, errs.E("read", "", errs.KindOf(err), err)
		}
	}
	if want < int64(len(p)) {
		return int(want), io.EOF
	}
	return int(want), nil
}
