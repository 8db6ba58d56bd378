package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestCutUploads breaks off large uploads midway, by the client and by a kill
// of the server: nothing of them is ever visible, and their space comes back.
func TestCutUploads(t *testing.T) {
	const size, sent, uploads = 96 << 20, 80 << 20, 14
	s := startServer(t, options{})
	d := s.createDisk("photos")
	w := newWire(d)
	must(t, "put", w.put(t.Context(), "kept", contents("kept", 3<<20)))
	for range uploads {
		cutUpload(t, w, size, sent)
	}
	invisible(t, w)
	// All of it together would be more than a GiB. What may stay for a while
	// are the segments that are still being filled: three of 256 MiB at most.
	await(t, "the space of uploads cut by their clients", func() bool { return diskUsage(t, s.data) < 850<<20 })

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := newCutBody(ctx, sent)
	ended := make(chan error, 1)
	go func() { ended <- putStream(ctx, w, "cut", body, size) }()
	<-body.drained
	s.kill()
	cancel()
	if err := <-ended; err == nil {
		t.Error("an upload that the kill cut off was acknowledged")
	}
	w.close()
	s.start()
	w = newWire(d.moved(s))
	t.Cleanup(w.close)
	invisible(t, w)
	await(t, "the space of the upload cut by a kill", func() bool { return diskUsage(t, s.data) < 100<<20 })
	got, err := w.get(t.Context(), "kept")
	must(t, "get", err)
	sameBytes(t, "the object beside the cut uploads", contents("kept", 3<<20), got)
}

// cutUpload sends a part of a body and closes the connection.
func cutUpload(t *testing.T, w *wire, size, sent int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := newCutBody(ctx, sent)
	go func() { <-body.drained; cancel() }()
	if err := putStream(ctx, w, "cut", body, size); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cut upload ended with %v", err)
	}
}

// putStream uploads a body of the given size without its hash.
func putStream(ctx context.Context, w *wire, key string, body io.Reader, size int64) error {
	_, err := w.call(ctx, http.MethodPut, key, nil, streamPayload(body, size))
	return err
}

func invisible(t *testing.T, w *wire) {
	t.Helper()
	gone(t.Context(), t, w, "cut")
	keys, err := w.list(t.Context(), "", 1000)
	must(t, "list", err)
	sameKeys(t, []string{"kept"}, keys)
}

// cutBody gives some bytes, then nothing more until its context ends.
type cutBody struct {
	pattern
	ctx     context.Context
	drained chan struct{} // closed when the bytes have been read
	once    sync.Once
}

func newCutBody(ctx context.Context, n int64) *cutBody {
	return &cutBody{pattern: pattern{left: n}, ctx: ctx, drained: make(chan struct{})}
}

func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.pattern.Read(p)
	if err == nil {
		return n, nil
	}
	b.once.Do(func() { close(b.drained) })
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// patternBlock is repeated by pattern. Its length has no common factor with
// the sizes of blocks, chunks and segments.
var patternBlock = contents("pattern", 1<<20-17)

// pattern is a stream of bytes, the same for every reader.
type pattern struct{ pos, left int64 }

func (r *pattern) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.left)], patternBlock[r.pos%int64(len(patternBlock)):])
	r.pos += int64(n)
	r.left -= int64(n)
	return n, nil
}

// samePattern reads r to its end and checks that it is the pattern.
func samePattern(r io.Reader, size int64) error {
	want := &pattern{left: size}
	a, b := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		n, err := io.ReadFull(r, a)
		m, _ := io.ReadFull(want, b)
		if !bytes.Equal(a[:n], b[:m]) {
			return errors.New("the contents differ")
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// diskUsage is what the files below dir occupy, in bytes.
func diskUsage(t testing.TB, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ignoreGone(err)
		}
		fi, err := e.Info()
		if err == nil {
			sum += fi.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return ignoreGone(err)
	})
	must(t, "disk usage", err)
	return sum
}

// ignoreGone forgives files that the server removed meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// await polls a condition. Its limit is there for what never comes.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	limit := time.After(2 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-limit:
			t.Fatalf("in vain awaited: %s", what)
		case <-tick.C:
		}
	}
}
