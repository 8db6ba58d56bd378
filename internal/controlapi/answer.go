package controlapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"

	"atoll/internal/errs"
)

// answer is a status and an envelope.
type answer struct {
	status int
	body   envelope
}

// envelope frames every answer.
type envelope struct {
	Success    bool   `json:"success" doc:"whether it was done"`
	Data       any    `json:"data,omitempty" doc:"the answer; missing where there is nothing to say"`
	NextCursor string `json:"nextCursor,omitempty" doc:"of a listing that goes on: the parameter cursor of the next page"`
	Error      string `json:"error,omitempty" doc:"why not, for people"`
	Code       string `json:"code,omitempty" doc:"why not, for programs"`
}

func ok(status int, data any) answer { return answer{status, envelope{Success: true, Data: data}} }

// statusError is an error of the protocol itself, which the core does not
// know.
type statusError struct {
	status int
	code   string
	text   string
}

func (e *statusError) Error() string { return e.text }

// invalid is an error of the request's own form.
func invalid(format string, args ...any) error {
	return errs.E("read request", "", errs.Invalid, fmt.Errorf(format, args...))
}

func panicError(p any) error {
	return errs.E("serve", "", errs.Other, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
}

// errorAnswer makes the envelope of an error. A fault of the server's own is
// not explained: its text is for the log.
func errorAnswer(err error) answer {
	var se *statusError
	if errors.As(err, &se) {
		return answer{se.status, envelope{Error: se.text, Code: se.code}}
	}
	m := errs.Map(errs.KindOf(err))
	text := errs.Text(err)
	if m.Kind == errs.Other || m.Kind == errs.Corrupt {
		text = m.Kind.String()
	}
	return answer{m.Status, envelope{Error: text, Code: m.Name}}
}

func (a answer) write(w http.ResponseWriter, head bool) {
	b, err := json.Marshal(a.body)
	if err != nil { // no answer of ours holds what JSON has not
		a.status, b = http.StatusInternalServerError, []byte(`{"success":false,"error":"internal error","code":"internal"}`)
	}
	b = append(b, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "key")
	}
	w.WriteHeader(a.status)
	if !head {
		_, _ = w.Write(b) // the client went away: nobody is left to tell
	}
}

// methodLabel bounds what a client can write into logs and metrics.
func methodLabel(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method
	}
	return "other"
}

func statusLabel(status int) string { return strconv.Itoa(status) }
