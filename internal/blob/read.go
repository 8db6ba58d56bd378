package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"atoll/internal/errs"
)

// verifyBufs hold a record header and one block.
var verifyBufs = sync.Pool{New: func() any { return new([maxRecHeader + BlockSize]byte) }}

// ReadAt fills p with the bytes of the extent at loc from off on. The range
// must lie within the extent. Blocks are verified at their first read;
// errs.Corrupt means that the stored bytes are not those that were written.
// The caller holds the segment (Acquire); errs.Stale means that it is gone.
func (s *Store) ReadAt(ctx context.Context, loc Loc, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, errs.E("read", "", errs.Canceled, err)
	}
	seg, h, err := s.enter(loc, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer seg.release()
	defer h.unref()
	if err := s.verify(seg, h, loc, off, int64(len(p))); err != nil {
		return 0, err
	}
	n, err := readFull(h.f, p, loc.Offset+off)
	s.stats.reads.Add(1)
	s.stats.readBytes.Add(int64(n))
	if err != nil {
		return n, s.readError(seg, loc.Offset+off, err)
	}
	return n, nil
}

// enter checks a range of an extent and holds its segment and an open handle
// for one call.
func (s *Store) enter(loc Loc, off, n int64) (*segment, *handle, error) {
	if off < 0 || n < 0 || loc.Length > MaxExtent || off > loc.Length-n ||
		loc.Offset < segHeaderSize+recHeaderSize(max(loc.Length, 1)) {
		return nil, nil, errs.New("read", segName(loc.Segment), errs.Invalid, "the range is not within the extent")
	}
	seg := s.lookup(loc.Segment)
	if seg == nil || !seg.enter() {
		return nil, nil, errs.New("read", segName(loc.Segment), errs.Stale, "the segment is gone")
	}
	h, err := s.open(seg)
	if err != nil {
		seg.release()
		return nil, nil, err
	}
	return seg, h, nil
}

// verify checks those blocks of [off, off+n) of an extent that were not
// checked since the start.
func (s *Store) verify(seg *segment, h *handle, loc Loc, off, n int64) error {
	if n == 0 {
		return nil
	}
	for b := off / BlockSize; b*BlockSize < off+n; b++ {
		if !seg.verified.get(loc.Offset + b*BlockSize) {
			return s.verifyBlocks(seg, h, loc, b, (off+n-1)/BlockSize)
		}
	}
	return nil
}

// verifyBlocks checks the blocks first to last, skipping those known good.
func (s *Store) verifyBlocks(seg *segment, h *handle, loc Loc, first, last int64) error {
	buf := verifyBufs.Get().(*[maxRecHeader + BlockSize]byte)
	defer verifyBufs.Put(buf)
	head := recHeaderSize(loc.Length)
	start := loc.Offset - head
	if first != last {
		// Only a hint, to overlap reading with checking.
		_ = h.f.Prefetch(loc.Offset+first*BlockSize, min((last+1)*BlockSize, loc.Length)-first*BlockSize)
	}
	// One read gets the header and, if it is wanted, the first block.
	want := head
	if first == 0 {
		want += min(loc.Length, BlockSize)
	}
	if _, err := readFull(h.f, buf[:want], start); err != nil {
		return s.readError(seg, start, err)
	}
	rec, err := parseRecHeader(buf[:head], seg.seed, start)
	if err == nil && rec.length != loc.Length {
		err = errMismatch
	}
	if err != nil {
		return s.readError(seg, start, err)
	}
	for b := first; b <= last; b++ {
		at := loc.Offset + b*BlockSize
		if seg.verified.get(at) {
			continue
		}
		block := buf[head : head+min(loc.Length-b*BlockSize, BlockSize)]
		if b != 0 {
			if _, err := readFull(h.f, block, at); err != nil {
				return s.readError(seg, at, err)
			}
		}
		if crc32.Checksum(block, castagnoli) != rec.sum(b) {
			return s.readError(seg, at, errChecksum)
		}
		seg.verified.set(at)
		s.stats.verified.Add(int64(len(block)))
	}
	return nil
}

// readFull is ReadAt that tells a short file as errShort.
func readFull(r io.ReaderAt, p []byte, off int64) (int, error) {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errShort
	}
	return n, err
}

// isCorrupt tells an error about what was read from one of reading.
func isCorrupt(err error) bool {
	return errors.Is(err, errMagic) || errors.Is(err, errHeader) || errors.Is(err, errChecksum) ||
		errors.Is(err, errShort) || errors.Is(err, errMismatch)
}

// readError says where in which segment err happened.
func (s *Store) readError(seg *segment, off int64, err error) error {
	kind := errs.Other
	if isCorrupt(err) {
		kind = errs.Corrupt
		s.stats.corrupt.Add(1)
	}
	return errs.E("read", fmt.Sprintf("%s@%d", segName(seg.id), off), kind, err)
}
