package s3api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/objmeta"
)

func TestPutCreatesParentsAndReplaces(t *testing.T) {
	e := newEnv(t)
	e.put("a/b/c/d.txt", "1")
	e.wantBody("a/b/c/d.txt", "1")
	e.get("a/b/").want(t, 200, "")
	e.put("a/b/c/d.txt", "2")
	e.wantBody("a/b/c/d.txt", "2")
	e.do(e.req("DELETE", path("a/b/c/d.txt"))).want(t, 204, "")
	e.get("a/b/c/").want(t, 200, "")
}

// TestPutReplacesTheInode puts onto a file with two names: the other keeps the
// old contents, the new file has the old one's owner and mode.
func TestPutReplacesTheInode(t *testing.T) {
	e := newEnv(t)
	ctx := context.Background()
	e.put("one", "old", "x-archil-mode", "640", "x-archil-uid", "7", "x-archil-gid", "8")
	v := e.view()
	a, err := v.Stat(ctx, "one", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Link(ctx, a.Ino, disk.RootIno, "two", 0); err != nil {
		t.Fatal(err)
	}
	e.put("one", "new", "x-archil-mode", "777", "x-archil-uid", "1")
	e.wantBody("one", "new")
	e.wantBody("two", "old")
	b, err := v.Stat(ctx, "one", true)
	if err != nil {
		t.Fatal(err)
	}
	if b.Ino == a.Ino || b.Mode != 0o640 || b.UID != 7 || b.GID != 8 {
		t.Errorf("inode %d (was %d), mode %o, owner %d:%d", b.Ino, a.Ino, b.Mode, b.UID, b.GID)
	}
}

func TestPosixHeaders(t *testing.T) {
	e := newEnv(t)
	stat := func(name string) disk.Attr {
		t.Helper()
		a, err := e.view().Stat(context.Background(), name, true)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	e.put("plain/f", "x")
	if a := stat("plain/f"); a.Mode != 0o644 || a.UID != 0 || a.GID != 0 {
		t.Errorf("default: %o %d:%d", a.Mode, a.UID, a.GID)
	}
	if a := stat("plain"); a.Mode != 0o755 {
		t.Errorf("default of directories: %o", a.Mode)
	}
	e.put("own/f", "x", "x-archil-mode", "0600", "x-archil-uid", "1000", "x-archil-gid", "100")
	if a := stat("own/f"); a.Mode != 0o600 || a.UID != 1000 || a.GID != 100 {
		t.Errorf("%o %d:%d", a.Mode, a.UID, a.GID)
	}
	if a := stat("own"); a.Mode != 0o755 || a.UID != 1000 || a.GID != 100 {
		t.Errorf("parent: %o %d:%d", a.Mode, a.UID, a.GID)
	}
	e.do(e.req("PUT", path("own/d/")).with("x-archil-mode", "700", "x-archil-uid", "5")).want(t, 200, "")
	if a := stat("own/d"); a.Mode != 0o700 || a.UID != 5 || !a.IsDir() {
		t.Errorf("directory: %o %d", a.Mode, a.UID)
	}
	for _, h := range [][2]string{{"x-archil-mode", "9"}, {"x-archil-mode", "10000"}, {"x-archil-mode", "-1"}, {"x-archil-uid", "root"},
		{"x-archil-gid", "4294967295"}, {"x-archil-gid", "-1"}} {
		e.do(e.req("PUT", path("bad"), 'x').with(h[0], h[1])).want(t, 400, "InvalidArgument")
	}
	e.wantGone("bad")
}

// badKeys are keys that no path can express.
var badKeys = []string{"a//b", "/a", "a/b//", "/", "//", ".", "..", "./a", "a/./b", "a/..", "../a", "a/../b", "a\x00b", "\xff", "a/\xc3\x28/b"}

func TestKeysThatNoPathCanExpress(t *testing.T) {
	e := newEnv(t)
	e.put("a/b", "kept")
	for _, key := range badKeys {
		e.do(e.req("PUT", path(key), 'x')).want(t, 400, "InvalidArgument")
		e.do(e.req("PUT", path(key))).want(t, 400, "InvalidArgument")
		e.do(e.req("DELETE", path(key))).want(t, 400, "InvalidArgument")
		e.wantGone(key)
	}
	for _, key := range []string{strings.Repeat("s", 256), strings.Repeat("k/", 512) + "k", "a/" + strings.Repeat("é", 128)} {
		e.do(e.req("PUT", path(key), 'x')).want(t, 400, "KeyTooLongError")
		e.do(e.req("DELETE", path(key))).want(t, 400, "KeyTooLongError")
	}
	// The longest that are allowed.
	e.put(strings.Repeat("s", 255), "x")
	e.put(strings.Repeat("k/", 511)+"kk", "x")
	if l := e.list("list-type=2&prefix=a"); fmt.Sprint(l.keys()) != "[a/b]" {
		t.Errorf("keys: %q", l.keys())
	}
	e.wantBody("a/b", "kept")
}

func TestKeyConflicts(t *testing.T) {
	e := newEnv(t)
	e.put("file", "x")
	e.put("dir/file", "x")
	for _, key := range []string{"file/k", "file/a/b", "dir", "file/", "dir/file/"} {
		r := e.do(e.req("PUT", path(key)))
		if r.StatusCode != 409 || r.err.Code != "OperationAborted" || !strings.Contains(r.err.Message, "file") && !strings.Contains(r.err.Message, "directory") {
			t.Errorf("PUT %s: %d %s", key, r.StatusCode, r.body)
		}
	}
	e.wantBody("file", "x")
	e.wantBody("dir/file", "x")
}

func TestDirectoryKeys(t *testing.T) {
	e := newEnv(t)
	r := e.do(e.req("PUT", path("new/sub/"))).want(t, 200, "")
	if r.Header.Get("Etag") != objmeta.EmptyETag {
		t.Errorf("ETag %s", r.Header.Get("Etag"))
	}
	e.get("new/sub/").want(t, 200, "")
	e.do(e.req("PUT", path("new/sub/"))).want(t, 200, "")
	e.do(e.req("PUT", path("other/"), 'x')).want(t, 400, "InvalidArgument")
	e.wantGone("other/")
	if l := e.list("list-type=2"); len(l.Contents) != 0 {
		t.Errorf("directories are keys: %q", l.keys())
	}
	if l := e.list("list-type=2&delimiter=%2F&prefix=new%2F"); fmt.Sprint(l.keys()) != "[new/sub/]" {
		t.Errorf("%q", l.keys())
	}
	e.do(e.req("PUT", path("new/sub/")).with("If-None-Match", "*")).want(t, 412, "PreconditionFailed")
	e.do(e.req("PUT", path("new/other/")).with("If-None-Match", "*")).want(t, 200, "")
	e.do(e.req("PUT", path("new/third/")).with("If-Match", "*")).want(t, 404, "NoSuchKey")
}

func TestReservedKeys(t *testing.T) {
	e := newEnv(t)
	for _, key := range []string{".archil", ".archil/", ".archil/x", ".archil/a/b/"} {
		e.do(e.req("PUT", path(key))).want(t, 403, "AccessDenied")
		e.do(e.req("DELETE", path(key))).want(t, 403, "AccessDenied")
		e.wantGone(key)
		e.head(key).want(t, 404, "")
	}
	e.put(".archive/x", "allowed")
	e.put("sub/.archil/x", "allowed")
	if l := e.list("list-type=2"); fmt.Sprint(l.keys()) != "[.archive/x sub/.archil/x]" {
		t.Errorf("%q", l.keys())
	}
	if l := e.list("list-type=2&prefix=.archil%2F"); len(l.keys()) != 0 {
		t.Errorf("%q", l.keys())
	}
}

func TestConditionalPut(t *testing.T) {
	e := newEnv(t)
	put := func(key string, status int, code string, headers ...string) {
		t.Helper()
		e.do(e.req("PUT", path(key), []byte("new")...).with(headers...)).want(t, status, code)
	}
	put("k", 404, "NoSuchKey", "If-Match", "*")
	put("k", 404, "NoSuchKey", "If-Match", `"x"`)
	put("k", 200, "", "If-None-Match", "*")
	put("k", 412, "PreconditionFailed", "If-None-Match", "*")
	etag := e.head("k").Header.Get("Etag")
	put("k", 412, "PreconditionFailed", "If-Match", `"x"`)
	put("k", 200, "", "If-Match", etag)
	put("k", 200, "", "If-Match", "*")
	put("k", 200, "", "If-Match", strings.Trim(etag, `"`))
	put("k", 501, "NotImplemented", "If-None-Match", etag)
	put("k", 501, "NotImplemented", "If-None-Match", "*", "If-Match", etag)
	put("k", 501, "NotImplemented", "If-Modified-Since", "Mon, 02 Jan 2006 15:04:05 GMT")
	put("k", 501, "NotImplemented", "If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT")
	put("k", 400, "InvalidArgument", "If-Match", "")
}

// TestConditionalPutRace lets many create one key: one wins.
func TestConditionalPutRace(t *testing.T) {
	e := newEnv(t)
	const n = 16
	status := make(chan int, n)
	for i := range n {
		q := e.req("PUT", path("k"), byte(i)).with("If-None-Match", "*").sign()
		go func() { status <- e.send(q).StatusCode }()
	}
	won := 0
	for range n {
		switch s := <-status; s {
		case 200:
			won++
		case 412:
		default:
			t.Errorf("status %d", s)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d created the key", won, n)
	}
}

func TestCopyRefused(t *testing.T) {
	e := newEnv(t)
	e.put("src", "x")
	e.put("dst", "kept")
	for _, key := range []string{"dst", "dst2"} {
		e.do(e.req("PUT", path(key)).with("X-Amz-Copy-Source", path("src"))).want(t, 501, "NotImplemented")
	}
	e.wantBody("dst", "kept")
	e.wantGone("dst2")
}

// TestPutHeaders sends headers that are tolerated and headers that ask for
// what is not offered.
func TestPutHeaders(t *testing.T) {
	e := newEnv(t)
	for _, tc := range []struct {
		name, value string
		status      int
		code        string
	}{
		{"X-Amz-Acl", "private", 200, ""},
		{"X-Amz-Acl", "bucket-owner-full-control", 200, ""},
		{"X-Amz-Acl", "public-read", 400, "AccessControlListNotSupported"},
		{"X-Amz-Grant-Read", "id=1", 400, "AccessControlListNotSupported"},
		{"X-Amz-Storage-Class", "STANDARD", 200, ""},
		{"X-Amz-Storage-Class", "GLACIER", 200, ""},
		{"X-Amz-Request-Payer", "requester", 200, ""},
		{"X-Amz-Expected-Bucket-Owner", "123456789012", 200, ""},
		{"X-Amz-Server-Side-Encryption", "aws:kms", 501, "NotImplemented"},
		{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256", 501, "NotImplemented"},
		{"X-Amz-Tagging", "a=b", 501, "NotImplemented"},
		{"X-Amz-Object-Lock-Mode", "GOVERNANCE", 501, "NotImplemented"},
		{"X-Amz-Website-Redirect-Location", "/x", 501, "NotImplemented"},
		{"X-Amz-Write-Offset-Bytes", "1", 501, "NotImplemented"},
	} {
		e.do(e.req("PUT", path("k"), 'x').with(tc.name, tc.value)).want(t, tc.status, tc.code)
		if tc.status == 200 {
			e.do(e.req("DELETE", path("k"))).want(t, 204, "")
		}
		e.wantGone("k")
	}
}

// TestDelegatedKeys has a mount hold the right to write a subtree.
func TestDelegatedKeys(t *testing.T) {
	e := newEnv(t)
	ctx := context.Background()
	e.put("held/k", "x")
	v := e.view()
	a, err := v.Stat(ctx, "held", true)
	if err != nil {
		t.Fatal(err)
	}
	const client = 7
	if err := v.Delegate(ctx, a.Ino, client); err != nil {
		t.Fatal(err)
	}
	e.do(e.req("PUT", path("held/k"), 'y')).want(t, 409, "OperationAborted")
	e.do(e.req("PUT", path("held/new/deep"), 'y')).want(t, 409, "OperationAborted")
	e.do(e.req("PUT", path("held/d/"))).want(t, 409, "OperationAborted")
	e.do(e.req("DELETE", path("held/k"))).want(t, 409, "OperationAborted")
	e.wantBody("held/k", "x")
	e.put("elsewhere", "x")
	if err := v.Undelegate(ctx, a.Ino); err != nil {
		t.Fatal(err)
	}
	e.put("held/k", "y")
	e.do(e.req("DELETE", path("held/k"))).want(t, 204, "")
}

// TestErrorMapping walks the kinds that no request here provokes.
func TestErrorMapping(t *testing.T) {
	for _, tc := range []struct {
		kind    errs.Kind
		reading bool
		status  int
		code    string
	}{
		{errs.NoSpace, false, 507, "InsufficientStorage"},
		{errs.Quota, false, 507, "QuotaExceeded"},
		{errs.Overloaded, false, 503, "SlowDown"},
		{errs.Overloaded, true, 503, "SlowDown"},
		{errs.Corrupt, true, 500, "InternalError"},
		{errs.Other, true, 500, "InternalError"},
		{errs.ReadOnly, false, 403, "AccessDenied"},
		{errs.Stale, false, 409, "OperationAborted"},
		{errs.Stale, true, 409, "OperationAborted"},
		{errs.NoDisk, false, 404, "NoSuchBucket"},
		{errs.LeavesDisk, true, 404, "NoSuchKey"},
		{errs.LeavesDisk, false, 409, "OperationAborted"},
		{errs.Loop, true, 404, "NoSuchKey"},
		{errs.Loop, false, 409, "OperationAborted"},
		{errs.Canceled, false, 400, "RequestTimeout"},
	} {
		e := toAPI(errs.New("put", "secret/path", tc.kind, "/var/lib/internal detail"), tc.reading)
		if e.Status != tc.status || e.Code != tc.code || e.Message == "" {
			t.Errorf("%v: %d %s %q", tc.kind, e.Status, e.Code, e.Message)
		}
		if e.Status == 500 && strings.Contains(e.Message, "internal detail") {
			t.Errorf("%v: the message tells of the inside: %q", tc.kind, e.Message)
		}
	}
	if e := toAPI(fmt.Errorf("x: %w", context.Canceled), true); e.Code != "RequestTimeout" {
		t.Errorf("a canceled request is %s", e.Code)
	}
}
