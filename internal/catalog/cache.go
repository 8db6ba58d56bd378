package catalog

import "sync"

// cache holds rows that were looked up. See the package's doc for why a
// removal can't be undone by a look-up that raced with it.
type cache[K comparable, V any] struct {
	max int // entries at most

	mu  sync.RWMutex
	gen uint64 // counts removals
	m   map[K]V
}

func newCache[K comparable, V any](max int) *cache[K, V] {
	return &cache[K, V]{max: max, m: make(map[K]V)}
}

// get returns the entry of k. When there is none, gen is what put wants.
func (c *cache[K, V]) get(k K) (v V, gen uint64, ok bool) {
	c.mu.RLock()
	v, ok = c.m[k]
	gen = c.gen
	c.mu.RUnlock()
	return v, gen, ok
}

// put stores what was read from the store since get returned gen, unless
// something was removed in between. A full cache loses an arbitrary entry.
func (c *cache[K, V]) put(k K, v V, gen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != gen {
		return
	}
	if _, there := c.m[k]; !there && len(c.m) >= c.max {
		for victim := range c.m {
			delete(c.m, victim)
			break
		}
	}
	c.m[k] = v
}

// drop forgets k. It is called after the removal has committed.
func (c *cache[K, V]) drop(k K) {
	c.mu.Lock()
	c.gen++
	delete(c.m, k)
	c.mu.Unlock()
}

// dropIf forgets every entry that the predicate is true for.
func (c *cache[K, V]) dropIf(pred func(V) bool) {
	c.mu.Lock()
	c.gen++
	for k, v := range c.m {
		if pred(v) {
			delete(c.m, k)
		}
	}
	c.mu.Unlock()
}
