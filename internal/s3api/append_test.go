package s3api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func (e *env) appendReq(key, body string, headers ...string) *req {
	return e.req("PUT", path(key)+"?append=true", []byte(body)...).with(headers...)
}

func TestAppend(t *testing.T) {
	e := newEnv(t, extended)
	r := e.do(e.appendReq("dir/log", "one\n", "X-Archil-Mode", "600", "X-Archil-Uid", "3", "X-Amz-Meta-A", "b")).want(t, 200, "")
	first := r.Header.Get("Etag")
	if first == "" || first != e.head("dir/log").Header.Get("Etag") {
		t.Errorf("ETag %q, then %q", first, e.head("dir/log").Header.Get("Etag"))
	}
	r = e.do(e.appendReq("dir/log", "two\n", "X-Archil-Mode", "777", "X-Archil-Uid", "4", "X-Amz-Meta-A", "c")).want(t, 200, "")
	if etag := r.Header.Get("Etag"); etag == first || etag != e.head("dir/log").Header.Get("Etag") {
		t.Errorf("ETag %q after %q", etag, first)
	}
	e.wantBody("dir/log", "one\ntwo\n")
	a, err := e.view().Stat(context.Background(), "dir/log", true)
	if err != nil || a.Mode != 0o600 || a.UID != 3 {
		t.Errorf("mode %o, uid %d, %v", a.Mode, a.UID, err)
	}
	if v := e.head("dir/log").Header.Get("X-Amz-Meta-A"); v != "b" {
		t.Errorf("the metadata of a file that was there became %q", v)
	}
	// To what a PUT wrote: neither its MD5 nor its encoding stays.
	put := e.put("k", "v", "Content-Encoding", "x-own").Header.Get("Etag")
	e.do(e.appendReq("k", strings.Repeat("w", maxAppend))).want(t, 200, "")
	e.wantBody("k", "v"+strings.Repeat("w", maxAppend))
	if h := e.head("k").Header; h.Get("Etag") == put || h.Get("Content-Encoding") != "" {
		t.Errorf("%v", h)
	}
	e.do(e.appendReq("empty", "")).want(t, 200, "")
	e.wantBody("empty", "")
	for _, tc := range []struct {
		q      *req
		status int
		code   string
	}{
		{e.appendReq("k", strings.Repeat("w", maxAppend+1)), 400, "EntityTooLarge"},
		{e.req("PUT", path("k")+"?append=false", 'x'), 400, "InvalidArgument"},
		{e.req("PUT", path("k")+"?append", 'x'), 400, "InvalidArgument"},
		{e.req("PUT", path("k")+"?append=true&x=y", 'x'), 501, "NotImplemented"},
		{e.appendReq("d/", "x"), 400, "InvalidArgument"},
		{e.appendReq("dir", "x"), 409, "OperationAborted"},
		{e.appendReq("k/below", "x"), 409, "OperationAborted"},
		{e.appendReq(".archil/x", "x"), 403, "AccessDenied"},
		{e.appendReq("k", "x", "Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA=="), 400, "BadDigest"},
		{e.appendReq("k", "x", "X-Amz-Checksum-Crc32", "AAAAAA=="), 400, "BadDigest"},
		{e.appendReq("k", "x", "If-Match", `"x"`), 412, "PreconditionFailed"},
		{e.appendReq("k", "x", "If-None-Match", "*"), 412, "PreconditionFailed"},
		{e.appendReq("gone", "x", "If-Match", `"x"`), 404, "NoSuchKey"},
		{e.appendReq("k", "x", "X-Amz-Acl", "public-read"), 400, "AccessControlListNotSupported"},
	} {
		e.do(tc.q).want(t, tc.status, tc.code)
	}
	if r := e.head("k"); r.ContentLength != 1+maxAppend {
		t.Errorf("%d bytes after refused appends", r.ContentLength)
	}
	e.wantGone("gone")
	// With a condition each append knows what it continues.
	e.do(e.appendReq("k", "x", "If-Match", e.head("k").Header.Get("Etag"))).want(t, 200, "")
}

// TestAppendConcurrently: appends at the same time come one after the other,
// none torn and none lost.
func TestAppendConcurrently(t *testing.T) {
	e := newEnv(t, extended)
	const writers, each = 8, 10
	line := func(w, i int) string { return fmt.Sprintf("<%d.%d %s>", w, i, strings.Repeat("x", 3000*(w%3)+i)) }
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if r := e.do(e.appendReq("log", line(w, i))); r.StatusCode != 200 {
					t.Errorf("%d %s", r.StatusCode, r.body)
				}
			}
		})
	}
	wg.Wait()
	got := string(e.get("log").want(t, 200, "").body)
	var next [writers]int
	for got != "" {
		var w, i int
		if n, err := fmt.Sscanf(got, "<%d.%d ", &w, &i); n != 2 || err != nil || w >= writers || next[w] != i || !strings.HasPrefix(got, line(w, i)) {
			t.Fatalf("torn at %.40q", got)
		}
		next[w]++
		got = got[len(line(w, i)):]
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d: %d appends", w, n)
		}
	}
}
