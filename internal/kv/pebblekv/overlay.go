package pebblekv

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/cockroachdb/pebble/v2"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// write is one buffered Set or Delete.
type write struct {
	key, value []byte
	del        bool
}

// span is a half-open range of keys; hi is never empty.
type span struct{ lo, hi []byte }

func (g span) has(key []byte) bool {
	return bytes.Compare(g.lo, key) <= 0 && bytes.Compare(key, g.hi) < 0
}

// overlay holds what a transaction has written so far. Every point write is
// newer than every span that covers it: DeleteRange drops the writes that it
// covers. The slices that writes and spans point to never change.
type overlay struct {
	points []write // sorted by key, one a key
	spans  []span
	bytes  int
}

func (o *overlay) reset() {
	clear(o.points)
	clear(o.spans)
	o.points, o.spans, o.bytes = o.points[:0], o.spans[:0], 0
}

func (o *overlay) empty() bool { return len(o.points)+len(o.spans) == 0 }

// search returns the index of the first point >= key.
func (o *overlay) search(key []byte) int {
	return sort.Search(len(o.points), func(i int) bool {
		return bytes.Compare(o.points[i].key, key) >= 0
	})
}

// lookup tells what the overlay says of key: known is false if it says nothing.
func (o *overlay) lookup(key []byte) (value []byte, ok, known bool) {
	if i := o.search(key); i < len(o.points) && bytes.Equal(o.points[i].key, key) {
		return o.points[i].value, !o.points[i].del, true
	}
	for _, g := range o.spans {
		if g.has(key) {
			return nil, false, true
		}
	}
	return nil, false, false
}

// put adds w, whose slices the overlay may keep.
func (o *overlay) put(w write) {
	i := o.search(w.key)
	if i < len(o.points) && bytes.Equal(o.points[i].key, w.key) {
		o.bytes += len(w.value) - len(o.points[i].value)
		o.points[i] = w
		return
	}
	o.points = slices.Insert(o.points, i, w)
	o.bytes += len(w.key) + len(w.value)
}

// remove adds the range deletion g, whose slices the overlay may keep.
func (o *overlay) remove(g span) {
	i, j := o.search(g.lo), o.search(g.hi)
	for _, w := range o.points[i:j] {
		o.bytes -= len(w.key) + len(w.value)
	}
	o.points = slices.Delete(o.points, i, j)
	o.spans = append(o.spans, g)
	o.bytes += len(g.lo) + len(g.hi)
}

// within returns copies of what lies in [lo, hi); an empty hi is the end of
// the key space.
func (o *overlay) within(lo, hi []byte) ([]write, []span) {
	if o.empty() {
		return nil, nil
	}
	i, j := o.search(lo), len(o.points)
	if len(hi) > 0 {
		j = o.search(hi)
	}
	var gone []span
	for _, g := range o.spans {
		if bytes.Compare(lo, g.hi) < 0 && (len(hi) == 0 || bytes.Compare(g.lo, hi) < 0) {
			gone = append(gone, g)
		}
	}
	return slices.Clone(o.points[i:j]), gone
}

// touches tells whether the overlay says anything about [lo, hi).
func (o *overlay) touches(lo, hi []byte) bool {
	if o.empty() {
		return false
	}
	if i := o.search(lo); i < len(o.points) && (len(hi) == 0 || bytes.Compare(o.points[i].key, hi) < 0) {
		return true
	}
	for _, g := range o.spans {
		if bytes.Compare(lo, g.hi) < 0 && (len(hi) == 0 || bytes.Compare(g.lo, hi) < 0) {
			return true
		}
	}
	return false
}

// checkBudget tells whether the overlay is beyond what a transaction may write.
func (o *overlay) checkBudget() error {
	if n := len(o.points) + len(o.spans); n > kv.MaxMutations {
		return budgetError("%d mutations, at most %d are allowed", n, kv.MaxMutations)
	}
	if o.bytes > kv.MaxTxnBytes {
		return budgetError("%d bytes written, at most %d are allowed", o.bytes, kv.MaxTxnBytes)
	}
	return nil
}

func budgetError(format string, args ...any) error {
	return errs.E("transaction", "", errs.Other, fmt.Errorf("%w: %s", kv.ErrBudget, fmt.Sprintf(format, args...)))
}

// fill writes the overlay to b: range deletions first, as points are newer.
func (o *overlay) fill(b *pebble.Batch) error {
	for _, g := range o.spans {
		if err := b.DeleteRange(g.lo, g.hi, nil); err != nil {
			return err
		}
	}
	for _, w := range o.points {
		var err error
		if w.del {
			err = b.Delete(w.key, nil)
		} else {
			err = b.Set(w.key, w.value, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
