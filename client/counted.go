package client

import (
	"io"
	"sync"
)

// counted is a request's body that tells how much of it was taken. The
// transport may still read when the request has ended already.
type counted struct {
	r        io.Reader
	progress func(int64)

	mu   sync.Mutex
	n    int64
	over bool
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && !c.over {
		c.n += int64(n)
		c.progress(int64(n))
	}
	return n, err
}

// takeBack says that what was sent does not count.
func (c *counted) takeBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over && c.n > 0 {
		c.progress(-c.n)
	}
	c.over = true
}
