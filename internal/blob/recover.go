package blob

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

// scanResult is what a scan of an unsealed segment found.
type scanResult struct {
	end     int64 // of the last good record, or segHeaderSize
	gaps    []span
	records int64
	payload int64
}

func (r *scanResult) lost() (n int64) {
	for _, g := range r.gaps {
		n += g.hi - g.lo
	}
	return n
}

// scanUnsealed finds all records of a file of size bytes whose header and
// payload are whole, and calls fn for each. Behind a bad record it goes on
// searching: after a power cut the pages of the unsynced tail may be there in
// any combination, but a bad record might also be a damaged one that was
// synced, with good ones behind it that must not be lost.
func scanUnsealed(r io.ReaderAt, seed uint32, size int64, fn func(*record)) (scanResult, error) {
	sc := newScanner(r, seed, size, nil)
	res := scanResult{end: segHeaderSize}
	for {
		begin := sc.off
		rec, err := sc.next()
		if err == io.EOF {
			return res, nil
		}
		if err == nil {
			err = sc.check(&rec)
		}
		if err == nil {
			if rec.off > res.end {
				res.gaps = append(res.gaps, span{res.end, rec.off})
			}
			res.end = rec.end()
			res.records++
			res.payload += rec.length
			fn(&rec)
			continue
		}
		if !isCorrupt(err) {
			return res, err
		}
		ok, err := sc.resync(begin + 8)
		if err != nil || !ok {
			return res, err
		}
	}
}

// recover scans a segment that a crash left unsealed, and seals it. keep is
// false where it held no more than a header and was deleted.
func (s *Store) recover(seg *segment, f vfs.File, size int64) (rec Recovery, keep bool, err error) {
	head := make([]byte, segHeaderSize)
	n, err := readFull(f, head, 0)
	if err != nil && !isCorrupt(err) {
		return rec, false, err
	}
	headErr := parseSegHeader(head[:n], s.id, seg.id)
	if kindOfOpen(headErr) == errs.Unsupported || errors.Is(headErr, errMismatch) {
		return rec, false, headErr
	}
	if size <= segHeaderSize {
		if s.opts.ReadOnly {
			return Recovery{Removed: 1}, false, nil
		}
		return Recovery{Removed: 1}, false, s.fs.Remove(seg.path)
	}
	res, err := scanUnsealed(f, seg.seed, size, func(r *record) { seg.markVerified(r.payloadOff(), r.length) })
	if err != nil {
		return rec, false, err
	}
	seg.records.Store(res.records)
	seg.payload.Store(res.payload)
	seg.live.Store(res.payload)
	rec = Recovery{Recovered: 1, Records: res.records, BytesCut: max(size-res.end, 0), BytesLost: res.lost()}
	ft := footer{off: res.end, gaps: res.gaps}
	if !s.opts.ReadOnly {
		sealed, err := s.sealRecovered(seg, res, size, headErr != nil)
		var full footerError
		switch {
		case err == nil:
			ft, size = sealed, sealed.off+sealed.size()
		case errors.As(err, &full) && kindOfIO(err) == errs.NoSpace:
			// A full disk must not keep the store from opening, or nothing
			// could ever be deleted. The next start seals it.
			s.log.Warn("no space to seal a recovered segment", "segment", segName(seg.id), "err", err)
		default:
			return rec, false, err
		}
	}
	seg.markSealed(ft, size)
	return rec, true, nil
}

// footerError tells that a recovered segment is whole and durable, but for its
// footer.
type footerError struct{ error }

func (e footerError) Unwrap() error { return e.error }

// sealRecovered writes the footer that a crash prevented, and the header
// block if that was lost.
func (s *Store) sealRecovered(seg *segment, res scanResult, size int64, header bool) (footer, error) {
	f, err := s.fs.OpenReadWrite(seg.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return footer{}, err
	}
	if header {
		_, err = f.WriteAt(segHeader(s.id, seg.id), 0)
	}
	// What was read may be in memory only, and a footer vouches for it.
	if err == nil {
		err = f.Sync()
	}
	var ft footer
	if err == nil {
		// The file may be allocated beyond its end.
		reach := max(size, s.opts.SegmentBytes+MaxExtent)
		if ft, err = s.writeFooter(f, seg, res.end, reach, size, res.gaps); err != nil {
			return ft, footerError{errors.Join(err, f.Close())}
		}
	}
	if err == nil {
		err = f.Sync()
	}
	return ft, errors.Join(err, f.Close())
}
