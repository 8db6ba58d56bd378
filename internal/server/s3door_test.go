package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestS3Door goes through what the S3 door has from the catalog and the
// settings: API keys, ListBuckets, allowed addresses, CORS, the profile and
// the limit of failed authentications.
func TestS3Door(t *testing.T) {
	c := testConfig(t.TempDir())
	c.TrustedProxies = "127.0.0.0/8"
	r := begin(t, c)
	defer r.end()
	id, _ := withUser(t, r)
	send := func(method, url, body string, headers ...string) (*http.Response, string) {
		t.Helper()
		q, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			q.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}
	want := func(status int, text, method, url, body string, headers ...string) *http.Response {
		t.Helper()
		res, b := send(method, url, body, headers...)
		if res.StatusCode != status || !strings.Contains(b, text) {
			t.Fatalf("%s %s: %d %s, want %d %q", method, url, res.StatusCode, b, status, text)
		}
		return res
	}
	const auth = "Authorization"
	s3, control := r.e.S3+"/", r.e.Control+"/api/disks/"+id
	want(200, "", "PUT", s3+id+"/k", "v", auth, r.key)
	want(200, "v", "GET", s3+id+"/k", "", auth, r.key)
	want(200, "<Name>"+id+"</Name>", "GET", s3, "", auth, r.key)
	want(200, "<UploadId>", "POST", s3+id+"/k?uploads", "", auth, r.key) // an extended operation
	want(403, "InvalidAccessKeyId", "GET", s3+id+"/k", "", auth, "key-nobody")

	want(200, "", "PUT", control+"/cors", `{"rules":[{"allowedOrigins":["https://a.example"],"allowedMethods":["GET"]}]}`, auth, r.key, "Content-Type", "application/json")
	res := want(200, "", "OPTIONS", s3+id+"/k", "", "Origin", "https://a.example", "Access-Control-Request-Method", "GET")
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "https://a.example" {
		t.Errorf("Access-Control-Allow-Origin %q", got)
	}
	want(403, "AccessForbidden", "OPTIONS", s3+id+"/k", "", "Origin", "https://b.example", "Access-Control-Request-Method", "GET")

	want(200, "", "PUT", control+"/allowed-ips", `{"allowedIps":["192.0.2.0/24"]}`, auth, r.key, "Content-Type", "application/json", "X-Forwarded-For", "192.0.2.1")
	want(200, "v", "GET", s3+id+"/k", "", auth, r.key, "X-Forwarded-For", "192.0.2.9")
	want(403, "allowed IPs", "GET", s3+id+"/k", "", auth, r.key, "X-Forwarded-For", "192.0.3.9")

	for range 100 {
		if res, _ = send("GET", s3+id+"/k", "", auth, "key-nobody", "X-Forwarded-For", "198.51.100.1"); res.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("after many failures: %d, %v", res.StatusCode, res.Header)
	}
	want(200, "v", "GET", s3+id+"/k", "", auth, r.key, "X-Forwarded-For", "192.0.2.9")
}
