package pebblekv

import (
	"bytes"
	"sort"
)

// readRange is a stretch of keys that a transaction read: [lo, hi), or
// [lo, hi] if incl; an empty hi is the end of the key space. prefix is the
// length of the prefix that they all share, or -1.
type readRange struct {
	lo, hi []byte
	incl   bool
	prefix int
	hash   uint64 // of the prefix, set before validation
}

func (r *readRange) below(key []byte) bool { // hi is below key
	if len(r.hi) == 0 {
		return false
	}
	c := bytes.Compare(key, r.hi)
	return c > 0 || c == 0 && !r.incl
}

type readPoint struct {
	key  []byte
	hash uint64
}

// readSet is what a transaction read and did not write itself before.
type readSet struct {
	points []readPoint
	ranges []readRange
}

func (r *readSet) addPoint(key []byte)    { r.points = append(r.points, readPoint{key: key}) }
func (r *readSet) addRange(rng readRange) { r.ranges = append(r.ranges, rng) }

func (r *readSet) reset() {
	const keep = 4096 // entries; a rare long scan must not stay in the pool
	if cap(r.points) > keep || cap(r.ranges) > keep {
		*r = readSet{}
		return
	}
	clear(r.points)
	clear(r.ranges)
	r.points, r.ranges = r.points[:0], r.ranges[:0]
}

const (
	stripes     = 1 << 14
	recentMax   = 1 << 11 // commits
	recentBytes = 2 << 20 // of keys
	recentKeep  = 4 << 10 // bytes of a slot's buffer that are kept for reuse
)

// record holds the sorted keys and the spans that one commit wrote.
type record struct {
	buf   []byte
	ends  []int32 // where each key, then each bound of each span, ends in buf
	spans int
}

// tracker remembers what recent commits wrote. Stripes answer most questions
// at once: they hold, by hash, the newest commit that wrote a key, or any key
// with a prefix. Where a stripe says "maybe", the records decide, and where
// those have been dropped, it is a conflict. commitMu guards it.
type tracker struct {
	byKey, byPrefix []uint64
	lastSpan        uint64 // the newest commit that deleted a range

	ring   []record // by seq modulo length
	newest uint64   // commit in the ring
	oldest uint64   // commit still in the ring; above newest if it is empty
	bytes  int
}

func (c *tracker) init() {
	c.byKey, c.byPrefix = make([]uint64, stripes), make([]uint64, stripes)
	c.ring = make([]record, recentMax)
	c.oldest = 1
}

// keyHashes are the stripes of one written key.
type keyHashes struct{ key, prefix uint64 }

// add records commit seq, the one after newest.
func (c *tracker) add(seq uint64, o *overlay, hashes []keyHashes) {
	for _, h := range hashes {
		c.byKey[h.key%stripes] = seq
		c.byPrefix[h.prefix%stripes] = seq
	}
	if len(o.spans) > 0 {
		c.lastSpan = seq
	}
	if seq-c.oldest >= recentMax {
		c.drop()
	}
	rec := &c.ring[seq%recentMax]
	for _, w := range o.points {
		rec.add(w.key)
	}
	for _, g := range o.spans {
		rec.add(g.lo)
		rec.add(g.hi)
	}
	rec.spans = len(o.spans)
	c.bytes += len(rec.buf)
	c.newest = seq
	for c.bytes > recentBytes && c.oldest < c.newest {
		c.drop()
	}
}

func (c *tracker) drop() {
	rec := &c.ring[c.oldest%recentMax]
	c.bytes -= len(rec.buf)
	rec.buf, rec.ends, rec.spans = rec.buf[:0], rec.ends[:0], 0
	if cap(rec.buf) > recentKeep {
		rec.buf, rec.ends = nil, nil
	}
	c.oldest++
}

func (r *record) add(b []byte) {
	r.buf = append(r.buf, b...)
	r.ends = append(r.ends, int32(len(r.buf)))
}

func (r *record) at(i int) []byte {
	from := int32(0)
	if i > 0 {
		from = r.ends[i-1]
	}
	return r.buf[from:r.ends[i]]
}

// writes tells whether the commit changed a key in rng.
func (r *record) writes(rng *readRange) bool {
	points := len(r.ends) - 2*r.spans
	i := sort.Search(points, func(i int) bool { return bytes.Compare(r.at(i), rng.lo) >= 0 })
	if i < points && !rng.below(r.at(i)) {
		return true
	}
	for i := points; i < len(r.ends); i += 2 {
		if bytes.Compare(r.at(i+1), rng.lo) > 0 && !rng.below(r.at(i)) {
			return true
		}
	}
	return false
}

// conflicts tells whether a commit after since wrote what reads holds.
func (c *tracker) conflicts(since uint64, reads *readSet) bool {
	if c.newest <= since {
		return false
	}
	spans := c.lastSpan > since
	for i := range reads.points {
		p := &reads.points[i]
		if spans || c.byKey[p.hash%stripes] > since {
			if c.written(since, &readRange{lo: p.key, hi: p.key, incl: true}) {
				return true
			}
		}
	}
	for i := range reads.ranges {
		rng := &reads.ranges[i]
		if spans || rng.prefix < 0 || c.byPrefix[rng.hash%stripes] > since {
			if c.written(since, rng) {
				return true
			}
		}
	}
	return false
}

// written asks the records.
func (c *tracker) written(since uint64, rng *readRange) bool {
	if since+1 < c.oldest {
		return true // too long ago to know
	}
	for seq := c.newest; seq > since; seq-- {
		if c.ring[seq%recentMax].writes(rng) {
			return true
		}
	}
	return false
}
