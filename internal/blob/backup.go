package blob

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

// Backup makes a copy of the store in dest, which must be empty or missing,
// that holds at least everything that was durable at the call. Sealed
// segments are hard links where the file system allows that, else copies. The
// copy opens like a store after a crash. No segment that the copy contains is
// deleted before Backup ends; Freeze does the same for a longer time.
func (s *Store) Backup(ctx context.Context, dest string) error {
	if err := s.usable("backup"); err != nil {
		return err
	}
	if names, err := s.fs.List(dest); err == nil && len(names) > 0 {
		return errs.New("backup", dest, errs.NotEmpty, "the directory is not empty")
	}
	if err := makeDir(s.fs, dest); err != nil {
		return errs.E("backup", dest, errs.Other, err)
	}
	held := s.acquireAll()
	defer func() {
		for _, seg := range held {
			seg.release()
		}
	}()
	for _, seg := range held {
		if err := ctx.Err(); err != nil {
			return errs.E("backup", dest, errs.Canceled, err)
		}
		if err := s.backupSegment(ctx, seg, s.fs.PathJoin(dest, segName(seg.id))); err != nil {
			return errs.E("backup", segName(seg.id), kindOfIO(err), err)
		}
	}
	err := writeFile(s.fs, s.fs.PathJoin(dest, identName), encodeIdent(s.id))
	if err == nil {
		err = syncDirAt(s.fs, dest)
	}
	if err != nil {
		return errs.E("backup", dest, kindOfIO(err), err)
	}
	return nil
}

// acquireAll holds every segment that is not about to be removed; nothing
// names an extent in one that is.
func (s *Store) acquireAll() []*segment {
	var held []*segment
	for _, seg := range *s.segs.Load() {
		if seg.acquire() {
			held = append(held, seg)
		}
	}
	slices.SortFunc(held, func(a, b *segment) int { return int(a.id) - int(b.id) })
	return held
}

func (s *Store) backupSegment(ctx context.Context, seg *segment, dest string) error {
	if seg.sealed.Load() {
		if s.fs.Link(seg.path, dest) == nil {
			return nil
		}
	}
	// Of a segment that is being written, what has been written so far ends
	// with a whole record.
	size := seg.written.Load()
	h, err := s.open(seg)
	if err != nil {
		return err
	}
	defer h.unref()
	f, err := s.fs.Create(dest, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, &ctxReader{ctx, io.NewSectionReader(h.f, 0, size)})
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ctxReader ends a long copy when its context does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
