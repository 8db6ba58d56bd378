package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Store is the Pebble engine. Its methods may be called by many goroutines.
type Store struct {
	opt  Options
	db   *pebble.DB
	lock *pebble.Lock
	gate gate

	// commitMu is held while a transaction is validated, applied and
	// published: never across a sync or a caller's function.
	commitMu sync.Mutex
	seq      uint64 // of the newest commit; guarded by commitMu
	recent   tracker

	// stateMu guards the fields below; no Pebble call is made under it.
	stateMu   sync.Mutex
	published *snap // newest
	durable   *snap // newest that is synced
	waiters   []waiter
	inFlight  int
	closed    bool
	idle      chan struct{} // closed when closed is set and inFlight is 0

	failOnce sync.Once
	failErr  error         // set before failed is closed
	failed   chan struct{} // closed by the first failed write or sync

	hashSeed  maphash.Seed
	readers   sync.Pool // *reader
	txns      sync.Pool // *txn
	liveSnaps atomic.Int64
	count     counters
}

var _ kv.Store = (*Store)(nil)

// Open opens the store in o.Dir, recovers it if it was not closed cleanly, and
// makes it if there is none (unless ReadOnly).
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{
		opt: o, failed: make(chan struct{}), idle: make(chan struct{}),
		hashSeed: maphash.MakeSeed(),
	}
	s.gate.init()
	s.recent.init()
	s.readers.New = func() any { return &reader{s: s} }
	s.txns.New = func() any { return &txn{reader: reader{s: s}} }
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	po := o.pebbleOptions()
	po.Lock = s.lock
	po.FS = &watchFS{FS: o.FS, fail: s.fail, latency: s.walSynced}
	po.Logger = logger{o.Logger, s.fail}
	po.EventListener = s.events()
	db, err := pebble.Open(o.Dir, po)
	if err != nil {
		return nil, errors.Join(openError(o.Dir, err), s.lock.Close())
	}
	s.db = db
	// Pebble has flushed and synced what it replayed from the log, so the
	// first snapshot is durable.
	s.published = s.newSnap(0, 2)
	s.durable = s.published
	return s, nil
}

func (s *Store) takeLock() error {
	dir := s.opt.Dir
	if !s.opt.ReadOnly {
		if err := s.opt.FS.MkdirAll(dir, 0o755); err != nil {
			return openError(dir, err)
		}
	}
	if _, err := s.opt.FS.Stat(dir); err != nil {
		return openError(dir, err)
	}
	lock, err := pebble.LockDirectory(dir, s.opt.FS)
	if err != nil {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
			return openError(dir, err)
		}
		return errs.E("open store", dir, errs.Delegated,
			fmt.Errorf("another server uses %s: %w (%v)", dir, ErrLocked, err))
	}
	s.lock = lock
	return nil
}

func openError(dir string, err error) error {
	kind := errs.KindOf(wrap("", err))
	if kind == errs.Other && errors.Is(err, os.ErrNotExist) || errors.Is(err, pebble.ErrDBDoesNotExist) {
		kind = errs.NotFound
	}
	return errs.E("open store", dir, kind, err)
}

// fail records the first failed write or sync and calls OnFatal.
func (s *Store) fail(err error) {
	s.failOnce.Do(func() {
		s.failErr = wrap("write to the store", fmt.Errorf("a write or sync failed, the process must restart: %w", err))
		close(s.failed)
		s.opt.Logger.Error("the store's file system failed", "dir", s.opt.Dir, "err", err)
		if s.opt.OnFatal == nil {
			os.Exit(1)
		}
		s.opt.OnFatal(s.failErr)
	})
}

// walSynced counts a sync of the write-ahead log.
func (s *Store) walSynced(d time.Duration) {
	s.count.walSyncs.Add(1)
	s.count.walSyncNanos.Add(uint64(d))
	if s.opt.SyncLatency != nil {
		s.opt.SyncLatency(d)
	}
}

// failure returns the error that ended writing, or nil.
func (s *Store) failure() error {
	select {
	case <-s.failed:
		return s.failErr
	default:
		return nil
	}
}

// View implements kv.Store. It never waits for a writer.
func (s *Store) View(ctx context.Context, fn func(kv.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return wrap("view", err)
	}
	sn, err := s.beginView()
	if err != nil {
		return wrap("view", err)
	}
	r := s.readers.Get().(*reader)
	r.snap = sn
	defer func() {
		r.finish()
		s.readers.Put(r)
		s.release(sn)
		s.leave()
	}()
	if err := fn(r); err != nil {
		return err
	}
	return r.leak()
}

// Close waits for transactions in flight, flushes nothing that is not already
// durable, and releases the directory. Closing twice is an error.
func (s *Store) Close() error {
	s.stateMu.Lock()
	if s.closed {
		s.stateMu.Unlock()
		return wrap("close", errClosed)
	}
	s.closed = true
	if s.inFlight == 0 {
		close(s.idle)
	}
	s.stateMu.Unlock()
	<-s.idle

	s.release(s.published)
	s.release(s.durable)
	if s.failure() != nil {
		// Pebble can't be closed in order after its log failed.
		return errors.Join(s.failErr, s.abandon())
	}
	if !s.opt.ReadOnly {
		// An orderly stop leaves no log to replay. If it can't be done (a
		// full disk), nothing is lost: the next start replays.
		if err := s.db.Flush(); err != nil {
			s.opt.Logger.Warn("the memtables could not be flushed at the stop", "err", err)
		}
	}
	return wrap("close", errors.Join(s.db.Close(), s.lock.Close()))
}

// abandon closes what can be closed of a failed store.
func (s *Store) abandon() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("close: %v", p)
		}
	}()
	return errors.Join(s.db.Close(), s.lock.Close())
}
