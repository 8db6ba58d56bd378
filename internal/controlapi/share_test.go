package controlapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"atoll/internal/share"
)

// web is a bench behind real HTTP, with links.
type web struct {
	*bench
	url   string
	after atomic.Int64 // of the links' clock, beyond the bench's
}

func newWeb(t *testing.T) *web {
	t.Helper()
	w := &web{bench: newBench(t)}
	o := w.o
	o.Registry = prometheus.NewRegistry()
	o.Shares = share.New(share.Options{Store: w.c, Disks: w.core, PublicURL: func() string { return w.url }, Now: func() time.Time {
		return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC).Add(time.Duration(w.after.Load()))
	}})
	w.serve(o)
	srv := httptest.NewServer(w.h)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

type got struct {
	status int
	header http.Header
	body   string
}

// send sends a request over HTTP; headers come as pairs, and a key unless
// there is an Authorization among them.
func (w *web) send(method, target, body string, headers ...string) got {
	w.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = w.url + target
	}
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", w.key)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if req.Header.Get("Authorization") == "none" {
		req.Header.Del("Authorization")
	}
	res, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return got{res.StatusCode, res.Header, string(b)}
}

// must sends a request that succeeds, and reads its data.
func (w *web) must(status int, v any, method, target, body string, headers ...string) {
	w.t.Helper()
	r := w.send(method, target, body, headers...)
	var env struct {
		Data json.RawMessage
	}
	if r.status != status {
		w.t.Fatalf("%s %s %s: %d %s, want %d", method, target, body, r.status, r.body, status)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(r.body), &env); err != nil {
		w.t.Fatalf("%s: %v", r.body, err)
	}
	if err := json.Unmarshal(env.Data, v); err != nil {
		w.t.Fatalf("%s: %v", r.body, err)
	}
}

// refuse sends a request that fails.
func (w *web) refuse(status int, code, method, target, body string, headers ...string) got {
	w.t.Helper()
	r := w.send(method, target, body, headers...)
	if r.status != status || method != "HEAD" && !strings.Contains(r.body, `"code":"`+code+`"`) {
		w.t.Errorf("%s %s %s: %d %s, want %d %s", method, target, body, r.status, r.body, status, code)
	}
	return r
}

func TestShareRoutes(t *testing.T) {
	w := newWeb(t)
	id := w.makeDisk("d")
	api, files := "/api/disks/"+id+"/share", "/api/disks/"+id+"/files/"
	name := "100% (done) +final?é\".html"
	const escaped = "dir/100%25%20%28done%29%20+final%3F%C3%A9%22.html"
	w.must(201, nil, "PUT", files+escaped, "<script>")
	for _, seconds := range []string{"", "3600", "28800", "86400", "604800"} {
		target, want := api+"/"+escaped, int64(86400)
		if seconds != "" {
			target += "?expiresIn=" + seconds
			want = map[string]int64{"3600": 3600, "28800": 28800, "86400": 86400, "604800": 604800}[seconds]
		}
		var s shareResponse
		w.must(200, &s, "POST", target, "")
		if s.ExpiresIn != want || s.ID == "" || s.ExpiresAt != timestamp(time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC).Add(time.Duration(want)*time.Second)) {
			t.Errorf("%+v", s)
		}
		r := w.send("GET", s.URL, "", "Authorization", "none")
		if r.status != 200 || r.body != "<script>" || r.header.Get("Content-Security-Policy") != "sandbox" ||
			!strings.Contains(r.header.Get("Content-Disposition"), "filename*=UTF-8''100%25%20%28done%29%20+final%3F%C3%A9%22.html") {
			t.Errorf("%d %q %v", r.status, r.body, r.header)
		}
	}
	for _, bad := range []string{"1", "0", "-1", "3600.0", "03600", "", "86401", "x", "604801"} {
		w.refuse(400, "invalid", "POST", api+"/"+escaped+"?expiresIn="+bad, "")
	}
	for _, missing := range []string{"none", "dir", "dir/", "", "dir/100%25", ".archil/x", "%2e%2e/x", "dir//x"} {
		w.refuse(404, "not_found", "POST", api+"/"+missing, "")
	}
	key, err := json.Marshal("dir/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var s shareResponse
	for body, want := range map[string]int64{`{"key":KEY}`: 86400, `{"key":KEY,"expiresIn":1}`: 1, `{"key":KEY,"expiresIn":604800}`: 604800, `{"key":KEY,"expiresIn":12345}`: 12345} {
		w.must(200, &s, "POST", api, strings.Replace(body, "KEY", string(key), 1))
		if s.ExpiresIn != want {
			t.Errorf("%s: %+v", body, s)
		}
	}
	for _, body := range []string{`{"key":KEY,"expiresIn":0}`, `{"key":KEY,"expiresIn":604801}`, `{"key":KEY,"expiresIn":-5}`, `{"key":KEY,"expiresIn":1.5}`,
		`{"key":KEY,"expiresIn":"60"}`, `{"key":KEY,"expires":60}`, `{}`, `{"key":""}`, `{"key":5}`, `[]`, ``, `{"key":KEY,"expiresIn":99999999999999999999}`} {
		w.refuse(400, "invalid", "POST", api, strings.Replace(body, "KEY", string(key), 1))
	}
	w.refuse(404, "not_found", "POST", api, `{"key":"none"}`)
	w.refuse(404, "no_such_disk", "POST", "/api/disks/dsk-00000000000000ff/share", `{"key":"f"}`)
	w.refuse(401, "unauthorized", "POST", api, `{"key":"f"}`, "Authorization", "none")
	w.refuse(401, "unauthorized", "POST", api, `{"key":"f"}`, "Authorization", "key-wrong")
}

func TestSharedFile(t *testing.T) {
	w := newWeb(t)
	id := w.makeDisk("d")
	files := "/api/disks/" + id + "/files/"
	w.must(201, nil, "PUT", files+"f.txt", "0123456789")
	var s, other shareResponse
	w.must(200, &s, "POST", "/api/disks/"+id+"/share", `{"key":"f.txt","expiresIn":60}`)
	w.must(200, &other, "POST", "/api/disks/"+id+"/share", `{"key":"f.txt","expiresIn":60}`)
	r := w.send("GET", s.URL, "", "Authorization", "none", "Range", "bytes=2-4")
	if r.status != 206 || r.body != "234" || r.header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("%d %q %v", r.status, r.body, r.header)
	}
	if c := w.send("GET", s.URL, "", "If-None-Match", r.header.Get("Etag")); c.status != 304 || c.body != "" {
		t.Errorf("%d %q", c.status, c.body)
	}
	if h := w.send("HEAD", s.URL, "", "Authorization", "none"); h.status != 200 || h.header.Get("Content-Length") != "10" || h.body != "" {
		t.Errorf("HEAD: %d %v", h.status, h.header)
	}
	if r := w.refuse(416, "range_not_satisfiable", "GET", s.URL, "", "Range", "bytes=10-"); r.header.Get("Content-Range") != "bytes */10" {
		t.Errorf("%v", r.header)
	}
	w.refuse(412, "precondition_failed", "GET", s.URL, "", "If-Match", `"x"`)
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if r := w.refuse(405, "method_not_allowed", method, s.URL, "", "Authorization", "none"); r.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %v", method, r.header)
		}
	}
	w.must(200, nil, "DELETE", "/api/disks/"+id+"/share?id="+other.ID, "")
	gone := w.refuse(404, "not_found", "GET", other.URL, "", "Authorization", "none")
	for _, target := range []string{w.url + share.Path + "x", s.URL + "A", s.URL[:len(s.URL)-2] + "AA", w.url + share.Path + "%00"} {
		r := w.refuse(404, "not_found", "GET", target, "", "Authorization", "none")
		r.header.Del("Date")
		gone.header.Del("Date")
		var a, b bytes.Buffer
		_, _ = r.header.Write(&a), gone.header.Write(&b) // a buffer's never fails
		if r.body != gone.body || a.String() != b.String() {
			t.Errorf("%s is answered otherwise than a link that was withdrawn: %v %s", target, r.header, r.body)
		}
	}
	w.after.Store(int64(time.Minute))
	if r := w.refuse(403, "expired", "GET", s.URL, "", "Authorization", "none"); !strings.Contains(r.body, "expired") {
		t.Errorf("%s", r.body)
	}
	w.after.Store(0)
	w.must(200, nil, "DELETE", "/api/disks/"+id+"/share?all=true", "")
	w.refuse(404, "not_found", "GET", s.URL, "")
	for _, q := range []string{"", "?id=", "?id=zz", "?all=false", "?all=yes", "?all=true&id=" + s.ID} {
		w.refuse(400, "invalid", "DELETE", "/api/disks/"+id+"/share"+q, "")
	}
	if strings.Contains(w.log.String(), strings.TrimPrefix(s.URL, w.url+share.Path)) {
		t.Error("the log has a token")
	}
}

// TestShareRights: who may make links, who may open them.
func TestShareRights(t *testing.T) {
	w := newWeb(t)
	id, other := w.makeDisk("d"), w.makeDisk("other")
	w.must(201, nil, "PUT", "/api/disks/"+id+"/files/f", "x")
	w.must(201, nil, "PUT", "/api/disks/"+other+"/files/f", "y")
	key := func(body string) string {
		var k struct{ Token string }
		w.must(201, &k, "POST", "/api/tokens", body)
		return k.Token
	}
	readOnly, scoped := key(`{"name":"r","readOnly":true}`), key(`{"name":"s","disks":["`+other+`"]}`)
	w.refuse(403, "permission_denied", "POST", "/api/disks/"+id+"/share", `{"key":"f"}`, "Authorization", readOnly)
	w.refuse(404, "no_such_disk", "POST", "/api/disks/"+id+"/share", `{"key":"f"}`, "Authorization", scoped)
	w.refuse(404, "no_such_disk", "DELETE", "/api/disks/"+id+"/share?all=true", "", "Authorization", scoped)
	var s shareResponse
	w.must(200, &s, "POST", "/api/disks/"+other+"/share", `{"key":"f"}`, "Authorization", scoped)
	// A link is of one disk: another's withdrawal does not concern it.
	w.must(200, nil, "DELETE", "/api/disks/"+id+"/share?id="+s.ID, "")
	w.must(200, nil, "DELETE", "/api/disks/"+id+"/share?all=true", "")
	if r := w.send("GET", s.URL, "", "Authorization", "none"); r.body != "y" {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.must(200, nil, "PUT", "/api/disks/"+other+"/allowed-ips", `{"allowedIps":["192.0.2.1"]}`)
	w.refuse(403, "permission_denied", "GET", s.URL, "", "Authorization", "none")
	w.refuse(403, "permission_denied", "POST", "/api/disks/"+other+"/share", `{"key":"f"}`)
	w.refuse(403, "permission_denied", "GET", "/api/disks/"+other+"/files/f", "")
	entries, _, err := w.c.AuditLog(t.Context(), other, "", 10)
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	found := false
	for _, e := range entries {
		found = found || e.Action == "share.create" && e.Target == "f" && e.Status == 200 && strings.Contains(e.Details, s.ID)
	}
	if !found {
		t.Errorf("%+v", entries)
	}
}
