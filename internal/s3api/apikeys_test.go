package s3api

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/clientaddr"
	"atoll/internal/disk"
)

// The API keys of every test environment that has withKeys.
const (
	keyAll      = "key-all-disks-0000000"
	keyOnlyA    = "key-of-disk-a-0000000"
	keyReadOnly = "key-for-reading-00000"
)

// testGrant is a Grant of some disks; nil: all.
type testGrant struct {
	disks    []disk.ID
	readOnly bool
}

func (g testGrant) May(id disk.ID, write bool) bool {
	return (g.disks == nil || slices.Contains(g.disks, id)) && !(write && g.readOnly)
}

func withKeys(o *Options) {
	keys := map[string]testGrant{keyAll: {}, keyOnlyA: {disks: []disk.ID{diskA}}, keyReadOnly: {readOnly: true}}
	o.APIKeys = APIKeysFunc(func(_ context.Context, header string) (APIKey, bool, error) {
		g, ok := keys[header]
		return APIKey{ID: "id-of-" + header[4:min(len(header), 7)], Grant: g}, ok, nil
	})
}

func extended(o *Options) { o.Extended = true }

// asKey sends the request with an API key.
func (q *req) asKey(key string) *req { return q.with("Authorization", key) }

// TestAPIKeys opens the door with API keys: to the disks that they may use,
// for what they may do.
func TestAPIKeys(t *testing.T) {
	e := newEnv(t, withKeys)
	a, b := "/"+diskA.String(), "/"+diskB.String()
	for _, tc := range []struct {
		key, method, target string
		status              int
		code                string
	}{
		{keyAll, "PUT", a + "/k", 200, ""},
		{keyAll, "PUT", b + "/k", 200, ""},
		{keyAll, "GET", b + "/k", 200, ""},
		{keyAll, "GET", "/dsk-00000000deadbeef/k", 404, "NoSuchBucket"},
		{keyAll, "GET", "/photos/k", 403, "AccessDenied"},
		{keyAll, "GET", a + ".nope/k", 404, "NoSuchBucket"},
		{keyOnlyA, "PUT", a + "/k", 200, ""},
		{keyOnlyA, "GET", a + "?list-type=2", 200, ""},
		{keyOnlyA, "GET", b + "/k", 403, "AccessDenied"},
		{keyOnlyA, "GET", b + ".nope/k", 403, "AccessDenied"},
		{keyOnlyA, "GET", "/dsk-00000000deadbeef/k", 403, "AccessDenied"}, // as one that is there
		{keyOnlyA, "PATCH", b + "/k", 403, "AccessDenied"},
		{keyReadOnly, "GET", a + "/k", 200, ""},
		{keyReadOnly, "HEAD", b, 200, ""},
		{keyReadOnly, "GET", a + "?location", 200, ""},
		{keyReadOnly, "PUT", a + "/k", 403, "AccessDenied"},
		{keyReadOnly, "PUT", a + "/k?append=true", 403, "AccessDenied"},
		{keyReadOnly, "DELETE", a + "/k", 403, "AccessDenied"},
		{keyReadOnly, "DELETE", a + "/k?uploadId=1", 403, "AccessDenied"},
		{keyReadOnly, "POST", a + "/k?uploads", 403, "AccessDenied"},
		{keyReadOnly, "POST", a + "/k?uploadId=1", 403, "AccessDenied"},
		{keyReadOnly, "PUT", a + "/k?uploadId=1&partNumber=1", 403, "AccessDenied"},
		{keyReadOnly, "POST", a + "?delete", 403, "AccessDenied"},
		{"key-nobody", "GET", a + "/k", 403, "InvalidAccessKeyId"},
		{"key-", "GET", a + "/k", 403, "InvalidAccessKeyId"},
		{"Key-all-disks-0000000", "GET", a + "/k", 400, "InvalidArgument"}, // no API key at all
		{keyAll, "GET", a + "/k?X-Amz-Signature=x", 501, "NotImplemented"},
	} {
		t.Run(tc.key+" "+tc.method+" "+tc.target, func(t *testing.T) {
			e.send(e.req(tc.method, tc.target, '1').asKey(tc.key)).want(t, tc.status, tc.code)
		})
	}
	// Two headers are none.
	e.send(e.req("GET", path("k")).asKey(keyAll).asKey(keyOnlyA)).want(t, 400, "AuthorizationHeaderMalformed")
	// The body is what its headers say, signed or not.
	e.send(e.req("PUT", path("k"), 'x').asKey(keyAll).with("X-Amz-Content-Sha256", quotedMD5("")[1:33]+quotedMD5("")[1:33])).want(t, 400, "XAmzContentSHA256Mismatch")
	e.send(e.req("PUT", path("k"), 'x').asKey(keyAll).with("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")).want(t, 501, "NotImplemented")
	body := chunked([]byte("hello"), 2, "")
	e.send(e.req("PUT", path("k"), body...).asKey(keyAll).with("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"X-Amz-Decoded-Content-Length", "5", "Content-Encoding", "aws-chunked")).want(t, 200, "")
	e.wantBody("k", "hello")
	// A presigned URL next to signatures, and signatures next to keys.
	e.do(e.req("GET", path("k"))).want(t, 200, "")
}

// TestAPIKeysNotTaken: a door without API keys treats one as any other
// nonsense.
func TestAPIKeysNotTaken(t *testing.T) {
	e := newEnv(t)
	e.send(e.req("GET", path("k")).asKey(keyAll)).want(t, 400, "InvalidArgument")
}

// TestAllowedIPs limits disk A to addresses that are not this client's.
func TestAllowedIPs(t *testing.T) {
	var asked netip.Addr
	resolver := clientaddr.NewResolver(clientaddr.Allowed{netip.MustParsePrefix("127.0.0.0/8")})
	e := newEnv(t, withKeys, extended, func(o *Options) {
		o.Addr = resolver
		o.Admits = func(_ context.Context, id disk.ID, addr netip.Addr) (bool, error) {
			asked = addr
			return id == diskB || addr == netip.MustParseAddr("192.0.2.7"), nil
		}
	})
	const from = "X-Forwarded-For"
	e.do(e.req("PUT", path("k"), 'x').with(from, "192.0.2.7")).want(t, 200, "")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		e.do(e.req(method, path("k")).with(from, "192.0.2.8")).want(t, 403, "AccessDenied")
		e.do(e.req(method, path("k"))).want(t, 403, "AccessDenied")
		e.send(e.req(method, path("k")).asKey(keyAll).with(from, "192.0.2.8")).want(t, 403, "AccessDenied")
	}
	e.send(e.presign(e.req("GET", path("k")).with(from, "192.0.2.8"), time.Minute)).want(t, 403, "AccessDenied")
	if asked != netip.MustParseAddr("192.0.2.8") {
		t.Errorf("asked for %v", asked)
	}
	e.send(e.req("GET", "/"+diskB.String()+"?list-type=2").asKey(keyAll)).want(t, 200, "")
	// Who may not use the disk hears nothing of its limits.
	r := e.do(e.req("GET", path("k")).as(keyB, "secret-of-b")).want(t, 403, "AccessDenied")
	if r.err.Message != errAccessDenied.Message {
		t.Errorf("a stranger reads %q", r.err.Message)
	}
	// A copy can't reach what a GET can't.
	q := e.req("PUT", "/"+diskB.String()+"/copy").asKey(keyAll).with("X-Amz-Copy-Source", path("k"))
	e.send(q).want(t, 403, "AccessDenied")
	e.do(e.req("GET", path("k")).with(from, "192.0.2.7")).want(t, 200, "")
}

// TestFailedAuthentication lets one address fail until it has to wait; nobody
// else does.
func TestFailedAuthentication(t *testing.T) {
	now := time.Now()
	e := newEnv(t, withKeys, func(o *Options) {
		o.Addr = clientaddr.NewResolver(clientaddr.Allowed{netip.MustParsePrefix("127.0.0.0/8")})
		o.Limiter = clientaddr.NewLimiter(clientaddr.LimiterOptions{Burst: 3, Refill: time.Minute, Now: func() time.Time { return now }})
	})
	e.put("k", "v")
	get := func(addr string) *req { return e.req("GET", path("k")).with("X-Forwarded-For", addr) }
	const bad, good = "192.0.2.1", "192.0.2.2"
	// What is nobody's guess does not count.
	for range 5 {
		e.send(get(bad)).want(t, 403, "AccessDenied") // anonymous
		q := get(bad)
		q.time = q.time.Add(-time.Hour)
		e.do(q).want(t, 403, "RequestTimeTooSkewed")
		e.do(get(bad).as(keyB, "secret-of-b")).want(t, 403, "AccessDenied")
	}
	e.do(get(bad).as("AKNOBODY", "x")).want(t, 403, "InvalidAccessKeyId")
	e.do(get(bad).as(keyA, "wrong")).want(t, 403, "SignatureDoesNotMatch")
	e.send(get(bad).asKey("key-nobody")).want(t, 403, "InvalidAccessKeyId")
	// From now on not even the right secret is told from a wrong one.
	for _, q := range []*req{get(bad).sign(), get(bad).as(keyA, "wrong").sign(), get(bad).asKey(keyAll), get(bad)} {
		if r := e.send(q).want(t, 503, "SlowDown"); r.Header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
		}
	}
	e.do(get(good)).want(t, 200, "")
	now = now.Add(time.Minute)
	e.do(get(bad)).want(t, 200, "")
}

// TestAPIKeyLog: logs name the key by its id, never by itself.
func TestAPIKeyLog(t *testing.T) {
	out := &lines{ch: make(chan map[string]any, 1)}
	e := newEnv(t, withKeys, func(o *Options) { o.Logger = slog.New(slog.NewJSONHandler(out, nil)) })
	e.send(e.req("GET", path("k")).asKey(keyAll)).want(t, 404, "NoSuchKey")
	m := <-out.ch
	if s := fmt.Sprint(m); m["access_key"] != "id-of-all" || strings.Contains(s, keyAll) {
		t.Errorf("log: %s", s)
	}
}
