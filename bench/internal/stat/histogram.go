package stat

import (
	"math/bits"
	"time"
)

const (
	subBits = 7 // 128 buckets in each doubling: under 0.8% relative error
	sub     = 1 << subBits
	buckets = (64 - subBits) * sub
)

// Histogram counts durations in buckets that grow with the value, so that it takes a
// fixed amount of memory and a quantile is within 0.8% of the truth. The zero value is
// empty and ready. It is not for concurrent use: keep one for each client and Merge them.
type Histogram struct {
	counts [buckets]uint64
	n      uint64
	max    time.Duration
}

// bucket returns the index for a value in nanoseconds.
func bucket(ns uint64) int {
	if ns < sub {
		return int(ns)
	}
	shift := bits.Len64(ns) - subBits - 1
	return shift*sub + int(ns>>shift)
}

// middle returns the middle of a bucket's range, in nanoseconds.
func middle(i int) uint64 {
	if i < 2*sub {
		return uint64(i)
	}
	shift := i/sub - 1
	low := uint64(i-shift*sub) << shift
	return low + 1<<shift/2
}

// Add counts one duration; a negative one counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

// Merge adds what o counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Count returns how many durations were added.
func (h *Histogram) Count() uint64 { return h.n }

// Max returns the longest duration added, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration below or at which a share q (0..1) of those added lie;
// zero if there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := uint64(q * float64(h.n))
	if rank >= h.n {
		return h.max
	}
	var seen uint64
	for i, c := range h.counts {
		seen += c
		if seen > rank {
			return min(time.Duration(middle(i)), h.max)
		}
	}
	return h.max
}
