package blob

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

// Store is an open segment log. Its methods may be called concurrently.
type Store struct {
	opts Options
	fs   vfs.FS
	log  *slog.Logger
	id   uuid
	lock io.Closer // of the directory; nil when read-only
	real bool      // files can be truncated, and sent with sendfile

	small stream
	large []stream
	turn  atomic.Uint32 // round robin over large

	// mu guards nextID, unsealed and the replacing of segs.
	mu       sync.Mutex
	nextID   uint64
	unsealed map[uint64]*segment // active or detached
	sealing  sync.WaitGroup
	// segs is replaced, never changed, so that look-ups take no lock.
	segs atomic.Pointer[map[uint64]*segment]

	dirMu sync.Mutex
	dir   vfs.File // for syncing; nil when read-only

	// removeMu is held while a file is deleted; no file is while frozen > 0.
	removeMu sync.Mutex
	frozen   int

	fds   fdCache
	pool  sendPool
	space space
	stats counters

	fatalOnce sync.Once
	fatal     atomic.Pointer[error]
	closed    atomic.Bool
	recovery  Recovery
}

// Recovery tells what Open found and did.
type Recovery struct {
	Segments  int   // in the store after Open
	Recovered int   // found unsealed and sealed now
	Removed   int   // files of a header or less, deleted
	Records   int64 // kept in the recovered segments
	BytesCut  int64 // of torn tails
	BytesLost int64 // unreadable, between readable records of recovered segments
}

// Recovery returns what Open did.
func (s *Store) Recovery() Recovery { return s.recovery }

func (s *Store) lookup(id uint64) *segment { return (*s.segs.Load())[id] }

// addSegment publishes seg.
func (s *Store) addSegmentLocked(seg *segment) {
	m := maps.Clone(*s.segs.Load())
	m[seg.id] = seg
	s.segs.Store(&m)
}

func (s *Store) dropSegment(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := maps.Clone(*s.segs.Load())
	delete(m, id)
	s.segs.Store(&m)
	delete(s.unsealed, id)
}

// Acquire holds a segment for a reader until Release: it won't be deleted.
// It is false for a segment that is gone or about to go; the caller must then
// look up its extents' places again. It does not allocate.
func (s *Store) Acquire(segment uint64) bool {
	seg := s.lookup(segment)
	return seg != nil && seg.acquire()
}

// Release gives back what one successful Acquire took.
func (s *Store) Release(segment uint64) {
	if seg := s.lookup(segment); seg != nil {
		seg.release()
	}
}

// Settle says of extents that Append returned that the metadata naming them
// has been committed, or that they were given up. It must be called once for
// each Append that succeeded.
func (s *Store) Settle(locs ...Loc) {
	for _, l := range locs {
		if seg := s.lookup(l.Segment); seg != nil {
			seg.uploads.Add(-1)
		}
	}
}

// usable returns why nothing can be written any more, if so.
func (s *Store) usable(op string) error {
	if p := s.fatal.Load(); p != nil {
		return errs.E(op, "", errs.Other, *p)
	}
	if s.closed.Load() {
		return errs.New(op, "", errs.Other, "the blob store is closed")
	}
	if s.opts.ReadOnly {
		return errs.New(op, "", errs.ReadOnly, "the blob store is open for reading only")
	}
	return nil
}

// fail makes the store unusable after a failed sync.
func (s *Store) fail(err error) {
	s.fatalOnce.Do(func() {
		s.fatal.Store(&err)
		s.opts.OnFatal(err)
	})
}

// syncDir makes created and deleted files durable.
func (s *Store) syncDir() error {
	s.dirMu.Lock()
	defer s.dirMu.Unlock()
	return s.dir.Sync()
}

// Close seals the active segments and closes all files. No other call may be
// under way. After a failed sync it only closes.
func (s *Store) Close() error {
	if s.closed.Load() {
		return nil
	}
	var err error
	if s.usable("close") == nil {
		err = s.Seal(context.Background())
		err = errors.Join(err, s.removeEmpty())
	}
	s.closed.Store(true)
	s.sealing.Wait()
	s.closeFiles()
	if s.dir != nil {
		err = errors.Join(err, s.dir.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

func (s *Store) closeFiles() {
	s.pool.drop(func(uint64) bool { return true })
	s.fds.closeAll()
	for _, seg := range *s.segs.Load() {
		if h := seg.handle.Swap(nil); h != nil {
			h.unref()
		}
		if seg.w != nil {
			seg.w.h.unref()
			seg.w = nil
		}
	}
}

// removeEmpty deletes the active segments that hold nothing.
func (s *Store) removeEmpty() error {
	s.mu.Lock()
	var empty []*segment
	for _, seg := range s.unsealed {
		if seg.records.Load() == 0 {
			empty = append(empty, seg)
		}
	}
	s.mu.Unlock()
	if len(empty) == 0 {
		return nil
	}
	for _, seg := range empty {
		if err := s.fs.Remove(seg.path); err != nil {
			return err
		}
	}
	return s.syncDir()
}

// kindOfIO tells a full file system from other trouble.
func kindOfIO(err error) errs.Kind {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errs.NoSpace
	}
	return errs.Other
}
