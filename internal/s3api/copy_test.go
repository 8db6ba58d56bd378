package s3api

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"atoll/internal/disk"
)

// copyReq is a copy of a source, as its header has it, to a key.
func (e *env) copyReq(key, source string, headers ...string) *req {
	return e.req("PUT", path(key)).with("X-Amz-Copy-Source", source).with(headers...)
}

func (e *env) copied(q *req) (etag string) {
	e.t.Helper()
	r := e.do(q).want(e.t, 200, "")
	var doc struct {
		XMLName      xml.Name `xml:"CopyObjectResult"`
		ETag         string
		LastModified time.Time
	}
	if err := xml.Unmarshal(r.body, &doc); err != nil || doc.LastModified.IsZero() {
		e.t.Fatalf("%v: %s", err, r.body)
	}
	return doc.ETag
}

func TestCopy(t *testing.T) {
	e := newEnv(t, extended)
	big := string(randomBody(5 << 20))
	for _, body := range []string{"", "small", big} {
		e.put("src", body, "X-Amz-Meta-Color", "blue", "Cache-Control", "no-store", "Content-Encoding", "x-own")
		if etag := e.copied(e.copyReq("new/dir/dst", path("src"))); etag != quotedMD5(body) {
			t.Errorf("ETag %s", etag)
		}
		e.put("src", "changed")
		e.wantBody("new/dir/dst", body)
		r := e.head("new/dir/dst")
		if r.Header.Get("X-Amz-Meta-Color") != "blue" || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Content-Encoding") != "x-own" || r.Header.Get("Etag") != quotedMD5(body) {
			t.Errorf("copied: %v", r.Header)
		}
	}
	// The request's metadata, by the directive.
	e.put("src", "v", "X-Amz-Meta-Color", "blue", "Content-Encoding", "x-own", "X-Amz-Checksum-Sha1", "ejjYy9INmTK6lI76o2S7YmUdWtQ=")
	e.copied(e.copyReq("dst", path("src"), "X-Amz-Meta-Color", "red"))
	if r := e.head("dst"); r.Header.Get("X-Amz-Meta-Color") != "blue" {
		t.Errorf("COPY took the request's: %v", r.Header)
	}
	e.copied(e.copyReq("dst", path("src"), "X-Amz-Meta-Shape", "round", "X-Amz-Metadata-Directive", "REPLACE"))
	r := e.head("dst", "X-Amz-Checksum-Mode", "ENABLED")
	if r.Header.Get("X-Amz-Meta-Color") != "" || r.Header.Get("X-Amz-Meta-Shape") != "round" || r.Header.Get("Content-Encoding") != "" ||
		r.Header.Get("X-Amz-Checksum-Sha1") != "ejjYy9INmTK6lI76o2S7YmUdWtQ=" {
		t.Errorf("REPLACE: %v", r.Header)
	}
	e.put("encoded", "v", "Content-Encoding", "x-own")
	e.copied(e.copyReq("dst", path("encoded"), "X-Amz-Metadata-Directive", "REPLACE"))
	if r := e.head("dst"); r.Header.Get("Content-Encoding") != "" {
		t.Errorf("the source's Content-Encoding stayed: %v", r.Header)
	}
	// Onto itself only to change what is said of it.
	e.do(e.copyReq("src", path("src"))).want(t, 400, "InvalidRequest")
	e.do(e.req("PUT", "/"+diskA.String()+".root/src").with("X-Amz-Copy-Source", path("src"))).want(t, 400, "InvalidRequest")
	e.copied(e.copyReq("src", path("src"), "X-Amz-Metadata-Directive", "REPLACE", "X-Amz-Meta-Mtime", "1"))
	e.wantBody("src", "v")
	if r := e.head("src"); r.Header.Get("X-Amz-Meta-Mtime") != "1" || r.Header.Get("X-Amz-Meta-Color") != "" {
		t.Errorf("onto itself: %v", r.Header)
	}
	// An object in parts has one ETag, its copy is one piece.
	id := e.create("parts")
	c := e.complete(e.completeReq("parts", id, named{1, e.part("parts", id, 1, []byte("part")), ""}))
	if etag := e.copied(e.copyReq("dst", path("parts"), "X-Amz-Copy-Source-If-Match", c.ETag)); etag != quotedMD5("part") {
		t.Errorf("ETag %s", etag)
	}
	e.wantBody("dst", "part")
}

// TestCopyAttributes: a copy is a new file; one that replaces keeps its own
// mode.
func TestCopyAttributes(t *testing.T) {
	e := newEnv(t, extended)
	e.put("src", "v", "X-Archil-Mode", "600", "X-Archil-Uid", "5")
	e.put("old", "v", "X-Archil-Mode", "640")
	e.copied(e.copyReq("old", path("src"), "X-Archil-Mode", "777"))
	e.copied(e.copyReq("plain", path("src")))
	e.copied(e.copyReq("new", path("src"), "X-Archil-Mode", "660", "X-Archil-Gid", "9"))
	for path, want := range map[string][3]uint32{"old": {0o640, 0, 0}, "plain": {0o644, 0, 0}, "new": {0o660, 0, 9}} {
		a, err := e.view().Stat(context.Background(), path, true)
		if err != nil || [3]uint32{a.Mode, a.UID, a.GID} != want {
			t.Errorf("%s: %o %d:%d, %v", path, a.Mode, a.UID, a.GID, err)
		}
	}
}

// TestCopySources writes the name of a source in every way that clients have.
func TestCopySources(t *testing.T) {
	e := newEnv(t, extended)
	ctx := context.Background()
	a := diskA.String()
	for _, key := range oddKeys {
		e.put("dir/"+key, "contents of "+key)
	}
	for _, key := range oddKeys {
		for name, source := range map[string]string{
			"encoded by segments":   path("dir/" + key),
			"without the slash":     path("dir/" + key)[1:],
			"wholly encoded":        url.PathEscape("/" + a + "/dir/" + key),
			"encoded as by a query": strings.ReplaceAll(url.QueryEscape(a+"/dir/"+key), "+", "%20"),
			"null version":          path("dir/"+key) + "?versionId=null",
		} {
			e.copied(e.copyReq("dst", source))
			if r := e.get("dst").want(t, 200, ""); string(r.body) != "contents of "+key {
				t.Errorf("%q, %s: copied %q", key, name, r.body)
			}
		}
	}
	for key, source := range map[string]string{"a+b": a + "/dir/a+b", "a b": a + "/dir/a b", "a?b": a + "/dir/a?b"} { // not encoded
		e.copied(e.copyReq("dst", source))
		e.wantBody("dst", "contents of "+key)
	}
	// Between branches, from a checkpoint, by other names of the same.
	if err := e.a.Checkpoint(ctx, "root", "v1"); err != nil {
		t.Fatal(err)
	}
	e.put("dir/x", "new")
	if err := e.a.Fork(ctx, disk.Ref{}, "dev"); err != nil {
		t.Fatal(err)
	}
	e.put("dir/a b", "changed")
	for source, want := range map[string]string{a + ".root.v1/dir/a%20b": "contents of a b", a + ".dev/dir/a%20b": "contents of a b", a + ".root/dir/a%20b": "changed"} {
		e.copied(e.copyReq("dst", source))
		e.wantBody("dst", want)
	}
	e.copied(e.req("PUT", "/"+a+".dev/to").with("X-Amz-Copy-Source", path("dir/x")))
	if r := e.do(e.req("GET", "/"+a+".dev/to")).want(t, 200, ""); string(r.body) != "new" {
		t.Errorf("%q", r.body)
	}
	e.wantGone("to")
}

func TestCopyErrors(t *testing.T) {
	e := newEnv(t, extended, withKeys)
	a, b := diskA.String(), diskB.String()
	e.put("src", "v")
	e.put("d/f", "v")
	e.put("dst", "kept")
	for _, tc := range []struct {
		source string
		status int
		code   string
	}{
		{a + "/gone", 404, "NoSuchKey"},
		{a + "/d", 404, "NoSuchKey"},
		{a + "/src/x", 404, "NoSuchKey"},
		{a + "/.archil/x", 404, "NoSuchKey"},
		{a + "//src", 404, "NoSuchKey"},
		{a + "/d/../src", 404, "NoSuchKey"},
		{a + "/d/", 400, "InvalidRequest"},
		{a + ".nope/src", 404, "NoSuchBucket"},
		{a + "./src", 404, "NoSuchBucket"},
		{b + "/src", 403, "AccessDenied"},
		{b + ".x/src", 403, "AccessDenied"},
		{"dsk-00000000deadbeef/src", 403, "AccessDenied"},
		{"photos/src", 403, "AccessDenied"},
		{a, 400, "InvalidArgument"},
		{a + "/", 400, "InvalidArgument"},
		{"/", 400, "InvalidArgument"},
		{"src", 400, "InvalidArgument"},
		{a + "/%zz", 400, "InvalidArgument"},
		{a + "/src?versionId=abc", 501, "NotImplemented"},
		{a + "/src%3FversionId=null", 404, "NoSuchKey"}, // an encoded question mark is the key's
		{a + "/%2573rc", 404, "NoSuchKey"},              // decoded once
		{"arn:aws:s3:::x/src", 403, "AccessDenied"},
	} {
		e.do(e.copyReq("dst", tc.source)).want(t, tc.status, tc.code)
	}
	match, other := quotedMD5("v"), `"x"`
	past, future := e.now().Add(-time.Hour).UTC().Format(http.TimeFormat), e.now().Add(time.Hour).UTC().Format(http.TimeFormat)
	const p = "X-Amz-Copy-Source-If-"
	for _, tc := range []struct {
		headers []string
		status  int
	}{
		{[]string{p + "Match", match}, 200},
		{[]string{p + "Match", other}, 412},
		{[]string{p + "None-Match", other}, 200},
		{[]string{p + "None-Match", match}, 412},
		{[]string{p + "Unmodified-Since", future}, 200},
		{[]string{p + "Unmodified-Since", past}, 412},
		{[]string{p + "Modified-Since", past}, 200},
		{[]string{p + "Modified-Since", future}, 412},
		{[]string{p + "Match", match, p + "Unmodified-Since", past}, 200},
		{[]string{p + "None-Match", match, p + "Modified-Since", past}, 412},
		{[]string{p + "Match", match, p + "None-Match", match}, 412},
		{[]string{"If-Match", quotedMD5("kept")}, 200},
		{[]string{"If-Match", other}, 412},
		{[]string{"If-None-Match", "*"}, 412},
	} {
		e.put("dst", "kept")
		code := ""
		if tc.status == 412 {
			code = "PreconditionFailed"
		}
		e.do(e.copyReq("dst", path("src"), tc.headers...)).want(t, tc.status, code)
		if tc.status != 200 {
			e.wantBody("dst", "kept")
		}
	}
	e.put("dst", "kept")
	for _, tc := range []struct {
		header, value string
		status        int
		code          string
	}{
		{"X-Amz-Metadata-Directive", "MERGE", 400, "InvalidArgument"},
		{"X-Amz-Tagging-Directive", "REPLACE", 501, "NotImplemented"},
		{"X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm", "AES256", 501, "NotImplemented"},
		{"X-Amz-Server-Side-Encryption", "AES256", 501, "NotImplemented"},
		{"X-Amz-Acl", "public-read", 400, "AccessControlListNotSupported"},
		{"X-Archil-Mode", "x", 400, "InvalidArgument"},
	} {
		e.do(e.copyReq("dst", path("src"), tc.header, tc.value)).want(t, tc.status, tc.code)
	}
	q := e.req("PUT", path("dst"), []byte("a body")...).with("X-Amz-Copy-Source", path("src"))
	e.do(q).want(t, 400, "InvalidRequest")
	e.do(e.copyReq("d", path("src"))).want(t, 409, "OperationAborted")
	e.do(e.copyReq("src/below", path("src"))).want(t, 409, "OperationAborted")
	e.do(e.copyReq(".archil/x", path("src"))).want(t, 403, "AccessDenied")
	e.wantBody("dst", "kept")
	// Directories.
	e.copied(e.copyReq("d2/", path("d/")))
	e.do(e.req("HEAD", path("d2/"))).want(t, 200, "")
	e.do(e.copyReq("d3/", path("gone/"))).want(t, 404, "NoSuchKey")
	e.do(e.copyReq("d3/", path("src"))).want(t, 400, "InvalidRequest")
	// A key copies between the disks that it may use.
	dst := func(key string) *req {
		return e.req("PUT", "/"+b+"/copy").asKey(key).with("X-Amz-Copy-Source", path("src"))
	}
	e.send(dst(keyReadOnly)).want(t, 403, "AccessDenied")
	e.send(dst(keyOnlyA)).want(t, 403, "AccessDenied")
	e.send(dst(keyAll)).want(t, 200, "")
	e.send(e.req("PUT", path("dst")).asKey(keyOnlyA).with("X-Amz-Copy-Source", "/"+b+"/copy")).want(t, 403, "AccessDenied")
}

// TestCopyDuringWrites copies an object over and over while it is replaced:
// each copy is one version, with the metadata of that version.
func TestCopyDuringWrites(t *testing.T) {
	e := newEnv(t, extended)
	versions := [2]string{strings.Repeat("a", 300_000), strings.Repeat("b", 300_001)}
	put := func(i int) *req {
		return e.req("PUT", path("src"), []byte(versions[i])...).with("X-Amz-Meta-V", versions[i][:1])
	}
	e.do(put(0)).want(t, 200, "")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			q := put(i % 2).sign()
			q.Body = http.NoBody
			q.Request.Body = readCloser{bytes.NewReader(q.body)}
			if r, err := e.http.Do(q.Request); err == nil {
				r.Body.Close()
			}
		}
	}()
	defer func() { close(stop); <-done }()
	for n := 0; n < 20; {
		r := e.do(e.copyReq("dst", path("src")))
		if r.StatusCode == 409 {
			continue // too many changes in between: it says so
		}
		r.want(t, 200, "")
		n++
		got := e.get("dst").want(t, 200, "")
		v := got.Header.Get("X-Amz-Meta-V")
		if s := string(got.body); s != versions[0] && s != versions[1] || s[:1] != v || got.Header.Get("Etag") != quotedMD5(s) {
			t.Fatalf("%d bytes of %q with metadata %q and ETag %s", len(s), s[:1], v, got.Header.Get("Etag"))
		}
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// FuzzCopySource: whatever the header, what it names is a bucket and a key,
// and what was encoded is read back.
func FuzzCopySource(f *testing.F) {
	for _, s := range []string{"/b/k", "b/k", "b%2Fk%2Fx", "b/k?versionId=null", "b/a+b", "%", "b/k?versionId=x", "//", ""} {
		f.Add(s, "k")
	}
	f.Fuzz(func(t *testing.T, header, key string) {
		if c, err := parseCopySource(header); err == nil && (c.bucket == "" || c.key == "" || strings.Contains(c.bucket, "/")) {
			t.Fatalf("%q: %+v", header, c)
		}
		if key == "" {
			return
		}
		for _, h := range []string{"/bucket/" + url.PathEscape(key), url.PathEscape("bucket/" + key), path(key)} {
			c, err := parseCopySource(h)
			if err != nil || c.key != key || c.bucket != "bucket" && c.bucket != diskA.String() {
				t.Fatalf("%q: %+v, %v", h, c, err)
			}
		}
	})
}
