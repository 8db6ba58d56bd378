package controlapi

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"atoll/internal/errs"
	"atoll/internal/share"
)

// isAPI tells whether a path is behind the API's key, there or not.
func isAPI(path string) bool { return strings.HasPrefix(path, "/api/") || path == "/api" }

// statusWriter remembers the status. It passes on ReadFrom, through which
// files are sent without being copied, and all that a ResponseController
// looks for.
type statusWriter struct {
	http.ResponseWriter
	status int // 0: nothing was written yet
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	w.wrote()
	return w.ResponseWriter.Write(b)
}

func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) {
	w.wrote()
	return io.Copy(w.ResponseWriter, r)
}

func (w *statusWriter) wrote() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// observe counts a request and writes its line: the path without its query,
// the key by its last characters, and for faults of the server's own the
// whole error.
func (a *api) observe(c *call, pattern string, status int, took time.Duration, err error) {
	a.requests.WithLabelValues(pattern, methodLabel(c.r.Method), statusLabel(status)).Inc()
	a.seconds.WithLabelValues(pattern).Observe(took.Seconds())
	path := c.r.URL.Path
	if strings.HasPrefix(path, share.Path) { // a token opens something
		path = share.Path + "..."
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("method", methodLabel(c.r.Method)), slog.String("path", path), slog.Int("status", status),
		slog.Duration("took", took), slog.String("key", c.key.Suffix), slog.String("remote", c.from.String()),
	}
	if status >= 500 && status != http.StatusNotImplemented && err != nil {
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	a.o.Log.LogAttrs(c.r.Context(), level, "control request", attrs...)
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
