package catalog

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"atoll/internal/kv"
)

// TestRemovalIsImmediate has readers fill the cache while users are removed:
// once a removal has returned, no look-up that begins then may find the user,
// and none may have put it back.
func TestRemovalIsImmediate(t *testing.T) {
	c, _ := newCatalog(t)
	d := mustCreate(t, c, "a")
	for range 40 {
		u, _, err := c.AddUser(ctx, d.ID, S3User, "x")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, _, err := c.Credential(ctx, u.Identifier); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		if err := c.RemoveUser(ctx, d.ID, S3User, u.Identifier); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, ok, err := c.Credential(ctx, u.Identifier); err != nil || ok {
				t.Fatalf("after its removal: %v, %v", ok, err)
			}
		}
		close(stop)
		wg.Wait()
	}
}

// slowKV stops a View between its reading and its return.
type slowKV struct {
	kv.Store
	read   chan struct{}
	goOn   chan struct{}
	active bool
}

func (s *slowKV) View(ctx context.Context, fn func(kv.Reader) error) error {
	err := s.Store.View(ctx, fn)
	if s.active {
		s.active = false
		s.read <- struct{}{}
		<-s.goOn
	}
	return err
}

// TestSlowLookupDoesNotBringBack holds a look-up, which has read the row,
// until the removal has returned.
func TestSlowLookupDoesNotBringBack(t *testing.T) {
	c, _ := newCatalog(t)
	d := mustCreate(t, c, "a")
	u, _, err := c.AddUser(ctx, d.ID, S3User, "x")
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowKV{Store: c.o.KV, read: make(chan struct{}), goOn: make(chan struct{}), active: true}
	c.o.KV = slow
	done := make(chan bool)
	go func() {
		_, ok, _ := c.Credential(ctx, u.Identifier)
		done <- ok
	}()
	<-slow.read
	if err := c.RemoveUser(ctx, d.ID, S3User, u.Identifier); err != nil {
		t.Fatal(err)
	}
	close(slow.goOn)
	if !<-done {
		t.Fatal("the look-up that began before the removal read the row and must have found it")
	}
	if _, ok, err := c.Credential(ctx, u.Identifier); err != nil || ok {
		t.Fatalf("the slow look-up brought it back: %v, %v", ok, err)
	}
}

// TestConcurrentCreate has many callers make the same disk: one makes it, all
// get it.
func TestConcurrentCreate(t *testing.T) {
	c, _ := newCatalog(t)
	for round := range 5 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		ids, made := map[string]bool{}, 0
		for range 8 {
			wg.Go(func() {
				res, err := c.CreateDisk(ctx, DiskSpec{Name: fmt.Sprint("d", round)})
				d := res.Disk
				mu.Lock()
				defer mu.Unlock()
				if err != nil || d.State != Available {
					t.Errorf("%+v, %v", d, err)
				}
				ids[d.ID.String()] = true
				if res.New {
					made++
				}
			})
		}
		wg.Wait()
		if len(ids) != 1 || made != 1 {
			t.Fatalf("%d disks, made %d times", len(ids), made)
		}
	}
}

func TestCacheBound(t *testing.T) {
	c := newCache[int, int](4)
	for i := range 100 {
		_, gen, _ := c.get(i)
		c.put(i, i, gen)
		if v, _, ok := c.get(i); !ok || v != i {
			t.Fatalf("entry %d: %d, %v", i, v, ok)
		}
		if len(c.m) > 4 {
			t.Fatalf("%d entries", len(c.m))
		}
	}
}
