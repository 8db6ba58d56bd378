package blob

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// sendfileSource tells whether the net package can send r without copying.
func sendfileSource(r io.Reader) bool {
	lr, ok := r.(*io.LimitedReader)
	if !ok {
		return false
	}
	_, ok = lr.R.(*os.File)
	return ok
}

type recordingWriter struct {
	bytes.Buffer
	direct int
}

func (w *recordingWriter) ReadFrom(r io.Reader) (int64, error) {
	if sendfileSource(r) {
		w.direct++
	}
	return w.Buffer.ReadFrom(r)
}

func TestWriteRangeGivesAFile(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		s := mustOpen(t, o)
		defer mustClose(t, s)
		e := mustAppend(t, s, Owner{}, randBytes(newRand(), 1<<20))
		var w recordingWriter
		for _, r := range [][2]int64{{0, 1 << 20}, {12345, 500000}, {0, sendMin - 1}} {
			w.Reset()
			n, err := s.WriteRange(&w, e.loc, r[0], r[1])
			if n != r[1] || err != nil || !bytes.Equal(w.Bytes(), e.data[r[0]:r[0]+r[1]]) {
				t.Errorf("%v: %d, %v or wrong bytes", r, n, err)
			}
		}
		want := 2
		if o.FS != vfs.Default {
			want = 0
		}
		if w.direct != want {
			t.Errorf("%d ranges went as a file, want %d", w.direct, want)
		}
	})
}

// spyConn sits under a real HTTP server and sees what reaches the socket's
// ReadFrom, where sendfile is decided.
type spyConn struct {
	*net.TCPConn
	sent *atomic.Int64
}

func (c spyConn) ReadFrom(r io.Reader) (int64, error) {
	direct := sendfileSource(r)
	n, err := c.TCPConn.ReadFrom(r)
	if direct {
		c.sent.Add(n)
	}
	return n, err
}

type spyListener struct {
	net.Listener
	sent *atomic.Int64
}

func (l spyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return spyConn{c.(*net.TCPConn), l.sent}, nil
}

func TestSendfileThroughHTTP(t *testing.T) {
	s := mustOpen(t, testOptions(t, vfs.Default, t.TempDir()))
	defer mustClose(t, s)
	rng := newRand()
	var all []extent
	for range 4 {
		all = append(all, mustAppend(t, s, Owner{}, randBytes(rng, 1<<20)))
	}
	var sent atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(4<<20))
		for _, e := range all {
			if _, err := s.WriteRange(w, e.loc, 0, e.loc.Length); err != nil {
				t.Error(err)
			}
		}
	}))
	srv.Listener = spyListener{srv.Listener, &sent}
	srv.Start()
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for i, e := range all {
		if !bytes.Equal(body[i<<20:(i+1)<<20], e.data) {
			t.Errorf("extent %d came wrong", i)
		}
	}
	// All but the first 512 bytes, which net/http copies with the header.
	if n := sent.Load(); n < 4<<20-512 {
		t.Errorf("%d bytes of 4 MiB went by sendfile", n)
	}
}
