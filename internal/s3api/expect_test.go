package s3api

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// TestExpectContinueEmpty sends empty objects that wait for a 100 Continue,
// several on one connection as botocore does: each gets its 100, refused ones
// too.
func TestExpectContinueEmpty(t *testing.T) {
	e := newEnv(t)
	c := e.raw()
	br := bufio.NewReader(c)
	for i, tc := range []struct {
		key    string
		status int
	}{{"empty1", 200}, {".archil/x", 403}, {"empty2", 200}} {
		fmt.Fprint(c, e.req("PUT", path(tc.key)).payload("UNSIGNED-PAYLOAD").sign().rawHead(0, "Expect: 100-continue"))
		line, err := br.ReadString('\n')
		if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("request %d: %q, %v: want a 100", i, line, err)
		}
		if line, err := br.ReadString('\n'); err != nil || line != "\r\n" {
			t.Fatalf("request %d: %q, %v: want the end of the 100", i, line, err)
		}
		r, err := http.ReadResponse(br, &http.Request{Method: "PUT"})
		if err != nil || r.StatusCode != tc.status {
			t.Fatalf("request %d: %v, %v: want %d", i, r, err, tc.status)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Fatal(err)
		}
	}
	e.wantBody("empty1", "")
	e.wantBody("empty2", "")
}
