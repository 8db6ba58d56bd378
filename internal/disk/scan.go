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
	heap   []*mergedLevel // by body, then nearest first; only those with a row
	levels []mergedLevel  // that were opened
	placed bool           // next was called: the heap's first is the present row
	same   []byte         // scratch: the body that is passed
	bounds []byte         // scratch
	err    error
}

type mergedLevel struct {
	it    kv.Iterator // nil: its rows are in memory
	rank  int         // 0 is the nearest
	layer layer
	head  int // length of the key's part before the body
	epoch epoch
	body  []byte // of the level's present row
	value []byte

	rows    *frozenRows // what the frozen levels show, as one level
	at, end int         // of rows: the present one, and the end of the range
}

// take moves a level whose rows are in memory to one of them.
func (lv *mergedLevel) take(i int) bool {
	lv.at = i
	if i >= lv.end {
		return false
	}
	lv.body, lv.value = lv.rows.row(i)
	return true
}

// scan returns a walk of bodies in [lo, hi); both begin with the same kind.
// Layers whose filters say that they have nothing of it are left out, and for
// frozen levels there may be a list in memory.
func (r *reader) scan(lo, hi []byte) *merged {
	m := &merged{levels: make([]mergedLevel, 0, 3)}
	h, one := hashNumber(numberOf(lo)), oneNumber(lo, hi)
	listed := one && r.frozen != nil && lo[0] == kindEntry && r.chain[1].frozen != nil
	var rows *frozenRows
	if listed {
		rows = r.frozen.get(r.chain[1].frozen, Ino(numberOf(lo)))
	}
	last := len(r.chain) - 1
	for i, l := range r.chain {
		if rows != nil && i > 0 && i < last || one && l.slot != nil && r.filters != nil && r.lacks(l.slot, h) {
			continue
		}
		m.levels = append(m.levels, mergedLevel{rank: i, layer: l.layer, epoch: l.epoch})
	}
	if listed && rows == nil {
		rows = m.freeze(r, Ino(numberOf(lo)))
	}
	if rows != nil {
		m.levels = append(m.levels, mergedLevel{rank: 1, rows: rows})
	}
	m.open(r, lo, hi)
	return m
}

// freeze makes a list of what the frozen levels have of a directory and takes
// them out of those to be opened, if it is time for that.
func (m *merged) freeze(r *reader, dir Ino) *frozenRows {
	from, to := 0, len(m.levels)
	for from < to && m.levels[from].rank == 0 {
		from++
	}
	for to > from && m.levels[to-1].rank == len(r.chain)-1 {
		to--
	}
	if to-from < r.frozen.least || !r.frozen.wanted(r.chain[1].frozen, dir) {
		return nil
	}
	rows := r.freeze(dir, m.levels[from:to])
	if rows != nil {
		m.levels = append(m.levels[:from], m.levels[to:]...)
	}
	return rows
}

// open places all levels at the first of their rows in [lo, hi).
func (m *merged) open(r *reader, lo, hi []byte) {
	for i := range m.levels {
		lv := &m.levels[i]
		if lv.rows != nil {
			lv.end = lv.rows.from(hi)
			if lv.take(lv.rows.from(lo)) {
				m.heap = append(m.heap, lv)
			}
			continue
		}
		p := metaHeader(r.disk, lv.layer)
		lv.head = len(p)
		lv.it = r.kv.Scan(append(p[:len(p):len(p)], lo...), append(p[:len(p):len(p)], hi...))
		if lv.rank < len(r.chain)-1 {
			lv.it = peek(lv.it)
		}
		if m.fetch(lv, lv.it.Next()) {
			m.heap = append(m.heap, lv)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
}

// oneNumber tells whether all bodies in [lo, hi) have the same number.
func oneNumber(lo, hi []byte) bool {
	if len(lo) < 9 || len(hi) == 0 {
		return false
	}
	return len(hi) >= 9 && bytes.Equal(lo[:9], hi[:9]) || bytes.Compare(hi, afterPrefix(lo[:9])) <= 0
}

// before orders two levels: by body, and of the same the nearer one first.
func (lv *mergedLevel) before(o *mergedLevel) bool {
	c := bytes.Compare(lv.body, o.body)
	return c < 0 || c == 0 && lv.rank < o.rank
}

// down moves the i-th of the heap to its place.
func (m *merged) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(m.heap) {
			return
		}
		if c+1 < len(m.heap) && m.heap[c+1].before(m.heap[c]) {
			c++
		}
		if !m.heap[c].before(m.heap[i]) {
			return
		}
		m.heap[i], m.heap[c] = m.heap[c], m.heap[i]
		i = c
	}
}

// stepsBeforeSeek is how many versions of a row are passed one by one: a key
// may have as many as there are checkpoints, and then a seek is cheaper.
const stepsBeforeSeek = 4

// fetch takes over the iterator's row; if it is too new it goes on. It tells
// whether there is a row.
func (m *merged) fetch(lv *mergedLevel, ok bool) bool {
	for steps := 0; ok; steps++ {
		k := lv.it.Key()
		v := epoch(^binary.BigEndian.Uint32(k[len(k)-versionSz:]))
		if v <= lv.epoch {
			lv.body = append(lv.body[:0], k[lv.head:len(k)-versionSz]...)
			lv.value = lv.it.Value()
			return true
		}
		if steps%stepsBeforeSeek < stepsBeforeSeek-1 {
			ok = lv.it.Next()
			continue
		}
		m.bounds = append(m.bounds[:0], k[:len(k)-versionSz]...)
		ok = lv.it.SeekGE(binary.BigEndian.AppendUint32(m.bounds, ^uint32(lv.epoch)))
	}
	if err := lv.it.Err(); err != nil && m.err == nil {
		m.err = err
	}
	return false
}

// advance moves a level past all versions of its present body.
func (m *merged) advance(lv *mergedLevel) bool {
	if lv.rows != nil {
		return lv.take(lv.at + 1)
	}
	ok := lv.it.Next()
	for steps := 1; ok; steps++ {
		k := lv.it.Key()
		if !bytes.Equal(k[lv.head:len(k)-versionSz], lv.body) {
			break
		}
		if steps < stepsBeforeSeek {
			ok = lv.it.Next()
			continue
		}
		m.bounds = append(m.bounds[:0], k[:len(k)-versionSz]...)
		ok = lv.it.SeekGE(append(m.bounds, 0xff, 0xff, 0xff, 0xff))
	}
	return m.fetch(lv, ok)
}

// pop moves the first of the heap on.
func (m *merged) pop() {
	if !m.advance(m.heap[0]) {
		n := len(m.heap) - 1
		m.heap[0] = m.heap[n]
		m.heap = m.heap[:n]
	}
	m.down(0)
}

// pass moves every level that stands at the present body past it.
func (m *merged) pass() {
	if len(m.heap) == 1 {
		m.pop()
		return
	}
	m.same = append(m.same[:0], m.heap[0].body...)
	for len(m.heap) > 0 && m.err == nil && bytes.Equal(m.heap[0].body, m.same) {
		m.pop()
	}
}

// next moves to the next visible row and tells whether there is one.
func (m *merged) next() bool {
	if m.placed && len(m.heap) > 0 {
		m.pass()
	}
	m.placed = true
	for m.err == nil && len(m.heap) > 0 {
		if len(m.heap[0].value) > 0 {
			return true
		}
		m.pass()
	}
	return false
}

// body and value are those of the present row, valid until the next move.
func (m *merged) body() []byte  { return m.heap[0].body }
func (m *merged) value() []byte { return m.heap[0].value }

// rank tells which layer of the chain the present row is from, if there are no
// lists of frozen levels.
func (m *merged) rank() int { return m.heap[0].rank }

func (m *merged) close() error {
	for i := range m.levels {
		if m.levels[i].it == nil {
			continue
		}
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
