package share

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/blob"
	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv/pebblekv"
)

// backend is the core as the catalog sees it.
type backend struct{ *disk.Store }

func (b backend) CreateDisk(ctx context.Context, id disk.ID, root catalog.RootAttrs) error {
	return b.Create(ctx, id, disk.CreateOptions{UID: root.UID, GID: root.GID, Mode: root.Mode})
}

func (b backend) DeleteDisk(ctx context.Context, id disk.ID) error { return b.Delete(ctx, id) }

func (b backend) Usage(ctx context.Context, id disk.ID) (disk.Usage, error) {
	d, err := b.Disk(ctx, id)
	if err != nil {
		return disk.Usage{}, err
	}
	return d.Usage(), nil
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// env serves links of real stores over real HTTP.
type env struct {
	t     *testing.T
	fs    vfs.FS
	clock *clock
	disks *disk.Store
	cat   *catalog.Catalog
	s     *Sharer
	id    disk.ID
	url   string
	close func() // of the stores
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{t: t, fs: vfs.NewMem(), clock: &clock{t: time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)}}
	e.open()
	t.Cleanup(func() { e.close() })
	d, err := e.cat.CreateDisk(t.Context(), catalog.DiskSpec{Name: "d"})
	if err != nil {
		t.Fatal(err)
	}
	e.id = d.Disk.ID
	srv := httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(srv.Close)
	e.url = srv.URL
	return e
}

// open opens the stores, as a server does when it starts.
func (e *env) open() {
	e.t.Helper()
	kvs, err := pebblekv.Open(pebblekv.Options{Dir: "meta", FS: e.fs, Split: disk.Split, CacheBytes: 1 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		e.t.Fatal(err)
	}
	blobs, err := blob.Open(blob.Options{Dir: "blob", FS: e.fs, PreallocateBytes: -1})
	if err != nil {
		e.t.Fatal(err)
	}
	if e.disks, err = disk.Open(e.t.Context(), disk.Options{KV: kvs, Blob: blobs}); err != nil {
		e.t.Fatal(err)
	}
	e.cat, err = catalog.Open(e.t.Context(), catalog.Options{KV: kvs, Backend: backend{e.disks}, MasterKey: catalog.MasterKey{1}, Now: e.clock.now})
	if err != nil {
		e.t.Fatal(err)
	}
	e.close = func() {
		for _, c := range []io.Closer{e.disks, blobs, kvs} {
			if err := c.Close(); err != nil {
				e.t.Error(err)
			}
		}
	}
	e.s = New(Options{Store: e.cat, Disks: e.disks, Now: e.clock.now, PublicURL: func() string { return e.url + "/" }})
}

func (e *env) serve(w http.ResponseWriter, r *http.Request) {
	from := netip.MustParseAddrPort(r.RemoteAddr).Addr()
	err := e.s.Serve(w, r, strings.TrimPrefix(r.URL.Path, Path), from)
	var expired *Expired
	switch {
	case err == nil:
	case errors.As(err, &expired):
		http.Error(w, err.Error(), http.StatusForbidden)
	default:
		http.Error(w, errs.Text(err), errs.Map(errs.KindOf(err)).Status)
	}
}

func (e *env) view(ref disk.Ref) *disk.View {
	e.t.Helper()
	d, err := e.disks.Disk(e.t.Context(), e.id)
	if err != nil {
		e.t.Fatal(err)
	}
	v, err := d.View(e.t.Context(), ref)
	if err != nil {
		e.t.Fatal(err)
	}
	return v
}

func (e *env) put(ref disk.Ref, path, contents string) {
	e.t.Helper()
	u, err := e.view(ref).NewUpload(e.t.Context(), int64(len(contents)))
	if err != nil {
		e.t.Fatal(err)
	}
	defer u.Abort()
	if _, err := io.WriteString(u, contents); err != nil {
		e.t.Fatal(err)
	}
	if _, err := u.Commit(e.t.Context(), path, disk.PutOptions{}); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) share(ref disk.Ref, path string) Share {
	e.t.Helper()
	s, err := e.s.Make(e.t.Context(), e.id, ref, path, DefaultLifetime)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

func (e *env) get(url string) (int, string) {
	e.t.Helper()
	res, err := http.Get(url)
	if err != nil {
		e.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (e *env) want(url string, status int, body string) {
	e.t.Helper()
	if got, b := e.get(url); got != status || body != "" && b != body {
		e.t.Errorf("%s: %d %q, want %d %q", url, got, b, status, body)
	}
}

func testKeys() []catalog.ShareKey {
	return []catalog.ShareKey{{ID: "00112233445566ff", Secret: [32]byte{1}}, {ID: "aaaaaaaaaaaaaaaa", Secret: [32]byte{2}}}
}
