package blob

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// doomed is added to a segment's reference count when it is to be removed.
const doomed = math.MinInt64 / 2

// allSynced is the synced offset of a segment that has nothing left to sync.
const allSynced = math.MaxInt64

// segment is one file of the log. A segment starts active (w is set and a
// stream appends to it), is detached when full (no more appends, footer
// pending) and ends sealed.
type segment struct {
	id   uint64
	seed uint32
	path string

	// refs counts readers, plus doomed once removal has begun. It is exactly
	// doomed when the file may be deleted, and never grows from there.
	refs atomic.Int64
	// drained gets a token when refs reaches doomed.
	drained chan struct{}
	// uploads counts appended extents that are not settled.
	uploads atomic.Int64

	verified bitmap
	live     atomic.Int64 // bytes of payload believed to be alive: a hint
	records  atomic.Int64
	payload  atomic.Int64 // bytes of all payloads

	// written is the end of the bytes that are in the file, in order.
	written atomic.Int64
	sync    syncState

	handle atomic.Pointer[handle] // open for reading, or nil
	openMu sync.Mutex             // one opener at a time

	detached atomic.Bool // no stream appends to it any more
	sealMu   sync.Mutex
	sealed   atomic.Bool
	// end and gaps are set before sealed is, or at Open, and fixed then:
	// records lie in [segHeaderSize, end) except in gaps.
	end  int64
	gaps []span

	w *segWriter // until sealed; owned by the stream, then by sealMu
}

// segWriter is the writing state of a segment that is not sealed.
type segWriter struct {
	h        *handle // pinned by the writer
	off      int64   // where the next record goes
	high     int64   // end of the bytes ever written, failed writes included
	prealloc int64   // end of the preallocated range
}

func newSegment(id uint64, seed uint32, path string, size int64) *segment {
	g := &segment{id: id, seed: seed, path: path, drained: make(chan struct{}, 1)}
	g.verified.init(size)
	return g
}

// acquire takes a reader's reference, unless the segment is to be removed.
func (g *segment) acquire() bool {
	for {
		n := g.refs.Load()
		if n < 0 {
			return false
		}
		if g.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// enter takes a reference for the length of one call. Unlike acquire it
// succeeds on a doomed segment that a reader still holds: the reader is, or
// could be, the caller.
func (g *segment) enter() bool {
	for {
		n := g.refs.Load()
		if n == doomed {
			return false
		}
		if g.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (g *segment) release() {
	if g.refs.Add(-1) == doomed {
		select {
		case g.drained <- struct{}{}:
		default:
		}
	}
}

// doom makes acquire fail from now on. It may be repeated.
func (g *segment) doom() {
	for {
		n := g.refs.Load()
		if n < 0 {
			return
		}
		if g.refs.CompareAndSwap(n, n+doomed) {
			return
		}
	}
}

// markVerified notes that the blocks of an extent match their checksums.
func (g *segment) markVerified(payloadOff, length int64) {
	for at := int64(0); at < length; at += BlockSize {
		g.verified.set(payloadOff + at)
	}
}

const (
	bitmapWords = 512
	bitmapChunk = bitmapWords * 64 * minBlockStride // bytes of segment a chunk covers: 16 MiB
)

// bitmap remembers which blocks of a segment are verified, by the offset at
// which they begin. Its chunks are made when first written to.
type bitmap struct {
	chunks []atomic.Pointer[[bitmapWords]atomic.Uint64]
}

func (b *bitmap) init(size int64) {
	b.chunks = make([]atomic.Pointer[[bitmapWords]atomic.Uint64], size/bitmapChunk+1)
}

func (b *bitmap) get(off int64) bool {
	i := off / bitmapChunk
	if i >= int64(len(b.chunks)) {
		return false
	}
	c := b.chunks[i].Load()
	if c == nil {
		return false
	}
	bit := off % bitmapChunk / minBlockStride
	return c[bit/64].Load()&(1<<(bit%64)) != 0
}

// set does nothing for an offset beyond the size given to init: such a block
// is verified each time it is read.
func (b *bitmap) set(off int64) {
	i := off / bitmapChunk
	if i >= int64(len(b.chunks)) {
		return
	}
	c := b.chunks[i].Load()
	if c == nil {
		b.chunks[i].CompareAndSwap(nil, new([bitmapWords]atomic.Uint64))
		c = b.chunks[i].Load()
	}
	bit := off % bitmapChunk / minBlockStride
	c[bit/64].Or(1 << (bit % 64))
}

// realFile tells whether f is a file of the operating system.
func realFile(f vfs.File) bool { return f.Fd() != vfs.InvalidFd }
