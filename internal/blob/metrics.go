package blob

import (
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/errs"
)

type counters struct {
	appends, appended          atomic.Int64
	syncs, syncNanos           atomic.Int64
	reads, readBytes, verified atomic.Int64
	sent                       atomic.Int64
	corrupt                    atomic.Int64
}

// Metrics are counters since Open, and sizes now. Bytes are payload bytes
// unless said otherwise.
type Metrics struct {
	Appends, AppendedBytes int64
	Syncs                  int64
	SyncTime               time.Duration // sum over Syncs
	Reads, ReadBytes       int64         // by ReadAt and WriteRange
	SentBytes              int64         // of ReadBytes, those by sendfile
	VerifiedBytes          int64         // checked against their checksums
	Corruptions            int64         // failed checks
	Segments               int
	StoredBytes            int64 // size of all segment files, framing included
	LiveBytes              int64 // a hint
}

// Metrics returns the present figures.
func (s *Store) Metrics() Metrics {
	c := &s.stats
	m := Metrics{
		Appends: c.appends.Load(), AppendedBytes: c.appended.Load(),
		Syncs: c.syncs.Load(), SyncTime: time.Duration(c.syncNanos.Load()),
		Reads: c.reads.Load(), ReadBytes: c.readBytes.Load(), SentBytes: c.sent.Load(),
		VerifiedBytes: c.verified.Load(), Corruptions: c.corrupt.Load(),
	}
	for _, seg := range *s.segs.Load() {
		m.Segments++
		m.StoredBytes += seg.written.Load()
		m.LiveBytes += seg.live.Load()
	}
	return m
}

// CheckRoom fails with errs.NoSpace if the reserve of free space is reached.
// bytes, which the caller is about to write beside the log on the same file
// system (metadata), count until the free space is looked at again.
func (s *Store) CheckRoom(bytes int64) error {
	if s.space.take(s, bytes, false) {
		return nil
	}
	return errs.New("write", "", errs.NoSpace, "the reserve of free space is reached")
}

// space remembers how much may be appended, and until when, before the file
// system's free space must be asked for again.
type space struct {
	left  atomic.Int64
	until atomic.Int64 // Unix nanoseconds
	mu    sync.Mutex
}

// spaceStep is how many bytes are appended between two looks at the free
// space, at most.
const spaceStep = 16 << 20

// spaceStale is how long a look at the free space counts: other programs may
// fill the file system meanwhile.
const spaceStale = 100 * time.Millisecond

// take tells whether n more bytes may be appended.
func (sp *space) take(s *Store, n int64, reserved bool) bool {
	if reserved || s.opts.ReserveBytes <= 0 {
		return true
	}
	now := s.opts.Now().UnixNano()
	if now < sp.until.Load() && sp.left.Add(-n) >= 0 {
		return true
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if now < sp.until.Load() && sp.left.Load() >= n { // somebody has just looked
		return sp.left.Add(-n) >= 0
	}
	sp.until.Store(now + int64(spaceStale))
	usage, err := s.fs.GetDiskUsage(s.opts.Dir)
	if err != nil {
		// Unknown free space must not stop writing; the file system will.
		sp.left.Store(spaceStep)
		return true
	}
	free := int64(min(usage.AvailBytes, 1<<62)) - s.opts.ReserveBytes
	if free < n {
		sp.left.Store(0)
		return false
	}
	sp.left.Store(min(free, max(spaceStep, n)) - n)
	return true
}
