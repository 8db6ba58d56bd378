package disk

import (
	"context"
	"sync"

	"atoll/internal/errs"
)

// extentSize is how long the extents of a streamed file are, and so the
// buffer of an upload.
const extentSize = 1 << 20

// bufferPool hands out extentSize buffers, within a budget that all uploads
// share. Waiters are served in order of arrival.
type bufferPool struct {
	free sync.Pool

	mu    sync.Mutex
	left  int64
	queue []chan struct{}
}

func newBufferPool(bytes int64) *bufferPool {
	p := &bufferPool{left: max(bytes, 2*extentSize)}
	p.free.New = func() any { return new([extentSize]byte) }
	return p
}

// get waits for a buffer.
func (p *bufferPool) get(ctx context.Context) (*[extentSize]byte, error) {
	p.mu.Lock()
	if len(p.queue) == 0 && p.left >= extentSize {
		p.left -= extentSize
		p.mu.Unlock()
		return p.free.Get().(*[extentSize]byte), nil
	}
	turn := make(chan struct{})
	p.queue = append(p.queue, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return p.free.Get().(*[extentSize]byte), nil
	case <-ctx.Done():
		p.leave(turn)
		return nil, errs.E("upload", "", errs.Canceled, ctx.Err())
	}
}

// leave gives up a place in the queue, or the turn if it just came.
func (p *bufferPool) leave(turn chan struct{}) {
	p.mu.Lock()
	for i, q := range p.queue {
		if q == turn {
			p.queue = append(p.queue[:i], p.queue[i+1:]...)
			p.mu.Unlock()
			return
		}
	}
	p.mu.Unlock()
	p.give()
}

func (p *bufferPool) put(b *[extentSize]byte) {
	p.free.Put(b)
	p.give()
}

func (p *bufferPool) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) > 0 {
		close(p.queue[0])
		p.queue = p.queue[1:]
		return
	}
	p.left += extentSize
}
