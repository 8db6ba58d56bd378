package pebblekv

import (
	"bytes"
	"slices"
	"sort"

	"github.com/cockroachdb/pebble/v2"
)

// iter implements kv.Iterator: a Pebble iterator over the snapshot, merged
// with what the transaction had written when the scan began.
type iter struct {
	r    *reader
	t    *txn // nil in a View
	base *pebble.Iterator
	err  error

	// The range. An empty hi is the end of the key space.
	lo, hi []byte
	// segLo is where the stretch began that was walked without a gap; it
	// is recorded as read when a seek leaves a gap or the walk ends.
	segLo []byte

	// own are the transaction's point writes inside the range, of which
	// the first at have been passed; gone are its range deletions.
	own  []write
	at   int
	gone []span

	placed bool // a move was made
	done   bool // the last move found nothing, or the iterator is closed
	onOwn  bool // the current key is own[at]
	closed bool
}

// scan makes an iterator; t is nil in a View.
func (r *reader) scan(t *txn, lo, hi []byte) *iter {
	it := &iter{r: r, t: t, lo: r.mem.copy(lo)}
	it.segLo = it.lo
	r.open = append(r.open, it)
	if len(hi) > 0 {
		it.hi = r.mem.copy(hi)
		if bytes.Compare(lo, hi) >= 0 {
			it.done = true
			return it
		}
	}
	if t != nil {
		it.own, it.gone = t.writes.within(it.lo, it.hi)
	}
	var lower []byte
	if len(lo) > 0 {
		lower = it.lo
	}
	if r.spare != nil {
		it.base, r.spare = r.spare, nil
		it.base.SetBounds(lower, it.hi)
		return it
	}
	var err error
	it.base, err = r.snap.ps.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: it.hi})
	it.fail(err)
	return it
}

func (it *iter) fail(err error) {
	if err != nil && it.err == nil {
		it.err = wrap("scan", err)
		it.done = true
	}
}

// Next implements kv.Iterator.
func (it *iter) Next() bool {
	if it.done {
		return false
	}
	switch {
	case !it.placed:
		it.placed = true
		it.base.First()
	case it.onOwn:
		it.at++
	default:
		it.base.Next()
	}
	return it.settle()
}

// SeekGE implements kv.Iterator.
func (it *iter) SeekGE(key []byte) bool {
	if it.done {
		return false
	}
	if it.placed && bytes.Compare(key, it.Key()) <= 0 {
		return true
	}
	it.endSegment()
	if bytes.Compare(key, it.lo) < 0 {
		key = it.lo
	}
	it.placed = true
	if len(it.hi) > 0 && bytes.Compare(key, it.hi) >= 0 {
		it.done = true
		return false
	}
	if it.t != nil {
		it.segLo = it.r.mem.copy(key)
	}
	if len(key) == 0 {
		it.base.First() // Pebble does not seek to an empty key
	} else {
		it.base.SeekGE(key)
	}
	it.at += sort.Search(len(it.own)-it.at, func(i int) bool {
		return bytes.Compare(it.own[it.at+i].key, key) >= 0
	})
	return it.settle()
}

// settle moves on from where base and own stand to the first key that the
// transaction sees.
func (it *iter) settle() bool {
	for {
		if !it.base.Valid() {
			if err := it.base.Error(); err != nil {
				it.fail(err)
				return false
			}
		}
		if it.at < len(it.own) {
			order := -1
			if it.base.Valid() {
				order = bytes.Compare(it.own[it.at].key, it.base.Key())
			}
			if order == 0 {
				it.base.Next() // overwritten or deleted
				continue
			}
			if order < 0 {
				if it.own[it.at].del {
					it.at++
					continue
				}
				it.onOwn = true
				return true
			}
		}
		if !it.base.Valid() {
			it.endSegmentAt(it.hi, false)
			it.done = true
			return false
		}
		if i := slices.IndexFunc(it.gone, func(g span) bool { return g.has(it.base.Key()) }); i >= 0 {
			it.base.SeekGE(it.gone[i].hi)
			continue
		}
		it.onOwn = false
		return true
	}
}

// endSegment records what was walked up to the current key.
func (it *iter) endSegment() {
	if it.t != nil && it.placed && !it.done {
		it.endSegmentAt(it.r.mem.copy(it.Key()), true)
	}
}

func (it *iter) endSegmentAt(hi []byte, incl bool) {
	if it.t != nil {
		it.t.reads.addRange(readRange{lo: it.segLo, hi: hi, incl: incl, prefix: -1})
	}
}

// Key implements kv.Iterator.
func (it *iter) Key() []byte {
	if it.done || !it.placed {
		return nil
	}
	if it.onOwn {
		return it.own[it.at].key
	}
	return it.base.Key()
}

// Value implements kv.Iterator.
func (it *iter) Value() []byte {
	if it.done || !it.placed {
		return nil
	}
	if it.onOwn {
		return it.own[it.at].value
	}
	v, err := it.base.ValueAndErr()
	if err != nil {
		it.endSegment()
		it.fail(err)
		return nil
	}
	return v
}

// Err implements kv.Iterator.
func (it *iter) Err() error { return it.err }

// Close implements kv.Iterator. Closing twice is allowed.
func (it *iter) Close() error {
	if it.closed {
		return nil
	}
	it.endSegment()
	it.done, it.closed = true, true
	if i := slices.Index(it.r.open, it); i >= 0 {
		it.r.open = slices.Delete(it.r.open, i, i+1)
	}
	if it.base != nil {
		if it.r.spare == nil && it.err == nil {
			it.r.spare = it.base
		} else if err := it.base.Close(); err != nil {
			it.fail(err)
		}
		it.base = nil
	}
	return it.err
}
