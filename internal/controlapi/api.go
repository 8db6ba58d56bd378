package controlapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
)

// Catalog is what the door needs of package catalog.
type Catalog interface {
	VerifyAPIKey(ctx context.Context, key string) (catalog.APIKey, bool, error)
	CreateDisk(ctx context.Context, spec catalog.DiskSpec) (catalog.Disk, bool, error)
	DeleteDisk(ctx context.Context, id disk.ID) error
	Disk(ctx context.Context, id disk.ID) (catalog.Disk, error)
	DiskByName(ctx context.Context, name string) (catalog.Disk, error)
	Disks(ctx context.Context, afterName string, limit int) ([]catalog.Disk, bool, error)
	Usage(ctx context.Context, id disk.ID) (disk.Usage, error)
	AddUser(ctx context.Context, id disk.ID, nickname string) (catalog.User, string, error)
	Users(ctx context.Context, id disk.ID) ([]catalog.User, error)
	RemoveUser(ctx context.Context, id disk.ID, access string) error
}

// Defaults of Options.
const (
	DefaultMaxBody     = 1 << 20
	DefaultBodyTimeout = 30 * time.Second
)

// Options of New. Catalog is needed.
type Options struct {
	Catalog Catalog
	Info    ServerInfo // what GET /api/server answers

	// Backup copies the running store into a directory of the server's
	// machine; nil: not offered.
	Backup func(ctx context.Context, dir string) error
	// Ready tells why requests can't be served now; nil: always ready.
	Ready func() error

	Registry    *prometheus.Registry // shown at /metrics; nil: an empty one
	Log         *slog.Logger         // nil: nothing is logged
	Now         func() time.Time     // nil: time.Now
	MaxBody     int64                // bytes of a request's body; 0: DefaultMaxBody
	BodyTimeout time.Duration        // to receive it; 0: DefaultBodyTimeout
}

func (o *Options) ensureDefaults() {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.BodyTimeout <= 0 {
		o.BodyTimeout = DefaultBodyTimeout
	}
}

// handler answers one route: with a status and data, or with an error.
type handler func(r *http.Request) (answer, error)

// methods are the handlers of one path.
type methods map[string]handler

type api struct {
	o        Options
	mux      *http.ServeMux
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// New makes the handler of the control address. It registers its metrics with
// o.Registry.
func New(o Options) http.Handler {
	o.ensureDefaults()
	a := &api{
		o:   o,
		mux: http.NewServeMux(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "atoll_control_requests_total",
			Help: "Requests of the control API, by route, method and HTTP status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "atoll_control_request_seconds",
			Help:    "Time that requests of the control API took, in seconds, by route.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}, []string{"route"}),
	}
	o.Registry.MustRegister(a.requests, a.seconds)
	for route, m := range a.routes() {
		a.mux.Handle(route, a.serveRoute(route, m))
	}
	a.mux.Handle("/", a.serveRoute("other", nil))
	for route, h := range a.plainRoutes() {
		a.mux.Handle(route, h)
	}
	return http.HandlerFunc(a.serve)
}

func (a *api) routes() map[string]methods {
	return map[string]methods{
		"/api/disks":                   {"GET": a.listDisks, "POST": a.createDisk},
		"/api/disks/{id}":              {"GET": a.getDisk, "DELETE": a.deleteDisk},
		"/api/disks/{id}/users":        {"GET": a.listUsers, "POST": a.addUser},
		"/api/disks/{id}/users/{type}": {"DELETE": a.removeUser},
		"/api/server":                  {"GET": a.server},
		"/api/backup":                  {"POST": a.backup},
	}
}

// plainRoutes are those that want no key and speak no JSON.
func (a *api) plainRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"/healthz": a.probe(func() error { return nil }),
		"/readyz":  a.probe(a.o.Ready),
		"/metrics": promhttp.HandlerFor(a.o.Registry, promhttp.HandlerOpts{}),
	}
}

// serve keeps paths that are not clean from the mux, which would redirect
// them: no route has such a path.
func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != path.Clean(r.URL.Path) {
		a.serveRoute("other", nil)(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// serveRoute answers one path's requests; nil methods: there is no such path.
func (a *api) serveRoute(route string, m methods) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := a.o.Now()
		ans, key, err := a.run(w, r, m)
		if err != nil {
			ans = errorAnswer(err)
		}
		if ans.status == http.StatusMethodNotAllowed {
			setAllow(w, m)
		}
		ans.write(w, r.Method == http.MethodHead)
		took := a.o.Now().Sub(start)
		a.requests.WithLabelValues(route, methodLabel(r.Method), statusLabel(ans.status)).Inc()
		a.seconds.WithLabelValues(route).Observe(took.Seconds())
		a.log(r, ans, key, took, err)
	}
}

// run checks the key, finds the method and runs it; a panic becomes an error.
func (a *api) run(w http.ResponseWriter, r *http.Request, m methods) (ans answer, key catalog.APIKey, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	if strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/api" {
		if key, err = a.authenticate(r); err != nil {
			return ans, key, err
		}
	}
	if m == nil {
		return ans, key, &statusError{http.StatusNotFound, "not_found", "there is no such route"}
	}
	h := m[r.Method]
	if h == nil {
		return ans, key, &statusError{http.StatusMethodNotAllowed, "method_not_allowed",
			"this route has no method " + methodLabel(r.Method)}
	}
	if err := a.receive(w, r); err != nil {
		return ans, key, err
	}
	ans, err = h(r)
	return ans, key, err
}

// receive reads the whole body within its bounds of size and time. The
// deadline is taken back then: left standing, it would cancel a handler that
// takes longer, such as a backup.
func (a *api) receive(w http.ResponseWriter, r *http.Request) error {
	rc := http.NewResponseController(w)
	deadline := func(t time.Time) error {
		// A writer without deadlines is a test's; there is nothing to protect.
		if err := rc.SetReadDeadline(t); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return errs.E("receive request", "", errs.Other, err)
		}
		return nil
	}
	if err := deadline(time.Now().Add(a.o.BodyTimeout)); err != nil {
		return err
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.o.MaxBody))
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return errs.E("receive request", "", errs.TooLarge, fmt.Errorf("a request's body has at most %d bytes", tooBig.Limit))
	}
	if err != nil {
		return invalid("the request's body could not be read")
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return deadline(time.Time{})
}

// authenticate demands an API key. Whatever is wrong, the answer is the same.
func (a *api) authenticate(r *http.Request) (catalog.APIKey, error) {
	key, ok, err := a.o.Catalog.VerifyAPIKey(r.Context(), r.Header.Get("Authorization"))
	if err != nil {
		return key, err
	}
	if !ok {
		return key, &statusError{http.StatusUnauthorized, "unauthorized",
			"an API key is needed: send the header Authorization: key-..."}
	}
	return key, nil
}

// setAllow names a route's methods on a 405.
func setAllow(w http.ResponseWriter, m methods) {
	allowed := make([]string, 0, len(m))
	for name := range m {
		allowed = append(allowed, name)
	}
	sort.Strings(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
}

// log writes one line a request: the path without its query, the key by its
// last characters, and for faults of the server's own the whole error.
func (a *api) log(r *http.Request, ans answer, key catalog.APIKey, took time.Duration, err error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("method", methodLabel(r.Method)), slog.String("path", r.URL.Path), slog.Int("status", ans.status),
		slog.Duration("took", took), slog.String("key", key.Suffix), slog.String("remote", r.RemoteAddr),
	}
	if ans.status >= 500 && err != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	a.o.Log.LogAttrs(r.Context(), level, "control request", attrs...)
}

// probe answers /healthz and /readyz in plain text.
func (a *api) probe(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if err := check(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, errs.Text(err)+"\n") // a probe that went away
			return
		}
		_, _ = io.WriteString(w, "ok\n") // a probe that went away
	}
}
