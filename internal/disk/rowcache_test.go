package disk

import (
	"fmt"
	"sync"
	"testing"
)

// TestRowCacheRules goes through the cases in which a row must not be taken
// from the cache or put into it.
func TestRowCacheRules(t *testing.T) {
	key := []byte("row")
	c := newRowCache(1 << 20)
	want := func(at uint64, value string) {
		t.Helper()
		v, ok := c.get(key, at)
		if string(v) != value || ok != (value != "") {
			t.Fatalf("at %d: got %q %v, want %q", at, v, ok, value)
		}
	}
	c.fill(key, []byte("one"), c.commits.Load())
	want(0, "one")

	c.begin([]string{"row"})
	want(0, "") // forgotten before the change is published
	c.fill(key, []byte("one"), 0)
	want(0, "") // a reader may have the old row while the change is on its way
	c.end([]string{"row"})
	want(0, "")

	c.fill(key, []byte("one"), 0)
	want(1, "") // read from a snapshot before the change
	c.fill(key, []byte("two"), 1)
	want(1, "two")
	want(0, "") // not for a snapshot that may not hold the change
	c.end(nil)  // another disk's commit
	want(2, "two")
	c.fill(key, make([]byte, maxCachedAt+1), 2)
	want(2, "two")
}

// TestRowCacheEvicts checks that the cache keeps to its size and keeps what is
// used.
func TestRowCacheEvicts(t *testing.T) {
	const budget = 1 << 20
	c := newRowCache(budget)
	hot := []byte("hot")
	c.fill(hot, []byte("x"), 0)
	for i := range 50_000 {
		c.fill(fmt.Appendf(nil, "row %d", i), make([]byte, 100), 0)
		if _, ok := c.get(hot, 0); !ok {
			t.Fatalf("a row in use was evicted after %d others", i)
		}
	}
	size := 0
	for i := range c.shards {
		for _, m := range []map[string]cachedRow{c.shards[i].young, c.shards[i].old} {
			for k, r := range m {
				size += len(k) + len(r.value) + rowOverhead
			}
		}
	}
	if size > budget+cacheShards*300 || size < budget/4 {
		t.Fatalf("%d bytes kept, the budget is %d", size, budget)
	}
}

// TestNoStaleRead has writers and readers on a few hot files: nobody may see
// a version older than one that was acknowledged before the read began.
func TestNoStaleRead(t *testing.T) {
	e := newEnv(t, nil, Options{GatherMax: -1})
	v := e.root()
	const files, rounds = 3, 300
	var mu sync.Mutex
	var acked [files]int
	for f := range files {
		put(t, v, fmt.Sprintf("d/f%d", f), []byte("0"))
	}
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for f := range files {
		writers.Go(func() {
			for i := 1; i <= rounds; i++ {
				if _, err := tryPut(v, fmt.Sprintf("d/f%d", f), fmt.Append(nil, i), PutOptions{}); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[f] = i
				mu.Unlock()
			}
		})
		for range 2 {
			readers.Go(func() {
				for seen := 0; ; {
					select {
					case <-stop:
						return
					default:
					}
					mu.Lock()
					least := max(seen, acked[f])
					mu.Unlock()
					b, _, err := get(v, fmt.Sprintf("d/f%d", f))
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := fmt.Sscan(string(b), &seen); err != nil || seen < least {
						t.Errorf("read %q after %d was acknowledged or seen (%v)", b, least, err)
						return
					}
				}
			})
		}
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}
