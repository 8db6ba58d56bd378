package e2e

import (
	"context"
	"io"
	"net/http"
	"testing"
)

// TestDrain asks the server to end in the middle of an upload: the upload
// is carried to its end, new requests are not taken, and the process ends
// with success.
func TestDrain(t *testing.T) {
	schemes(t, func(t *testing.T, https bool) {
		const half = 8 << 20
		s := startServer(t, options{https: https})
		d := s.createDisk("photos")
		w := newWire(d)
		body := &gatedBody{pattern: pattern{left: 2 * half}, gate: half, reached: make(chan struct{}), open: make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- putStream(t.Context(), w, "late", body, 2*half) }()
		<-body.reached
		s.term()
		await(t, "the server to report that it stops", func() bool { return !ready(t.Context(), w, s.Control) })
		late := newWire(d)
		if _, err := late.get(t.Context(), "late"); err == nil {
			t.Error("a new request was served while the server stopped")
		}
		late.close()
		close(body.open)
		must(t, "the upload that was in progress", <-ended)
		w.close()
		s.wait()

		s.start()
		w = newWire(d.moved(s))
		t.Cleanup(w.close)
		must(t, "the uploaded object", getPattern(t, w, "late", 2*half))
	})
}

// ready asks /readyz.
func ready(ctx context.Context, w *wire, control string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, control+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// gatedBody gives its first bytes, and the others once it is opened.
type gatedBody struct {
	pattern
	gate          int64
	reached, open chan struct{}
}

func (b *gatedBody) Read(p []byte) (int, error) {
	if b.pos < b.gate {
		return b.pattern.Read(p[:min(int64(len(p)), b.gate-b.pos)])
	}
	if b.pos == b.gate {
		close(b.reached)
		<-b.open
	}
	n, err := b.pattern.Read(p)
	if b.left == 0 {
		err = io.EOF
	}
	return n, err
}
