package sigv4

import (
	"net/http"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	service    = "s3"
	terminator = "aws4_request"

	stampLayout = "20060102T150405Z"
	dayLayout   = "20060102"

	// maxSignedHeaders bounds the SignedHeaders list; clients sign a dozen.
	maxSignedHeaders = 256
	// maxAccessKeyID bounds an access key id in bytes, as AWS does.
	maxAccessKeyID = 128
)

// Well-known payload hashes.
const (
	// UnsignedPayload says that the body is not part of the signature.
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	// EmptySHA256 is the hex SHA-256 of nothing.
	EmptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	// StreamingPayload is that of a body in signed chunks,
	// StreamingPayloadTrailer of one with a signed trailer behind them.
	StreamingPayload        = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingPayloadTrailer = StreamingPayload + "-TRAILER"
)

// Auth is what a request says of its signature, parsed and not verified.
type Auth struct {
	AccessKeyID   string
	Date          string        // day of the credential scope, yyyymmdd
	Region        string        // any, never empty
	Service       string        // always "s3"
	SignedHeaders []string      // lower case, as sent; "host" is among them
	Signature     string        // as sent, never empty
	Time          time.Time     // when it was signed, UTC, to the second
	Presigned     bool          // in the query, not in the Authorization header
	Expires       time.Duration // of a presigned request, 1 s to a week
	PayloadHash   string        // last line of the canonical request: hex SHA-256, UNSIGNED-PAYLOAD or STREAMING-...

	signed string // SignedHeaders as one string
	stamp  string // Time as the string to sign has it

	names [16]string // where SignedHeaders usually lies, to save an allocation
}

// Signed tells whether the header name (of any case) is among the signed ones.
func (a *Auth) Signed(name string) bool {
	for _, s := range a.SignedHeaders {
		if len(s) == len(name) && strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}

// Parse reads what r says of its signature, from the Authorization header or
// from the query. Errors are *Error; a request without a signature gives
// ErrAnonymous.
func Parse(r *http.Request) (*Auth, error) {
	auth, ok := r.Header["Authorization"]
	if len(r.Header["X-Amz-Security-Token"]) > 0 {
		return nil, errToken
	}
	q, err := findQueryAuth(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	switch {
	case ok && q != nil:
		return nil, errTwoAuths
	case ok:
		return parseHeader(r, auth)
	case q != nil:
		return parseQuery(r, q)
	}
	return nil, ErrAnonymous
}

// malformed makes the error of the place that the signature is in.
func (a *Auth) malformed(text string) *Error {
	if a.Presigned {
		return &Error{CodeQueryMalformed, text}
	}
	return &Error{CodeHeaderMalformed, "The authorization header is malformed; " + text}
}

// setCredential parses ACCESSKEY/yyyymmdd/REGION/s3/aws4_request. It reads
// from the right, so an access key id may hold a slash.
func (a *Auth) setCredential(s string) *Error {
	var part [4]string
	rest := s
	for i := len(part) - 1; i >= 0; i-- {
		j := strings.LastIndexByte(rest, '/')
		if j < 0 {
			return a.malformed(`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
		}
		rest, part[i] = rest[:j], rest[j+1:]
	}
	a.AccessKeyID, a.Date, a.Region, a.Service = rest, part[0], part[1], part[2]
	switch {
	case part[3] != terminator:
		return a.malformed(`incorrect terminal "` + part[3] + `". This endpoint uses "aws4_request".`)
	case a.Service != service:
		return a.malformed(`incorrect service "` + a.Service + `". This endpoint belongs to "s3".`)
	case rest == "" || len(rest) > maxAccessKeyID:
		return a.malformed("the access key id is missing or too long.")
	case a.Region == "":
		return a.malformed("the region is empty.")
	}
	if len(a.Date) != len(dayLayout) {
		return a.malformed(`invalid credential date "` + a.Date + `".`)
	}
	return nil
}

// setSignedHeaders parses a list such as host;x-amz-date.
func (a *Auth) setSignedHeaders(s string) *Error {
	a.signed = s
	a.SignedHeaders = a.names[:0]
	host, start := false, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != ';' {
			if !lowerTokenByte(s[i]) {
				return a.malformed("SignedHeaders is mal-formed.")
			}
			continue
		}
		name := s[start:i]
		if name == "" || len(a.SignedHeaders) == maxSignedHeaders {
			return a.malformed("SignedHeaders is mal-formed.")
		}
		host = host || name == "host"
		a.SignedHeaders = append(a.SignedHeaders, name)
		start = i + 1
	}
	if !host {
		return a.malformed("'host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return nil
}

// setTime parses an X-Amz-Date value and compares it with the scope's day.
func (a *Auth) setTime(stamp string) *Error {
	t, err := time.Parse(stampLayout, stamp)
	if err != nil || len(stamp) != len(stampLayout) {
		if a.Presigned {
			return a.malformed(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
		}
		return errNoDate
	}
	a.Time, a.stamp = t, stamp
	if stamp[:len(dayLayout)] != a.Date {
		return a.malformed(`Invalid credential date "` + a.Date + `". This date is not the same as X-Amz-Date: "` + stamp[:len(dayLayout)] + `".`)
	}
	return nil
}

// lowerToken tells whether s is a header name in lower case.
func lowerToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !lowerTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func lowerTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || c == '-' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0
}

// single returns the one value of a header; n is how many there are.
func single(h http.Header, canonicalKey string) (value string, n int) {
	v := h[canonicalKey]
	if len(v) == 0 {
		return "", 0
	}
	return v[0], len(v)
}
