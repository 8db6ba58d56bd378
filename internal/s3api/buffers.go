package s3api

import "sync"

// Sizes of pooled buffers. A body up to smallBody is read whole, hashed and
// written; a larger one goes through a pipeline of a few of the largest.
var bufferSizes = [...]int{4 << 10, 16 << 10, 64 << 10, smallBody, blockBytes}

const (
	smallBody = 256 << 10
	// blockBytes is the length of an extent, so that the core need not copy.
	blockBytes     = 1 << 20
	pipelineBlocks = 2
)

// bufferPools has a pool for each size.
type bufferPools [len(bufferSizes)]sync.Pool

// buffer is a pooled buffer of the size of its class.
type buffer struct {
	b     []byte
	class int
}

// classOf returns the smallest class that holds n bytes, n <= smallBody.
func classOf(n int64) int {
	for class, size := range bufferSizes {
		if n <= int64(size) {
			return class
		}
	}
	return len(bufferSizes) - 1
}

func (p *bufferPools) get(class int) *buffer {
	if b, ok := p[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, bufferSizes[class]), class}
}

func (p *bufferPools) put(b *buffer) { p[b.class].Put(b) }
