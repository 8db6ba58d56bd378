package blob

import (
	"io"
	"sync"

	"atoll/internal/errs"
)

// sendMin is the shortest range worth a sendfile, in bytes: below it one
// pread and one write cost less than the header flush that sendfile needs.
const sendMin = 32 << 10

const copyBufSize = 128 << 10

var copyBufs = sync.Pool{New: func() any { return new([copyBufSize]byte) }}

// WriteRange writes n bytes of the extent at loc, from off on, to w and
// returns how many were written. The blocks are verified before any of them
// is written. Where w is an io.ReaderFrom, as the ResponseWriter of net/http
// is, and the range is not small, w gets a *io.LimitedReader over an *os.File,
// which the net package turns into sendfile. Errors of w come back as they
// are; the others are as those of ReadAt.
func (s *Store) WriteRange(w io.Writer, loc Loc, off, n int64) (int64, error) {
	seg, h, err := s.enter(loc, off, n)
	if err != nil {
		return 0, err
	}
	defer seg.release()
	defer h.unref()
	if err := s.verify(seg, h, loc, off, n); err != nil {
		return 0, err
	}
	s.stats.reads.Add(1)
	var done int64
	if rf, ok := w.(io.ReaderFrom); ok && s.real && n >= sendMin {
		done, err = s.send(rf, seg, loc.Offset+off, n)
	} else {
		done, err = s.copyRange(w, seg, h, loc.Offset+off, n)
	}
	s.stats.readBytes.Add(done)
	return done, err
}

func (s *Store) send(rf io.ReaderFrom, seg *segment, at, n int64) (int64, error) {
	sd, err := s.pool.get(seg)
	if err != nil {
		return 0, err
	}
	defer s.pool.put(sd)
	if _, err := sd.f.Seek(at, io.SeekStart); err != nil {
		return 0, errs.E("read", segName(seg.id), errs.Other, err)
	}
	sd.lr = io.LimitedReader{R: sd.f, N: n}
	done, err := rf.ReadFrom(&sd.lr)
	s.stats.sent.Add(done)
	if err == nil && done < n {
		err = s.readError(seg, at+done, errShort)
	}
	return done, err
}

func (s *Store) copyRange(w io.Writer, seg *segment, h *handle, at, n int64) (int64, error) {
	buf := copyBufs.Get().(*[copyBufSize]byte)
	defer copyBufs.Put(buf)
	var done int64
	for done < n {
		p := buf[:min(n-done, copyBufSize)]
		if _, err := readFull(h.f, p, at+done); err != nil {
			return done, s.readError(seg, at+done, err)
		}
		m, err := w.Write(p)
		done += int64(m)
		if err != nil {
			return done, err
		}
		if m < len(p) {
			return done, io.ErrShortWrite
		}
	}
	return done, nil
}
