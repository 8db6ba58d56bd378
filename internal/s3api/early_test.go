package s3api

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"atoll/internal/disk"
)

// readResponse reads one response from a raw connection.
func readResponse(t testing.TB, c net.Conn, method string) *resp {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	out := &resp{Response: r}
	if out.body, err = io.ReadAll(r.Body); err != nil {
		t.Fatal(err)
	}
	if r.StatusCode >= 400 && method != http.MethodHead {
		if err := xml.Unmarshal(out.body, &out.err); err != nil {
			t.Fatalf("%v: %q", err, out.body)
		}
	}
	return out
}

func TestIncompleteBody(t *testing.T) {
	e := newEnv(t)
	for _, n := range []int{10, 100 << 10, 2 << 20} {
		body := randomBody(n)
		q := e.req("PUT", path("cut"), body...).sign()
		c := e.raw()
		fmt.Fprint(c, q.rawHead(n+1))
		if _, err := c.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if r := readResponse(t, c, "PUT"); r.StatusCode != 400 || r.err.Code != "IncompleteBody" {
			t.Errorf("%d bytes: %d %q", n, r.StatusCode, r.body)
		}
		e.wantGone("cut")
	}
}

// TestExpectContinue sends heads of requests that wait for a 100 Continue:
// those that will be refused must be refused without it.
func TestExpectContinue(t *testing.T) {
	e := newEnv(t)
	e.put("dir/file", "x")
	const length = 9
	for _, tc := range []struct {
		name   string
		q      *req
		length int
		status int
		code   string
	}{
		{"bad signature", e.req("PUT", path("k")).as(keyA, "wrong"), length, 403, "SignatureDoesNotMatch"},
		{"other's bucket", e.req("PUT", "/"+diskB.String()+"/k"), length, 403, "AccessDenied"},
		{"unknown branch", e.req("PUT", "/"+diskA.String()+".nope/k"), length, 404, "NoSuchBucket"},
		{"not implemented", e.req("PUT", path("k")+"?partNumber=1&uploadId=x"), length, 501, "NotImplemented"},
		{"copy", e.req("PUT", path("k")).with("X-Amz-Copy-Source", "/b/k"), length, 501, "NotImplemented"},
		{"bad key", e.req("PUT", path("a//b")), length, 400, "InvalidArgument"},
		{"reserved", e.req("PUT", path(".archil/x")), length, 403, "AccessDenied"},
		{"too large", e.req("PUT", path("k")), maxObject + 1, 400, "EntityTooLarge"},
		{"bad MD5", e.req("PUT", path("k")).with("Content-MD5", "x"), length, 400, "InvalidDigest"},
		{"condition", e.req("PUT", path("dir/file")).with("If-None-Match", "*"), length, 412, "PreconditionFailed"},
		{"condition on nothing", e.req("PUT", path("nope")).with("If-Match", "*"), length, 404, "NoSuchKey"},
		{"a directory", e.req("PUT", path("dir")), length, 409, "OperationAborted"},
		{"below a file", e.req("PUT", path("dir/file/k")), length, 409, "OperationAborted"},
		{"directory with body", e.req("PUT", path("new/")), length, 400, "InvalidArgument"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := e.raw()
			fmt.Fprint(c, tc.q.payload("UNSIGNED-PAYLOAD").sign().rawHead(tc.length, "Expect: 100-continue"))
			// readResponse fails on a 100, for it has no document.
			if r := readResponse(t, c, "PUT"); r.StatusCode != tc.status || r.err.Code != tc.code {
				t.Errorf("%d %q, want %d %s", r.StatusCode, r.body, tc.status, tc.code)
			}
		})
	}
	c := e.raw()
	fmt.Fprint(c, e.req("PUT", path("good")).payload("UNSIGNED-PAYLOAD").sign().rawHead(length, "Expect: 100-continue"))
	br := bufio.NewReader(c)
	line, err := br.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v: want a 100", line, err)
	}
	if _, err := br.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "123456789")
	r, err := http.ReadResponse(br, nil)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("%v, %v", r, err)
	}
	e.wantBody("good", "123456789")
}

// TestStalledBody stops sending in the middle of small and large bodies.
func TestStalledBody(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.StallTimeout = 50 * time.Millisecond })
	for _, n := range []int{1000, 300 << 10} {
		c := e.raw()
		fmt.Fprint(c, e.req("PUT", path("k")).payload("UNSIGNED-PAYLOAD").sign().rawHead(n))
		if _, err := c.Write(make([]byte, n-1)); err != nil {
			t.Fatal(err)
		}
		if r := readResponse(t, c, "PUT"); r.StatusCode != 400 || r.err.Code != "RequestTimeout" {
			t.Errorf("%d bytes: %d %q", n, r.StatusCode, r.body)
		}
	}
	// The deadlines of one request are not those of the next.
	e.wantGone("k")
}

// TestStalledReader asks for a large object and never reads it.
func TestStalledReader(t *testing.T) {
	m := &waitMetrics{ch: make(chan string, 10)}
	e := newEnv(t, func(o *Options) { o.StallTimeout, o.Metrics = 50*time.Millisecond, m })
	u, err := e.view().NewUpload(t.Context(), 24<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Abort()
	for range 24 {
		if _, err := u.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := u.Commit(t.Context(), "k", disk.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	c := e.raw()
	fmt.Fprint(c, e.req("GET", path("k")).sign().rawHead(-1))
	if got := <-m.ch; got != "GetObject Aborted" {
		t.Errorf("%q", got)
	}
}

// TestEntityTooLarge announces a byte too many in each way.
func TestEntityTooLarge(t *testing.T) {
	e := newEnv(t)
	c := e.raw()
	fmt.Fprint(c, e.req("PUT", path("k")).payload("UNSIGNED-PAYLOAD").sign().rawHead(maxObject+1))
	if r := readResponse(t, c, "PUT"); r.StatusCode != 400 || r.err.Code != "EntityTooLarge" {
		t.Errorf("%d %q", r.StatusCode, r.body)
	}
	c = e.raw()
	fmt.Fprint(c, e.chunkedPut("k", maxObject+1, nil).sign().rawHead(maxObject+100))
	if r := readResponse(t, c, "PUT"); r.StatusCode != 400 || r.err.Code != "EntityTooLarge" {
		t.Errorf("%d %q", r.StatusCode, r.body)
	}
	// The largest that is allowed gets as far as its body.
	c = e.raw()
	fmt.Fprint(c, e.req("PUT", path("k")).payload("UNSIGNED-PAYLOAD").sign().rawHead(maxObject, "Expect: 100-continue"))
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Errorf("%q, %v", line, err)
	}
	e.wantGone("k")
}

// TestRefusalReachesEagerClient refuses a request whose client sends all of a
// large body before it looks for an answer.
func TestRefusalReachesEagerClient(t *testing.T) {
	e := newEnv(t)
	for _, n := range []int{1 << 10, 200 << 10, 3 << 20} {
		q := e.req("PUT", path("a//b")).payload("UNSIGNED-PAYLOAD").sign()
		c := e.raw()
		fmt.Fprint(c, q.rawHead(n))
		if _, err := c.Write(make([]byte, n)); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if r := readResponse(t, c, "PUT"); r.StatusCode != 400 || r.err.Code != "InvalidArgument" {
			t.Errorf("%d bytes: %d %q", n, r.StatusCode, r.body)
		}
	}
}

// TestRefusalAfterContinue refuses a body in its middle: the client had its 100
// Continue and sends on, and must find the answer all the same.
func TestRefusalAfterContinue(t *testing.T) {
	e := newEnv(t)
	body := append([]byte("not a chunk\r\n"), make([]byte, 3<<20)...)
	c := e.raw()
	fmt.Fprint(c, e.chunkedPut("k", 3<<20, nil).sign().rawHead(len(body), "Expect: 100-continue"))
	br := bufio.NewReader(c)
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := br.ReadString('\n'); err != nil || line != want {
			t.Fatalf("%q, %v", line, err)
		}
	}
	if _, err := c.Write(body); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if doc, err := io.ReadAll(r.Body); err != nil || r.StatusCode != 400 || !strings.Contains(string(doc), "<Code>InvalidRequest<") {
		t.Errorf("%d %q, %v", r.StatusCode, doc, err)
	}
	e.wantGone("k")
}

func TestSlowDown(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.MaxInFlight = 4 })
	// A takes all that a lone disk may have: bodies that never come.
	for range 3 {
		c := e.raw()
		fmt.Fprint(c, e.req("PUT", path("k")).payload("UNSIGNED-PAYLOAD").sign().rawHead(9, "Expect: 100-continue"))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	c := e.raw()
	fmt.Fprint(c, e.req("PUT", path("k")).payload("UNSIGNED-PAYLOAD").sign().rawHead(9, "Expect: 100-continue"))
	r := readResponse(t, c, "PUT")
	if r.StatusCode != 503 || r.err.Code != "SlowDown" || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %q, Retry-After %q", r.StatusCode, r.body, r.Header.Get("Retry-After"))
	}
	// B finds room.
	e.do(e.req("GET", "/"+diskB.String()+"?list-type=2").as(keyB, "secret-of-b")).want(t, 200, "")
	// A stranger learns nothing of the load.
	e.do(e.req("GET", path("k")).as(keyA, "wrong")).want(t, 403, "SignatureDoesNotMatch")
}

func TestMemoryBudget(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Memory = 1100 << 10 })
	e.put("k", "v")
	e.put("large", string(randomBody(1<<20)))
	c := e.raw()
	fmt.Fprint(c, e.req("PUT", path("k2")).payload("UNSIGNED-PAYLOAD").sign().rawHead(300<<10, "Expect: 100-continue"))
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v", line, err)
	}
	c2 := e.raw()
	fmt.Fprint(c2, e.req("PUT", path("k3")).payload("UNSIGNED-PAYLOAD").sign().rawHead(300<<10, "Expect: 100-continue"))
	if r := readResponse(t, c2, "PUT"); r.StatusCode != 503 || r.err.Code != "SlowDown" || r.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %q", r.StatusCode, r.body)
	}
	e.get("k").want(t, 200, "")
}

func TestMemoryComesBack(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Memory = 4 << 20 })
	e.put("k", string(randomBody(300<<10)))
	e.list("list-type=2")
	e.do(e.req("PUT", path("k"), 'x').with("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")).want(t, 400, "BadDigest")
	e.http.CloseIdleConnections()
	// The handler gives back before the next request of the same connection,
	// not before the response is seen: one more request orders the two.
	e.http.Transport.(*http.Transport).MaxConnsPerHost = 1
	for range 3 {
		e.get("k").want(t, 200, "")
	}
	e.h.memory.mu.Lock()
	defer e.h.memory.mu.Unlock()
	if e.h.memory.total != 0 || len(e.h.memory.disks) != 0 {
		t.Errorf("%d bytes are missing, of %d disks", e.h.memory.total, len(e.h.memory.disks))
	}
}

func TestAdmissionFairness(t *testing.T) {
	a := fairShare{max: 100}
	enter := func(id disk.ID) (n int) {
		for a.take(id, 1) {
			n++
		}
		return n
	}
	first := enter(1)
	if first != 75 {
		t.Errorf("a lone disk gets %d of 100", first)
	}
	if n := enter(2); n != 25 {
		t.Errorf("a second disk gets %d of the 25 left", n)
	}
	for range first {
		a.give(1, 1)
	}
	if n := enter(3); n < 33 {
		t.Errorf("a third disk beside one gets %d", n)
	}
	one := fairShare{max: 1}
	if !one.take(1, 1) || one.take(2, 1) {
		t.Error("of one place there is one")
	}
	one.give(1, 1)
	if !one.take(2, 1) || len(one.disks) != 1 {
		t.Error("the place was not given back")
	}
}

func TestQuota(t *testing.T) {
	e := newEnv(t)
	ctx := t.Context()
	e.put("old", string(randomBody(10000)))
	if err := e.a.SetQuota(ctx, disk.Quota{Bytes: 12000}); err != nil {
		t.Fatal(err)
	}
	body := randomBody(10000)
	e.do(e.req("PUT", path("new"), body...)).want(t, 507, "QuotaExceeded")
	e.wantGone("new")
	// Before the body, if the client waits.
	c := e.raw()
	fmt.Fprint(c, e.req("PUT", path("new")).payload("UNSIGNED-PAYLOAD").sign().rawHead(10000, "Expect: 100-continue"))
	if r := readResponse(t, c, "PUT"); r.StatusCode != 507 || r.err.Code != "QuotaExceeded" {
		t.Errorf("%d %q", r.StatusCode, r.body)
	}
	e.do(e.req("DELETE", path("old"))).want(t, 204, "")
	e.wantGone("old")
	if err := e.a.SetQuota(ctx, disk.Quota{Files: 1}); err != nil {
		t.Fatal(err)
	}
	e.put("one", "1")
	e.do(e.req("PUT", path("two"), '2')).want(t, 507, "QuotaExceeded")
	e.put("one", "again")
}

// TestMemoryFairness lets one disk wait for bodies in all the memory that it
// can get: another disk still finds room for its own.
func TestMemoryFairness(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Memory = 16 << 20 })
	held := 0
	for ; held < 20; held++ {
		c := e.raw()
		fmt.Fprint(c, e.req("PUT", path("k")).payload("UNSIGNED-PAYLOAD").sign().rawHead(4<<20, "Expect: 100-continue"))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
			break
		}
	}
	if held < 4 || held > 6 {
		t.Errorf("a lone disk gets memory for %d large bodies, want three quarters of 8", held)
	}
	body := randomBody(3 << 20)
	e.do(e.req("PUT", "/"+diskB.String()+"/k", body...).as(keyB, "secret-of-b")).want(t, 200, "")
	e.do(e.req("GET", "/"+diskB.String()+"?list-type=2").as(keyB, "secret-of-b")).want(t, 200, "")
}
