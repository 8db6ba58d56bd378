package s3api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"atoll/internal/errs"
	"atoll/internal/sigv4"
)

// apiError is an error as S3 clients see it.
type apiError struct {
	Status  int
	Code    string
	Message string
	Fields  []field // further elements of the document
	Cause   error   // for the log only
	Retry   int64   // Retry-After, in seconds, of a 503; 0: 1
}

// field is an element of an error document.
type field struct{ name, value string }

func (e *apiError) Error() string { return e.Code + ": " + e.Message }
func (e *apiError) Unwrap() error { return e.Cause }

var (
	errInternal = &apiError{Status: 500, Code: "InternalError",
		Message: "We encountered an internal error. Please try again."}
	errInvalidURI = &apiError{Status: 400, Code: "InvalidURI",
		Message: "Couldn't parse the specified URI. Percent-encode keys and parameters once, as UTF-8."}
	errVirtualHost = &apiError{Status: 400, Code: "InvalidRequest",
		Message: "Virtual-host-style addressing is not offered. Use path style, https://HOST/BUCKET/KEY " +
			"(boto3: s3={'addressing_style': 'path'}; aws-sdk: forcePathStyle)."}
	errMethod = &apiError{Status: 405, Code: "MethodNotAllowed",
		Message: "The specified method is not allowed against this resource."}
	errPostForm = &apiError{Status: 501, Code: "NotImplemented",
		Message: "Uploads by POST forms are not implemented; use PUT, presigned if need be."}
	errStreamingSigned = &apiError{Status: 501, Code: "NotImplemented",
		Message: "Signed streaming bodies (STREAMING-AWS4-...) are not implemented. Send x-amz-content-sha256 with the body's SHA-256, " +
			"UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER."}
	errSlowDown = &apiError{Status: 503, Code: "SlowDown",
		Message: "Too many requests are in work, or their bodies need too much memory. Reduce your request rate and try again."}
	errNoKey = &apiError{Status: 404, Code: "NoSuchKey",
		Message: "The specified key does not exist."}
	errKeyTooLong = &apiError{Status: 400, Code: "KeyTooLongError",
		Message: "Your key is too long. Keys have at most 1024 bytes, and each segment between slashes at most 255."}
	errReserved = &apiError{Status: 403, Code: "AccessDenied",
		Message: "Access Denied. Keys at or under .archil/ belong to the system."}
	errIncomplete = &apiError{Status: 400, Code: "IncompleteBody",
		Message: "You did not provide the number of bytes specified by the Content-Length HTTP header."}
	errTimeout = &apiError{Status: 400, Code: "RequestTimeout",
		Message: "Your socket connection to the server was not read from or written to within the timeout period."}
	errNoLength = &apiError{Status: 411, Code: "MissingContentLength",
		Message: "You must provide the Content-Length HTTP header (for aws-chunked bodies x-amz-decoded-content-length)."}
	errXML = &apiError{Status: 400, Code: "MalformedXML",
		Message: "The XML you provided was not well-formed or did not validate against our published schema."}
)

func badArgument(message string) error {
	return &apiError{Status: 400, Code: "InvalidArgument", Message: message}
}

func badRequest(message string) error {
	return &apiError{Status: 400, Code: "InvalidRequest", Message: message}
}

func notImplemented(message string) error {
	return &apiError{Status: 501, Code: "NotImplemented", Message: message}
}

func preconditionFailed(condition string) error {
	return &apiError{Status: 412, Code: "PreconditionFailed",
		Message: "At least one of the pre-conditions you specified did not hold",
		Fields:  []field{{"Condition", condition}}}
}

// bodyError marks an error as one of reading the request's body.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// toAPI translates any error for the client. reading tells that the operation
// is a GET or HEAD of an object, where whatever can't be read is not there.
func toAPI(err error, reading bool) *apiError {
	var api *apiError
	if errors.As(err, &api) {
		return api
	}
	var sig *sigv4.Error
	if errors.As(err, &sig) {
		return &apiError{Status: sig.Status(), Code: string(sig.Code), Message: sig.Message, Cause: err}
	}
	var body *bodyError
	if errors.As(err, &body) {
		return bodyToAPI(body)
	}
	kind := errs.KindOf(err)
	if kind == errs.Other && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		kind = errs.Canceled
	}
	if reading {
		switch kind {
		case errs.NotFound, errs.NotDir, errs.IsDir, errs.Loop, errs.LeavesDisk, errs.Reserved, errs.Invalid, errs.NameTooLong:
			e := *errNoKey
			e.Cause = err
			return &e
		}
	}
	m := errs.Map(kind)
	e := &apiError{Status: m.Status, Code: m.S3Code, Message: message(kind, err), Cause: err}
	if !reading && (kind == errs.Loop || kind == errs.LeavesDisk || kind == errs.NotFound) {
		e.Status, e.Code = http.StatusConflict, "OperationAborted"
	}
	return e
}

// bodyToAPI translates a failed read of the body.
func bodyToAPI(err *bodyError) *apiError {
	e := *errIncomplete
	var sig *sigv4.Error
	switch {
	case errors.As(err, &sig):
		e = apiError{Status: sig.Status(), Code: string(sig.Code), Message: sig.Message}
	case errors.Is(err, os.ErrDeadlineExceeded):
		e = *errTimeout
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
	}
	e.Cause = err
	return &e
}

// message says what a kind of error means to who uses S3, and what to do.
func message(kind errs.Kind, err error) string {
	switch kind {
	case errs.Other, errs.Corrupt:
		return errInternal.Message
	case errs.NotFound:
		return "The key's path vanished while the request was in work, or leads through a dangling symbolic link."
	case errs.Exists:
		return "The key can't be written: " + errs.Text(err) + "."
	case errs.NotDir:
		return "A parent of this key is a file, and a file can't have keys below it. Choose another key, or delete that file."
	case errs.IsDir:
		return "This key is a directory, and a directory can't be an object of the same name. Choose another key, or end it in '/'."
	case errs.NotEmpty:
		return "The directory is not empty."
	case errs.NameTooLong:
		return errKeyTooLong.Message
	case errs.Invalid:
		return "The key can't be a file's path: " + errs.Text(err) + "."
	case errs.Stale:
		return "A conflicting operation is in progress: the branch was rolled back or promoted meanwhile. Nothing was changed; try again."
	case errs.Delegated:
		return "A conflicting operation is in progress: a mounted client holds the right to write here. Try again when it has let go."
	case errs.Reserved:
		return errReserved.Message
	case errs.Quota:
		return "The disk's quota is used up. Delete something, or raise the quota."
	case errs.NoSpace:
		return "The server has no space left. Delete something, or give it more space."
	case errs.ReadOnly:
		return "Access Denied. What this bucket names can't be written."
	case errs.Loop:
		return "The key leads through too many symbolic links."
	case errs.LeavesDisk:
		return "The key is or leads through a symbolic link that leaves the disk."
	case errs.NoView, errs.NoDisk:
		return errNoBucket.Message
	case errs.Overloaded:
		return errSlowDown.Message
	case errs.TooLarge:
		return errTooLarge.Message
	case errs.Canceled:
		return errTimeout.Message
	case errs.Permission:
		return "Access Denied"
	}
	return kind.String() + "."
}

// fail answers with an error.
func (q *request) fail(err error) {
	if q.wrote {
		q.cutOff(err)
		return
	}
	e := toAPI(err, q.op == OpGetObject || q.op == OpHeadObject)
	q.code, q.cause = e.Code, e.Cause
	clearObjectHeaders(q.header)
	if e.Status == http.StatusServiceUnavailable {
		q.set("Retry-After", itoa(max(e.Retry, 1)))
	}
	if q.noLength() && e.Code == errNoLength.Code {
		// What follows may be the body, and is no request.
		q.set("Connection", "close")
	}
	if q.r.Method == http.MethodHead {
		q.header["Content-Type"] = q.h.xmlType
		q.writeHeader(e.Status)
		return
	}
	b := append(q.buf[:0], xmlHeader+"<Error><Code>"...)
	b = append(b, e.Code...)
	b = append(b, "</Code><Message>"...)
	b = appendXML(b, e.Message)
	b = append(b, "</Message>"...)
	for _, f := range e.Fields {
		b = appendElement(b, f.name, f.value)
	}
	b = append(b, "<Resource>"...)
	b = appendXML(b, q.r.URL.Path)
	b = append(b, "</Resource><RequestId>"...)
	b = append(b, q.id...)
	b = append(b, "</RequestId></Error>"...)
	q.buf = b
	_ = q.writeXML(e.Status, b)
	q.drain()
}

// clearObjectHeaders takes back what was said of an object that is not sent
// after all.
func clearObjectHeaders(h http.Header) {
	for name := range h {
		switch name {
		case "Server", "Accept-Ranges", "X-Amz-Request-Id", "Content-Range", "Vary":
		default:
			if !strings.HasPrefix(name, corsPrefix) {
				delete(h, name)
			}
		}
	}
}
