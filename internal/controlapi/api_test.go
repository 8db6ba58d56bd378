package controlapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/errs"
)

func TestCreateDisk(t *testing.T) {
	b := newBench(t)
	r := b.want(201, "", "POST", "/api/disks", `{"name":"photos","authMethods":[]}`)
	id := r.data(t)["diskId"].(string)
	if !regexp.MustCompile(`^dsk-[0-9a-f]{16}$`).MatchString(id) {
		t.Errorf("disk id %q", id)
	}
	if want := `"authorizedUsers":[]`; !strings.Contains(r.raw, want) {
		t.Errorf("no %s in %s", want, r.raw)
	}
	if again := b.want(200, "", "POST", "/api/disks", `{"name":"photos"}`); again.data(t)["diskId"] != id {
		t.Errorf("again: %s", again.raw)
	}
	b.want(200, "", "POST", "/api/disks", `{"name":"photos","rootAttrs":{"uid":0,"gid":0,"mode":493},"allowedIps":[]}`)
	b.want(409, "exists", "POST", "/api/disks", `{"name":"photos","rootAttrs":{"uid":5}}`)
	b.want(409, "exists", "POST", "/api/disks", `{"name":"photos","allowedIps":["10.0.0.1"]}`)
	for _, body := range []string{
		``, `[]`, `"x"`, `{`, `{"name":"a"} trailing`, `{}`, `{"name":""}`, `{"name":"a.b"}`, `{"name":7}`,
		`{"name":"` + strings.Repeat("x", 101) + `"}`, `{"name":"a","rootAttrs":{"mode":512}}`, `{"name":"a","rootAttrs":{"uid":-1}}`, `{"name":"a","unknown":1}`, `null`, `{"name":"a","allowedIps":["x"]}`,
	} {
		b.want(400, "invalid", "POST", "/api/disks", body)
	}
	b.want(400, "too_large", "POST", "/api/disks", `{"name":"`+strings.Repeat("x", 5000)+`"}`)
	b.want(501, "not_supported", "POST", "/api/disks", `{"name":"a","mounts":[{"type":"s3"}]}`)
	b.core.fail = errors.New("secret path /etc/x")
	r = b.want(500, "internal", "POST", "/api/disks", `{"name":"a"}`)
	if strings.Contains(r.raw, "/etc/x") {
		t.Errorf("a fault is explained to the client: %s", r.raw)
	}
	if !strings.Contains(b.log.String(), "/etc/x") {
		t.Errorf("a fault is not in the log: %s", b.log)
	}
	b.core.fail = errs.New("put", "", errs.NoSpace, "disk full")
	b.want(507, "no_space", "POST", "/api/disks", `{"name":"a"}`)
}

func TestGetDisk(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	b.want(201, "", "POST", "/api/disks/"+id+"/users", `{"type":"s3","nickname":"n"}`)
	got := b.want(200, "", "GET", "/api/disks/"+id, "").data(t)
	want := map[string]any{
		"id": id, "name": "photos", "organization": "default", "status": "available", "provider": "aws",
		"region": "aws-us-east-1", "createdAt": "2026-01-02T03:04:05.006Z",
		"dataSize": 0.0, "activeDataBytes": 0.0, "totalDataBytes": 0.0, "files": 0.0,
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
	users := got["authorizedUsers"].([]any)
	if len(users) != 1 || users[0].(map[string]any)["secretAccessKey"] != nil {
		t.Errorf("authorizedUsers: %v", users)
	}
	b.want(404, "no_such_disk", "GET", "/api/disks/dsk-0000000000000000", "")
	for _, bad := range []string{"dsk-1", "x", "dsk-000000000000000G", "dsk-0000000000000000.bad!"} {
		b.want(400, "invalid", "GET", "/api/disks/"+bad, "")
	}
	b.core.fail = errs.New("usage", "", errs.Corrupt, "bad row")
	b.want(500, "corrupt", "GET", "/api/disks/"+id, "")
}

func TestListDisks(t *testing.T) {
	b := newBench(t)
	if r := b.want(200, "", "GET", "/api/disks", ""); string(r.env.Data) != "[]" {
		t.Errorf("no disks: %s", r.raw)
	}
	var want []string
	for i := range 105 {
		want = append(want, fmt.Sprintf("d%03d", i))
		b.makeDisk(want[i])
	}
	names := func(r reply) (names []string) {
		var list []struct{ Name string }
		if err := json.Unmarshal(r.env.Data, &list); err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			names = append(names, d.Name)
		}
		return names
	}
	for query, size := range map[string]int{"": 50, "?limit=7": 7, "?limit=100": 100, "?limit=1000": 100} {
		var got []string
		target := "/api/disks" + query
		for {
			r := b.want(200, "", "GET", target, "")
			page := names(r)
			got = append(got, page...)
			if r.env.NextCursor == "" {
				break
			}
			if len(page) != size {
				t.Fatalf("%s: a page of %d", target, len(page))
			}
			sep := "?"
			if query != "" {
				sep = "&"
			}
			target = "/api/disks" + query + sep + "cursor=" + r.env.NextCursor
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("%q: %v", query, got)
		}
	}
	if got := names(b.want(200, "", "GET", "/api/disks?name=d007", "")); len(got) != 1 || got[0] != "d007" {
		t.Errorf("by name: %v", got)
	}
	if r := b.want(200, "", "GET", "/api/disks?name=none", ""); string(r.env.Data) != "[]" {
		t.Errorf("by an unknown name: %s", r.raw)
	}
	for _, q := range []string{"limit=0", "limit=-1", "limit=x", "limit=99999999999999999999", "cursor=%21", "cursor=YS5i"} {
		b.want(400, "invalid", "GET", "/api/disks?"+q, "")
	}
}

func TestDeleteDisk(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	r := b.want(200, "", "DELETE", "/api/disks/"+id, "")
	if strings.TrimSpace(r.raw) != `{"success":true}` {
		t.Errorf("answer %s", r.raw)
	}
	b.want(404, "no_such_disk", "GET", "/api/disks/"+id, "")
	b.want(404, "no_such_disk", "DELETE", "/api/disks/"+id, "")
	b.want(404, "no_such_disk", "GET", "/api/disks/"+id+"/users", "")
	b.want(400, "invalid", "DELETE", "/api/disks/photos", "")
	if next := b.makeDisk("photos"); next == id {
		t.Error("the id came back")
	}
}

func TestUsers(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	users := "/api/disks/" + id + "/users"
	if r := b.want(200, "", "GET", users, ""); string(r.env.Data) != "[]" {
		t.Errorf("no users: %s", r.raw)
	}
	u := b.want(201, "", "POST", users, `{"type":"s3","nickname":"laptop"}`).data(t)
	if u["type"] != "s3" || u["nickname"] != "laptop" || u["identifier"] != u["accessKeyId"] || u["createdAt"] == nil {
		t.Errorf("new user: %v", u)
	}
	access, secret := u["accessKeyId"].(string), u["secretAccessKey"].(string)
	if cred, ok, err := b.c.Credential(t.Context(), access); err != nil || !ok || cred.Secret != secret {
		t.Fatalf("the credential does not work: %v, %v", ok, err)
	}
	list := b.want(200, "", "GET", users, "")
	if strings.Contains(list.raw, "secret") || !strings.Contains(list.raw, access) {
		t.Errorf("list: %s", list.raw)
	}
	b.want(201, "", "POST", users, `{"type":"s3"}`)
	for _, body := range []string{``, `{}`, `{"type":"root"}`, `{"type":"s3","nickname":"` + strings.Repeat("x", 256) + `"}`, `{"type":"s3","nickname":7}`} {
		b.want(400, "invalid", "POST", users, body)
	}
	b.want(501, "not_supported", "POST", users, `{"type":"awssts","nickname":"x"}`)
	b.want(501, "not_supported", "DELETE", users+"/awssts?identifier=x", "")
	b.want(404, "not_found", "DELETE", users+"/token?identifier=x", "")
	b.want(404, "no_such_disk", "POST", "/api/disks/dsk-0000000000000000/users", `{"type":"s3"}`)
	b.want(400, "invalid", "POST", "/api/disks/x/users", `{"type":"s3"}`)
	b.want(400, "invalid", "GET", "/api/disks/x/users", "")
	b.want(400, "invalid", "DELETE", "/api/disks/x/users/s3?identifier=x", "")
	b.want(400, "invalid", "DELETE", users+"/s3", "")
	b.want(400, "invalid", "DELETE", users+"/root?identifier=x", "")
	b.want(404, "not_found", "DELETE", users+"/s3?identifier=ATL", "")
	other := b.makeDisk("other")
	b.want(404, "not_found", "DELETE", "/api/disks/"+other+"/users/s3?identifier="+access, "")
	if m := b.want(200, "", "DELETE", users+"/s3?identifier="+access, "").data(t)["message"]; m == "" || m == nil {
		t.Error("no message")
	}
	if _, ok, err := b.c.Credential(t.Context(), access); err != nil || ok {
		t.Fatalf("the removed credential works: %v, %v", ok, err)
	}
	if strings.Contains(b.log.String(), secret) || strings.Contains(b.log.String(), b.key) {
		t.Error("a secret is in the log")
	}
}

func TestServerAndBackup(t *testing.T) {
	b := newBench(t)
	s := b.want(200, "", "GET", "/api/server", "").data(t)
	if s["version"] != "v1" || s["region"] != "aws-us-east-1" || s["s3Endpoint"] != "http://127.0.0.1:9000" {
		t.Errorf("server: %v", s)
	}
	r := b.want(200, "", "POST", "/api/backup", `{"dir":"/x/../backup"}`)
	if b.backupDir != "/backup" || !strings.Contains(r.raw, "master key") {
		t.Errorf("backup into %q: %s", b.backupDir, r.raw)
	}
	b.want(400, "invalid", "POST", "/api/backup", `{"dir":"relative"}`)
	b.want(400, "invalid", "POST", "/api/backup", `{}`)
	b.backupErr = errs.New("backup", "", errs.NotEmpty, "not empty")
	b.want(409, "not_empty", "POST", "/api/backup", `{"dir":"/x"}`)
	b.serve(Options{})
	b.want(501, "not_supported", "POST", "/api/backup", `{"dir":"/x"}`)
}

// TestAuth asks every route without, and with wrong, keys.
func TestAuth(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	routes := [][2]string{
		{"GET", "/api/disks"}, {"POST", "/api/disks"}, {"GET", "/api/disks/" + id}, {"DELETE", "/api/disks/" + id},
		{"GET", "/api/disks/" + id + "/users"}, {"POST", "/api/disks/" + id + "/users"}, {"DELETE", "/api/disks/" + id + "/users/s3"},
		{"GET", "/api/server"}, {"POST", "/api/backup"}, {"GET", "/api/nothing"}, {"PATCH", "/api/disks"}, {"GET", "/api//disks"}, {"GET", "/api/"}, {"GET", "/api"},
	}
	bad := []string{"", "key-", "key-wrong", strings.TrimPrefix(b.key, "key-"), "Bearer " + b.key, b.key + " ", b.key[:len(b.key)-1]}
	for _, rt := range routes {
		for _, auth := range bad {
			r := b.as(auth, rt[0], rt[1], `{"name":"x","type":"s3","dir":"/x"}`)
			if r.status != 401 || r.env.Code != "unauthorized" {
				t.Errorf("%s %s with %q: %d %s", rt[0], rt[1], auth, r.status, r.raw)
			}
		}
	}
	if b.backupDir != "" {
		t.Error("a backup was made for a stranger")
	}
	keys, _, err := b.c.APIKeys(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	b.want(200, "", "GET", "/api/disks", "")
	if err := b.c.DeleteAPIKey(t.Context(), keys[0].ID); err != nil {
		t.Fatal(err)
	}
	b.want(401, "unauthorized", "GET", "/api/disks", "")
}

func TestRouting(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("photos")
	for _, target := range []string{"/", "/api/nothing", "/api", "/api/", "/api/disks/", "/api//disks", "/api/disks/" + id + "/x", "/api/disks/../disks", "/nothing", "/metrics/x"} {
		b.want(404, "not_found", "GET", target, "")
	}
	for _, tc := range [][3]string{
		{"PUT", "/api/disks", "GET, POST"}, {"HEAD", "/api/disks", "GET, POST"}, {"POST", "/api/disks/" + id, "DELETE, GET"},
		{"GET", "/api/disks/" + id + "/users/s3", "DELETE"}, {"GET", "/api/backup", "POST"}, {"BREW", "/api/server", "GET"},
	} {
		r := b.as(b.key, tc[0], tc[1], "")
		if r.status != 405 || r.header.Get("Allow") != tc[2] {
			t.Errorf("%s %s: %d, Allow %q, want %q", tc[0], tc[1], r.status, r.header.Get("Allow"), tc[2])
		}
	}
	if r := b.do("GET", "/api/disks", ""); r.header.Get("Cache-Control") != "no-store" {
		t.Error("answers may be cached")
	}
}

// panicky is a catalog that breaks.
type panicky struct{ Catalog }

func (panicky) Disks(context.Context, string, int) ([]catalog.Disk, bool, error) { panic("broken") }

func TestPanicBecomes500(t *testing.T) {
	b := newBench(t)
	b.h = New(Options{Catalog: panicky{b.c}, Disks: b.core, Log: slog.New(slog.NewTextHandler(b.log, nil))})
	r := b.want(500, "internal", "GET", "/api/disks", "")
	if strings.Contains(r.raw, "broken") || !strings.Contains(b.log.String(), "broken") {
		t.Errorf("answer %s, log %s", r.raw, b.log)
	}
}

func TestProbesAndMetrics(t *testing.T) {
	b := newBench(t)
	b.do("GET", "/api/disks", "")
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		body, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, string(body)
	}
	b.notReady = errs.New("ready", "", errs.Overloaded, "stopping")
	for _, tc := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/healthz", 200, "ok"}, {"GET", "/readyz", 503, "stopping"}, {"POST", "/healthz", 405, ""},
		{"GET", "/metrics", 200, `atoll_control_requests_total{method="GET",route="/api/disks",status="200"} 1`},
	} {
		if status, body := get(tc.method, tc.path); status != tc.status || !strings.Contains(body, tc.body) {
			t.Errorf("%s %s: %d %q", tc.method, tc.path, status, body)
		}
	}
	b.notReady = nil
	if status, _ := get("GET", "/readyz"); status != 200 {
		t.Errorf("ready: %d", status)
	}
}

// TestSlowBody sends a body that does not end: the request is given up.
func TestSlowBody(t *testing.T) {
	b := newBench(t)
	h := New(Options{Catalog: b.c, Disks: b.core, BodyTimeout: time.Millisecond})
	srv := httptest.NewServer(h)
	defer srv.Close()
	body, feeder := io.Pipe()
	defer feeder.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/api/disks", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", b.key)
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("status %d", res.StatusCode)
	}
}
