package blob

import (
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

// handle is an open segment file. Whoever uses it holds a reference; the
// segment's handle field (or its writer) holds one too.
type handle struct {
	f    vfs.File
	seg  *segment
	refs atomic.Int32
	used atomic.Bool // since the eviction clock last passed
}

func newHandle(f vfs.File, seg *segment) *handle {
	h := &handle{f: f, seg: seg}
	h.refs.Store(1)
	return h
}

func (h *handle) tryRef() bool {
	for {
		n := h.refs.Load()
		if n == 0 {
			return false
		}
		if h.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (h *handle) unref() {
	if h.refs.Add(-1) == 0 {
		// Nothing was written through a handle that is closed here which
		// was not synced before, so there's no error to act on.
		_ = h.f.Close()
	}
}

// fdCache bounds the handles of sealed segments, by second chance.
type fdCache struct {
	mu   sync.Mutex
	max  int
	ring []*handle
	hand int
}

// add takes h, which is its segment's handle, under the bound and drops
// others beyond it.
func (c *fdCache) add(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring = append(c.ring, h)
	for len(c.ring) > c.max {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		v := c.ring[c.hand]
		if v != h && v.used.Swap(false) {
			c.hand++
			continue
		}
		if v == h && len(c.ring) > 1 {
			c.hand++ // the newcomer is not the victim
			continue
		}
		c.removeLocked(c.hand)
	}
}

func (c *fdCache) removeLocked(i int) {
	v := c.ring[i]
	last := len(c.ring) - 1
	c.ring[i], c.ring[last] = c.ring[last], nil
	c.ring = c.ring[:last]
	if v.seg.handle.CompareAndSwap(v, nil) {
		v.unref()
	}
}

// drop forgets the handle of one segment.
func (c *fdCache) drop(seg *segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, h := range c.ring {
		if h.seg == seg {
			c.removeLocked(i)
			return
		}
	}
}

func (c *fdCache) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ring) > 0 {
		c.removeLocked(len(c.ring) - 1)
	}
}

// open returns a handle of seg's file with a reference for the caller.
func (s *Store) open(seg *segment) (*handle, error) {
	if h := seg.handle.Load(); h != nil && h.tryRef() {
		if !h.used.Load() {
			h.used.Store(true)
		}
		return h, nil
	}
	seg.openMu.Lock()
	defer seg.openMu.Unlock()
	if h := seg.handle.Load(); h != nil && h.tryRef() {
		return h, nil
	}
	f, err := s.fs.Open(seg.path, vfs.RandomReadsOption)
	if err != nil {
		return nil, errs.E("open segment", segName(seg.id), errs.Other, err)
	}
	h := newHandle(f, seg)
	h.refs.Add(1)
	seg.handle.Store(h)
	s.fds.add(h)
	return h, nil
}

// sender is a descriptor of its own for sendfile, which moves the file's
// offset. Its reader is handed out as a *io.LimitedReader over an *os.File,
// the one form that net sends without copying.
type sender struct {
	seg uint64
	f   *os.File
	lr  io.LimitedReader
}

// sendPool keeps idle senders, most recently used last.
type sendPool struct {
	mu   sync.Mutex
	max  int
	idle []*sender
}

// get returns an idle sender of seg, or opens one.
func (p *sendPool) get(seg *segment) (*sender, error) {
	p.mu.Lock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if sd := p.idle[i]; sd.seg == seg.id {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			p.mu.Unlock()
			return sd, nil
		}
	}
	p.mu.Unlock()
	f, err := os.Open(seg.path)
	if err != nil {
		return nil, errs.E("open segment", segName(seg.id), errs.Other, err)
	}
	return &sender{seg: seg.id, f: f}, nil
}

func (p *sendPool) put(sd *sender) {
	sd.lr = io.LimitedReader{}
	p.mu.Lock()
	p.idle = append(p.idle, sd)
	var old *sender
	if len(p.idle) > p.max {
		old = p.idle[0]
		p.idle = append(p.idle[:0], p.idle[1:]...)
	}
	p.mu.Unlock()
	if old != nil {
		_ = old.f.Close() // read-only
	}
}

// drop closes the idle senders that match.
func (p *sendPool) drop(match func(seg uint64) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[:0]
	for _, sd := range p.idle {
		if match(sd.seg) {
			_ = sd.f.Close() // read-only
		} else {
			kept = append(kept, sd)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
}
