package s3api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"atoll/internal/sigv4"
)

func TestAuthErrors(t *testing.T) {
	e := newEnv(t)
	e.put("k", "v")
	for _, tc := range []struct {
		name   string
		change func(*req) // before signing
		after  func(*req)
		status int
		code   string
	}{
		{"unknown key", func(q *req) { q.as("AKNOBODY", "x") }, nil, 403, "InvalidAccessKeyId"},
		{"wrong secret", func(q *req) { q.as(keyA, "wrong") }, nil, 403, "SignatureDoesNotMatch"},
		{"other's bucket", func(q *req) { q.as(keyB, "secret-of-b") }, nil, 403, "AccessDenied"},
		{"clock behind", func(q *req) { q.time = q.time.Add(-16 * time.Minute) }, nil, 403, "RequestTimeTooSkewed"},
		{"clock ahead", func(q *req) { q.time = q.time.Add(16 * time.Minute) }, nil, 403, "RequestTimeTooSkewed"},
		{"clock a little off", func(q *req) { q.time = q.time.Add(-14 * time.Minute) }, nil, 200, ""},
		{"any region", func(q *req) { q.region = "mars-north-7" }, nil, 200, ""},
		{"anonymous", nil, func(q *req) { q.Header.Del("Authorization") }, 403, "AccessDenied"},
		{"nonsense", nil, func(q *req) { q.Header.Set("Authorization", "AWS4-HMAC-SHA256 nonsense") }, 400, "AuthorizationHeaderMalformed"},
		{"changed header", func(q *req) { q.with("If-Match", "*") }, func(q *req) { q.Header.Set("If-Match", `"x"`) }, 403, "SignatureDoesNotMatch"},
		{"missing header", func(q *req) { q.with("If-Match", "*") }, func(q *req) { q.Header.Del("If-Match") }, 403, "SignatureDoesNotMatch"},
		{"unsigned x-amz header", nil, func(q *req) { q.with("X-Amz-Meta-A", "b") }, 403, "AccessDenied"},
		{"host not signed", nil, func(q *req) {
			q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), "SignedHeaders=host;", "SignedHeaders=", 1))
		}, 400, "AuthorizationHeaderMalformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := e.req("GET", path("k"))
			if tc.change != nil {
				tc.change(q)
			}
			q.sign()
			if tc.after != nil {
				tc.after(q)
			}
			e.send(q).want(t, tc.status, tc.code)
		})
	}
}

// presign returns a request for a presigned URL.
func (e *env) presign(q *req, expires time.Duration) *req {
	e.t.Helper()
	u := sigv4.Presign(q.Request, q.access, q.secret, q.region, q.time, expires)
	r, err := http.NewRequest(q.Method, u, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	out := *q
	out.Request = r
	r.Header = q.Header
	r.ContentLength = q.ContentLength
	return &out
}

func TestPresigned(t *testing.T) {
	e := newEnv(t)
	e.put("dir/k +&?#~é😀.txt", "v")
	key := path("dir/k +&?#~é😀.txt")
	get := func() *req { return e.req("GET", key) }

	if r := e.send(e.presign(get(), time.Minute)).want(t, 200, ""); string(r.body) != "v" {
		t.Errorf("%q", r.body)
	}
	e.send(e.presign(e.req("PUT", path("up"), []byte("body")...), 7*24*time.Hour)).want(t, 200, "")
	e.wantBody("up", "body")
	r := e.send(e.presign(e.req("GET", key+"?response-content-type=text%2Fx&response-content-disposition=attachment"), time.Minute)).want(t, 200, "")
	if r.Header.Get("Content-Type") != "text/x" || r.Header.Get("Content-Disposition") != "attachment" {
		t.Errorf("overrides: %v", r.Header)
	}

	q := get()
	q.time = q.time.Add(-2 * time.Minute)
	e.send(e.presign(q, time.Minute)).want(t, 403, "AccessDenied")
	e.send(e.presign(get(), 8*24*time.Hour)).want(t, 400, "AuthorizationQueryParametersError")
	e.send(e.presign(get(), 0)).want(t, 400, "AuthorizationQueryParametersError")
	e.send(e.presign(get().as("AKNOBODY", "x"), time.Minute)).want(t, 403, "InvalidAccessKeyId")
	e.send(e.presign(get().as(keyA, "wrong"), time.Minute)).want(t, 403, "SignatureDoesNotMatch")
	q = e.presign(get(), time.Minute)
	q.URL.RawQuery += "&partNumber=1" // not signed
	e.send(q).want(t, 403, "SignatureDoesNotMatch")
	q = e.presign(get(), time.Minute)
	q.Method = "DELETE"
	e.send(q).want(t, 403, "SignatureDoesNotMatch")
}

// TestPresignedHoistedHeaders has x-amz-* headers in the query, where
// presigners move them.
func TestPresignedHoistedHeaders(t *testing.T) {
	e := newEnv(t)
	q := e.req("PUT", path("k")+"?x-amz-meta-color=sea%20green&x-amz-checksum-crc32=y%2FQ5Jg%3D%3D", []byte("123456789")...)
	e.send(e.presign(q, time.Minute)).want(t, 200, "")
	r := e.send(e.presign(e.req("GET", path("k")+"?x-amz-checksum-mode=ENABLED"), time.Minute)).want(t, 200, "")
	if r.Header.Get("X-Amz-Meta-Color") != "sea green" || r.Header.Get("X-Amz-Checksum-Crc32") != "y/Q5Jg==" {
		t.Errorf("%v", r.Header)
	}
	q = e.req("PUT", path("k")+"?x-amz-checksum-crc32=AAAAAA%3D%3D", []byte("123456789")...)
	e.send(e.presign(q, time.Minute)).want(t, 400, "BadDigest")
	q = e.req("PUT", path("copy")+"?x-amz-copy-source=%2Fb%2Fk")
	e.send(e.presign(q, time.Minute)).want(t, 501, "NotImplemented")
	e.wantGone("copy")
	q = e.req("PUT", path("k")+"?x-amz-meta-a=x%0D%0AEvil%3A%201", []byte("x")...)
	e.send(e.presign(q, time.Minute)).want(t, 400, "InvalidArgument")
	// Two spellings of one name could change places under the signature.
	q = e.req("PUT", path("k")+"?x-amz-meta-a=1&X-Amz-Meta-A=2", []byte("x")...)
	e.send(e.presign(q, time.Minute)).want(t, 400, "InvalidArgument")
	// On a request signed by header they stand for nothing.
	e.do(e.req("PUT", path("k")+"?x-amz-meta-color=red", 'x')).want(t, 501, "NotImplemented")
}

// TestUnsignedPosixHeaders adds headers to requests that others have signed.
func TestUnsignedPosixHeaders(t *testing.T) {
	e := newEnv(t)
	for _, name := range []string{"X-Archil-Mode", "X-Archil-Uid", "X-Archil-Gid"} {
		q := e.presign(e.req("PUT", path("k"), 'x'), time.Minute).with(name, "4755")
		e.send(q).want(t, 403, "AccessDenied")
		e.send(e.req("PUT", path("k"), 'x').sign().with(name, "4755")).want(t, 403, "AccessDenied")
	}
	e.wantGone("k")
	// One that the presigner has signed is fine.
	e.send(e.presign(e.req("PUT", path("k"), 'x').with("X-Archil-Mode", "600"), time.Minute)).want(t, 200, "")
}

// oddKeys are keys that signers and servers have disagreed on.
var oddKeys = []string{
	"a b", "a+b", "a%b", "a%20b", "a&b=c", "a?b", "a#b", "a~b", "ä/ö/ü", "日本/語", "emoji😀", "(x)'*!", "a;b,c:d@e$f",
	"[x]{y}|z\\w^`", "trailing ", " leading", "100% (done) +final?.txt", "\"quoted\"", "<tag>&amp;", "new\nline\ttab", "..a/b..",
	"...", "\u0085x", "e\u0301", "é", "\x01\x7f", "\ufffe\uffff",
}

func TestOddKeysSignAndRoundTrip(t *testing.T) {
	e := newEnv(t)
	for _, key := range oddKeys {
		e.put(key, "contents of "+key)
	}
	for _, key := range oddKeys {
		e.wantBody(key, "contents of "+key)
		e.send(e.presign(e.req("HEAD", path(key)), time.Minute)).want(t, 200, "")
	}
	l := e.list("list-type=2&encoding-type=url")
	if len(l.Contents) != len(oddKeys) {
		t.Errorf("%d keys listed of %d", len(l.Contents), len(oddKeys))
	}
	for _, key := range oddKeys {
		e.do(e.req("DELETE", path(key))).want(t, 204, "")
		e.wantGone(key)
	}
}

// TestCredentialRemoval removes a user; the next request of it is a stranger's.
func TestCredentialRemoval(t *testing.T) {
	e := newEnv(t)
	e.put("k", "v")
	delete(e.creds, keyA)
	q := e.req("GET", path("k")).as(keyA, "secret-of-a")
	e.do(q).want(t, 403, "InvalidAccessKeyId")
	e.creds[keyA] = Credential{Secret: "another", Disk: diskA}
	e.h.Forget(keyA)
	e.do(e.req("GET", path("k")).as(keyA, "secret-of-a")).want(t, 403, "SignatureDoesNotMatch")
	e.do(e.req("GET", path("k"))).want(t, 200, "")
}
