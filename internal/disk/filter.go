package disk

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// layerFilter is a Bloom filter of the rows of one layer, in memory: of each
// row its number (inode, data id, for entries the directory) and of each entry
// its name too. It says of a row or of a number's rows "not here" or "perhaps",
// and is never wrong about "not here" for a reader whom it serves (see slot).
//
// It grows by segments, each of four times the room of the one before, so that
// a layer of a few rows takes one cache line. One at a time adds to it; anybody
// reads it meanwhile.
type layerFilter struct {
	from  uint64      // serves readers whose snapshot holds this commit
	ready atomic.Bool // it holds all rows of the layer
	used  atomic.Bool // since it was last looked at for what to drop

	mu   sync.Mutex // held while adding
	segs atomic.Pointer[[]*filterSegment]
	rows atomic.Int64
	set  *filterSet
	size atomic.Int64 // bytes of the segments
	gone bool         // dropped: grows no more. Under mu
}

type filterSegment struct {
	blocks []filterBlock
	n, max int // hashes in it, of those that it has room for
}

// filterBlock is one cache line: all bits of a hash are in one.
type filterBlock [8]atomic.Uint64

const (
	blockHashes = 32 // hashes a block has room for: 16 bits each
	hashBits    = 6  // bits set for each: two false answers in a thousand
	segmentGrow = 4
)

// places gives the bits of a hash in its block, nine bits a place.
func places(h uint64) uint64 { return h * 0x9e3779b97f4a7c15 >> 10 }

func (s *filterSegment) block(h uint64) *filterBlock {
	return &s.blocks[h>>32*uint64(len(s.blocks))>>32]
}

func (s *filterSegment) may(h uint64) bool {
	b := s.block(h)
	for i, p := 0, places(h); i < hashBits; i, p = i+1, p>>9 {
		if b[p>>6&7].Load()&(1<<(p&63)) == 0 {
			return false
		}
	}
	return true
}

// may tells whether a hash was added, perhaps.
func (f *layerFilter) may(h uint64) bool {
	segs := f.segs.Load()
	if segs == nil {
		return false
	}
	for _, s := range *segs {
		if s.may(h) {
			return true
		}
	}
	return false
}

// add adds a hash. It returns how many bytes the filter grew by.
func (f *layerFilter) add(h uint64) (grown int64) {
	if f.may(h) {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return 0
	}
	var segs []*filterSegment
	if p := f.segs.Load(); p != nil {
		segs = *p
	}
	if n := len(segs); n == 0 || segs[n-1].n == segs[n-1].max {
		blocks := 1
		if n > 0 {
			blocks = len(segs[n-1].blocks) * segmentGrow
		}
		s := &filterSegment{blocks: make([]filterBlock, blocks), max: blocks * blockHashes}
		segs = append(segs[:n:n], s)
		f.segs.Store(&segs)
		grown = int64(blocks)*64 + 64
		f.size.Add(grown)
	}
	s := segs[len(segs)-1]
	b := s.block(h)
	for i, p := 0, places(h); i < hashBits; i, p = i+1, p>>9 {
		b[p>>6&7].Or(1 << (p & 63))
	}
	s.n++
	return grown
}

// numberOf returns the number of a versioned row's body: what follows its
// kind.
func numberOf(body []byte) uint64 {
	if len(body) < 9 {
		return 0
	}
	return binary.BigEndian.Uint64(body[1:])
}

// hashNumber is what a filter has of all rows with a number.
func hashNumber(n uint64) uint64 {
	n ^= n >> 32
	n *= 0xd6e8feb86659fd93
	n ^= n >> 32
	n *= 0xd6e8feb86659fd93
	return n ^ n>>32
}

// hash is what a filter has of a row.
func (s *filterSet) hash(body []byte) uint64 {
	if len(body) > 0 && body[0] == kindEntry {
		return s.hashEntry(body)
	}
	return hashNumber(numberOf(body))
}
