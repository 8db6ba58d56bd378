package s3wire

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"atoll/bench/internal/content"
)

func connect(t *testing.T, s *httptest.Server) *Conn {
	t.Helper()
	target, err := ParseTarget(s.URL, true)
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(target, docs)
	t.Cleanup(c.Close)
	return c
}

// echo answers with the hash of the body and what it saw of the head.
func echo(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	fmt.Fprintf(w, "%s %s %d %s %s", r.Method, r.RequestURI, n, hex.EncodeToString(h.Sum(nil)), r.Header.Get("Range"))
}

func TestBodiesArriveWhole(t *testing.T) {
	plain, secure := httptest.NewServer(http.HandlerFunc(echo)), httptest.NewTLSServer(http.HandlerFunc(echo))
	defer plain.Close()
	defer secure.Close()
	for _, s := range []*httptest.Server{plain, secure} {
		c := connect(t, s)
		for _, size := range []int64{0, 1, 4096, chunk - 1, chunk, chunk + 1, 1 << 20, 3*chunk + 17} {
			b := content.Body{Seed: uint64(size), Size: size}
			var got strings.Builder
			_, err := c.Do(&Request{Method: "PUT", Path: "/b/k%20k", Query: "x=1", Range: "bytes=1-2", Body: b, HasBody: true, Payload: b.SHA256()},
				func(p []byte, off int64) error { got.Write(p); return nil })
			want := fmt.Sprintf("PUT /b/k%%20k?x=1 %d %s bytes=1-2", size, b.SHA256())
			if err != nil || got.String() != want {
				t.Fatalf("size %d: got %q, %v; want %q", size, got.String(), err, want)
			}
		}
	}
}

func TestResponses(t *testing.T) {
	big := content.Body{Seed: 5, Size: 2<<20 + 5}
	bytes := make([]byte, big.Size)
	big.Fill(bytes, 0)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			w.Header().Set("Content-Length", fmt.Sprint(len(bytes)))
			_, _ = w.Write(bytes)
		case "/chunked":
			for i := 0; i < len(bytes); i += 300_000 {
				_, _ = w.Write(bytes[i:min(i+300_000, len(bytes))])
				w.(http.Flusher).Flush()
			}
		case "/none":
			w.WriteHeader(204)
		case "/closing":
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, "bye")
		case "/missing":
			http.Error(w, "<Code>NoSuchKey</Code>", 404)
		}
	}))
	defer s.Close()
	c := connect(t, s)
	for _, tc := range []struct {
		method, path string
		status       int
		read, length int64
	}{
		{"GET", "/length", 200, big.Size, big.Size}, {"GET", "/chunked", 200, big.Size, -1},
		{"HEAD", "/length", 200, 0, big.Size}, {"DELETE", "/none", 204, 0, -1},
		{"GET", "/closing", 200, 3, 3}, {"GET", "/length", 200, big.Size, big.Size},
	} {
		good := true
		resp, err := c.Do(&Request{Method: tc.method, Path: tc.path, Payload: EmptyHash}, func(p []byte, off int64) error {
			good = good && (tc.path == "/closing" || big.Matches(p, off))
			return nil
		})
		want := Response{Status: tc.status, Length: tc.length, Read: tc.read}
		if err != nil || resp != want || !good {
			t.Errorf("%s %s: %+v, %v, right bytes: %v; want %+v", tc.method, tc.path, resp, err, good, want)
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		_, err := c.Do(&Request{Method: method, Path: "/missing", Payload: EmptyHash}, nil)
		var e *Error
		if !errors.As(err, &e) || e.Status != 404 || strings.Contains(e.Body, "NoSuchKey") != (method == "GET") {
			t.Errorf("%s of what is missing: %v", method, err)
		}
	}
	stop := errors.New("stop")
	if _, err := c.Do(&Request{Method: "GET", Path: "/length", Payload: EmptyHash}, func([]byte, int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the sink's error is lost: %v", err)
	}
	if c.Received < 4*big.Size {
		t.Errorf("Received is %d", c.Received)
	}
}

func TestMalformedHeads(t *testing.T) {
	for _, bad := range []string{"", "HTTP/1.1 200", "SPDY/1 200 OK\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 5000) + "\r\n\r\n"} {
		var h header
		if err := h.read(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%.40q is taken for a response: %+v", bad, h)
		}
	}
	var h header
	const good = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial Content\r\ncontent-LENGTH: 7\r\nConnection: Close\r\n\r\n"
	if err := h.read(bufio.NewReader(strings.NewReader(good))); err != nil || h != (header{status: 206, length: 7, close: true}) {
		t.Errorf("read gives %+v, %v", h, err)
	}
}

func TestParseTarget(t *testing.T) {
	for in, addr := range map[string]string{
		"http://127.0.0.1:9000": "127.0.0.1:9000", "https://[::1]": "[::1]:443", "http://host/": "host:80",
	} {
		if got, err := ParseTarget(in, false); err != nil || got.Addr != addr {
			t.Errorf("ParseTarget(%q) is %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"127.0.0.1:9000", "ftp://h", "http://h/bucket", "http://", "http://[::1"} {
		if got, err := ParseTarget(in, false); err == nil {
			t.Errorf("ParseTarget(%q) is %+v", in, got)
		}
	}
}
