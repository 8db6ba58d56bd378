package controlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"atoll/internal/blob"
	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/kv/pebblekv"
)

// core is the real one, but that calls can be made to fail.
type core struct {
	*disk.Store
	mu   sync.Mutex
	fail error // of the next call
}

func (f *core) call() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.fail
	f.fail = nil
	return err
}

func (f *core) CreateDisk(ctx context.Context, id disk.ID, root catalog.RootAttrs) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.Create(ctx, id, disk.CreateOptions{UID: root.UID, GID: root.GID, Mode: root.Mode})
}

func (f *core) DeleteDisk(ctx context.Context, id disk.ID) error {
	if err := f.call(); err != nil {
		return err
	}
	return f.Delete(ctx, id)
}

func (f *core) Usage(ctx context.Context, id disk.ID) (disk.Usage, error) {
	if err := f.call(); err != nil {
		return disk.Usage{}, err
	}
	d, err := f.Disk(ctx, id)
	if err != nil {
		return disk.Usage{}, err
	}
	return d.Usage(), nil
}

// bench is a control door over a store in memory.
type bench struct {
	t    *testing.T
	h    http.Handler
	o    Options // of h; the registry is spent
	c    *catalog.Catalog
	core *core
	key  string // opens everything
	log  *bytes.Buffer

	ahead     atomic.Int64 // nanoseconds by which the clock is
	backupDir string
	backupErr error
	notReady  error
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, log: new(bytes.Buffer)}
	b.open(t, vfs.NewMem())
	var err error
	if _, b.key, err = b.c.CreateAPIKey(t.Context(), catalog.APIKeySpec{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	b.serve(Options{
		Info: func() ServerInfo {
			return ServerInfo{Version: "v1", Region: "aws-us-east-1", S3Endpoint: "http://127.0.0.1:9000",
				PublicURL: "http://127.0.0.1:8080", S3Profile: "contract"}
		},
		RotateKey: func(_ context.Context, key string) (string, error) {
			if key != "" {
				return "", nil
			}
			return "/data/master.key", nil
		},
		Backup:   func(_ context.Context, dir string) error { b.backupDir = dir; return b.backupErr },
		Ready:    func() error { return b.notReady },
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(b.log, nil)), MaxBody: 4096,
	})
	return b
}

func (b *bench) now() time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC).Add(time.Duration(b.ahead.Load()))
}

// serve makes the handler, over the bench's stores.
func (b *bench) serve(o Options) {
	o.Catalog, o.Disks, o.Now = b.c, b.core, b.now
	b.o, b.h = o, New(o)
}

func (b *bench) open(t *testing.T, fs vfs.FS) {
	t.Helper()
	closing := func(c io.Closer) {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	kv, err := pebblekv.Open(pebblekv.Options{Dir: "meta", FS: fs, Split: disk.Split, CacheBytes: 1 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	closing(kv)
	blobs, err := blob.Open(blob.Options{Dir: "blob", FS: fs, PreallocateBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	closing(blobs)
	now := b.now
	disks, err := disk.Open(t.Context(), disk.Options{KV: kv, Blob: blobs, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	closing(disks)
	b.core = &core{Store: disks}
	b.c, err = catalog.Open(t.Context(), catalog.Options{KV: kv, Backend: b.core, MasterKey: catalog.MasterKey{1}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
}

// reply is a decoded answer.
type reply struct {
	status int
	header http.Header
	raw    string
	env    struct {
		Success    bool
		Data       json.RawMessage
		NextCursor string
		Error      string
		Code       string
	}
}

func (b *bench) as(auth, method, target, body string) reply {
	b.t.Helper()
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, req)
	r := reply{status: w.Code, header: w.Header(), raw: w.Body.String()}
	if w.Header().Get("Content-Type") != "application/json" {
		if r.status >= 300 && method != http.MethodHead && r.status != http.StatusNotModified {
			b.t.Fatalf("%s %s: %d with content type %q", method, target, r.status, w.Header().Get("Content-Type"))
		}
		return r
	}
	if method != http.MethodHead && !strings.HasPrefix(r.raw, "{\n") {
		if err := json.Unmarshal(w.Body.Bytes(), &r.env); err != nil {
			b.t.Fatalf("%s %s: %q: %v", method, target, r.raw, err)
		}
		if r.env.Success != (r.status < 300) || r.env.Success != (r.env.Error == "") {
			b.t.Fatalf("%s %s: status %d with %s", method, target, r.status, r.raw)
		}
	}
	return r
}

// newKey makes an API key.
func (b *bench) newKey(spec catalog.APIKeySpec) (id, key string) {
	b.t.Helper()
	if spec.Name == "" {
		spec.Name = "another"
	}
	k, key, err := b.c.CreateAPIKey(b.t.Context(), spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return k.ID, key
}

// diskID reads the id of a disk.
func diskID(t *testing.T, s string) disk.ID {
	t.Helper()
	id, ok := disk.ParseID(s)
	if !ok {
		t.Fatalf("%q is no id", s)
	}
	return id
}

func (b *bench) do(method, target, body string) reply {
	b.t.Helper()
	return b.as(b.key, method, target, body)
}

func (b *bench) want(status int, code, method, target, body string) reply {
	b.t.Helper()
	r := b.do(method, target, body)
	if r.status != status || r.env.Code != code {
		b.t.Fatalf("%s %s %s: %d %s, want %d %q", method, target, body, r.status, r.raw, status, code)
	}
	return r
}

func (r reply) data(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.env.Data, &m); err != nil {
		t.Fatalf("data %s: %v", r.raw, err)
	}
	return m
}

func (b *bench) makeDisk(name string) string {
	b.t.Helper()
	return b.want(201, "", "POST", "/api/disks", `{"name":"`+name+`","authMethods":[]}`).data(b.t)["diskId"].(string)
}

// wantText is want, with the words of the error.
func (b *bench) wantText(status int, code, text, method, target, body string) {
	b.t.Helper()
	if r := b.want(status, code, method, target, body); r.env.Error != text {
		b.t.Errorf("%s %s %s: %q, want %q", method, target, body, r.env.Error, text)
	}
}

// put writes a file to a branch of a disk.
func (b *bench) put(id, branch, path, contents string) {
	b.t.Helper()
	d, err := b.core.Disk(b.t.Context(), diskID(b.t, id))
	if err != nil {
		b.t.Fatal(err)
	}
	v, err := d.View(b.t.Context(), disk.Ref{Branch: branch})
	if err != nil {
		b.t.Fatal(err)
	}
	u, err := v.NewUpload(b.t.Context(), int64(len(contents)))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err = u.Write([]byte(contents)); err == nil {
		_, err = u.Commit(b.t.Context(), path, disk.PutOptions{})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
