package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// pattern is contents of which no two parts are alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func readAt(t *testing.T, b *Bucket, key string, o GetOptions) string {
	t.Helper()
	r, err := b.Get(t.Context(), key, o)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return string(data)
}

func TestObjects(t *testing.T) {
	f, b := newFake(t)
	mode := uint32(0o640)
	for _, key := range []string{"a", "100% (done) +final?.txt", "é/ü#&;=.txt", "a//b", "x/../y", " sp ", "line\nbreak", "\x01"} {
		etag, err := b.Put(t.Context(), key, strings.NewReader("hello"), PutOptions{Mode: &mode, UID: 5, ContentType: "text/x", Metadata: map[string]string{"a": "1"}})
		if err != nil || etag != "5d41402abc4b2a76b9719d911017c592" {
			t.Fatalf("put %q: %q, %v", key, etag, err)
		}
		h := f.files[key].header
		if h.Get("X-Archil-Mode") != "640" || h.Get("X-Archil-Uid") != "5" || h.Get("Content-Type") != "text/x" {
			t.Errorf("put %q sent %v", key, h)
		}
		o, err := b.Head(t.Context(), key)
		if err != nil || o.Size != 5 || o.ETag != etag || o.Modified.Unix() != 1700000000 || o.Metadata["a"] != "1" {
			t.Errorf("head %q: %+v, %v", key, o, err)
		}
		if got := readAt(t, b, key, GetOptions{}); got != "hello" {
			t.Errorf("get %q: %q", key, got)
		}
	}
	if got := readAt(t, b, "a", GetOptions{Offset: 1, Length: 3}); got != "ell" {
		t.Errorf("range: %q", got)
	}
	if got := readAt(t, b, "a", GetOptions{Offset: 3}); got != "lo" {
		t.Errorf("range to the end: %q", got)
	}
	if _, err := b.Get(t.Context(), "a", GetOptions{IfMatch: "other"}); !errors.Is(err, ErrChanged) {
		t.Errorf("If-Match: %v", err)
	}
	for _, err := range []error{
		func() error { _, err := b.Head(t.Context(), "none"); return err }(),
		func() error { _, err := b.Get(t.Context(), "none", GetOptions{}); return err }(),
	} {
		if !IsNotFound(err) {
			t.Errorf("a missing key: %v", err)
		}
	}
	if _, err := b.Put(t.Context(), "a", strings.NewReader("x"), PutOptions{IfNone: true}); StatusOf(err) != 412 || CodeOf(err) != "PreconditionFailed" {
		t.Errorf("IfNone: %v", err)
	}
	if _, err := b.Put(t.Context(), "a", strings.NewReader(""), PutOptions{IfMatch: "5d41402abc4b2a76b9719d911017c592"}); err != nil {
		t.Errorf("IfMatch: %v", err)
	}
	if got := readAt(t, b, "a", GetOptions{}); got != "" {
		t.Errorf("an empty file: %q", got)
	}
	if _, err := b.Append(t.Context(), "a", []byte("xy")); err != nil || readAt(t, b, "a", GetOptions{}) != "xy" {
		t.Errorf("append: %v", err)
	}
	if o, err := b.Copy(t.Context(), "c?", b, "a"); err != nil || o.ETag == "" || readAt(t, b, "c?", GetOptions{}) != "xy" {
		t.Errorf("copy: %+v, %v", o, err)
	}
	for range 2 {
		if err := b.Delete(t.Context(), "c?"); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if err := b.MakeDir(t.Context(), "d", PutOptions{Mode: &mode}); err != nil || f.files["d/"] == nil {
		t.Errorf("mkdir: %v", err)
	}
}

func TestList(t *testing.T) {
	f, b := newFake(t)
	f.page = 2
	for _, k := range []string{"a-b", "a.txt", "a/1", "a/2", "ab", "e f+&%"} {
		f.files[k] = &fakeFile{data: []byte(k)}
	}
	keys := func(o ListOptions) string {
		list, err := Collect(b.List(t.Context(), o))
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range list {
			if strings.HasSuffix(e.Key, "/") != e.Folder || !e.Folder && e.Modified.Nanosecond() != 678e6 {
				t.Errorf("%+v", e)
			}
			out = append(out, e.Key)
		}
		return strings.Join(out, " ")
	}
	for _, tc := range []struct {
		o    ListOptions
		want string
	}{
		{ListOptions{}, "a-b a.txt a/1 a/2 ab e f+&%"},
		{ListOptions{Folders: true}, "a-b a.txt a/ ab e f+&%"},
		{ListOptions{Prefix: "a/"}, "a/1 a/2"},
		{ListOptions{Prefix: "a", StartAfter: "a/1", PageSize: 1}, "a/2 ab"},
	} {
		if got := keys(tc.o); got != tc.want {
			t.Errorf("%+v: %s", tc.o, got)
		}
	}
	for range b.List(t.Context(), ListOptions{}) {
		break // an early end asks for no more
	}
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		fmt.Fprint(w, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>")
		return true
	}
	if _, err := Collect(b.List(t.Context(), ListOptions{})); !errors.Is(err, errRepeats) {
		t.Errorf("a list without end: %v", err)
	}
}

func TestDeleteMany(t *testing.T) {
	f, b := newFake(t)
	keys := []string{"<&>", " trimmed ", "ctl\x02", ".archil/x"}
	for i := range 1500 {
		keys = append(keys, fmt.Sprintf("k%d", i))
	}
	for _, k := range keys {
		f.files[k] = &fakeFile{}
	}
	failed, err := b.DeleteMany(t.Context(), keys)
	if err != nil || len(failed) != 1 || failed[0].Key != ".archil/x" || failed[0].Code != "AccessDenied" {
		t.Errorf("%+v, %v", failed, err)
	}
	if n := f.count("POST"); len(f.files) != 0 || n != 2 {
		t.Errorf("%d files stay after %d requests", len(f.files), n)
	}
}

// TestParts uploads in parts, from what can be read anywhere and from a
// stream, with a part that fails at first.
func TestParts(t *testing.T) {
	f, b := newFake(t)
	data := pattern(3*minPartSize + 777)
	var broke atomic.Bool
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("partNumber") == "2" && broke.CompareAndSwap(false, true) {
			fail(w, 503, "SlowDown")
			return true
		}
		return false
	}
	for name, put := range map[string]func(o PutOptions) (string, error){
		"at": func(o PutOptions) (string, error) {
			return b.PutAt(t.Context(), "k", bytes.NewReader(data), int64(len(data)), o)
		},
		"stream": func(o PutOptions) (string, error) {
			return b.Put(t.Context(), "k", io.MultiReader(bytes.NewReader(data)), o)
		},
	} {
		broke.Store(false)
		var sent atomic.Int64
		etag, err := put(PutOptions{PartSize: 1, Progress: func(n int64) { sent.Add(n) }})
		if err != nil || !strings.HasSuffix(etag, "-4") || sent.Load() != int64(len(data)) {
			t.Fatalf("%s: %q, %v; progress %d of %d", name, etag, err, sent.Load(), len(data))
		}
		if !bytes.Equal(f.files["k"].data, data) || readAt(t, b, "k", GetOptions{}) != string(data) {
			t.Errorf("%s: other contents arrived", name)
		}
		if len(f.uploads) != 0 {
			t.Errorf("%s: uploads stay: %v", name, f.uploads)
		}
	}
}

// TestGiveUpAndResume fails an upload; without Resume nothing stays, with it
// the next one sends only what is missing or different.
func TestGiveUpAndResume(t *testing.T) {
	f, b := newFake(t)
	data := pattern(4 * minPartSize)
	put := func(resume bool) error {
		_, err := b.PutAt(t.Context(), "k", bytes.NewReader(data), int64(len(data)), PutOptions{PartSize: minPartSize, Parallel: 1, Resume: resume})
		return err
	}
	refuse := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("partNumber") == "4" {
			fail(w, 507, "InsufficientStorage")
			return true
		}
		return false
	}
	f.hook = refuse
	if err := put(false); StatusOf(err) != 507 || len(f.uploads) != 0 || f.files["k"] != nil {
		t.Fatalf("%v; uploads %d", err, len(f.uploads))
	}
	if err := put(true); StatusOf(err) != 507 || len(f.uploads) != 1 {
		t.Fatalf("%v; uploads %d", err, len(f.uploads))
	}
	f.hook = nil
	f.bytes = 0
	data[minPartSize] ^= 1 // the second part is another now
	if err := put(true); err != nil || f.bytes != 2*minPartSize || !bytes.Equal(f.files["k"].data, data) || len(f.uploads) != 0 {
		t.Fatalf("%v; %d bytes were sent", err, f.bytes)
	}

	// An upload that ends while it is continued: all is sent anew.
	f.hook = refuse
	if err := put(true); err == nil {
		t.Fatal("no error")
	}
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("partNumber") == "4" && r.URL.Query().Get("uploadId") == "1" {
			fail(w, 404, "NoSuchUpload")
			f.mu.Lock()
			f.uploads["old"] = f.uploads["1"]
			delete(f.uploads, "1")
			f.mu.Unlock()
			return true
		}
		return false
	}
	if err := put(true); err != nil || !bytes.Equal(f.files["k"].data, data) {
		t.Fatal(err)
	}
}

// TestLostComplete loses the answer to a complete: the file itself tells that
// it was done. One that says so in a 200 is an error.
func TestLostComplete(t *testing.T) {
	f, b := newFake(t)
	data := pattern(minPartSize + 1)
	put := func() (string, error) {
		return b.PutAt(t.Context(), "k", bytes.NewReader(data), int64(len(data)), PutOptions{PartSize: minPartSize})
	}
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" || r.URL.Query().Get("uploadId") == "" {
			return false
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		f.route(discard{}, r, "k", body)
		f.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	if etag, err := put(); err != nil || !strings.HasSuffix(etag, "-2") {
		t.Fatalf("%q, %v", etag, err)
	}
	if n := f.count("POST /dsk-1.dev/k?uploadId"); n != 1 {
		t.Errorf("complete was sent %d times", n)
	}
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && r.URL.Query().Get("uploadId") != "" {
			fail(w, 200, "InternalError")
			return true
		}
		return false
	}
	if _, err := put(); CodeOf(err) != "InternalError" {
		t.Errorf("an error in a 200: %v", err)
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestPartSizeFor(t *testing.T) {
	for _, tc := range [][3]int64{
		{0, 0, 16 << 20}, {160000 << 20, 0, 16 << 20}, {160000<<20 + 1, 0, 17 << 20}, {5 << 40, 0, 525 << 20}, {1 << 20, 5 << 20, 5 << 20},
	} {
		got := PartSizeFor(tc[0], tc[1])
		if got != tc[2] || (tc[0]+got-1)/got > maxParts {
			t.Errorf("PartSizeFor(%d, %d) = %d, want %d", tc[0], tc[1], got, tc[2])
		}
	}
}

// TestBrokenRead cuts downloads off: they continue at the byte where they
// broke, unless the file is another one then.
func TestBrokenRead(t *testing.T) {
	f, b := newFake(t)
	data := pattern(300 << 10)
	if _, err := b.Put(t.Context(), "k", bytes.NewReader(data), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	cuts := 0
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "GET" || cuts == 0 {
			return false
		}
		cuts--
		f.mu.Lock()
		defer f.mu.Unlock()
		f.get(&cutWriter{w, 100 << 10}, r, "k")
		return true
	}
	cuts = 2
	if got := readAt(t, b, "k", GetOptions{}); got != string(data) {
		t.Error("other contents arrived")
	}
	if n := f.count("GET"); n != 3 {
		t.Errorf("%d requests", n)
	}
	cuts = 1
	if got := readAt(t, b, "k", GetOptions{Offset: 5, Length: 200 << 10}); got != string(data[5:5+200<<10]) {
		t.Error("other contents of a range arrived")
	}
	cuts = 1
	r, err := b.Get(t.Context(), "k", GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f.mu.Lock()
	f.files["k"] = &fakeFile{data: data, etag: "other", header: http.Header{}}
	f.mu.Unlock()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, ErrChanged) {
		t.Errorf("a replaced file: %v", err)
	}
}

// cutWriter breaks the connection after n bytes.
type cutWriter struct {
	http.ResponseWriter
	n int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) > c.n {
		if _, err := c.ResponseWriter.Write(p[:c.n]); err != nil {
			return 0, err
		}
		if err := http.NewResponseController(c.ResponseWriter).Flush(); err != nil {
			return 0, err
		}
		panic(http.ErrAbortHandler)
	}
	c.n -= len(p)
	return c.ResponseWriter.Write(p)
}

func TestDamage(t *testing.T) {
	f, b := newFake(t)
	if _, err := b.Put(t.Context(), "k", strings.NewReader("hello"), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	f.files["k"].data[1] ^= 1
	r, err := b.Get(t.Context(), "k", GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, ErrChecksum) {
		t.Errorf("damage on the way: %v", err)
	}
	f.hook = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", `"00000000000000000000000000000000"`)
		return true
	}
	if _, err := b.Put(t.Context(), "k", strings.NewReader("hello"), PutOptions{}); !errors.Is(err, ErrChecksum) {
		t.Errorf("an ETag of something else: %v", err)
	}
}
