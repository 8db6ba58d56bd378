package server

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestAbandonedUploads leaves an upload in parts unfinished: it goes in the
// first hour after its seven days.
func TestAbandonedUploads(t *testing.T) {
	clock, due := &fakeClock{now: time.Now()}, make(chan time.Time)
	c := testConfig(t.TempDir())
	c.Now, c.Chores = clock.Now, due
	r := begin(t, c)
	defer r.end()
	id, _ := withUser(t, r)
	object := r.e.S3 + "/" + id + "/k"
	_, body := send(t, "POST", object+"?uploads", "", "Authorization", r.key)
	upload := regexp.MustCompile("<UploadId>(.*)</UploadId>").FindStringSubmatch(body)
	if upload == nil {
		t.Fatal(body)
	}
	query := "?uploadId=" + upload[1]
	if res, b := send(t, "PUT", object+query+"&partNumber=1", "part", "Authorization", r.key); res.StatusCode != 200 {
		t.Fatal(res.StatusCode, b)
	}
	for _, step := range []struct {
		passes time.Duration
		status int
	}{
		{0, 200},
		{multipartLife - time.Minute, 200},
		{2 * time.Minute, 200}, // over, but it is looked for once an hour
		{expireEvery - 3*time.Minute, 200},
		{time.Minute, 404},
	} {
		clock.add(step.passes)
		due <- time.Time{}
		due <- time.Time{} // taken only when the first has been handled
		if res, b := send(t, "GET", object+query, "", "Authorization", r.key); res.StatusCode != step.status {
			t.Errorf("%v later: %d %s, want %d", step.passes, res.StatusCode, b, step.status)
		}
	}
	if log := r.log.String(); !strings.Contains(log, "abandoned uploads removed") {
		t.Errorf("log: %s", log)
	}
}
