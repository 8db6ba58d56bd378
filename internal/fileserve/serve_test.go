package fileserve

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/contenttype"
	"atoll/internal/disk"
	"atoll/internal/objmeta"
)

func TestWhole(t *testing.T) {
	e := newEnv(t, vfs.NewMem(), "")
	a := e.put("docs/read me.txt", "hello world", func(o *disk.PutOptions) { o.MD5, o.HasMD5 = [16]byte{1, 2}, true })
	r := e.do("GET", "/docs/read%20me.txt")
	if r.status != 200 || r.body != "hello world" {
		t.Fatalf("%d %q", r.status, r.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Content-Length": "11", "Accept-Ranges": "bytes",
		"Etag": `"01020000000000000000000000000000"`, "Last-Modified": a.Mtime.UTC().Format(http.TimeFormat),
		"Content-Disposition": `inline; filename="read me.txt"`, "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache", "Content-Security-Policy": "",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	h := e.do("HEAD", "/docs/read%20me.txt")
	r.header.Del("Date")
	h.header.Del("Date")
	if h.status != 200 || h.body != "" || len(h.header) != len(r.header) {
		t.Errorf("HEAD: %d %v, GET had %v", h.status, h.header, r.header)
	}
	for name := range r.header {
		if h.header.Get(name) != r.header.Get(name) {
			t.Errorf("%s: HEAD has %q, GET %q", name, h.header.Get(name), r.header.Get(name))
		}
	}
	for _, path := range []string{"/nothing", "/docs", "/", "/docs/", "/docs/read%20me.txt/x", "/.archil/x", "/a//b", "/%00"} {
		if r := e.do("GET", path); r.status != 404 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	e.put("zipped", "\x1f\x8bxx", func(o *disk.PutOptions) {
		o.ContentMeta = objmeta.AppendField(nil, objmeta.TagContentEncoding, "gzip")
		o.ContentMeta = objmeta.AppendField(o.ContentMeta, objmeta.TagSniffedType, "text/html; charset=utf-8")
	})
	r = e.do("GET", "/zipped")
	if r.header.Get("Content-Encoding") != "gzip" || r.header.Get("Content-Type") != "text/html; charset=utf-8" ||
		r.header.Get("Content-Security-Policy") != "sandbox" || r.body != "\x1f\x8bxx" {
		t.Errorf("stored encoding and type: %v", r.header)
	}
	e.put("picture", "\x89PNG\r\n\x1a\n", func(*disk.PutOptions) {})
	for _, method := range []string{"GET", "HEAD"} {
		if r := e.do(method, "/picture", "Range", "bytes=3-4"); r.header.Get("Content-Type") != "image/png" {
			t.Errorf("%s sniffed %q", method, r.header.Get("Content-Type"))
		}
	}
}

func TestLinks(t *testing.T) {
	e := newEnv(t, vfs.NewMem(), "")
	e.put("a/b.txt", "target")
	ctx := context.Background()
	for name, to := range map[string]string{"in": "a/b.txt", "folder": "a", "loop": "loop", "out": "../../etc/passwd", "abs": "/etc/passwd", "dangling": "x"} {
		if _, err := e.v.Create(ctx, disk.RootIno, name, disk.NewNode{Type: disk.Symlink, Target: to}); err != nil {
			t.Fatal(err)
		}
	}
	if r := e.do("GET", "/in"); r.status != 200 || r.body != "target" {
		t.Errorf("link: %d %q", r.status, r.body)
	}
	if r := e.do("GET", "/folder/b.txt"); r.status != 200 || r.body != "target" {
		t.Errorf("link in the middle: %d %q", r.status, r.body)
	}
	for _, name := range []string{"loop", "out", "abs", "dangling", "folder"} {
		if r := e.do("GET", "/"+name); r.status != 404 {
			t.Errorf("%s: %d", name, r.status)
		}
	}
}

func TestConditions(t *testing.T) {
	e := newEnv(t, vfs.NewMem(), "")
	a := e.put("f.txt", "0123456789")
	tag := string(objmeta.AppendETag(nil, &a))
	at := a.Mtime.UTC()
	before, after := at.Add(-time.Hour).Format(http.TimeFormat), at.Add(time.Hour).Format(http.TimeFormat)
	same := at.Format(http.TimeFormat)
	for _, tc := range []struct {
		headers []string
		status  int
	}{
		{[]string{"If-None-Match", tag}, 304},
		{[]string{"If-None-Match", `"x"`, "If-None-Match", "W/" + tag}, 304},
		{[]string{"If-None-Match", "*"}, 304},
		{[]string{"If-None-Match", `"x"`, "If-Modified-Since", after}, 200},
		{[]string{"If-Modified-Since", same}, 304},
		{[]string{"If-Modified-Since", before}, 200},
		{[]string{"If-Modified-Since", "yesterday"}, 200},
		{[]string{"If-Match", tag}, 200},
		{[]string{"If-Match", "*"}, 200},
		{[]string{"If-Match", `"x"`}, 412},
		{[]string{"If-Match", "W/" + tag}, 412},
		{[]string{"If-Unmodified-Since", before}, 412},
		{[]string{"If-Unmodified-Since", same}, 200},
		{[]string{"If-Match", tag, "If-Unmodified-Since", before}, 200},
		{[]string{"Range", "bytes=2-3", "If-Range", tag}, 206},
		{[]string{"Range", "bytes=2-3", "If-Range", `"x"`}, 200},
		{[]string{"Range", "bytes=2-3", "If-Range", "W/" + tag}, 200},
		{[]string{"Range", "bytes=2-3", "If-Range", same}, 206},
		{[]string{"Range", "bytes=2-3", "If-Range", before}, 200},
		{[]string{"Range", "bytes=99-", "If-None-Match", tag}, 304},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := e.do(method, "/f.txt", tc.headers...)
			if r.status != tc.status {
				t.Errorf("%s %q: %d, want %d", method, tc.headers, r.status, tc.status)
			}
			if r.status == 304 && (r.body != "" || r.header.Get("Etag") != tag || r.header.Get("Content-Type") != "") {
				t.Errorf("304: %v %q", r.header, r.body)
			}
		}
	}
}

func TestRanges(t *testing.T) {
	e := newEnv(t, vfs.NewMem(), "")
	e.put("f.bin", "0123456789")
	for _, tc := range []struct {
		header string
		status int
		body   string
		rng    string
	}{
		{"bytes=0-3", 206, "0123", "bytes 0-3/10"},
		{"bytes=7-", 206, "789", "bytes 7-9/10"},
		{"bytes=-2", 206, "89", "bytes 8-9/10"},
		{"bytes=-99", 206, "0123456789", "bytes 0-9/10"},
		{"bytes=3-99", 206, "3456", "bytes 3-9/10"},
		{"BYTES = 1-1", 206, "1", "bytes 1-1/10"},
		{"bytes=10-", 416, "", "bytes */10"},
		{"bytes=-0", 416, "", "bytes */10"},
		{"bytes=99999999999999999999-", 416, "", "bytes */10"},
		{"bytes=10-,20-30", 416, "", "bytes */10"},
		{"bytes=10-,2-2", 206, "2", "bytes 2-2/10"},
		{"bytes=5-2", 200, "0123456789", ""},
		{"bytes=x", 200, "0123456789", ""},
		{"bytes=-", 200, "0123456789", ""},
		{"items=0-1", 200, "0123456789", ""},
		{"bytes=", 200, "0123456789", ""},
		{"bytes=0-8,1-8", 200, "0123456789", ""}, // more bytes than there are
	} {
		r := e.do("GET", "/f.bin", "Range", tc.header)
		if tc.header == "bytes=3-99" {
			tc.body = "3456789"
		}
		if r.status != tc.status || r.body != tc.body || r.header.Get("Content-Range") != tc.rng {
			t.Errorf("%q: %d %q %q", tc.header, r.status, r.body, r.header.Get("Content-Range"))
		}
	}
	if r := e.do("GET", "/f.bin", "Range", "bytes="+strings.Repeat("0-0,", maxRanges)+"1-1"); r.status != 200 {
		t.Errorf("too many ranges: %d", r.status)
	}
	e.put("empty.txt", "")
	if r := e.do("GET", "/empty.txt"); r.status != 200 || r.body != "" || r.header.Get("Content-Length") != "0" {
		t.Errorf("empty file: %d %v", r.status, r.header)
	}
	if r := e.do("GET", "/empty.txt", "Range", "bytes=0-"); r.status != 416 {
		t.Errorf("range of an empty file: %d", r.status)
	}
}

// TestManyRanges asks for several ranges, out of order and overlapping, of a
// file of several chunks on a real file system.
func TestManyRanges(t *testing.T) {
	e := newEnv(t, vfs.Default, t.TempDir())
	want := make([]byte, 9<<20)
	rnd := rand.New(rand.NewChaCha8([32]byte{1}))
	for i := range want {
		want[i] = byte(rnd.Uint32())
	}
	e.put("big", string(want))
	r := e.do("GET", "/big", "Range", "bytes=8388600-8388700, 5-9,-7,4194300-4294400,7-12")
	typ, params, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil || r.status != 206 || typ != "multipart/byteranges" {
		t.Fatalf("%d %v", r.status, r.header)
	}
	mr := multipart.NewReader(strings.NewReader(r.body), params["boundary"])
	for _, p := range [][2]int{{8388600, 8388701}, {5, 10}, {9<<20 - 7, 9 << 20}, {4194300, 4294401}, {7, 13}} {
		part, err := mr.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(part)
		if err != nil || !bytes.Equal(b, want[p[0]:p[1]]) {
			t.Errorf("part %v: %d bytes, %v", p, len(b), err)
		}
		if part.Header.Get("Content-Type") != contenttype.Sniff(want) {
			t.Errorf("part %v: %v", p, part.Header)
		}
	}
	if _, err := mr.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v", err)
	}
	before := e.blob.Metrics().SentBytes
	if r := e.do("GET", "/big"); r.body != string(want) {
		t.Error("the whole file differs")
	}
	if sent := e.blob.Metrics().SentBytes - before; sent != int64(len(want)) {
		t.Errorf("%d bytes went by sendfile, of %d", sent, len(want))
	}
}

// TestOneVersion replaces and deletes a file while it is sent: what was begun
// is ended as it began.
func TestOneVersion(t *testing.T) {
	e := newEnv(t, vfs.Default, t.TempDir())
	old := strings.Repeat("old ", 8<<20)
	e.put("f", old)
	res, err := http.Get(e.url + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 4)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	e.put("f", "new")
	if r := e.do("GET", "/f"); r.body != "new" {
		t.Errorf("%q", r.body)
	}
	if _, err := e.v.Remove(context.Background(), "f", disk.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(res.Body)
	if err != nil || string(first)+string(rest) != old {
		t.Errorf("%d bytes, %v", len(first)+len(rest), err)
	}
}

// TestClientGone: a client that leaves is told apart from a fault of the store.
func TestClientGone(t *testing.T) {
	e := newEnv(t, vfs.Default, t.TempDir())
	e.put("f", strings.Repeat("x", 64<<20))
	res, err := http.Get(e.url + "/f")
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-e.errs; err == nil || cut(err) != err || os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}
