package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// Backoff between attempts: a random time below a bound that doubles.
const (
	backoffBase = 100 * time.Millisecond
	backoffCap  = 2 * time.Second
	// maxRetryAfter is how long a server may make a client wait.
	maxRetryAfter = time.Minute
)

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// send makes a request, again if it failed in a way that may pass: when the
// network broke, or the server answered 429, 500, 502, 503 or 504. What must
// be carried out once only is sent again only if no connection was made. use
// reads the answer and owns its body; a brokenError of it counts as the
// network's.
func (c *Client) send(ctx context.Context, build func() (*http.Request, error), once bool, use func(*http.Response) error) error {
	for attempt := 0; ; attempt++ {
		req, err := build()
		if err != nil {
			return err
		}
		connected, err := c.attempt(req, use)
		if err == nil || ctx.Err() != nil || attempt >= c.o.Retries {
			return err
		}
		if once && connected || !passing(err) {
			return err
		}
		wait, ok := c.backoff(attempt, err)
		if !ok {
			return err
		}
		if c.o.Sleep(ctx, wait) != nil {
			return err
		}
	}
}

// attempt makes one request. connected tells whether any of it may have
// reached the server.
func (c *Client) attempt(req *http.Request, use func(*http.Response) error) (connected bool, err error) {
	var got atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got.Store(true) }}
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	req.Header.Set("Authorization", c.key)
	req.Header.Set("User-Agent", c.o.UserAgent)
	res, err := c.o.HTTP.Do(req)
	if err != nil {
		return got.Load(), err
	}
	return true, use(res)
}

// passing tells whether an error may be gone at another attempt.
func passing(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		switch e.Status {
		case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var ue *url.Error
	var be *brokenError
	return errors.As(err, &ue) || errors.As(err, &be)
}

// backoff is how long to wait before the next attempt: what the server asked
// for, or a random time. It is not ok if the server asks for too much.
func (c *Client) backoff(attempt int, err error) (time.Duration, bool) {
	bound := min(backoffBase<<attempt, backoffCap)
	wait := time.Duration(c.o.Random() * float64(bound))
	var e *Error
	if !errors.As(err, &e) || e.retryAfter == "" {
		return wait, true
	}
	asked := time.Duration(0)
	if n, err := strconv.Atoi(e.retryAfter); err == nil && n >= 0 {
		asked = time.Duration(min(n, 1<<20)) * time.Second
	} else if t, err := http.ParseTime(e.retryAfter); err == nil {
		asked = t.Sub(c.o.Now())
	}
	return max(wait, asked), asked <= maxRetryAfter
}
