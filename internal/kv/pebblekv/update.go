package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

const (
	// exclusiveAfter is the number of lost attempts after which a
	// transaction runs with all other commits kept back.
	exclusiveAfter = 12
	// The first retries come at once: a retry reads the winner's state, so
	// it has a good chance. Later ones wait, twice as long each time.
	backoffFrom = 3
	backoffUnit = 50 * time.Microsecond
	backoffMax  = 2 * time.Millisecond
)

// Update implements kv.Store.
func (s *Store) Update(ctx context.Context, fn func(kv.Txn) error) error {
	if s.opt.ReadOnly {
		return errs.New("update", "", errs.ReadOnly, "the store is open for reading only")
	}
	if err := s.enter(); err != nil {
		return wrap("update", err)
	}
	defer s.leave()
	exclusive := false
	for attempt := 0; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return wrap("update", err)
		}
		if err := s.failure(); err != nil {
			return err
		}
		if attempt == exclusiveAfter {
			open, err := s.gate.shut(ctx)
			if err != nil {
				return wrap("update", err)
			}
			defer open()
			exclusive = true
			s.count.exclusive.Add(1)
		}
		err := s.try(ctx, fn, exclusive)
		if !errors.Is(err, errConflict) {
			return err
		}
		s.count.conflicts.Add(1)
		if !exclusive && attempt >= backoffFrom {
			s.backoff(ctx, attempt-backoffFrom)
		}
	}
}

// backoff sleeps for the n-th time; ctx cuts it short.
func (s *Store) backoff(ctx context.Context, n int) {
	d := min(backoffUnit<<n, backoffMax)
	timer := time.NewTimer(time.Duration(float64(d) * s.opt.Jitter()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// try runs fn once. errConflict means that it must run again.
func (s *Store) try(ctx context.Context, fn func(kv.Txn) error, exclusive bool) error {
	t := s.txns.Get().(*txn)
	t.snap = s.newest()
	sn := t.snap
	defer func() {
		t.finish()
		s.txns.Put(t)
		s.release(sn)
	}()
	err := fn(t)
	if err == nil {
		err = errors.Join(t.leak(), t.broken)
	}
	if err != nil || t.writes.empty() {
		// What fn saw, its caller now knows: it must not be taken back.
		if werr := s.waitDurable(ctx, sn.seq); werr != nil {
			return wrap("update", werr)
		}
		return err
	}
	return s.commit(ctx, t, exclusive)
}

// commit validates t, applies it and waits until it is durable.
func (s *Store) commit(ctx context.Context, t *txn, exclusive bool) error {
	b := s.db.NewBatchWithSize(t.writes.bytes + 16*t.Mutations() + 64)
	if err := t.writes.fill(b); err != nil {
		return errors.Join(wrap("update", err), b.Close())
	}
	hashes := s.hash(t)
	if !exclusive {
		if err := s.gate.pass(ctx); err != nil {
			return errors.Join(wrap("update", err), b.Close())
		}
	}
	sn, err := s.apply(t, b, hashes)
	if err != nil {
		// After a failed write Pebble may still hold the batch.
		if errors.Is(err, errConflict) {
			return errors.Join(err, b.Close())
		}
		return err
	}
	if err := b.SyncWait(); err != nil {
		s.fail(err)
		s.release(sn)
		return s.failure()
	}
	s.count.commits.Add(1)
	s.install(sn)
	return wrap("update", b.Close())
}

// hash fills in the hashes of what t read and returns those of what it wrote.
func (s *Store) hash(t *txn) []keyHashes {
	for i := range t.reads.points {
		p := &t.reads.points[i]
		p.hash = maphash.Bytes(s.hashSeed, p.key)
	}
	for i := range t.reads.ranges {
		if r := &t.reads.ranges[i]; r.prefix >= 0 {
			r.hash = maphash.Bytes(s.hashSeed, r.lo[:r.prefix])
		}
	}
	t.hashes = t.hashes[:0]
	for _, w := range t.writes.points {
		t.hashes = append(t.hashes, keyHashes{
			key:    maphash.Bytes(s.hashSeed, w.key),
			prefix: maphash.Bytes(s.hashSeed, w.key[:s.opt.Split(w.key)]),
		})
	}
	return t.hashes
}

// apply validates t and publishes its batch. The snapshot that it returns has
// one reference, the caller's. Nothing waits for the disk here, but for what
// Pebble does when memtables fill up faster than they are flushed.
func (s *Store) apply(t *txn, b *pebble.Batch, hashes []keyHashes) (*snap, error) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	if err := s.failure(); err != nil {
		return nil, err
	}
	if s.recent.conflicts(t.snap.seq, &t.reads) {
		return nil, errConflict
	}
	s.write(b)
	if err := s.failure(); err != nil {
		return nil, err
	}
	s.seq++
	s.recent.add(s.seq, &t.writes, hashes)
	sn := s.newSnap(s.seq, 2)
	s.publish(sn)
	return sn, nil
}

// write hands b to Pebble. Pebble panics when it can't close a log in order;
// a caller that recovers from panics (net/http does) must not go on then.
func (s *Store) write(b *pebble.Batch) {
	defer func() {
		if p := recover(); p != nil {
			s.fail(fmt.Errorf("write-ahead log: %v", p))
		}
	}()
	if err := s.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		s.fail(err)
	}
}
