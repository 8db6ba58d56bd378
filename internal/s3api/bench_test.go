package s3api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/disk"
)

// discard is a response writer that costs next to nothing, so that benchmarks
// show the door, the signature check and the core, and not net/http.
type discard struct {
	header http.Header
	status int
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { d.n += len(p); return len(p), nil }

// bench runs one signed request over and over.
func bench(b *testing.B, e *env, q *req, status int) {
	q.RequestURI = q.URL.RequestURI()
	q.sign()
	body := bytes.NewReader(q.body)
	w := &discard{header: make(http.Header, 16)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		w.status = 0
		if q.body != nil {
			body.Reset(q.body)
			q.Body = io.NopCloser(body)
		} else {
			q.Body = http.NoBody
		}
		e.h.ServeHTTP(w, q.Request)
		if w.status != status {
			b.Fatalf("status %d", w.status)
		}
	}
}

func BenchmarkGet4K(b *testing.B) {
	e := newEnvOn(b, vfs.Default, b.TempDir())
	e.put("dir/key", string(randomBody(4096)))
	bench(b, e, e.req("GET", path("dir/key")), 200)
}

func BenchmarkHead(b *testing.B) {
	e := newEnvOn(b, vfs.Default, b.TempDir())
	e.put("dir/key", string(randomBody(4096)))
	bench(b, e, e.req("HEAD", path("dir/key")), 200)
}

// BenchmarkPut4K is in memory: the disk's sync is not the door's.
func BenchmarkPut4K(b *testing.B) {
	e := newEnv(b)
	bench(b, e, e.req("PUT", path("dir/key"), randomBody(4096)...), 200)
}

func BenchmarkPut1M(b *testing.B) {
	e := newEnvOn(b, vfs.Default, b.TempDir())
	b.SetBytes(1 << 20)
	bench(b, e, e.req("PUT", path("dir/key"), randomBody(1<<20)...), 200)
}

func BenchmarkList1000(b *testing.B) {
	for _, query := range []string{"?list-type=2", "?list-type=2&delimiter=/&prefix=d/"} {
		b.Run(query, func(b *testing.B) {
			e := newEnv(b)
			for i := range 1100 {
				u, err := e.view().NewUpload(context.Background(), 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := u.Commit(context.Background(), fmt.Sprintf("d/file-%05d.txt", i), disk.PutOptions{HasMD5: true}); err != nil {
					b.Fatal(err)
				}
			}
			bench(b, e, e.req("GET", "/"+diskA.String()+query), 200)
		})
	}
}

// BenchmarkListXML is a page's document alone.
func BenchmarkListXML(b *testing.B) {
	entries := make([]disk.ListEntry, 1000)
	for i := range entries {
		entries[i] = disk.ListEntry{Key: fmt.Sprintf("some/directory/file-%05d.txt", i), Attr: disk.Attr{Type: disk.File, Size: 12345, HasMD5: true}}
	}
	h := &Handler{}
	w := &discard{header: make(http.Header, 16)}
	q := &request{h: h, w: w, header: w.header, bucket: "dsk-0000000000000000"}
	l := &listQuery{maxKeys: 1000, encode: true}
	b.ReportAllocs()
	for b.Loop() {
		q.vals = make([]string, 0, 12)
		if err := q.closeList(q.openList(l), l, entries, false); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSmallGetAllocations holds the small GET, from signature to the last
// byte, to its budget of allocations (net/http's own not counted).
func TestSmallGetAllocations(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	e := newEnv(t)
	e.put("dir/key", string(randomBody(4096)))
	q := e.req("GET", path("dir/key"))
	q.RequestURI = q.URL.RequestURI()
	q.sign()
	q.Body = http.NoBody
	w := &discard{header: make(http.Header, 16)}
	const most = 40
	if n := testing.AllocsPerRun(200, func() { clear(w.header); e.h.ServeHTTP(w, q.Request) }); n > most {
		t.Errorf("a small GET allocates %v objects, at most %d are allowed", n, most)
	}
	if w.status != 200 {
		t.Errorf("status %d", w.status)
	}
}
