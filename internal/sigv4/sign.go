package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Signer signs requests with one credential. Its fields are not to be changed
// once it is in use.
type Signer struct {
	AccessKeyID     string
	SecretAccessKey string
	Region          string

	keys  keyCache
	works sync.Pool // of *signWork
}

// signWork holds the buffers of one signing.
type signWork struct {
	canon
	names  []string
	signed []byte
	out    []byte
}

// maxSignerKeys is how many days' keys a Signer keeps: today's and those of
// requests signed around midnight.
const maxSignerKeys = 4

// unsignedHeaders are changed or added by clients, proxies or net/http after
// signing.
var unsignedHeaders = map[string]bool{
	"authorization": true, "user-agent": true, "accept-encoding": true, "connection": true,
	"content-length": true, "expect": true, "te": true, "trailer": true, "transfer-encoding": true,
	"upgrade": true, "x-amzn-trace-id": true,
}

// Sign signs r with an Authorization header. See Signer.Sign, which is cheaper
// for more than one request.
func Sign(r *http.Request, accessKey, secret, region string, t time.Time, payloadHash string) {
	s := Signer{AccessKeyID: accessKey, SecretAccessKey: secret, Region: region}
	s.Sign(r, t, payloadHash)
}

// Presign returns a presigned URL of r. See Signer.Presign.
func Presign(r *http.Request, accessKey, secret, region string, t time.Time, expires time.Duration) string {
	s := Signer{AccessKeyID: accessKey, SecretAccessKey: secret, Region: region}
	return s.Presign(r, t, expires)
}

// Sign sets X-Amz-Date, X-Amz-Content-Sha256 and Authorization. All headers
// that r has are signed, but those that change on the way; r.Header is not nil
// and its keys are canonical. payloadHash is the hex SHA-256 of the body,
// UnsignedPayload or the name of a streaming form.
func (s *Signer) Sign(r *http.Request, t time.Time, payloadHash string) {
	var day [len(stampLayout)]byte
	stamp := string(t.UTC().AppendFormat(day[:0], stampLayout))
	date := stamp[:len(dayLayout)]
	// One array for both headers' values.
	values := []string{stamp, payloadHash}
	r.Header["X-Amz-Date"] = values[:1:1]
	r.Header["X-Amz-Content-Sha256"] = values[1:2:2]

	w := s.work()
	for name := range r.Header {
		if name = lowerName(name); !unsignedHeaders[name] && name != "host" {
			w.names = append(w.names, name)
		}
	}
	w.joinNames()
	q := request{names: w.names, signed: string(w.signed), hash: payloadHash}
	// All signed headers are there and the query is well-formed, or else the
	// server refuses it: nothing to report.
	sts, _ := w.stringToSign(r, q, stamp, date, s.Region, variant{})
	out := append(w.out[:0], algorithm+" Credential="...)
	out = append(out, s.AccessKeyID...)
	out = append(out, '/')
	out = appendScope(out, date, s.Region)
	out = append(out, ", SignedHeaders="...)
	out = append(out, w.signed...)
	out = append(out, ", Signature="...)
	w.out = s.key(date).appendSignature(out, sts)
	r.Header["Authorization"] = []string{string(w.out)}
	s.works.Put(w)
}

// Presign returns the URL of r with a signature that lives for expires. The
// method and host of r and its headers are signed; who uses the URL has to
// send those headers. r is not changed.
func (s *Signer) Presign(r *http.Request, t time.Time, expires time.Duration) string {
	stamp := t.UTC().Format(stampLayout)
	date := stamp[:len(dayLayout)]
	w := s.work()
	defer s.works.Put(w)
	for name := range r.Header {
		if name = lowerName(name); !unsignedHeaders[name] && name != "host" {
			w.names = append(w.names, name)
		}
	}
	w.joinNames()
	hash := UnsignedPayload
	if h := r.Header["X-Amz-Content-Sha256"]; len(h) == 1 {
		hash = h[0]
	}
	var b strings.Builder
	if r.URL.RawQuery != "" {
		b.WriteString(r.URL.RawQuery)
		b.WriteByte('&')
	}
	b.WriteString("X-Amz-Algorithm=" + algorithm + "&X-Amz-Credential=")
	b.WriteString(escapeQuery(s.AccessKeyID + "/" + string(appendScope(nil, date, s.Region))))
	b.WriteString("&X-Amz-Date=" + stamp + "&X-Amz-Expires=" + strconv.FormatInt(int64(expires/time.Second), 10))
	b.WriteString("&X-Amz-SignedHeaders=" + escapeQuery(string(w.signed)))

	u := *r.URL
	u.RawQuery = b.String()
	signed := *r // shallow: only read
	signed.URL = &u
	q := request{names: w.names, signed: string(w.signed), hash: hash}
	sts, _ := w.stringToSign(&signed, q, stamp, date, s.Region, variant{})
	w.out = s.key(date).appendSignature(w.out[:0], sts)

	host := r.Host
	if host == "" {
		host = u.Host
	}
	path := AppendPath(nil, u.Path)
	if len(path) == 0 {
		path = []byte{'/'}
	}
	return u.Scheme + "://" + host + string(path) + "?" + u.RawQuery + "&X-Amz-Signature=" + string(w.out)
}

// key returns the signing key of a day.
func (s *Signer) key(date string) *signingKey {
	id := cacheKey{s.AccessKeyID, date, s.Region}
	k := s.keys.get(id, s.SecretAccessKey, maxSignerKeys)
	if k == nil {
		k = deriveKey(s.SecretAccessKey, date, s.Region)
		s.keys.put(id, k, maxSignerKeys)
	}
	return k
}

// work returns buffers whose names hold "host".
func (s *Signer) work() *signWork {
	w, _ := s.works.Get().(*signWork)
	if w == nil {
		w = new(signWork)
	}
	w.names = append(w.names[:0], "host")
	return w
}

// joinNames sorts the names and sets signed.
func (w *signWork) joinNames() {
	slices.Sort(w.names)
	w.signed = w.signed[:0]
	for i, n := range w.names {
		if i > 0 {
			w.signed = append(w.signed, ';')
		}
		w.signed = append(w.signed, n...)
	}
}

// lowerName is strings.ToLower without an allocation for the usual names.
func lowerName(name string) string {
	switch name {
	case "X-Amz-Date":
		return "x-amz-date"
	case "X-Amz-Content-Sha256":
		return "x-amz-content-sha256"
	case "Content-Type":
		return "content-type"
	case "Range":
		return "range"
	case "Authorization":
		return "authorization"
	case "User-Agent":
		return "user-agent"
	}
	return strings.ToLower(name)
}

func escapeQuery(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if c := s[i]; unreserved[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}
