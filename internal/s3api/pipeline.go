package s3api

import (
	"hash"
	"sync"
	"sync/atomic"
)

// pipeline hashes a stream of blocks with several hashes, each on a goroutine
// of its own. It has pipelineBlocks blocks and no more: who wants one waits
// until the slowest hash is done with it.
type pipeline struct {
	pool   *bufferPools
	free   chan *block
	made   int
	queues []chan *block
	done   sync.WaitGroup
}

// block is a buffer with the number of those who still need it.
type block struct {
	buf  *buffer
	n    int
	refs atomic.Int32
}

func newPipeline(pool *bufferPools, hashes []hash.Hash) *pipeline {
	p := &pipeline{pool: pool, free: make(chan *block, pipelineBlocks)}
	for _, h := range hashes {
		queue := make(chan *block, pipelineBlocks)
		p.queues = append(p.queues, queue)
		p.done.Go(func() {
			for blk := range queue {
				h.Write(blk.buf.b[:blk.n])
				p.release(blk)
			}
		})
	}
	return p
}

// next returns a block that nobody uses.
func (p *pipeline) next() *block {
	select {
	case blk := <-p.free:
		return blk
	default:
	}
	if p.made < pipelineBlocks {
		p.made++
		return &block{buf: p.pool.get(len(bufferSizes) - 1)}
	}
	return <-p.free
}

// hash gives the first n bytes of a block to the hashes. The caller may go on
// reading it until it calls release.
func (p *pipeline) hash(blk *block, n int) {
	blk.n = n
	blk.refs.Store(int32(len(p.queues)) + 1)
	for _, q := range p.queues {
		q <- blk
	}
}

func (p *pipeline) release(blk *block) {
	if blk.refs.Add(-1) == 0 {
		p.free <- blk
	}
}

// close waits for the hashes, which are complete then. A block that the caller
// holds still (it failed half-way) is left to the garbage collector.
func (p *pipeline) close() {
	for _, q := range p.queues {
		close(q)
	}
	p.done.Wait()
	close(p.free)
	for blk := range p.free {
		p.pool.put(blk.buf)
	}
}
