package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// hold sends a request whose body does not end until feed is closed. It
// returns when the server's handler has begun to read the body: the client
// sends nothing of it before the server has asked for it.
func (r *running) hold() (feed *io.PipeWriter, result chan error) {
	r.t.Helper()
	body, feed := io.Pipe()
	req, err := http.NewRequestWithContext(r.t.Context(), "POST", r.e.Control+"/api/disks", body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", r.key)
	req.Header.Set("Expect", "100-continue")
	result = make(chan error, 1)
	go func() {
		tr := &http.Transport{ExpectContinueTimeout: time.Hour}
		defer tr.CloseIdleConnections()
		res, err := tr.RoundTrip(req)
		if err == nil {
			err = res.Body.Close()
			if res.StatusCode != 201 {
				err = fmt.Errorf("status %d", res.StatusCode)
			}
		}
		result <- err
	}()
	if _, err := io.WriteString(feed, `{"name":`); err != nil {
		r.t.Fatal(err)
	}
	return feed, result
}

// TestDrain stops a server while a request's body is on its way: the request
// ends well, and no other begins.
func TestDrain(t *testing.T) {
	r := begin(t, testConfig(t.TempDir()))
	feed, result := r.hold()
	r.stop()
	for { // until the S3 door is closed; the control door still has the request
		res, err := http.Get(r.e.S3)
		if err != nil {
			break
		}
		res.Body.Close()
	}
	select {
	case err := <-r.done:
		t.Fatalf("the server did not wait: %v", err)
	default:
	}
	if _, err := io.WriteString(feed, `"late"}`); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	if err := <-result; err != nil {
		t.Errorf("the request in work: %v", err)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	if log := r.log.String(); !strings.Contains(log, "waiting for requests") || !strings.Contains(log, "stopped") {
		t.Errorf("log: %s", log)
	}
}

// TestDrainTimeout has a request that never ends: it is cut.
func TestDrainTimeout(t *testing.T) {
	c := testConfig(t.TempDir())
	c.DrainTimeout = time.Millisecond
	r := begin(t, c)
	feed, result := r.hold()
	r.stop()
	if err := <-r.done; err != nil {
		t.Errorf("stop: %v", err)
	}
	feed.Close()
	if err := <-result; err == nil {
		t.Error("the request that was cut ended well")
	}
	if !strings.Contains(r.log.String(), "requests were cut") {
		t.Errorf("log: %s", r.log)
	}
	begin(t, testConfig(c.Data)).end()
}
