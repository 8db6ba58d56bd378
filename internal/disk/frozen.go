package disk

import (
	"container/list"
	"sort"
	"sync"
	"sync/atomic"
)

// What a chain shows between its first and its last level, its frozen levels,
// is kept in memory for directories that are listed again: as one sorted list
// of rows, whiteouts included. So a listing of a branch many forks deep costs
// two levels and the list, not an iterator a level.
//
// Why what is kept is never wrong: each of these levels is read at an epoch
// that its child layer has pinned. No row of a pinned epoch changes (settling
// and trimming free only versions that no pin sees), and the fork that pinned
// it was committed before a view of the chain could be, so every snapshot that
// a reader of such a view has shows the same, whichever list was made in which.
//
// But rows may move from a hidden layer into its only child. What the two show
// together stays the same, so moves among frozen levels do no harm; moves over
// their border would: from the first of them into the branch's own layer (which
// would then delete rows without whiteouts), or from the last level into the
// last frozen one. So there are no lists where one of those two is hidden. When
// a layer becomes hidden, its lists go before a later commit can move a row,
// and a reader looks for a list after it took its snapshot.

// frozenKey names frozen levels: by the first, which decides on those that
// follow, and by the level that ends them.
type frozenKey struct {
	first level
	last  layer
}

// frozenChain holds the lists of one chain's frozen levels. All views with
// these levels share it: a branch, its checkpoints, its siblings.
type frozenChain struct {
	key  frozenKey
	dirs map[Ino]*frozenDir // under frozenSet.mu; nil: there are none any more
}

// frozenDir is what is known of a directory in frozen levels.
type frozenDir struct {
	chain    *frozenChain
	dir      Ino
	rows     *frozenRows // nil: it was asked for, no more
	wide     bool        // it has too many rows
	building bool
	size     int64
	place    *list.Element
}

// frozenRows are rows in the order of their bodies. They never change.
type frozenRows struct {
	data []byte
	ends []uint32 // of each row: where its body ends in data, and its value
}

// Limits of one directory's list.
const (
	maxFrozenRows  = 4096
	maxFrozenBytes = 256 << 10
	minFrozen      = 2   // levels with rows of it that make a list worth it
	frozenOverhead = 256 // bytes a directory takes beside its rows, about
)

func (f *frozenRows) len() int { return len(f.ends) / 2 }

func (f *frozenRows) row(i int) (body, value []byte) {
	from := uint32(0)
	if i > 0 {
		from = f.ends[2*i-1]
	}
	b, v := f.ends[2*i], f.ends[2*i+1]
	return f.data[from:b:b], f.data[b:v:v]
}

// from returns the number of the first row that is not before body.
func (f *frozenRows) from(body []byte) int {
	return sort.Search(f.len(), func(i int) bool {
		b, _ := f.row(i)
		return string(b) >= string(body)
	})
}

func (f *frozenRows) size() int64 { return int64(len(f.data) + 4*len(f.ends)) }

// add appends a row; it tells whether there was room.
func (f *frozenRows) add(body, value []byte, limit int64) bool {
	if f.len() == maxFrozenRows || f.size()+int64(len(body)+len(value)+8) > limit {
		return false
	}
	f.data = append(f.data, body...)
	n := uint32(len(f.data))
	f.data = append(f.data, value...)
	f.ends = append(f.ends, n, uint32(len(f.data)))
	return true
}

// frozenSet keeps the lists of all disks within a budget: those not used for
// the longest time go first.
type frozenSet struct {
	budget int64
	least  int  // frozen levels that a list is made of
	eager  bool // the first listing makes it

	mu    sync.Mutex
	bytes int64
	used  *list.List // of *frozenDir, the latest first

	hits, built, dropped atomic.Int64
}

// newFrozenSet returns nil if there is no budget. With all, a list is made
// wherever there can be one.
func newFrozenSet(budget int64, all bool) *frozenSet {
	if budget <= 0 {
		return nil
	}
	s := &frozenSet{budget: budget, least: minFrozen, eager: all, used: list.New()}
	if all {
		s.least = 1
	}
	return s
}

// limit is what one list may take.
func (s *frozenSet) limit() int64 { return min(maxFrozenBytes, s.budget/8) }

// get returns a directory's list, or nil.
func (s *frozenSet) get(c *frozenChain, dir Ino) *frozenRows {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := c.dirs[dir]
	if d == nil || d.rows == nil {
		return nil
	}
	s.used.MoveToFront(d.place)
	s.hits.Add(1)
	return d.rows
}

// wanted notes that a listing would have used a list, and tells whether the
// caller is to make it: the second listing does. It ends with put.
func (s *frozenSet) wanted(c *frozenChain, dir Ino) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.dirs == nil {
		return false
	}
	d := c.dirs[dir]
	if d == nil {
		d = &frozenDir{chain: c, dir: dir, size: frozenOverhead}
		d.place = s.used.PushFront(d)
		c.dirs[dir] = d
		s.bytes += d.size
		d.building = s.eager
		s.keepBudget()
		return s.eager
	}
	s.used.MoveToFront(d.place)
	if d.wide || d.building {
		return false
	}
	d.building = true
	return true
}

// put ends the making of a list. rows is nil if that failed; wide says that the
// directory has too many.
func (s *frozenSet) put(c *frozenChain, dir Ino, rows *frozenRows, wide bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := c.dirs[dir]
	if d == nil { // it went meanwhile
		return
	}
	d.building, d.wide = false, wide
	if rows == nil || d.rows != nil {
		return
	}
	s.built.Add(1)
	d.rows = rows
	d.size += rows.size()
	s.bytes += rows.size()
	s.keepBudget()
}

// keepBudget drops what was not used for the longest time. The caller holds mu.
func (s *frozenSet) keepBudget() {
	for s.bytes > s.budget {
		d := s.used.Back().Value.(*frozenDir)
		delete(d.chain.dirs, d.dir)
		s.dropLocked(d)
	}
}

func (s *frozenSet) dropLocked(d *frozenDir) {
	s.used.Remove(d.place)
	s.bytes -= d.size
	if d.rows != nil {
		s.dropped.Add(1)
	}
}

// end drops the lists of a chain for good: it gets no others.
func (s *frozenSet) end(c *frozenChain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range c.dirs {
		s.dropLocked(d)
	}
	c.dirs = nil
}

// freezeLocked gives a view's chain its place for lists, if it has enough
// levels for one to save something. The caller holds Disk.mu.
func (d *Disk) freezeLocked(chain []level) {
	n := len(chain)
	if s := d.store.frozen; s == nil || n < s.least+2 {
		return
	}
	for _, l := range [...]level{chain[1], chain[n-1]} {
		if s := d.layers[l.layer]; s == nil || s.hidden {
			return
		}
	}
	k := frozenKey{level{layer: chain[1].layer, epoch: chain[1].epoch}, chain[n-1].layer}
	c := d.frozen[k]
	if c == nil {
		c = &frozenChain{key: k, dirs: map[Ino]*frozenDir{}}
		d.frozen[k] = c
	}
	chain[1].frozen = c
}

// thawLocked drops the lists of chains that such a key says of. The caller
// holds Disk.mu.
func (d *Disk) thawLocked(of func(frozenKey) bool) {
	for k, c := range d.frozen {
		if of(k) {
			delete(d.frozen, k)
			d.store.frozen.end(c)
		}
	}
}

// freeze makes the list of a directory from those levels that have rows of it.
// nil: it has too many, or they can't be read, which the listing will find too.
func (r *reader) freeze(dir Ino, levels []mergedLevel) *frozenRows {
	lo := entryPrefix(nil, dir)
	m := &merged{levels: append([]mergedLevel(nil), levels...)}
	m.open(r, lo, afterPrefix(lo))
	rows, wide := &frozenRows{}, false
	for m.err == nil && len(m.heap) > 0 {
		if wide = !rows.add(m.body(), m.value(), r.frozen.limit()); wide {
			break
		}
		m.pass()
	}
	if m.close() != nil || wide {
		rows = nil
	} else {
		rows = &frozenRows{append([]byte(nil), rows.data...), append([]uint32(nil), rows.ends...)} // no spare room
	}
	r.frozen.put(r.chain[1].frozen, dir, rows, wide)
	return rows
}
