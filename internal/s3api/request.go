package s3api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"atoll/internal/disk"
	"atoll/internal/sigv4"
)

// request is the state of one request. It is pooled: nothing that outlives
// the handler may point into it.
type request struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context
	header http.Header // of the response
	vals   []string    // the response's header values; not pooled

	id        string
	start     time.Time
	op        Op
	bucket    string
	key       string
	query     []param
	denied    error  // what to answer once bucket and credential are known to be right
	extended  bool   // the extended operations are offered
	accessKey string // as logs name the credential
	cred      Credential
	grant     Grant // of an API key; nil: cred counts
	auth      *sigv4.Auth
	addr      netip.Addr // of the client, if anyone asked yet
	payload   sigv4.Payload
	disk      disk.ID
	view      *disk.View

	admitted bool
	memory   int64 // bytes taken from the memory budget

	status  int
	code    string // of the error, or empty
	cause   error  // what the log is told
	wrote   bool   // the header is on its way
	reading bool   // of the body something was read, and a 100 Continue sent
	abort   bool   // the connection has to be cut
	in, out int64  // bytes of bodies

	read readPlan
	buf  []byte // scratch
}

// set sets a response header; name is in canonical form, but for user metadata.
func (q *request) set(name, value string) {
	if len(q.vals) == cap(q.vals) {
		q.vals = make([]string, 0, 16)
	}
	q.vals = append(q.vals, value)
	n := len(q.vals)
	q.header[name] = q.vals[n-1 : n : n]
}

// get returns the first value of a request header; name is in canonical form.
func (q *request) get(name string) string {
	if v := q.r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// list returns all values of a request header as one comma-separated list.
func (q *request) list(name string) string {
	v := q.r.Header[name]
	switch len(v) {
	case 0:
		return ""
	case 1:
		return v[0]
	}
	s := v[0]
	for _, more := range v[1:] {
		s += "," + more
	}
	return s
}

// writeHeader sends the status.
func (q *request) writeHeader(status int) {
	q.extendWrite()
	q.status, q.wrote = status, true
	q.w.WriteHeader(status)
}

// writeXML answers with a document.
func (q *request) writeXML(status int, doc []byte) error {
	q.header["Content-Type"] = q.h.xmlType
	q.set("Content-Length", itoa(int64(len(doc))))
	q.writeHeader(status)
	return q.write(doc)
}

// write sends a body. An error means that the client is gone: it is logged,
// and there is nobody left to tell.
func (q *request) write(p []byte) error {
	n, err := q.w.Write(p)
	q.out += int64(n)
	if err != nil {
		q.cutOff(err)
	}
	return nil
}

// cutOff notes that the answer broke off after its header.
func (q *request) cutOff(err error) {
	q.cause, q.code, q.abort = err, "Aborted", true
}

// deadliner is what net/http's response writers can do beyond writing.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// extendWrite gives the client another StallTimeout to take the answer. A
// deadline outlives its request on the connection, so each request sets its
// own: when the answer begins and, for the sake of a 100 Continue, when a body
// is awaited.
func (q *request) extendWrite() {
	if d, ok := q.w.(deadliner); ok && q.h.o.StallTimeout > 0 {
		// The wall clock, whatever clock was injected: the kernel's timers.
		_ = d.SetWriteDeadline(time.Now().Add(q.h.o.StallTimeout))
	}
}

// extendRead gives the client another StallTimeout to send its body.
func (q *request) extendRead() {
	if d, ok := q.w.(deadliner); ok && q.h.o.StallTimeout > 0 {
		_ = d.SetReadDeadline(time.Now().Add(q.h.o.StallTimeout))
	}
}

const (
	drainBytes = 4 << 20
	drainTime  = 3 * time.Second
)

// drain reads on for a while after a refusal: a client that sends its
// whole body before it looks for an answer must find it, not a reset
// connection. net/http does so itself for bodies up to 256 KiB, and HTTP/2
// has a way to say it (RFC 9113, 8.1). A body that still waits for its 100
// Continue won't come.
func (q *request) drain() {
	small := q.r.ContentLength >= 0 && q.r.ContentLength <= 256<<10
	if small || q.r.ProtoMajor != 1 || q.get("Expect") != "" && !q.reading {
		return
	}
	f, ok := q.w.(http.Flusher)
	if !ok {
		return
	}
	f.Flush()
	if d, ok := q.w.(deadliner); ok {
		_ = d.SetReadDeadline(time.Now().Add(drainTime))
	}
	_, _ = io.CopyN(io.Discard, q.r.Body, drainBytes)
}

// log writes the request's line.
func (q *request) log(took time.Duration) {
	l := q.h.o.Logger
	if l == nil || !l.Enabled(q.ctx, q.h.o.LogLevel) {
		return
	}
	attrs := [...]slog.Attr{
		slog.String("request", q.id),
		slog.String("operation", q.op.String()),
		slog.String("access_key", q.accessKey),
		slog.String("bucket", q.bucket),
		slog.String("key", q.key),
		slog.Int("status", q.status),
		slog.Int64("in", q.in),
		slog.Int64("out", q.out),
		slog.Duration("took", took),
		slog.String("remote", q.r.RemoteAddr),
		slog.String("agent", q.r.UserAgent()),
		slog.String("code", q.code),
		slog.Any("error", q.cause),
	}
	n := len(attrs)
	switch {
	case q.code == "":
		n -= 2
	case q.cause == nil:
		n--
	}
	level := q.h.o.LogLevel
	if q.status >= 500 && q.status != http.StatusServiceUnavailable && q.status != http.StatusInsufficientStorage &&
		q.status != http.StatusNotImplemented {
		level = max(level, slog.LevelError)
	}
	l.LogAttrs(q.ctx, level, "s3", attrs[:n]...)
}

// continueEmpty sends the 100 Continue that a request without a body waits
// for. net/http leaves it out, as it may (RFC 9110, 10.1.1), but botocore
// before 1.31 takes the next answer on a connection for a part of this one if
// no 100 came first, and hangs. There is no body to be spared.
func continueEmpty(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.ProtoAtLeast(1, 1) && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		w.WriteHeader(http.StatusContinue)
	}
}
