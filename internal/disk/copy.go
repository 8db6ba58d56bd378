package disk

import (
	"context"
	"crypto/md5"
	"hash"

	"atoll/internal/errs"
)

// Copy puts a copy of a file of one view at a path of another, of the same
// disk or not, that shares nothing with it that can change. It streams: the
// copy is of one version of the source, whatever becomes of that meanwhile,
// also if it is the source's own path. Links are followed as Open and
// Upload.Commit do. o counts as for Upload.Commit, but that contents keep
// their MD5 (or get one) and, if o has no ContentMeta, theirs. check, if set,
// sees the source's attributes first; its error comes back as it is.
// NotFound: there is no source; IsDir, Invalid: it is no file; and what
// Upload.Commit fails with.
func (v *View) Copy(ctx context.Context, path string, from *View, fromPath string, check func(src *Attr) error, o PutOptions) (Attr, error) {
	if err := v.refuseReadOnly("copy", path); err != nil {
		return Attr{}, err
	}
	if err := checkPut(path, &o); err != nil {
		return Attr{}, err
	}
	src, err := from.Open(ctx, fromPath, func(a *Attr) []Range { return []Range{{0, a.Size}} })
	if err != nil {
		return Attr{}, err
	}
	defer src.Close()
	if check != nil {
		if err := check(&src.Attr); err != nil {
			return Attr{}, err
		}
	}
	switch src.Attr.Type {
	case File:
	case Dir:
		return Attr{}, errs.New("copy", fromPath, errs.IsDir, "the source is a directory")
	default:
		return Attr{}, errs.New("copy", fromPath, errs.Invalid, "the source is a device, socket or pipe")
	}
	u, err := v.NewUpload(ctx, src.Attr.Size)
	if err != nil {
		return Attr{}, err
	}
	defer u.Abort()
	c := copying{ctx: ctx, u: u}
	o.MD5, o.HasMD5 = src.Attr.MD5, src.Attr.HasMD5
	if !o.HasMD5 {
		c.sum = md5.New()
	}
	if o.ContentMeta == nil {
		o.ContentMeta = src.Attr.ContentMeta
	}
	if err := c.all(src); err != nil {
		return Attr{}, errs.E("copy", fromPath, errs.KindOf(err), err)
	}
	if c.sum != nil {
		o.HasMD5 = true
		c.sum.Sum(o.MD5[:0])
	}
	return u.Commit(ctx, path, o)
}

// copying takes the bytes of a copy until its context ends.
type copying struct {
	ctx context.Context
	u   *Upload
	sum hash.Hash // nil: not needed
}

func (c *copying) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, errs.E("copy", "", errs.Canceled, err)
	}
	if c.sum != nil {
		c.sum.Write(p)
	}
	return c.u.Write(p)
}

// all copies the whole file. Holes of whole chunks stay holes.
func (c *copying) all(src *Object) error {
	size := src.Attr.Size
	for pos := int64(0); pos < size; {
		hole, end := src.nextHole(pos)
		if _, err := src.WriteRange(c, Range{pos, hole - pos}); err != nil {
			return err
		}
		if err := c.skip(end - hole); err != nil {
			return err
		}
		pos = end
	}
	return nil
}

// nextHole finds the first chunks from pos on that have no bytes.
func (o *Object) nextHole(pos int64) (from, to int64) {
	size := o.Attr.Size
	for i := range o.parts {
		p := &o.parts[i]
		if p.off+p.len <= pos {
			continue
		}
		if from, to = chunksIn(pos, p.off); from < to {
			return from, to
		}
		pos = p.off + p.len
	}
	if from, to = chunksIn(pos, size); from < to {
		return from, to
	}
	return size, size
}

// chunksIn returns the whole chunks between two places of a file.
func chunksIn(from, to int64) (first, end int64) {
	return (from + ChunkSize - 1) / ChunkSize * ChunkSize, to / ChunkSize * ChunkSize
}

// skip leaves whole chunks out.
func (c *copying) skip(n int64) error {
	if c.sum != nil {
		for left := n; left > 0; left -= int64(len(zeros)) {
			if err := c.ctx.Err(); err != nil {
				return errs.E("copy", "", errs.Canceled, err)
			}
			c.sum.Write(zeros[:])
		}
	}
	c.u.size, c.u.holes = c.u.size+n, c.u.holes+n
	return nil
}
