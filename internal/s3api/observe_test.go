package s3api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atoll/internal/sigv4"
)

// lines is a log that tests can wait for.
type lines struct {
	mu sync.Mutex
	ch chan map[string]any
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var m map[string]any
	if err := json.Unmarshal(p, &m); err != nil {
		return 0, err
	}
	l.ch <- m
	return len(p), nil
}

func TestRequestLog(t *testing.T) {
	out := &lines{ch: make(chan map[string]any, 100)}
	e := newEnv(t, func(o *Options) { o.Logger = slog.New(slog.NewJSONHandler(out, nil)) })
	r := e.put("dir/k", "12345")
	m := <-out.ch
	for name, want := range map[string]any{"msg": "s3", "operation": "PutObject", "access_key": keyA, "bucket": diskA.String(),
		"key": "dir/k", "status": 200.0, "in": 5.0, "out": 0.0, "request": r.Header.Get("X-Amz-Request-Id")} {
		if m[name] != want {
			t.Errorf("%s: %v, want %v", name, m[name], want)
		}
	}
	if took, ok := m["took"].(float64); !ok || took <= 0 {
		t.Errorf("took %v", m["took"])
	}
	e.get("dir/k")
	if m = <-out.ch; m["operation"] != "GetObject" || m["out"] != 5.0 {
		t.Errorf("%v", m)
	}
	e.get("nope")
	if m = <-out.ch; m["code"] != "NoSuchKey" || m["status"] != 404.0 {
		t.Errorf("%v", m)
	}
	e.do(e.req("GET", path("k")).as("AKNOBODY", "x"))
	if m = <-out.ch; m["code"] != "InvalidAccessKeyId" || m["access_key"] != "AKNOBODY" {
		t.Errorf("%v", m)
	}
	e = newEnv(t, func(o *Options) {
		o.Logger, o.LogLevel = slog.New(slog.NewJSONHandler(out, nil)), slog.LevelDebug
	})
	e.put("k", "x")
	select {
	case m := <-out.ch:
		t.Errorf("a line below the log's level: %v", m)
	default:
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	m, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewMetrics(reg); err == nil {
		t.Error("registered twice")
	}
	m.InFlight(1)
	m.Request(OpPutObject, "", time.Millisecond, 5, 0)
	m.Request(OpGetObject, "", time.Millisecond, 0, 7)
	m.Request(OpGetObject, "NoSuchKey", time.Millisecond, 0, 3)
	m.Request(OpGetObject, "NoSuchKey", time.Millisecond, 0, 0)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, x := range f.Metric {
			name := f.GetName()
			for _, l := range x.Label {
				name += "," + l.GetValue()
			}
			switch {
			case x.Counter != nil:
				got[name] = x.Counter.GetValue()
			case x.Gauge != nil:
				got[name] = x.Gauge.GetValue()
			case x.Histogram != nil:
				got[name] = float64(x.Histogram.GetSampleCount())
			}
		}
	}
	for name, want := range map[string]float64{"atoll_s3_requests_total,OK,PutObject": 1, "atoll_s3_requests_total,OK,GetObject": 1,
		"atoll_s3_requests_total,NoSuchKey,GetObject": 2, "atoll_s3_received_bytes_total": 5, "atoll_s3_sent_bytes_total": 10,
		"atoll_s3_requests_in_flight": 1, "atoll_s3_request_seconds,GetObject": 3} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v (%v)", name, got[name], want, got)
		}
	}
}

// countMetrics counts what is in flight.
type countMetrics struct {
	mu       sync.Mutex
	inFlight int
	codes    map[string]int
}

func (c *countMetrics) InFlight(d int) { c.mu.Lock(); c.inFlight += d; c.mu.Unlock() }

func (c *countMetrics) Request(op Op, code string, _ time.Duration, _, _ int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.codes[op.String()+" "+code]++
}

// TestPanic: a bug in one request is that request's alone.
func TestPanic(t *testing.T) {
	m := &countMetrics{codes: map[string]int{}}
	boom := false
	var e *env
	e = newEnv(t, func(o *Options) {
		o.Metrics = m
		o.Credentials = CredentialsFunc(func(_ context.Context, id string) (Credential, bool, error) {
			if boom {
				panic("boom")
			}
			return e.creds[id], true, nil
		})
	})
	e.put("k", "x")
	boom = true
	e.get("k").want(t, 500, "InternalError")
	boom = false
	e.get("k").want(t, 200, "")
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inFlight < 0 || m.inFlight > 1 || m.codes["GetObject InternalError"] != 1 {
		t.Errorf("%d in flight, %v", m.inFlight, m.codes)
	}
}

// TestErrorsEscape: what a client sent comes back as text, never as markup.
func TestErrorsEscape(t *testing.T) {
	e := newEnv(t)
	r := e.get("<b>&\"'").want(t, 404, "NoSuchKey")
	if strings.Contains(string(r.body), "<b>") || r.err.Resource != "/"+diskA.String()+"/<b>&\"'" {
		t.Errorf("%s", r.body)
	}
	q := e.req("GET", path("k")+"?"+"%3Cx%3E=1")
	e.do(q).want(t, 501, "NotImplemented")
}

// TestDiskGone asks for a disk whose credential is still known.
func TestDiskGone(t *testing.T) {
	e := newEnv(t)
	if err := e.disks.Delete(context.Background(), diskA); err != nil {
		t.Fatal(err)
	}
	e.get("k").want(t, 404, "NoSuchBucket")
	e.do(e.req("PUT", path("k"), 'x')).want(t, 404, "NoSuchBucket")
}

// TestClientGone leaves in the middle of a large answer: the handler ends, and
// says so.
func TestClientGone(t *testing.T) {
	m := &waitMetrics{ch: make(chan string, 10)}
	e := newEnv(t, func(o *Options) { o.Metrics = m })
	e.put("k", string(randomBody(16<<20)))
	<-m.ch
	r, err := e.http.Do(e.req("GET", path("k")).payload(sigv4.UnsignedPayload).sign().Request)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if got := <-m.ch; got != "GetObject Aborted" {
		t.Errorf("%q", got)
	}
}

type waitMetrics struct{ ch chan string }

func (*waitMetrics) InFlight(int) {}
func (w *waitMetrics) Request(op Op, code string, _ time.Duration, _, _ int64) {
	w.ch <- op.String() + " " + code
}

var _ http.Handler = (*Handler)(nil)
