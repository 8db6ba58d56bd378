package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"atoll/internal/server"
)

// tollbooth is a proxy of TCP that counts bytes, and does something when a
// number of them have passed in one direction.
type tollbooth struct {
	addr     string
	up, down atomic.Int64
	upEnd    atomic.Int64 // 0: never
	downEnd  atomic.Int64
	end      atomic.Pointer[func()]
}

func newTollbooth(t *testing.T, backend string) *tollbooth {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // that ends the accepting
	b := &tollbooth{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(c, backend)
		}
	}()
	return b
}

func (b *tollbooth) pass(c net.Conn, backend string) {
	defer c.Close()
	s, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		b.count(s, c, &b.up, &b.upEnd)
		_ = s.(*net.TCPConn).CloseWrite() // it may be closed
	}()
	b.count(c, s, &b.down, &b.downEnd)
}

// count copies in small pieces, so that the end comes where it should.
func (b *tollbooth) count(to io.Writer, from io.Reader, n, end *atomic.Int64) {
	buf := make([]byte, 16<<10)
	for {
		k, err := from.Read(buf)
		if k > 0 {
			if _, err := to.Write(buf[:k]); err != nil {
				return
			}
			if e := end.Load(); n.Add(int64(k)) >= e && e > 0 && end.CompareAndSwap(e, 0) {
				(*b.end.Load())()
			}
		}
		if err != nil {
			return
		}
	}
}

// behind makes a data directory that leads to a server's S3 API through a
// tollbooth.
func behind(t *testing.T, p *proc) (dir string, b *tollbooth) {
	t.Helper()
	u, err := url.Parse(p.e.S3)
	if err != nil {
		t.Fatal(err)
	}
	b = newTollbooth(t, u.Host)
	e := server.Endpoints{S3: "http://" + b.addr, Control: p.e.Control, Data: p.e.Data, PID: p.e.PID}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, contents := range map[string]string{"endpoint.json": string(text), "api.key": mustRead(t, filepath.Join(p.data, "api.key"))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, b
}

// TestKilledCopy kills cp when some bytes have passed, both ways; the same
// command again moves only what is missing.
func TestKilledCopy(t *testing.T) {
	const total, cut, part, buffers = 48 << 20, 30 << 20, 5 << 20, 12 << 20
	data := t.TempDir()
	p := serve(t, data)
	must(t, "disk", "create", "photos", "--data", data)
	front, b := behind(t, p)
	x := &in{t, front, t.TempDir()}
	contents := bytes.Repeat([]byte("0123456789abcdef"), total/16)
	for i := 0; i < total; i += 1 << 10 { // so that no two parts are alike
		contents[i] = byte(i >> 10)
		contents[i+1] = byte(i >> 18)
	}
	x.file("big", string(contents))

	killed := func(args ...string) {
		t.Helper()
		c := x.cmd(args...)
		started := make(chan struct{})
		kill := func() {
			<-started
			_ = c.Process.Kill() // it may have ended, which the exit code tells
		}
		b.end.Store(&kill)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		err := c.Start()
		if err != nil {
			t.Fatal(err)
		}
		close(started)
		if err = c.Wait(); c.ProcessState.ExitCode() != -1 {
			t.Fatalf("%v was not killed: %v\n%s", args, err, out.Bytes())
		}
	}
	again := func(args ...string) {
		t.Helper()
		b.up.Store(0)
		b.down.Store(0)
		if code, out := x.run(args...); code != 0 || !strings.Contains(out, "Copied 1 file(s), 48.0 MiB") {
			t.Fatalf("%v: exit %d %s", args, code, out)
		}
	}

	b.upEnd.Store(cut)
	up := []string{"cp", "big", "photos:/big", "--part-size", "5MiB"}
	killed(up...)
	if code, out := x.run("cat", "photos:/big"); code != exitNotFound {
		t.Fatalf("half of a file is to be seen: exit %d, %d bytes", code, len(out))
	}
	again(up...)
	// Four parts at most were not whole. What the kernel had still got there.
	if sent := b.up.Load(); sent < total-cut-buffers || sent > total-cut+4*part+1<<20 {
		t.Errorf("%d bytes were sent again", sent)
	}

	b.downEnd.Store(cut)
	down := []string{"cp", "photos:/big", "back"}
	killed(down...)
	if _, err := os.Stat(filepath.Join(x.dir, "back")); !os.IsNotExist(err) {
		t.Fatalf("half of a file has its name: %v", err)
	}
	again(down...)
	// What was on its way when the process died came for nothing.
	if got := b.down.Load(); got < total-cut || got > total-cut+buffers {
		t.Errorf("%d bytes came again", got)
	}
	if back, err := os.ReadFile(filepath.Join(x.dir, "back")); err != nil || !bytes.Equal(back, contents) {
		t.Errorf("other contents came back: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(x.dir, ".atoll-*")); err != nil || len(left) != 0 {
		t.Errorf("partial files stay: %v, %v", left, err)
	}
	p.stop()
}
