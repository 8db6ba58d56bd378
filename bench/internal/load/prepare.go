package load

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
)

const (
	storers   = 16  // connections that store what a run needs
	readBacks = 200 // most objects that one client reads back after a run
)

func prepareNothing(*run) error { return nil }

// prepareShared stores the objects of a run that only reads; later runs of the same
// shape find them.
func prepareShared(r *run) error {
	r.dir = fmt.Sprintf("shared-%d-%d/", r.spec.Size, r.spec.Keys)
	r.b.mu.Lock()
	made := r.b.made[r.dir]
	r.b.mu.Unlock()
	if made {
		return nil
	}
	if err := r.store(r.spec.Keys); err != nil {
		return err
	}
	r.b.mu.Lock()
	r.b.made[r.dir] = true
	r.b.mu.Unlock()
	return nil
}

func prepareOwn(r *run) error    { return r.store(r.spec.Keys) }
func prepareDelete(r *run) error { return r.store(int(r.spec.Count)) }

// store puts keys 0 to n-1 of the run's directory.
func (r *run) store(n int) error {
	var next, failed atomic.Int64
	clients := make([]*client, min(storers, n))
	for i := range clients {
		clients[i] = r.client(0)
		defer clients[i].c.Close()
	}
	errs := make([]error, len(clients))
	for i, c := range clients {
		c.id = i
	}
	r.each(clients, func(c *client) {
		for failed.Load() == 0 {
			i := int(next.Add(1) - 1)
			if i >= n {
				return
			}
			if err := c.put(r.key(i), r.body(i, 0)); err != nil {
				failed.Add(1)
				errs[c.id] = err
				return
			}
		}
	})
	return errors.Join(errs...)
}

// verifyPut reads back a sample of what the client stored, always the last one, and
// deletes large objects, lest a run fill the disk.
func verifyPut(c *client) error {
	step := len(c.puts)/readBacks + 1
	for n := len(c.puts) - 1; n >= 0; n -= step {
		i := c.puts[n]
		if err := c.get(c.r.key(i), c.r.body(i, 0), true); err != nil {
			return err
		}
	}
	if c.r.spec.Size < largeSize {
		return nil
	}
	for _, i := range c.puts {
		if err := c.delete(c.r.key(i)); err != nil {
			return err
		}
	}
	return nil
}

// verifyOwn reads back a sample of the client's own keys.
func verifyOwn(c *client) error {
	step := c.r.spec.Keys/c.r.spec.Clients/readBacks + 1
	for n := 0; n*c.r.spec.Clients+c.id < c.r.spec.Keys; n += step {
		i := n*c.r.spec.Clients + c.id
		if err := c.get(c.r.key(i), c.r.body(i, c.gens[n]), true); err != nil {
			return err
		}
	}
	return nil
}

func verifyMixed(c *client) error { return errors.Join(verifyOwn(c), verifyPut(c)) }

// verifyDelete asks for a sample of the deleted keys.
func verifyDelete(c *client) error {
	gone := int(min(c.r.next.Load(), c.r.spec.Count))
	step := (gone/readBacks/c.r.spec.Clients + 1) * c.r.spec.Clients
	for i := c.id; i < gone; i += step {
		err := c.head(c.r.key(i), c.r.spec.Size)
		if status(err) != http.StatusNotFound {
			return fmt.Errorf("%s was deleted, but HEAD says: %w", c.r.key(i), orOK(err))
		}
	}
	return nil
}

// orOK gives success a text.
func orOK(err error) error {
	if err == nil {
		return errors.New("200")
	}
	return err
}
