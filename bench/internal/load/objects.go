package load

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"atoll/bench/internal/content"
	"atoll/bench/internal/s3wire"
)

// operationFor returns how an operation is done.
func operationFor(op Op) operation {
	few := func(s Spec) int {
		if s.Size >= largeSize && s.Op != Range {
			return 1
		}
		return 20
	}
	none := func(Spec) int { return 0 }
	switch op {
	case Get:
		return operation{prepare: prepareShared, step: stepGet, warm: few}
	case Head:
		return operation{prepare: prepareShared, step: stepHead, warm: few}
	case Range:
		return operation{prepare: prepareShared, step: stepRange, warm: few}
	case Put:
		return operation{prepare: prepareNothing, step: stepPut, verify: verifyPut, warm: few}
	case Overwrite:
		return operation{prepare: prepareOwn, step: stepOverwrite, verify: verifyOwn, warm: few}
	case Delete:
		return operation{prepare: prepareDelete, step: stepDelete, verify: verifyDelete, warm: none}
	case ListDelim, ListFlat:
		return operation{prepare: prepareShared, step: stepList, warm: func(Spec) int { return 2 }}
	default:
		return operation{prepare: prepareOwn, step: stepMixed, verify: verifyMixed, warm: few}
	}
}

// body returns what key number i holds after gen overwrites.
func (r *run) body(i int, gen uint64) content.Body {
	b := content.Body{Size: r.spec.Size, Seed: uint64(i) | gen<<40}
	if b.Size >= largeSize {
		// Few seeds, so that their hashes need not be computed under load.
		b.Seed = (uint64(i) + gen) % largeSeed
	}
	return b
}

// key returns the name of key number i of the run's directory.
func (r *run) key(i int) string {
	s := strconv.Itoa(i)
	return r.dir + "00000000"[:max(0, 8-len(s))] + s
}

// put stores a body.
func (c *client) put(key string, body content.Body) error {
	resp, err := c.c.Do(&s3wire.Request{Method: http.MethodPut, Path: c.r.b.path(key),
		Body: body, HasBody: true, Payload: c.payload(body)}, nil)
	return want(resp, err, http.StatusOK)
}

// payload returns the x-amz-content-sha256 of a body.
func (c *client) payload(body content.Body) string {
	if c.r.b.opt.Unsigned {
		return s3wire.Unsigned
	}
	if body.Size >= largeSize {
		return c.r.b.sum(body)
	}
	if int64(cap(c.buf)) < body.Size {
		c.buf = make([]byte, body.Size)
	}
	p := c.buf[:body.Size]
	body.Fill(p, 0)
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// get reads an object and checks its length, and its bytes if compare is set.
func (c *client) get(key string, body content.Body, compare bool) error {
	resp, err := c.c.Do(&s3wire.Request{Method: http.MethodGet, Path: c.r.b.path(key), Payload: s3wire.EmptyHash}, sink(body, 0, compare))
	if err := want(resp, err, http.StatusOK); err != nil {
		return err
	}
	return length(key, resp.Read, body.Size)
}

// head asks for an object's size and checks it.
func (c *client) head(key string, size int64) error {
	resp, err := c.c.Do(&s3wire.Request{Method: http.MethodHead, Path: c.r.b.path(key), Payload: s3wire.EmptyHash}, nil)
	if err := want(resp, err, http.StatusOK); err != nil {
		return err
	}
	return length(key, resp.Length, size)
}

func (c *client) delete(key string) error {
	resp, err := c.c.Do(&s3wire.Request{Method: http.MethodDelete, Path: c.r.b.path(key), Payload: s3wire.EmptyHash}, nil)
	return want(resp, err, http.StatusNoContent)
}

// sink compares what arrives with the body from offset start on, if compare is set.
func sink(body content.Body, start int64, compare bool) s3wire.Sink {
	if !compare {
		return nil
	}
	return func(p []byte, off int64) error {
		if !body.Matches(p, start+off) {
			return fmt.Errorf("wrong bytes among the %d at offset %d", len(p), start+off)
		}
		return nil
	}
}

// compare says whether to look at the bytes of this operation: always if they are few,
// else every eighth time, as comparing them takes the server's time.
func (c *client) compare(n int64) bool { return n <= RangeSize || c.n%8 == 0 }

// want checks the status.
func want(resp s3wire.Response, err error, status int) error {
	if err != nil {
		return err
	}
	if resp.Status != status {
		return fmt.Errorf("status %d instead of %d", resp.Status, status)
	}
	return nil
}

func length(key string, got, want int64) error {
	if got != want {
		return fmt.Errorf("%s: %d bytes instead of %d", key, got, want)
	}
	return nil
}

// status returns the HTTP status in an error, or 0.
func status(err error) int {
	var e *s3wire.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func stepGet(c *client) error {
	i := c.rng.IntN(c.r.spec.Keys)
	return c.get(c.r.key(i), c.r.body(i, 0), c.compare(c.r.spec.Size))
}

func stepHead(c *client) error {
	return c.head(c.r.key(c.rng.IntN(c.r.spec.Keys)), c.r.spec.Size)
}

func stepRange(c *client) error {
	const align = 4096
	body := c.r.body(0, 0)
	first := c.rng.Int64N((body.Size-RangeSize)/align+1) * align
	resp, err := c.c.Do(&s3wire.Request{Method: http.MethodGet, Path: c.r.b.path(c.r.key(0)),
		Range: fmt.Sprintf("bytes=%d-%d", first, first+RangeSize-1), Payload: s3wire.EmptyHash}, sink(body, first, true))
	if err := want(resp, err, http.StatusPartialContent); err != nil {
		return err
	}
	return length("range", resp.Read, RangeSize)
}

// fresh returns the number of the n-th new key of a client: no two clients share one.
func (c *client) fresh(n int) int { return n*c.r.spec.Clients + c.id }

func stepPut(c *client) error {
	i := c.fresh(c.n)
	if err := c.put(c.r.key(i), c.r.body(i, 0)); err != nil {
		return err
	}
	c.puts = append(c.puts, i)
	return nil
}

// ownKey returns one of the client's own keys, and where its generation is kept.
func (c *client) ownKey() (i int, gen *uint64) {
	mine := (c.r.spec.Keys - c.id + c.r.spec.Clients - 1) / c.r.spec.Clients
	n := c.rng.IntN(mine)
	return n*c.r.spec.Clients + c.id, &c.gens[n]
}

func stepOverwrite(c *client) error {
	i, gen := c.ownKey()
	if err := c.put(c.r.key(i), c.r.body(i, *gen+1)); err != nil {
		return err
	}
	*gen++
	return nil
}

func stepDelete(c *client) error {
	i := c.r.next.Add(1) - 1
	if i >= c.r.spec.Count {
		return errDone
	}
	return c.delete(c.r.key(int(i)))
}

func stepMixed(c *client) error {
	switch p := c.rng.IntN(100); {
	case p < 60:
		i, gen := c.ownKey()
		return c.get(c.r.key(i), c.r.body(i, *gen), c.compare(c.r.spec.Size))
	case p < 75:
		i, _ := c.ownKey()
		return c.head(c.r.key(i), c.r.spec.Size)
	case p < 90:
		return stepOverwrite(c)
	case p < 95 || len(c.puts) == 0:
		i := c.r.spec.Keys + c.fresh(c.n)
		if err := c.put(c.r.key(i), c.r.body(i, 0)); err != nil {
			return err
		}
		c.puts = append(c.puts, i)
		return nil
	default:
		i := c.puts[len(c.puts)-1]
		c.puts = c.puts[:len(c.puts)-1]
		return c.delete(c.r.key(i))
	}
}
