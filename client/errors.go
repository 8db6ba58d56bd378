package client

import (
	"errors"
	"net/http"
)

// Error is an answer that refused a request.
type Error struct {
	Status  int    // of HTTP
	Code    string // stable: "no_such_disk" of the control API, "NoSuchKey" of the S3 API; may be empty
	Message string

	retryAfter string
}

func (e *Error) Error() string { return e.Message }

// ErrChanged tells that a file was replaced while it was read or copied.
var ErrChanged = errors.New("the file was changed meanwhile")

// ErrChecksum tells that what arrived is not what was sent.
var ErrChecksum = errors.New("the checksum is wrong: the contents were damaged on their way")

// StatusOf returns the HTTP status that err carries, or 0.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// CodeOf returns the stable code that err carries, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// IsNotFound tells whether err says that what was asked for is not there.
func IsNotFound(err error) bool { return StatusOf(err) == http.StatusNotFound }

// brokenError is a connection that broke while an answer was read.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return "the connection broke: " + e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }
