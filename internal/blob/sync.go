package blob

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"atoll/internal/errs"
)

// syncState shares syncs of one segment. While one runs (running is not nil)
// everybody waits for its end; those whose bytes it did not cover then start
// the next, one for all of them.
type syncState struct {
	synced  atomic.Int64 // end of the bytes known to be durable
	mu      sync.Mutex
	running chan struct{} // closed when the sync under way ends
	dirDone bool          // the segment's directory entry is durable
}

// Sync returns when the extents at locs are durable. Concurrent calls share
// the fdatasyncs; one whose bytes a finished sync covers returns at once.
// After an error it is unknown which extents are durable; a failed sync also
// makes the store unusable (Options.OnFatal).
func (s *Store) Sync(ctx context.Context, locs ...Loc) error {
	var todo [8]Loc // one a segment, the last; a few segments are active at a time
	ends := todo[:0]
next:
	for _, l := range locs {
		for i := range ends {
			if ends[i].Segment == l.Segment {
				if l.Offset > ends[i].Offset {
					ends[i] = l
				}
				continue next
			}
		}
		ends = append(ends, l)
	}
	if len(ends) == 1 {
		return s.syncLoc(ctx, ends[0])
	}
	return s.syncSeveral(ctx, ends)
}

// syncSeveral syncs different segments at the same time.
func (s *Store) syncSeveral(ctx context.Context, ends []Loc) error {
	errc := make(chan error, len(ends))
	pending := 0
	for _, l := range ends {
		if seg := s.lookup(l.Segment); seg != nil && seg.sync.synced.Load() >= l.Offset+l.Length {
			continue
		}
		pending++
		go func() { errc <- s.syncLoc(ctx, l) }()
	}
	var err error
	for range pending {
		err = errors.Join(err, <-errc)
	}
	return err
}

func (s *Store) syncLoc(ctx context.Context, l Loc) error {
	seg := s.lookup(l.Segment)
	if seg == nil {
		return errs.New("sync", segName(l.Segment), errs.Stale, "no such segment")
	}
	end := l.Offset + l.Length
	if seg.sync.synced.Load() >= end {
		return nil
	}
	if end > seg.written.Load() {
		return errs.New("sync", segName(l.Segment), errs.Invalid, "no extent ends there")
	}
	return s.syncTo(ctx, seg, end)
}

// syncTo returns when the first end bytes of seg, which have been written,
// are durable.
func (s *Store) syncTo(ctx context.Context, seg *segment, end int64) error {
	st := &seg.sync
	for {
		if err := s.usable("sync"); err != nil {
			return err
		}
		st.mu.Lock()
		if st.synced.Load() >= end {
			st.mu.Unlock()
			return nil
		}
		if ch := st.running; ch != nil {
			st.mu.Unlock()
			select {
			case <-ch:
				continue
			case <-ctx.Done():
				return errs.E("sync", segName(seg.id), errs.Canceled, ctx.Err())
			}
		}
		ch := make(chan struct{})
		st.running = ch
		h := seg.w.h // stays until sealed, and sealing needs a sync after this
		st.mu.Unlock()

		target := seg.written.Load()
		err := s.flush(st, h)
		if err != nil {
			err = errs.E("sync", segName(seg.id), errs.Other, err)
			s.fail(err)
		}
		st.mu.Lock()
		if err == nil {
			st.synced.Store(max(st.synced.Load(), target))
		}
		st.running = nil
		st.mu.Unlock()
		close(ch)
		if err != nil {
			return err
		}
	}
}

// flush syncs a segment's file, and the directory if the file is new. Only
// the running sync of the segment calls it.
func (s *Store) flush(st *syncState, h *handle) error {
	start := s.opts.Now()
	if err := h.f.SyncData(); err != nil {
		return err
	}
	if !st.dirDone {
		if err := s.syncDir(); err != nil {
			return err
		}
		st.dirDone = true
	}
	took := s.opts.Now().Sub(start)
	s.stats.syncs.Add(1)
	s.stats.syncNanos.Add(int64(took))
	if s.opts.SyncLatency != nil {
		s.opts.SyncLatency(took)
	}
	return nil
}
