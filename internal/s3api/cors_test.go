package s3api

import (
	"context"
	"net/http"
	"net/netip"
	"testing"

	"atoll/internal/disk"
)

// withCORS gives disk A two rules.
func withCORS(o *Options) {
	o.CORS = func(_ context.Context, id disk.ID) ([]CORSRule, error) {
		if id != diskA {
			return nil, nil
		}
		return []CORSRule{
			{AllowedOrigins: []string{"https://app.example.com", "https://*.example.org"}, AllowedMethods: []string{"GET", "PUT"},
				AllowedHeaders: []string{"Authorization", "X-Amz-*"}, ExposeHeaders: []string{"ETag", "x-amz-request-id"}, MaxAgeSeconds: 600},
			{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET", "HEAD"}, AllowedHeaders: []string{"*"}},
		}, nil
	}
}

// preflight asks as a browser does, without credentials.
func (e *env) preflight(target, origin, method, headers string) *resp {
	e.t.Helper()
	q := e.req("OPTIONS", target).with("Origin", origin)
	if method != "" {
		q.with("Access-Control-Request-Method", method)
	}
	if headers != "" {
		q.with("Access-Control-Request-Headers", headers)
	}
	return e.send(q)
}

func TestPreflight(t *testing.T) {
	e := newEnv(t, withCORS)
	const app = "https://app.example.com"
	for _, tc := range []struct {
		origin, method, headers string
		allow                   string // "": refused
	}{
		{app, "PUT", "authorization, x-amz-date, X-Amz-Content-Sha256", app},
		{app, "PUT", "", app},
		{"https://a.b.example.org", "GET", "x-amz-date", "https://a.b.example.org"},
		{app, "GET", "x-other", "*"}, // the second rule
		{"https://evil.example", "GET", "x-amz-date", "*"},
		{"null", "HEAD", "", "*"},
		{app, "PUT", "x-other", ""},
		{app, "DELETE", "", ""},
		{"https://example.org", "PUT", "", ""}, // the pattern has a dot
		{"http://app.example.com", "PUT", "", ""},
		{"https://evil.example", "PUT", "", ""},
	} {
		r := e.preflight(path("k"), tc.origin, tc.method, tc.headers)
		if tc.allow == "" {
			r.want(t, 403, "AccessForbidden")
			if r.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%+v: allowed and refused", tc)
			}
			continue
		}
		r.want(t, 200, "")
		h := r.Header
		credentials := ""
		if tc.allow != "*" {
			credentials = "true"
		}
		if h.Get("Access-Control-Allow-Origin") != tc.allow || h.Get("Access-Control-Allow-Credentials") != credentials ||
			h.Get("Vary") != "Origin, Access-Control-Request-Headers, Access-Control-Request-Method" {
			t.Errorf("%+v: %v", tc, h)
		}
	}
	r := e.preflight("/"+diskA.String(), app, "PUT", "Authorization,x-amz-date").want(t, 200, "")
	for name, want := range map[string]string{"Access-Control-Allow-Methods": "GET, PUT", "Access-Control-Allow-Headers": "authorization, x-amz-date",
		"Access-Control-Expose-Headers": "ETag, x-amz-request-id", "Access-Control-Max-Age": "600", "Content-Length": "0"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	// Whether a disk is there and has no rules, or is not there at all.
	refused := e.preflight("/"+diskB.String()+"/k", app, "GET", "").want(t, 403, "AccessForbidden")
	for _, bucket := range []string{"dsk-00000000deadbeef", "photos", diskB.String() + ".nope", ""} {
		r := e.preflight("/"+bucket+"/k", app, "GET", "").want(t, 403, "AccessForbidden")
		if r.err.Message != refused.err.Message {
			t.Errorf("%q: %q", bucket, r.err.Message)
		}
	}
	e.preflight(path("k"), app, "", "").want(t, 400, "BadRequest")
	e.preflight(path("k"), app, "BREW", "").want(t, 400, "BadRequest")
	e.send(e.req("OPTIONS", path("k"))).want(t, 403, "AccessDenied") // no origin: no preflight
	e.do(e.req("OPTIONS", path("k"))).want(t, 405, "MethodNotAllowed")
}

// TestCrossOriginAnswers: answers to pages that a rule allows say so, errors
// too.
func TestCrossOriginAnswers(t *testing.T) {
	e := newEnv(t, withCORS)
	e.put("k", "v")
	const app = "https://app.example.com"
	for _, tc := range []struct {
		q      *req
		status int
		allow  string
	}{
		{e.req("GET", path("k")).with("Origin", app).sign(), 200, app},
		{e.req("GET", path("gone")).with("Origin", app).sign(), 404, app},
		{e.req("GET", path("k")).with("Origin", app), 403, app}, // anonymous
		{e.req("HEAD", path("k")).with("Origin", app).sign(), 200, "*"},
		{e.req("PUT", path("new"), 'x').with("Origin", app).sign(), 200, app},
		{e.req("PUT", path("new"), 'x').with("Origin", "https://evil.example").sign(), 200, ""},
		{e.req("DELETE", path("new")).with("Origin", app).sign(), 204, ""},
		{e.req("GET", path("k")).sign(), 200, ""},
		{e.req("GET", "/"+diskB.String()+"/k").with("Origin", app).as(keyB, "secret-of-b").sign(), 404, ""},
	} {
		r := e.send(tc.q)
		if r.StatusCode != tc.status || r.Header.Get("Access-Control-Allow-Origin") != tc.allow || (r.Header.Get("Vary") != "") != (tc.allow != "") {
			t.Errorf("%s %s: %d %v", tc.q.Method, tc.q.URL, r.StatusCode, r.Header)
		}
		if tc.allow == app && r.Header.Get("Access-Control-Expose-Headers") != "ETag, x-amz-request-id" {
			t.Errorf("%s %s: exposes %q", tc.q.Method, tc.q.URL, r.Header.Get("Access-Control-Expose-Headers"))
		}
	}
}

// TestPreflightAllowedIPs: where a client may not go, it learns nothing.
func TestPreflightAllowedIPs(t *testing.T) {
	e := newEnv(t, withCORS, func(o *Options) {
		o.Admits = func(context.Context, disk.ID, netip.Addr) (bool, error) { return false, nil }
	})
	e.preflight(path("k"), "https://app.example.com", http.MethodGet, "").want(t, 403, "AccessForbidden")
}

// TestNoCORS: without rules at the door OPTIONS is what it always was.
func TestNoCORS(t *testing.T) {
	e := newEnv(t)
	e.preflight(path("k"), "https://app.example.com", "GET", "").want(t, 403, "AccessDenied")
}
