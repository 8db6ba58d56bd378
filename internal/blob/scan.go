package blob

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"

	"atoll/internal/errs"
)

// The scanner reads ahead little where records are far apart and only headers
// are wanted, more where they are close.
const (
	nearWindow = 64 << 10
	farWindow  = 1 << 10
)

// scanner walks the records of a segment file in order.
type scanner struct {
	r    io.ReaderAt
	seed uint32
	off  int64 // of the next record
	end  int64 // no record begins at or beyond it
	gaps []span

	buf   []byte // file bytes from bufOff on
	store []byte
	at    int64
	last  int64 // size of the record before
	sums  [4 * maxBlocks]byte
}

func newScanner(r io.ReaderAt, seed uint32, end int64, gaps []span) *scanner {
	return &scanner{r: r, seed: seed, off: segHeaderSize, end: end, gaps: gaps, store: make([]byte, nearWindow+maxRecHeader)}
}

// bytes returns up to n bytes at off, fewer at the end of the file. ahead is
// how many to read if the window does not have them.
func (sc *scanner) bytes(off, n, ahead int64) ([]byte, error) {
	if lo := off - sc.at; lo >= 0 && lo+n <= int64(len(sc.buf)) {
		return sc.buf[lo : lo+n], nil
	}
	want := min(max(n, ahead), int64(len(sc.store)))
	m, err := sc.r.ReadAt(sc.store[:want], off)
	if err != nil && err != io.EOF {
		sc.buf = nil
		return nil, err
	}
	sc.buf, sc.at = sc.store[:m], off
	return sc.buf[:min(n, int64(m))], nil
}

// next returns the next record, or io.EOF. After an error that isCorrupt, off
// is where the unreadable record begins.
func (sc *scanner) next() (record, error) {
	for len(sc.gaps) > 0 && sc.gaps[0].lo <= sc.off {
		sc.off = max(sc.off, sc.gaps[0].hi)
		sc.gaps = sc.gaps[1:]
	}
	if sc.off >= sc.end {
		return record{}, io.EOF
	}
	ahead := int64(farWindow)
	if sc.last < nearWindow/2 {
		ahead = nearWindow
	}
	b, err := sc.bytes(sc.off, maxRecHeader, ahead)
	if err != nil {
		return record{}, err
	}
	rec, err := parseRecHeader(b, sc.seed, sc.off)
	if err == nil && rec.payloadEnd() > sc.end {
		err = errShort
	}
	if err != nil {
		return record{}, err
	}
	rec.sums = sc.sums[:copy(sc.sums[:], rec.sums)]
	sc.last = rec.end() - rec.off
	sc.off = rec.end()
	return rec, nil
}

// check verifies the payload of the record that next has just returned.
func (sc *scanner) check(rec *record) error {
	for b := range rec.blocks() {
		if _, err := sc.checkBlock(rec, b); err != nil {
			return err
		}
	}
	return nil
}

// checkBlock verifies one block and returns its size.
func (sc *scanner) checkBlock(rec *record, b int64) (int64, error) {
	n := min(rec.length-b*BlockSize, BlockSize)
	p, err := sc.bytes(rec.payloadOff()+b*BlockSize, n, nearWindow)
	switch {
	case err != nil:
		return n, err
	case int64(len(p)) < n:
		return n, errShort
	case crc32.Checksum(p, castagnoli) != rec.sum(b):
		return n, errChecksum
	}
	return n, nil
}

// resync moves to the first record that begins at or after from and whose
// header is whole. ok is false where there is none.
func (sc *scanner) resync(from int64) (ok bool, err error) {
	for off := align8(from); off < sc.end; {
		sc.buf = nil // read the whole store, so that a header at the end of b is complete
		whole, err := sc.bytes(off, nearWindow+maxRecHeader, 0)
		if err != nil {
			return false, err
		}
		b := whole[:min(len(whole), nearWindow)]
		if len(b) < recFixedSize {
			return false, nil
		}
		i := 0
		for ; i+4 <= len(b); i += 8 {
			if binary.LittleEndian.Uint32(b[i:]) != recMagic {
				continue
			}
			rec, err := parseRecHeader(whole[i:], sc.seed, off+int64(i))
			if err == nil && rec.payloadEnd() <= sc.end {
				sc.off = off + int64(i)
				return true, nil
			}
		}
		off += int64(i)
	}
	return false, nil
}

// ScanSegment calls fn for each extent of a sealed segment, in order of
// place. It reads headers only. It stops at the first error: one of fn, or
// errs.Corrupt where a record does not parse, after which the caller must not
// conclude anything from the extents it did not see.
func (s *Store) ScanSegment(ctx context.Context, id uint64, fn func(Owner, Loc) error) error {
	seg, h, err := s.enterSealed(id)
	if err != nil {
		return err
	}
	defer seg.release()
	defer h.unref()
	sc := newScanner(h.f, seg.seed, seg.end, seg.gaps)
	var records int64
	for {
		if err := ctx.Err(); err != nil {
			return errs.E("scan", segName(id), errs.Canceled, err)
		}
		rec, err := sc.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return s.readError(seg, sc.off, err)
		}
		records++
		if err := fn(rec.owner, rec.loc(id)); err != nil {
			return err
		}
	}
	if records != seg.records.Load() {
		return s.readError(seg, sc.off, errMismatch)
	}
	return nil
}

func (r *record) loc(segment uint64) Loc {
	return Loc{Segment: segment, Offset: r.payloadOff(), Length: r.length}
}

func (s *Store) enterSealed(id uint64) (*segment, *handle, error) {
	seg := s.lookup(id)
	if seg == nil {
		return nil, nil, errs.New("scan", segName(id), errs.NotFound, "no such segment")
	}
	if !seg.sealed.Load() {
		return nil, nil, errs.New("scan", segName(id), errs.Invalid, "the segment is not sealed")
	}
	if !seg.enter() {
		return nil, nil, errs.New("scan", segName(id), errs.NotFound, "no such segment")
	}
	h, err := s.open(seg)
	if err != nil {
		seg.release()
		return nil, nil, err
	}
	return seg, h, nil
}
