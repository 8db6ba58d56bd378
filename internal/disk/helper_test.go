package disk

import (
	"bytes"
	"context"
	"crypto/md5"
	"io"
	"testing"

	"atoll/internal/blob"
	"atoll/internal/errs"
	"atoll/internal/kv/pebblekv"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tester is what testing.TB and rapid.T have in common.
type tester interface {
	Helper()
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// env is a store on a file system of its own.
type env struct {
	t    tester
	fs   vfs.FS
	kv   *pebblekv.Store
	blob *blob.Store
	s    *Store
	opts Options
	bo   blob.Options
}

func newEnv(t testing.TB, fs vfs.FS, opts Options) *env {
	t.Helper()
	e := newEnvOn(t, fs, opts)
	t.Cleanup(e.close)
	return e
}

// newEnvOn is newEnv without the close at the end of the test.
func newEnvOn(t tester, fs vfs.FS, opts Options) *env {
	t.Helper()
	if fs == nil {
		fs = vfs.NewMem()
	}
	e := &env{t: t, fs: fs, opts: opts, bo: blob.Options{Dir: "blob", FS: fs, PreallocateBytes: -1}}
	e.open()
	return e
}

func (e *env) open() {
	e.t.Helper()
	var err error
	e.kv, err = pebblekv.Open(pebblekv.Options{Dir: "meta", FS: e.fs, Split: Split, CacheBytes: 8 << 20, MemTableBytes: 4 << 20,
		OnFatal: func(err error) { e.t.Errorf("kv: fatal: %v", err) }})
	if err != nil {
		e.t.Fatal(err)
	}
	e.bo.OnFatal = func(err error) { e.t.Errorf("blob: fatal: %v", err) }
	if e.blob, err = blob.Open(e.bo); err != nil {
		e.t.Fatal(err)
	}
	o := e.opts
	o.KV, o.Blob = e.kv, e.blob
	if e.s, err = Open(context.Background(), o); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) close() {
	e.t.Helper()
	if e.s == nil {
		return
	}
	for _, c := range []io.Closer{e.s, e.blob, e.kv} {
		if err := c.Close(); err != nil {
			e.t.Errorf("close: %v", err)
		}
	}
	e.s = nil
}

func (e *env) reopen() {
	e.t.Helper()
	e.close()
	e.open()
}

const testDisk = ID(0xa1b2c3d4e5f60718)

// root makes the test's disk, if need be, and opens its root branch.
func (e *env) root() *View {
	e.t.Helper()
	if err := e.s.Create(ctx, testDisk, CreateOptions{}); err != nil && !errs.Is(err, errs.Exists) {
		e.t.Fatal(err)
	}
	return e.view(Ref{})
}

func (e *env) view(ref Ref) *View {
	e.t.Helper()
	d, err := e.s.Disk(ctx, testDisk)
	if err != nil {
		e.t.Fatal(err)
	}
	v, err := d.View(ctx, ref)
	if err != nil {
		e.t.Fatal(err)
	}
	return v
}

var ctx = context.Background()

func tryPut(v *View, path string, data []byte, o PutOptions) (Attr, error) {
	u, err := v.NewUpload(ctx, int64(len(data)))
	if err != nil {
		return Attr{}, err
	}
	defer u.Abort()
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 300_000)
		if _, err := u.Write(rest[:n]); err != nil {
			return Attr{}, err
		}
		rest = rest[n:]
	}
	o.MD5, o.HasMD5 = md5.Sum(data), true
	return u.Commit(ctx, path, o)
}

func put(t tester, v *View, path string, data []byte) Attr {
	t.Helper()
	a, err := tryPut(v, path, data, PutOptions{})
	if err != nil {
		t.Fatalf("put %s: %v", path, err)
	}
	return a
}

func get(v *View, path string) ([]byte, Attr, error) {
	o, err := v.Open(ctx, path, func(a *Attr) []Range { return []Range{{0, a.Size}} })
	if err != nil {
		return nil, Attr{}, err
	}
	defer o.Close()
	var b bytes.Buffer
	_, err = o.WriteRange(&b, Range{0, o.Attr.Size})
	return b.Bytes(), o.Attr, err
}

func mustGet(t tester, v *View, path string, want []byte) {
	t.Helper()
	got, _, err := get(v, path)
	if err != nil {
		t.Fatalf("get %s: %v", path, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("get %s: %d bytes, want %d, or they differ", path, len(got), len(want))
	}
}

func wantKind(t tester, err error, kind errs.Kind) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Fatalf("got %v, want kind %v", err, kind)
	}
}

// listAll pages through a listing.
func listAll(t tester, v *View, o ListOptions, page int) (all []ListEntry) {
	t.Helper()
	o.Limit = page
	for {
		out, more, err := v.List(ctx, o)
		if err != nil {
			t.Fatalf("list %+v: %v", o, err)
		}
		if len(out) > page || more && len(out) < page {
			t.Fatalf("list %+v: %d entries, more %v", o, len(out), more)
		}
		all = append(all, out...)
		if !more {
			return all
		}
		o.StartAfter = out[len(out)-1].Key
	}
}
