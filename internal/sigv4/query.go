package sigv4

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxExpires is how long a presigned request may live: a week.
const maxExpires = 7 * 24 * time.Hour

// queryAuth are the signature's parameters in a query, decoded.
type queryAuth struct {
	algorithm, credential, date, expires, signedHeaders, signature string
	contentHash, token                                             string
	hasHash, hasToken                                              bool
}

// findQueryAuth looks for a signature in a raw query. It returns nil if there
// is none.
func findQueryAuth(raw string) (*queryAuth, error) {
	// Nearly all requests end here. A name may be written with escapes
	// (X%2DAmz...), so queries with escapes are looked at.
	if !strings.Contains(raw, "X-Amz-") && !strings.ContainsRune(raw, '%') && !strings.Contains(raw, "AWSAccessKeyId") {
		return nil, nil
	}
	var q queryAuth
	found, old := false, false
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, errURI
		}
		old = old || name == "AWSAccessKeyId"
		to := q.field(name)
		if to == nil {
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, errURI
		}
		found = found || name == "X-Amz-Algorithm" || name == "X-Amz-Credential" || name == "X-Amz-Signature"
		if *to != "" {
			return nil, &Error{CodeQueryMalformed, name + " must be given once."}
		}
		*to = value
	}
	if old && !found {
		return nil, errOldAuth
	}
	if !found {
		return nil, nil
	}
	return &q, nil
}

// field returns where the parameter name goes, nil if it is no part of a
// signature.
func (q *queryAuth) field(name string) *string {
	switch name {
	case "X-Amz-Algorithm":
		return &q.algorithm
	case "X-Amz-Credential":
		return &q.credential
	case "X-Amz-Date":
		return &q.date
	case "X-Amz-Expires":
		return &q.expires
	case "X-Amz-SignedHeaders":
		return &q.signedHeaders
	case "X-Amz-Signature":
		return &q.signature
	case "X-Amz-Content-Sha256":
		q.hasHash = true
		return &q.contentHash
	case "X-Amz-Security-Token":
		q.hasToken = true
		return &q.token
	}
	return nil
}

// parseQuery turns the parameters of a presigned request into an Auth.
func parseQuery(r *http.Request, q *queryAuth) (*Auth, error) {
	a := &Auth{Presigned: true, Signature: q.signature}
	if q.hasToken {
		return nil, errToken
	}
	if q.algorithm == "" || q.credential == "" || q.date == "" || q.expires == "" || q.signedHeaders == "" || q.signature == "" {
		return nil, a.malformed("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	}
	if q.algorithm != algorithm {
		return nil, a.malformed(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`)
	}
	if err := a.setCredential(q.credential); err != nil {
		return nil, err
	}
	if err := a.setSignedHeaders(q.signedHeaders); err != nil {
		return nil, err
	}
	if err := a.setTime(q.date); err != nil {
		return nil, err
	}
	if err := a.setExpires(q.expires); err != nil {
		return nil, err
	}
	a.PayloadHash = UnsignedPayload
	if q.hasHash {
		a.PayloadHash = q.contentHash
	}
	if a.Signed("x-amz-content-sha256") {
		hash, n := single(r.Header, "X-Amz-Content-Sha256")
		if n != 1 || q.hasHash && q.contentHash != hash {
			return nil, errHash
		}
		a.PayloadHash = hash
	}
	return a, nil
}

// setExpires parses X-Amz-Expires, in seconds.
func (a *Auth) setExpires(s string) *Error {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return a.malformed("X-Amz-Expires should be a number")
	case n < 1:
		return a.malformed("X-Amz-Expires must be at least 1 second")
	case n > int64(maxExpires/time.Second):
		return a.malformed("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be at most 604800 seconds")
	}
	a.Expires = time.Duration(n) * time.Second
	return nil
}
