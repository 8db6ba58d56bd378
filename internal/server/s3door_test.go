package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// send sends a request and reads its answer.
func send(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
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

// TestS3Door goes through what the S3 door has from the catalog and the
// settings: API keys, ListBuckets, allowed addresses, CORS, the profile and
// the limit of failed authentications.
func TestS3Door(t *testing.T) {
	c := testConfig(t.TempDir())
	c.TrustedProxies = "127.0.0.0/8"
	r := begin(t, c)
	defer r.end()
	id, _ := withUser(t, r)
	want := func(status int, text, method, url, body string, headers ...string) *http.Response {
		t.Helper()
		res, b := send(t, method, url, body, headers...)
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
		if res, _ = send(t, "GET", s3+id+"/k", "", auth, "key-nobody", "X-Forwarded-For", "198.51.100.1"); res.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("after many failures: %d, %v", res.StatusCode, res.Header)
	}
	want(200, "v", "GET", s3+id+"/k", "", auth, r.key, "X-Forwarded-For", "192.0.2.9")
}

// TestS3Profile sends what only the extended profile has, signed by an S3 user.
func TestS3Profile(t *testing.T) {
	for profile, status := range map[string]struct{ object, buckets int }{ProfileContract: {501, 405}, ProfileExtended: {200, 200}} {
		t.Run(profile, func(t *testing.T) {
			c := testConfig(t.TempDir())
			c.S3Profile = profile
			r := begin(t, c)
			defer r.end()
			if srv, err := r.client().Server(t.Context()); err != nil || srv.S3Profile != profile {
				t.Errorf("%+v, %v", srv, err)
			}
			id, u := withUser(t, r)
			service, disk := connect(u, r.e.S3), connect(u, r.e.S3+"/"+id)
			want := func(conn *s3, status int, method, key, body string) {
				t.Helper()
				if got, b, err := conn.do(t.Context(), method, key, []byte(body)); err != nil || got != status {
					t.Errorf("%s %s: %d %s %v, want %d", method, key, got, b, err, status)
				}
			}
			want(disk, 200, "PUT", "k", "a")
			want(disk, status.object, "POST", "k?uploads=", "")
			want(disk, status.object, "PUT", "k?append=true", "b")
			want(service, status.buckets, "GET", "", "")
		})
	}
}
