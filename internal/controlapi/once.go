package controlapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"sync"

	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
)

// maxIdempotencyKey bounds the header, in bytes.
const maxIdempotencyKey = 255

// repeats keeps requests with the same Idempotency-Key one after the other.
type repeats struct {
	mu sync.Mutex
	m  map[repeatKey]*repeat
}

type repeatKey struct {
	disk disk.ID
	key  string
}

type repeat struct {
	mu      sync.Mutex
	waiting int // guarded by repeats.mu
}

// lock waits until no other request has this key. Lock order: repeats.mu is
// never held while a repeat's is waited for.
func (rs *repeats) lock(k repeatKey) (unlock func()) {
	rs.mu.Lock()
	if rs.m == nil {
		rs.m = map[repeatKey]*repeat{}
	}
	r := rs.m[k]
	if r == nil {
		r = new(repeat)
		rs.m[k] = r
	}
	r.waiting++
	rs.mu.Unlock()
	r.mu.Lock()
	return func() {
		r.mu.Unlock()
		rs.mu.Lock()
		defer rs.mu.Unlock()
		if r.waiting--; r.waiting == 0 {
			delete(rs.m, k)
		}
	}
}

// once runs fn, which makes something and uses c's context, unless the request has the
// Idempotency-Key of an earlier one that succeeded: then it gives the answer
// of that. request is what must be the same; status is that of success. Keys
// of different API keys are different.
func once[T any](a *api, c *call, status int, request any, fn func() (T, error)) (res T, err error) {
	key := c.r.Header.Get("Idempotency-Key")
	if len(c.r.Header.Values("Idempotency-Key")) == 0 {
		c.status = status
		return fn()
	}
	if !validIdempotencyKey(key) {
		return res, invalid("an Idempotency-Key has 1 to %d printable ASCII characters", maxIdempotencyKey)
	}
	text, err := json.Marshal(request)
	if err != nil {
		return res, errs.E("hash request", "", errs.Other, err)
	}
	hash := sha256.Sum256(append([]byte(c.rt.name+" "), text...))
	// From here on the client's leaving changes nothing: what is made and not
	// remembered could not be asked for again.
	c.r = c.r.WithContext(context.WithoutCancel(c.r.Context()))
	key = c.key.ID + " " + key
	defer a.repeats.lock(repeatKey{c.disk, key})()
	r, ok, err := a.o.Catalog.Recall(c.r.Context(), c.disk, key)
	switch {
	case err != nil:
		return res, err
	case ok && r.Request != hash:
		return res, &statusError{http.StatusUnprocessableEntity, "idempotency_key_reused",
			"this Idempotency-Key was sent with another request: use a new one"}
	case ok:
		c.status = r.Status
		c.details += " (repeated)"
		return res, json.Unmarshal(r.Answer, &res)
	}
	if res, err = fn(); err != nil {
		return res, err
	}
	c.status = status
	if text, err = json.Marshal(res); err != nil {
		return res, errs.E("keep answer", "", errs.Other, err)
	}
	return res, a.o.Catalog.Remember(c.r.Context(), c.disk, key, catalog.Remembered{Request: hash, Status: status, Answer: text})
}

func validIdempotencyKey(key string) bool {
	if key == "" || len(key) > maxIdempotencyKey {
		return false
	}
	for _, b := range []byte(key) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}
