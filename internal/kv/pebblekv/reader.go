package pebblekv

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// reader implements kv.Reader on one snapshot. It is pooled: between
// transactions it keeps only memory.
type reader struct {
	s    *Store
	snap *snap
	// point serves Get and First inside one prefix; it has no bounds, so
	// that one iterator serves a whole transaction.
	point *pebble.Iterator
	// spare is a bounded iterator that a closed Scan left for the next one.
	spare *pebble.Iterator
	open  []*iter
	mem   arena
}

var _ kv.Reader = (*reader)(nil)

var errLeak = errors.New("an iterator was left open")

// leak tells of iterators that the caller should have closed.
func (r *reader) leak() error {
	if len(r.open) > 0 {
		return errs.E("transaction", "", errs.Other, errLeak)
	}
	return nil
}

// finish closes what is open and makes the reader fit for the next use.
func (r *reader) finish() {
	for len(r.open) > 0 {
		_ = r.open[len(r.open)-1].Close()
	}
	for _, it := range []*pebble.Iterator{r.point, r.spare} {
		if it == nil {
			continue
		}
		if err := it.Close(); err != nil {
			r.s.opt.Logger.Error("close iterator", "err", err)
		}
	}
	r.point, r.spare, r.snap = nil, nil, nil
	r.mem.reset()
}

// seekPoint places the point iterator at the first key >= key that has key's
// prefix, if there is one.
func (r *reader) seekPoint(key []byte) (bool, error) {
	if r.point == nil {
		it, err := r.snap.ps.NewIter(&pointOptions)
		if err != nil {
			return false, wrap("read", err)
		}
		r.point = it
	}
	if r.point.SeekPrefixGE(key) {
		return true, nil
	}
	return false, wrap("read", r.point.Error())
}

// pointOptions are constant. Reads of absent keys are common (is the name
// taken?), so the last level's filters are worth their place in the cache.
var pointOptions = pebble.IterOptions{UseL6Filters: true}

// Get implements kv.Reader.
func (r *reader) Get(key []byte) ([]byte, bool, error) {
	if len(key) == 0 {
		return nil, false, nil // can't be stored, and Pebble would not look for it
	}
	ok, err := r.seekPoint(key)
	if !ok || !bytes.Equal(r.point.Key(), key) {
		return nil, false, err
	}
	v, err := r.point.ValueAndErr()
	if err != nil {
		return nil, false, wrap("read", err)
	}
	return r.mem.copy(v), true, nil
}

// MultiGet implements kv.Reader.
func (r *reader) MultiGet(keys [][]byte) ([][]byte, error) {
	return multiGet(r.Get, keys)
}

func multiGet(get func([]byte) ([]byte, bool, error), keys [][]byte) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, k := range keys {
		v, _, err := get(k)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// onePrefix returns the length of the prefix that all keys of [lo, hi) share,
// or -1 if they need not share one.
func (s *Store) onePrefix(lo, hi []byte) int {
	n := s.opt.Split(lo)
	if n == 0 || len(hi) < n || !bytes.Equal(lo[:n], hi[:n]) {
		return -1
	}
	// If lo has a version, its prefix delimits itself. Otherwise hi tells:
	// prefixes are ordered as their keys are, so if hi has lo's, then all
	// that lies between has it.
	if n < len(lo) || s.opt.Split(hi) == n {
		return n
	}
	return -1
}

// First implements kv.Reader.
func (r *reader) First(lo, hi []byte) ([]byte, []byte, bool, error) {
	if r.s.onePrefix(lo, hi) >= 0 {
		return r.firstInPrefix(lo, hi)
	}
	return r.firstScan(nil, lo, hi)
}

func (r *reader) firstInPrefix(lo, hi []byte) ([]byte, []byte, bool, error) {
	ok, err := r.seekPoint(lo)
	if !ok {
		return nil, nil, false, err
	}
	k := r.point.Key()
	if bytes.Compare(k, hi) >= 0 {
		return nil, nil, false, nil
	}
	v, err := r.point.ValueAndErr()
	if err != nil {
		return nil, nil, false, wrap("read", err)
	}
	return r.mem.copy(k), r.mem.copy(v), true, nil
}

// firstScan is First by a scan, of t's view if t is not nil.
func (r *reader) firstScan(t *txn, lo, hi []byte) ([]byte, []byte, bool, error) {
	it := r.scan(t, lo, hi)
	defer it.Close()
	if !it.Next() {
		return nil, nil, false, it.Err()
	}
	k, v := r.mem.copy(it.Key()), r.mem.copy(it.Value())
	return k, v, it.Err() == nil, it.Err()
}

// Scan implements kv.Reader.
func (r *reader) Scan(lo, hi []byte) kv.Iterator { return r.scan(nil, lo, hi) }
