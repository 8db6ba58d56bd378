package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// waits makes a client whose sleeps are noted; the server answers statuses in
// order, -1 being a broken connection, and then 200.
func waits(t *testing.T, header http.Header, statuses ...int) (*Client, *[]time.Duration, *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		if i >= len(statuses) {
			fmt.Fprint(w, `{"success":true,"data":{"diskId":"d","version":"v"}}`)
			return
		}
		if statuses[i] < 0 {
			panic(http.ErrAbortHandler)
		}
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(statuses[i])
		fmt.Fprintf(w, `{"success":false,"error":"no","code":"c%d"}`, statuses[i])
	}))
	t.Cleanup(srv.Close)
	var slept []time.Duration
	c, err := New(Options{URL: srv.URL, APIKey: "k", Random: func() float64 { return 0.5 },
		Now:   func() time.Time { return time.Unix(1700000000, 0) },
		Sleep: func(ctx context.Context, d time.Duration) error { slept = append(slept, d); return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	return c, &slept, &n
}

func TestRetries(t *testing.T) {
	ms := func(n ...int) (out []time.Duration) {
		for _, v := range n {
			out = append(out, time.Duration(v)*time.Millisecond)
		}
		return out
	}
	later := http.Header{"Retry-After": {"7"}}
	date := http.Header{"Retry-After": {time.Unix(1700000003, 0).UTC().Format(http.TimeFormat)}}
	never := http.Header{"Retry-After": {"3600"}}
	for _, tc := range []struct {
		name     string
		once     bool
		header   http.Header
		statuses []int
		want     int // status of the error, 0: none
		waits    []time.Duration
	}{
		{"all kinds", false, nil, []int{503, 500, 429}, 0, ms(50, 100, 200)},
		{"gateways", false, nil, []int{-1, 502, 504}, 0, ms(50, 100, 200)},
		{"no more", false, nil, []int{500, 500, 500, 503, 500}, 503, ms(50, 100, 200)},
		{"seconds", false, later, []int{503}, 0, ms(7000)},
		{"a date", false, date, []int{503}, 0, ms(3000)},
		{"too long", false, never, []int{503}, 503, nil},
		{"conflict", false, nil, []int{409}, 409, nil},
		{"not offered", false, nil, []int{501}, 501, nil},
		{"once", true, nil, []int{503}, 503, nil},
	} {
		c, slept, _ := waits(t, tc.header, tc.statuses...)
		var err error
		if tc.once {
			_, _, err = c.CreateDisk(t.Context(), NewDisk{Name: "n"})
		} else {
			_, err = c.Server(t.Context())
		}
		if StatusOf(err) != tc.want || (tc.want == 0) != (err == nil) || fmt.Sprint(*slept) != fmt.Sprint(tc.waits) {
			t.Errorf("%s: %v after %v", tc.name, err, *slept)
		}
	}
}

// TestOnce breaks a connection: what must happen once is not sent again, and
// a server that can't be reached is tried again.
func TestOnce(t *testing.T) {
	c, slept, n := waits(t, nil, -1)
	if _, _, err := c.CreateDisk(t.Context(), NewDisk{Name: "n"}); err == nil || n.Load() != 1 || len(*slept) != 0 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tries := 0
	c, err = New(Options{URL: "http://" + addr, APIKey: "k", Sleep: func(context.Context, time.Duration) error { tries++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.CreateDisk(t.Context(), NewDisk{Name: "n"}); err == nil || tries != 3 {
		t.Errorf("%v after %d more tries", err, tries)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	c.o.Sleep = func(ctx context.Context, _ time.Duration) error { cancel(errors.New("enough")); return ctx.Err() }
	if _, err := c.Server(ctx); err == nil {
		t.Error("no error")
	}
}
