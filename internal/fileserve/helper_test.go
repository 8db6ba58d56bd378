package fileserve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/blob"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv/pebblekv"
)

// env serves the files of a disk on a real core over real HTTP.
type env struct {
	t    *testing.T
	v    *disk.View
	blob *blob.Store
	url  string
	errs chan error // that Serve returned, in order
}

func newEnv(t *testing.T, fs vfs.FS, dir string) *env {
	t.Helper()
	closing := func(c io.Closer) {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	kvs, err := pebblekv.Open(pebblekv.Options{Dir: fs.PathJoin(dir, "meta"), FS: fs, Split: disk.Split, CacheBytes: 1 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	closing(kvs)
	e := &env{t: t, errs: make(chan error, 1000)}
	if e.blob, err = blob.Open(blob.Options{Dir: fs.PathJoin(dir, "blob"), FS: fs, PreallocateBytes: -1}); err != nil {
		t.Fatal(err)
	}
	closing(e.blob)
	disks, err := disk.Open(t.Context(), disk.Options{KV: kvs, Blob: e.blob})
	if err != nil {
		t.Fatal(err)
	}
	closing(disks)
	if err := disks.Create(t.Context(), 1, disk.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	d, err := disks.Disk(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if e.v, err = d.View(t.Context(), disk.Ref{}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := Serve(w, r, e.v, r.URL.Path[1:], Options{})
		e.errs <- err
		var beyond *Unsatisfiable
		switch {
		case err == nil, errs.Is(err, errs.Canceled): // the client has it, or is gone
		case errors.As(err, &beyond):
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		default:
			w.WriteHeader(errs.Map(errs.KindOf(err)).Status)
		}
	}))
	t.Cleanup(srv.Close)
	e.url = srv.URL
	return e
}

func (e *env) put(path, contents string, change ...func(*disk.PutOptions)) disk.Attr {
	e.t.Helper()
	u, err := e.v.NewUpload(context.Background(), int64(len(contents)))
	if err != nil {
		e.t.Fatal(err)
	}
	defer u.Abort()
	if _, err := io.WriteString(u, contents); err != nil {
		e.t.Fatal(err)
	}
	var o disk.PutOptions
	for _, c := range change {
		c(&o)
	}
	a, err := u.Commit(context.Background(), path, o)
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}

type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request; headers come as pairs.
func (e *env) do(method, path string, headers ...string) reply {
	e.t.Helper()
	req, err := http.NewRequest(method, e.url+path, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	tr := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	<-e.errs
	return reply{res.StatusCode, res.Header, string(b)}
}
