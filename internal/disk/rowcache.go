package disk

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// rowCache keeps decoded-once rows of branches (what their chains show) and
// of extents in memory, so that a hot look-up costs no seek in the store.
//
// It is exact, not a hint. Commits are numbered when they are durable. A
// commit that changes a row of a shard marks the shard pending, and forgets
// the row, before it is published, and again, with its number, when it is
// durable. A reader takes the number of the last commit before it takes its
// snapshot. It may fill a row if no commit of the shard is pending and the
// shard's last is in its snapshot; what is in the cache has not changed since
// the shard's last commit when it was filled (from), so it is what any
// snapshot shows that holds that commit.
type rowCache struct {
	commits atomic.Uint64 // number of the last durable commit
	seed    maphash.Seed
	shards  [cacheShards]cacheShard
}

const (
	cacheShards = 64
	maxCachedAt = 8 << 10 // bytes of the largest row that is kept; a row of a part table is
	rowOverhead = 120     // bytes a row costs beside key and value
)

// cacheShard has two generations: what is used moves to the young one; when
// that is full it becomes the old one, and what was in the old one goes.
type cacheShard struct {
	mu         sync.Mutex
	young, old map[string]cachedRow
	bytes      int // of young
	limit      int // of young
	pending    int
	last       uint64
	_          [24]byte // keeps shards off each other's cache lines
}

type cachedRow struct {
	value []byte // never changed
	from  uint64
}

// newRowCache makes a cache of about the given size, in bytes.
func newRowCache(bytes int64) *rowCache {
	c := &rowCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.limit = int(bytes / cacheShards / 2)
		s.young = map[string]cachedRow{}
	}
	return c
}

func (c *rowCache) shard(key []byte) *cacheShard {
	return &c.shards[maphash.Bytes(c.seed, key)%cacheShards]
}

func (c *rowCache) shardOf(key string) *cacheShard {
	return &c.shards[maphash.String(c.seed, key)%cacheShards]
}

// get returns a row as a snapshot shows it that holds commit at.
func (c *rowCache) get(key []byte, at uint64) ([]byte, bool) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.young[string(key)]
	if !ok {
		if r, ok = s.old[string(key)]; ok {
			s.add(string(key), r)
		}
	}
	if !ok || r.from > at {
		return nil, false
	}
	return r.value, true
}

// fill offers a row as it was read from a snapshot taken after commit at.
func (c *rowCache) fill(key, value []byte, at uint64) {
	if len(value) > maxCachedAt {
		return
	}
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == 0 && s.last <= at {
		s.add(string(key), cachedRow{append([]byte(nil), value...), s.last})
	}
}

func (s *cacheShard) add(key string, r cachedRow) {
	if _, there := s.young[key]; there {
		return
	}
	s.bytes += len(key) + len(r.value) + rowOverhead
	s.young[key] = r
	if s.bytes > s.limit {
		s.old, s.young, s.bytes = s.young, map[string]cachedRow{}, 0
	}
}

func (s *cacheShard) forget(key string) {
	if r, there := s.young[key]; there {
		s.bytes -= len(key) + len(r.value) + rowOverhead
		delete(s.young, key)
	}
	delete(s.old, key)
}

// begin says that a commit that changes keys is about to be published.
func (c *rowCache) begin(keys []string) {
	for _, k := range keys {
		s := c.shardOf(k)
		s.mu.Lock()
		s.forget(k)
		s.pending++
		s.mu.Unlock()
	}
}

// end says that it is durable, or has failed.
func (c *rowCache) end(keys []string) {
	n := c.commits.Add(1)
	for _, k := range keys {
		s := c.shardOf(k)
		s.mu.Lock()
		s.forget(k)
		s.pending--
		s.last = max(s.last, n)
		s.mu.Unlock()
	}
}
