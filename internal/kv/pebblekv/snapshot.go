package pebblekv

import (
	"context"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// snap is a Pebble snapshot that holds exactly the commits up to seq. Its
// references are: one while it is the newest published, one while it is the
// newest durable, one of the committer until its sync is over, and one of each
// transaction that reads it. It is closed when the last goes.
type snap struct {
	ps   *pebble.Snapshot
	seq  uint64
	refs atomic.Int64
}

// release gives back one reference. It must not be called under stateMu.
func (s *Store) release(sn *snap) {
	if sn.refs.Add(-1) == 0 {
		if err := sn.ps.Close(); err != nil {
			s.opt.Logger.Error("close snapshot", "err", err)
		}
		s.liveSnaps.Add(-1)
	}
}

// newSnap takes a snapshot of all that is published, with n references. The
// caller holds commitMu (or is Open).
func (s *Store) newSnap(seq uint64, n int64) *snap {
	sn := &snap{ps: s.db.NewSnapshot(), seq: seq}
	sn.refs.Store(n)
	s.liveSnaps.Add(1)
	return sn
}

// waiter is a transaction that waits until commit seq is durable.
type waiter struct {
	seq  uint64
	done chan struct{}
}

// beginView counts a transaction in and references the durable snapshot.
func (s *Store) beginView() (*snap, error) {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	s.inFlight++
	s.durable.refs.Add(1)
	return s.durable, nil
}

// enter counts a transaction in.
func (s *Store) enter() error {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	if s.closed {
		return errClosed
	}
	s.inFlight++
	return nil
}

// leave counts a transaction out.
func (s *Store) leave() {
	s.stateMu.Lock()
	s.inFlight--
	if s.closed && s.inFlight == 0 {
		close(s.idle)
	}
	s.stateMu.Unlock()
}

// newest references the newest published snapshot.
func (s *Store) newest() *snap {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	s.published.refs.Add(1)
	return s.published
}

// publish makes sn the newest published snapshot and takes over one of its
// references. The caller holds commitMu, so snapshots come in order.
func (s *Store) publish(sn *snap) {
	s.stateMu.Lock()
	old := s.published
	s.published = sn
	s.stateMu.Unlock()
	s.release(old)
}

// install makes sn the durable snapshot unless a newer one already is, wakes
// who waits for it, and takes over one of its references. The write-ahead log
// is synced in order, across its files too (Pebble syncs and closes one
// before it starts the next), so all commits before sn's are durable as well.
func (s *Store) install(sn *snap) {
	s.stateMu.Lock()
	old := sn
	if sn.seq > s.durable.seq {
		old, s.durable = s.durable, sn
		kept := s.waiters[:0]
		for _, w := range s.waiters {
			if w.seq <= sn.seq {
				close(w.done)
			} else {
				kept = append(kept, w)
			}
		}
		clear(s.waiters[len(kept):])
		s.waiters = kept
	}
	s.stateMu.Unlock()
	s.release(old)
}

// waitDurable waits until commit seq is durable.
func (s *Store) waitDurable(ctx context.Context, seq uint64) error {
	s.stateMu.Lock()
	if s.durable.seq >= seq {
		s.stateMu.Unlock()
		return nil
	}
	done := make(chan struct{})
	s.waiters = append(s.waiters, waiter{seq, done})
	s.stateMu.Unlock()
	select {
	case <-done:
		return nil
	case <-s.failed:
		return s.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}
