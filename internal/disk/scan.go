package disk

import (
	"bytes"
	"encoding/binary"

	"atoll/internal/kv"
)

// merged walks the visible rows of a range of bodies, in order, through a
// chain of layers: of several versions the newest at or below the level's
// epoch counts, of several layers the nearest that has any, and whiteouts
// hide.
type merged struct {
	levels []mergedLevel
	cur    int // level of the present row, -1: none
	err    error
}

type mergedLevel struct {
	it    kv.Iterator
	head  int // length of the key's part before the body
	epoch epoch
	valid bool
	body  []byte // of the level's present row; nil when at its end
	value []byte
	ver   epoch
}

// scan returns a walk of bodies in [lo, hi); both begin with the same kind.
func (r *reader) scan(lo, hi []byte) *merged {
	m := &merged{levels: make([]mergedLevel, len(r.chain)), cur: -1}
	for i, l := range r.chain {
		h := metaHeader(r.disk, l.layer)
		lv := &m.levels[i]
		lv.head, lv.epoch = len(h), l.epoch
		lv.it = r.kv.Scan(append(h[:len(h):len(h)], lo...), append(h[:len(h):len(h)], hi...))
		m.fetch(lv, lv.it.Next())
	}
	return m
}

// fetch takes over the iterator's row; if it is too new it goes on.
func (m *merged) fetch(lv *mergedLevel, ok bool) {
	for ; ok; ok = lv.it.Next() {
		k := lv.it.Key()
		v := epoch(^binary.BigEndian.Uint32(k[len(k)-versionSz:]))
		if v > lv.epoch {
			continue
		}
		lv.body = append(lv.body[:0], k[lv.head:len(k)-versionSz]...)
		lv.value, lv.ver, lv.valid = lv.it.Value(), v, true
		return
	}
	lv.valid = false
	if err := lv.it.Err(); err != nil && m.err == nil {
		m.err = err
	}
}

// advance moves a level past all versions of its present body.
func (m *merged) advance(lv *mergedLevel) {
	for lv.it.Next() {
		k := lv.it.Key()
		if bytes.Equal(k[lv.head:len(k)-versionSz], lv.body) {
			continue
		}
		m.fetch(lv, true)
		return
	}
	m.fetch(lv, false)
}

// next moves to the next visible row and tells whether there is one.
func (m *merged) next() bool {
	if m.cur >= 0 {
		m.skip(m.cur)
	}
	for m.err == nil {
		m.cur = m.least()
		if m.cur < 0 || m.err != nil {
			return false
		}
		if len(m.levels[m.cur].value) > 0 {
			return true
		}
		m.skip(m.cur)
	}
	return false
}

// skip moves every level that stands at the body of level i past it.
func (m *merged) skip(i int) {
	body := m.levels[i].body
	for j := range m.levels {
		lv := &m.levels[j]
		if j != i && lv.valid && bytes.Equal(lv.body, body) {
			m.advance(lv)
		}
	}
	m.advance(&m.levels[i])
}

func (m *merged) least() int {
	best := -1
	for i := range m.levels {
		lv := &m.levels[i]
		if lv.valid && (best < 0 || bytes.Compare(lv.body, m.levels[best].body) < 0) {
			best = i
		}
	}
	return best
}

// body and value are those of the present row, valid until the next move.
func (m *merged) body() []byte  { return m.levels[m.cur].body }
func (m *merged) value() []byte { return m.levels[m.cur].value }

func (m *merged) close() error {
	for i := range m.levels {
		if err := m.levels[i].it.Close(); err != nil && m.err == nil {
			m.err = err
		}
	}
	return m.err
}

// nameOf cuts the name out of an entry's, link's or xattr's body; fixed is
// the length of what stands before it.
func nameOf(body []byte, fixed int) string { return string(body[fixed : len(body)-1]) }

// entries returns a walk of a directory's entries whose names are in
// [from, before) ("" means no bound).
func (r *reader) entries(dir Ino, from, before string) *merged {
	lo := append(entryPrefix(nil, dir), from...)
	var hi []byte
	if before == "" {
		hi = afterPrefix(entryPrefix(nil, dir))
	} else {
		hi = append(entryPrefix(nil, dir), before...)
		if from > before {
			lo = hi
		}
	}
	return r.scan(lo, hi)
}

// entryNamePos is where the name begins in an entry's body.
const entryNamePos = 1 + 8

// isEmptyDir tells whether a directory has no entries.
func (r *reader) isEmptyDir(dir Ino) (bool, error) {
	m := r.entries(dir, "", "")
	any := m.next()
	return !any, m.close()
}
