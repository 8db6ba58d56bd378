package s3api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/disk"
	"atoll/internal/sigv4"
)

func TestRanges(t *testing.T) {
	e := newEnv(t)
	const body = "0123456789"
	e.put("k", body)
	e.put("empty", "")
	for _, tc := range []struct {
		key, header, body, contentRange string
		status                          int
	}{
		{"k", "bytes=0-0", "0", "bytes 0-0/10", 206},
		{"k", "bytes=2-4", "234", "bytes 2-4/10", 206},
		{"k", "bytes=7-", "789", "bytes 7-9/10", 206},
		{"k", "bytes=-3", "789", "bytes 7-9/10", 206},
		{"k", "bytes=0-9", body, "bytes 0-9/10", 206},
		{"k", "bytes=0-99999999999999999999", body, "bytes 0-9/10", 206},
		{"k", "bytes=-99", body, "bytes 0-9/10", 206},
		{"k", "bytes=10-", "", "bytes */10", 416},
		{"k", "bytes=99999999999999999999-", "", "bytes */10", 416},
		{"k", "bytes=-0", "", "bytes */10", 416},
		{"k", "bytes=4-2", body, "", 200},
		{"k", "bytes=a-2", body, "", 200},
		{"k", "bytes=2", body, "", 200},
		{"k", "bytes=-", body, "", 200},
		{"k", "bytes=", body, "", 200},
		{"k", "bytes=1-2,4-5", body, "", 200},
		{"k", "lines=1-2", body, "", 200},
		{"k", "bytes=+1-2", body, "", 200},
		{"empty", "bytes=0-", "", "bytes */0", 416},
		{"empty", "bytes=-1", "", "bytes */0", 416},
		{"empty", "bytes=x", "", "", 200},
	} {
		code := ""
		if tc.status == 416 {
			code = "InvalidRange"
		}
		get := e.get(tc.key, "Range", tc.header).want(t, tc.status, code)
		head := e.head(tc.key, "Range", tc.header).want(t, tc.status, "")
		if got := get.Header.Get("Content-Range"); got != tc.contentRange {
			t.Errorf("%s: Content-Range %q, want %q", tc.header, got, tc.contentRange)
		}
		if tc.status != 416 {
			if string(get.body) != tc.body {
				t.Errorf("%s: %q, want %q", tc.header, get.body, tc.body)
			}
			sameHeaders(t, get, head)
		} else if head.Header.Get("Content-Range") != tc.contentRange {
			t.Errorf("%s: HEAD's Content-Range %q", tc.header, head.Header.Get("Content-Range"))
		}
	}
}

// sameHeaders checks that GET and HEAD agree.
func sameHeaders(t *testing.T, get, head *resp) {
	t.Helper()
	for _, r := range []*resp{get, head} {
		r.Header.Del("X-Amz-Request-Id")
		r.Header.Del("Date")
	}
	if fmt.Sprint(get.Header) != fmt.Sprint(head.Header) || get.StatusCode != head.StatusCode ||
		get.ContentLength != head.ContentLength && get.StatusCode != 304 {
		t.Errorf("%s: GET %d %v\nHEAD %d %v", get.Request.URL, get.StatusCode, get.Header, head.StatusCode, head.Header)
	}
}

func TestRangesOfLargeObject(t *testing.T) {
	e := newEnv(t)
	body := randomBody(9 << 20)
	e.put("k", string(body))
	e.wantBody("k", string(body))
	for _, r := range [][2]int{{0, 0}, {1, 100}, {4<<20 - 1, 4<<20 + 1}, {100, 9<<20 - 1}, {8<<20 - 5, 9<<20 - 1}, {0, 9<<20 - 1}} {
		got := e.get("k", "Range", fmt.Sprintf("bytes=%d-%d", r[0], r[1])).want(t, 206, "")
		if !bytes.Equal(got.body, body[r[0]:r[1]+1]) {
			t.Errorf("range %v differs", r)
		}
	}
}

func TestIfRange(t *testing.T) {
	e := newEnv(t)
	etag := e.put("k", "0123456789").Header.Get("Etag")
	modified := e.head("k").Header.Get("Last-Modified")
	for v, status := range map[string]int{etag: 206, `"other"`: 200, modified: 206, "Mon, 02 Jan 2006 15:04:05 GMT": 200} {
		e.get("k", "Range", "bytes=0-1", "If-Range", v).want(t, status, "")
	}
}

func TestConditionalReads(t *testing.T) {
	e := newEnv(t)
	etag := e.put("k", "x").Header.Get("Etag")
	at, err := http.ParseTime(e.head("k").Header.Get("Last-Modified"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := func(d time.Duration) string { return at.Add(d).Format(http.TimeFormat) }
	before, after, same := stamp(-time.Hour), stamp(time.Hour), stamp(0)
	bare := strings.Trim(etag, `"`)
	for _, tc := range []struct {
		headers []string
		status  int
	}{
		{[]string{"If-Match", etag}, 200},
		{[]string{"If-Match", bare}, 200},
		{[]string{"If-Match", "*"}, 200},
		{[]string{"If-Match", `"x", ` + etag}, 200},
		{[]string{"If-Match", `"x"`}, 412},
		{[]string{"If-Match", "W/" + etag}, 412},
		{[]string{"If-None-Match", etag}, 304},
		{[]string{"If-None-Match", bare}, 304},
		{[]string{"If-None-Match", "W/" + etag}, 304},
		{[]string{"If-None-Match", "*"}, 304},
		{[]string{"If-None-Match", `"x"`}, 200},
		{[]string{"If-Modified-Since", before}, 200},
		{[]string{"If-Modified-Since", same}, 304},
		{[]string{"If-Modified-Since", after}, 304},
		{[]string{"If-Modified-Since", "yesterday"}, 200},
		{[]string{"If-Unmodified-Since", before}, 412},
		{[]string{"If-Unmodified-Since", same}, 200},
		{[]string{"If-Unmodified-Since", after}, 200},
		{[]string{"If-Unmodified-Since", "yesterday"}, 200},
		// AWS's precedence: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
		{[]string{"If-Match", etag, "If-Unmodified-Since", before}, 200},
		{[]string{"If-None-Match", etag, "If-Modified-Since", before}, 304},
		{[]string{"If-None-Match", `"x"`, "If-Modified-Since", after}, 200},
		{[]string{"If-Match", `"x"`, "If-None-Match", etag}, 412},
		{[]string{"If-Match", etag, "If-None-Match", etag}, 304},
	} {
		get, head := e.get("k", tc.headers...), e.head("k", tc.headers...)
		if get.StatusCode != tc.status || head.StatusCode != tc.status {
			t.Errorf("%v: GET %d, HEAD %d, want %d", tc.headers, get.StatusCode, head.StatusCode, tc.status)
		}
		switch tc.status {
		case 412:
			if get.err.Code != "PreconditionFailed" || get.err.Condition == "" {
				t.Errorf("%v: %s", tc.headers, get.body)
			}
		case 304:
			if len(get.body) > 0 || get.Header.Get("Etag") != etag {
				t.Errorf("%v: 304 with %q, ETag %s", tc.headers, get.body, get.Header.Get("Etag"))
			}
			sameHeaders(t, get, head)
		}
	}
	e.get("nope", "If-Match", "*").want(t, 404, "NoSuchKey")
	e.get("nope", "If-None-Match", "*").want(t, 404, "NoSuchKey")
}

func TestContentType(t *testing.T) {
	e := newEnv(t)
	png := "\x89PNG\x0D\x0A\x1A\x0A" + strings.Repeat("x", 600)
	for _, tc := range []struct{ key, body, want string }{
		{"a.txt", png, "text/plain; charset=utf-8"},
		{"a.HTML", "x", "text/html; charset=utf-8"},
		{"a.tar.gz", "x", "application/gzip"},
		{"a.json", "", "application/json"},
		{"a", png, "image/png"},
		{"a.unknownext", png, "image/png"},
		{"v1.2/a", "plain", "text/plain; charset=utf-8"},
		{"b.", "%PDF-1.4", "application/pdf"},
		{"b.averyveryverylongextension", "<html>", "text/html; charset=utf-8"},
		{"empty", "", "text/plain; charset=utf-8"},
	} {
		e.put(tc.key, tc.body, "Content-Type", "application/x-claimed")
		get, head := e.get(tc.key), e.head(tc.key)
		if got := get.Header.Get("Content-Type"); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.key, got, tc.want)
		}
		sameHeaders(t, get, head)
		if r := e.get(tc.key, "Range", "bytes=3-4"); r.StatusCode == 206 && r.Header.Get("Content-Type") != tc.want {
			t.Errorf("%q: a range has type %q", tc.key, r.Header.Get("Content-Type"))
		}
	}
}

// rewrite changes a file's contents as another door would.
func (e *env) rewrite(name, contents string) {
	e.t.Helper()
	ctx := context.Background()
	v := e.view()
	a, err := v.Stat(ctx, name, true)
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := v.WriteAt(ctx, a.Ino, []byte(contents), 0, 0); err != nil {
		e.t.Fatal(err)
	}
}

// TestOtherDoorsChanges rewrites a file that S3 wrote: what described the
// contents goes, the user's metadata stays, the ETag is another.
func TestOtherDoorsChanges(t *testing.T) {
	e := newEnv(t)
	put := e.put("k", "123456789", "X-Amz-Meta-Color", "blue", "Cache-Control", "max-age=1", "Content-Encoding", "x-own",
		"X-Amz-Checksum-Crc32", "y/Q5Jg==")
	e.rewrite("k", "\x89PNG\x0D\x0A\x1A\x0A")
	r := e.get("k", "X-Amz-Checksum-Mode", "ENABLED").want(t, 200, "")
	if !strings.HasPrefix(string(r.body), "\x89PNG") {
		t.Fatalf("%q", r.body)
	}
	first := r.Header.Get("Etag")
	if first == put.Header.Get("Etag") || !strings.Contains(first, "-") || first[0] != '"' {
		t.Errorf("ETag %s", first)
	}
	for name, want := range map[string]string{"X-Amz-Meta-Color": "blue", "Cache-Control": "max-age=1", "Content-Encoding": "",
		"X-Amz-Checksum-Crc32": "", "Content-Type": "image/png"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if again := e.head("k").Header.Get("Etag"); again != first {
		t.Errorf("the ETag went from %s to %s without a change", first, again)
	}
	e.rewrite("k", "y")
	second := e.head("k").Header.Get("Etag")
	if second == first {
		t.Error("the ETag stayed with other contents")
	}
	l := e.list("list-type=2")
	if l.Contents[0].ETag != second {
		t.Errorf("listed ETag %s, want %s", l.Contents[0].ETag, second)
	}
	e.get("k", "If-Match", second).want(t, 200, "")
	// Attributes are no contents.
	a, err := e.view().Stat(context.Background(), "k", true)
	if err != nil {
		t.Fatal(err)
	}
	mode := uint32(0o600)
	if _, err := e.view().SetAttr(context.Background(), a.Ino, disk.SetAttr{Mode: &mode}); err != nil {
		t.Fatal(err)
	}
	if got := e.head("k").Header.Get("Etag"); got != second {
		t.Errorf("a chmod changed the ETag from %s to %s", second, got)
	}
	// A PUT makes it an MD5 again.
	if got := e.put("k", "z").Header.Get("Etag"); got != quotedMD5("z") {
		t.Errorf("ETag %s", got)
	}
}

func TestMetadata(t *testing.T) {
	e := newEnv(t)
	kept := map[string]string{"X-Amz-Meta-Color": "blue", "X-Amz-Meta-With-Dash": "ü; a=b, c", "Cache-Control": "no-store",
		"Content-Disposition": `attachment; filename="x"`, "Content-Encoding": "gzip", "Content-Language": "de, en",
		"Expires": "Thu, 01 Dec 1994 16:00:00 GMT"}
	var headers []string
	for name, v := range kept {
		headers = append(headers, name, v)
	}
	e.put("k", "x", headers...)
	get, head := e.get("k"), e.head("k")
	for name, v := range kept {
		if got := get.Header.Get(name); got != v {
			t.Errorf("%s: %q, want %q", name, got, v)
		}
	}
	sameHeaders(t, get, head)
	// SDKs take the names as they come on the wire: in lower case, as AWS's.
	w := httptest.NewRecorder()
	q := e.req("HEAD", path("k"))
	q.RequestURI = q.URL.RequestURI()
	e.h.ServeHTTP(w, q.sign().Request)
	const lower = "x-amz-meta-color"
	if _, ok := map[string][]string(w.Header())[lower]; !ok {
		t.Errorf("%v", w.Header())
	}
	// Metadata goes with the object that had it.
	e.put("k", "y")
	if r := e.head("k"); r.Header.Get("X-Amz-Meta-Color") != "" || r.Header.Get("Cache-Control") != "" {
		t.Errorf("%v", r.Header)
	}
	e.do(e.req("PUT", path("k"), chunked([]byte("z"), 9, "")...).payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER").
		with("X-Amz-Decoded-Content-Length", "1", "Content-Encoding", "gzip, aws-chunked")).want(t, 200, "")
	if got := e.head("k").Header.Get("Content-Encoding"); got != "gzip" {
		t.Errorf("Content-Encoding %q", got)
	}
	e.put("dup", "x", "X-Amz-Meta-A", "1", "X-Amz-Meta-A", "2")
	if got := e.head("dup").Header.Get("X-Amz-Meta-A"); got != "1,2" {
		t.Errorf("a repeated header is %q", got)
	}
	e.put("big", "x", "X-Amz-Meta-A", strings.Repeat("v", 2047))
	e.do(e.req("PUT", path("big2"), 'x').with("X-Amz-Meta-A", strings.Repeat("v", 2048))).want(t, 400, "MetadataTooLarge")
	e.do(e.req("PUT", path("big2"), 'x').with("Cache-Control", strings.Repeat("v", 9000))).want(t, 400, "RequestHeaderSectionTooLarge")
	e.wantGone("big2")
}

func TestResponseOverrides(t *testing.T) {
	e := newEnv(t)
	e.put("k", "x", "Cache-Control", "no-store")
	q := "?response-content-type=a%2Fb&response-content-language=xx&response-expires=never&response-cache-control=c" +
		"&response-content-disposition=d&response-content-encoding=e"
	get := e.do(e.req("GET", path("k")+q)).want(t, 200, "")
	head := e.do(e.req("HEAD", path("k")+q)).want(t, 200, "")
	for name, want := range map[string]string{"Content-Type": "a/b", "Content-Language": "xx", "Expires": "never",
		"Cache-Control": "c", "Content-Disposition": "d", "Content-Encoding": "e"} {
		if got := get.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	sameHeaders(t, get, head)
	e.do(e.req("GET", path("k")+"?response-content-type=a%0D%0AEvil:1")).want(t, 400, "InvalidArgument")
	// Anonymous requests have no overrides: they are no requests at all.
	e.send(e.req("GET", path("k")+"?response-content-type=a%2Fb")).want(t, 403, "AccessDenied")
}

func TestPartNumber(t *testing.T) {
	e := newEnv(t)
	e.put("k", "xyz")
	for v, status := range map[string]int{"1": 200, "2": 416, "0": 400, "x": 400, "": 400, "10001": 400} {
		code := map[int]string{416: "InvalidPartNumber", 400: "InvalidArgument"}[status]
		e.do(e.req("GET", path("k")+"?partNumber="+v)).want(t, status, code)
	}
}

func TestSymlinks(t *testing.T) {
	e := newEnv(t)
	ctx := context.Background()
	e.put("real/file.txt", "contents")
	v := e.view()
	link := func(dir disk.Ino, name, target string) {
		t.Helper()
		if _, err := v.Create(ctx, dir, name, disk.NewNode{Type: disk.Symlink, Target: target}); err != nil {
			t.Fatal(err)
		}
	}
	real, err := v.Stat(ctx, "real", true)
	if err != nil {
		t.Fatal(err)
	}
	link(disk.RootIno, "l1", "real/file.txt")
	link(disk.RootIno, "l2", "l1")
	link(disk.RootIno, "ldir", "real")
	link(real.Ino, "up", "../l2")
	link(disk.RootIno, "loop1", "loop2")
	link(disk.RootIno, "loop2", "loop1")
	link(disk.RootIno, "dangling", "nowhere")
	link(disk.RootIno, "leaves", "../../etc/passwd")
	link(disk.RootIno, "absolute", "/real/file.txt")
	link(disk.RootIno, "sys", ".archil/x")
	for name, typ := range map[string]disk.Type{"pipe": disk.FIFO, "socket": disk.Socket, "chardev": disk.CharDev, "blkdev": disk.BlkDev} {
		if _, err := v.Create(ctx, disk.RootIno, name, disk.NewNode{Type: typ}); err != nil {
			t.Fatal(err)
		}
	}
	link(disk.RootIno, "lpipe", "pipe")
	for _, key := range []string{"l1", "l2", "ldir/file.txt", "real/up", "ldir/up"} {
		e.wantBody(key, "contents")
		e.head(key).want(t, 200, "")
	}
	for _, key := range []string{"loop1", "dangling", "leaves", "absolute", "sys", "pipe", "socket", "chardev", "blkdev", "lpipe", "ldir", "l1/", "dangling/x"} {
		e.wantGone(key)
		e.head(key).want(t, 404, "")
	}
	e.get("ldir/").want(t, 200, "")

	l := e.list("list-type=2")
	if got := fmt.Sprint(l.keys()); got != "[l1 l2 real/file.txt real/up]" {
		t.Errorf("keys: %s", got)
	}
	for _, c := range l.Contents {
		if c.Size != 8 || c.ETag != quotedMD5("contents") {
			t.Errorf("%s is listed with size %d and ETag %s", c.Key, c.Size, c.ETag)
		}
	}

	// PUT writes what the link points to; DELETE removes the link.
	e.put("l2", "changed")
	e.wantBody("real/file.txt", "changed")
	for _, key := range []string{"dangling", "leaves", "absolute", "loop1"} {
		r := e.do(e.req("PUT", path(key), 'x'))
		if r.StatusCode != 409 || r.err.Code != "OperationAborted" || len(r.err.Message) < 20 {
			t.Errorf("PUT %s: %d %s", key, r.StatusCode, r.body)
		}
	}
	e.do(e.req("PUT", path("sys"), 'x'))
	if _, err := v.Stat(ctx, ".archil/x", true); err == nil {
		t.Error("a link led into .archil")
	}
	e.do(e.req("DELETE", path("l2"))).want(t, 204, "")
	e.wantGone("l2")
	e.wantBody("l1", "changed")
	e.do(e.req("DELETE", path("dangling"))).want(t, 204, "")
	if _, err := v.Stat(ctx, "dangling", false); err == nil {
		t.Error("the dangling link is still there")
	}
}

func TestDirectoriesAsObjects(t *testing.T) {
	e := newEnv(t)
	e.put("dir/file", "x")
	get, head := e.get("dir/").want(t, 200, ""), e.head("dir/").want(t, 200, "")
	if len(get.body) != 0 || get.ContentLength != 0 {
		t.Errorf("%q", get.body)
	}
	sameHeaders(t, get, head)
	e.get("dir/", "If-None-Match", get.Header.Get("Etag")).want(t, 304, "")
	for _, key := range []string{"dir", "dir/file/", "nope/", "dir/file/x", "nope", "dir/nope", "a//b", "/dir", "dir//", ".", "..",
		"dir/../dir/file", "./dir/file", "\xff", "nul\x00", strings.Repeat("s", 256)} {
		e.wantGone(key)
		e.head(key).want(t, 404, "")
	}
	e.get(strings.Repeat("k/", 600)).want(t, 400, "KeyTooLongError")
}

// TestGetServesOneVersion overwrites and deletes an object while it is read.
func TestGetServesOneVersion(t *testing.T) {
	e := newEnv(t)
	old := randomBody(16 << 20)
	e.put("k", string(old))
	r, err := e.http.Do(e.req("GET", path("k")).sign().Request)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	got := make([]byte, 1000)
	if _, err := io.ReadFull(r.Body, got); err != nil {
		t.Fatal(err)
	}
	e.put("k", "new")
	e.do(e.req("DELETE", path("k"))).want(t, 204, "")
	rest, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(got, rest...), old) {
		t.Error("the bytes are not those of the version that was opened")
	}
}

// readerFrom is a ResponseWriter that can be read into, as net/http's are.
type readerFrom struct {
	*httptest.ResponseRecorder
	from int64
}

func (w *readerFrom) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseRecorder, r)
	w.from += n
	return n, err
}

// TestLargeGetReachesReadFrom checks that the response writer arrives at the
// core unwrapped: only then a large GET can be a sendfile.
func TestLargeGetReachesReadFrom(t *testing.T) {
	e := newEnvOn(t, vfs.Default, t.TempDir())
	body := randomBody(2 << 20)
	e.put("k", string(body))
	q := e.req("GET", path("k"))
	q.RequestURI = q.URL.RequestURI()
	q.sign()
	w := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
	e.h.ServeHTTP(w, q.Request)
	if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), body) {
		t.Fatalf("%d, %d bytes", w.Code, w.Body.Len())
	}
	if w.from == 0 {
		t.Error("nothing came through ReadFrom")
	}
}

func TestGetRefusesSSEC(t *testing.T) {
	e := newEnv(t)
	e.put("k", "x")
	e.get("k", "X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256").want(t, 501, "NotImplemented")
}

// TestHTTP2 talks HTTP/2 to the door.
func TestHTTP2(t *testing.T) {
	e := newEnv(t)
	srv := httptest.NewUnstartedServer(e.h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	e.url, e.http = srv.URL, srv.Client()
	body := randomBody(3 << 20)
	if r := e.put("k", string(body)); r.ProtoMajor != 2 {
		t.Fatalf("protocol %s", r.Proto)
	}
	e.wantBody("k", string(body))
	e.do(e.req("PUT", path("a//b"), body...)).want(t, 400, "InvalidArgument")
	e.do(e.req("PUT", path("k"), body...).payload(sigv4.UnsignedPayload)).want(t, 200, "")
	e.list("list-type=2")
	e.do(e.req("DELETE", path("k"))).want(t, 204, "")
	e.wantGone("k")
}
