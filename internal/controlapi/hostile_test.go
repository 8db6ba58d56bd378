package controlapi

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/clientaddr"
	"atoll/internal/disk"
)

// target fills a route's path in.
func target(rt *route, id string) string {
	return strings.NewReplacer("{id}", id, "{name}", "work", "{type}", "s3", "{token}", "sometoken", "{path...}", "a.txt").Replace(rt.path)
}

// tidy is a body that no route can take for wrong in form; whether it says
// what a route needs is asked later than what these tests are about.
func tidy(rt *route) string {
	if rt.do.in != nil {
		return "{}"
	}
	return ""
}

const absentDisk = "dsk-00000000000000aa"

// eachRoute runs a test for every route of the table.
func eachRoute(t *testing.T, fn func(t *testing.T, b *bench, rt *route, id string)) {
	t.Helper()
	b := newBench(t)
	id := b.makeDisk("mine")
	for _, rt := range table() {
		t.Run(rt.name, func(t *testing.T) { fn(t, b, &rt, id) })
	}
}

func (r reply) want(t *testing.T, what string, status int, code string) {
	t.Helper()
	if r.status != status || r.raw != "" && r.env.Code != code {
		t.Errorf("%s: %d %s, want %d %q", what, r.status, r.raw, status, code)
	}
}

// TestStrangers asks every route without a credential and with those that
// open nothing here.
func TestStrangers(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("mine")
	s3 := b.want(201, "", "POST", "/api/disks/"+id+"/users", `{"type":"s3"}`).data(t)
	token := b.want(201, "", "POST", "/api/disks/"+id+"/users", `{"type":"token"}`).data(t)["token"].(string)
	revoked, revokedKey := b.newKey(catalog.APIKeySpec{})
	if err := b.c.DeleteAPIKey(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	_, expired := b.newKey(catalog.APIKeySpec{Expires: b.now().Add(time.Hour)})
	b.as(expired, "GET", "/api/disks", "").want(t, "before it expires", 200, "")
	b.ahead.Store(int64(time.Hour))
	secret := s3["secretAccessKey"].(string)
	bad := map[string]string{
		"none": "", "empty": "key-", "wrong": "key-0123456789abcdefghij", "without prefix": strings.TrimPrefix(b.key, "key-"),
		"bearer": "Bearer " + b.key, "too long": b.key + "x", "too short": b.key[:len(b.key)-1],
		"S3 secret": secret, "S3 secret with prefix": "key-" + secret, "S3 access key": s3["accessKeyId"].(string),
		"disk token": token, "disk token with prefix": "key-" + token, "expired": expired, "revoked": revokedKey,
	}
	ask := func(method, path, body string) {
		for what, auth := range bad {
			b.as(auth, method, path, body).want(t, method+" "+path+" with credential "+what, 401, "unauthorized")
		}
	}
	for _, rt := range table() {
		if rt.right == rightNone {
			if r := b.as("", rt.method, target(&rt, id), ""); r.status == 401 {
				t.Errorf("%s: %s", rt.name, r.raw)
			}
			continue
		}
		ask(rt.method, target(&rt, id), tidy(&rt))
	}
	for _, path := range []string{"/api/nothing", "/api//disks", "/api/", "/api", "/api/disks/" + id + "/../" + id} {
		ask("GET", path, "")
	}
	ask("BREW", "/api/disks", "")
	if b.backupDir != "" {
		t.Error("a backup was made for a stranger")
	}
	if entries, _, err := b.c.AuditLog(t.Context(), "", "", 100); err != nil || len(entries) != 3 {
		t.Errorf("strangers wrote into the audit log: %v, %v", entries, err)
	}
	for _, s := range []string{secret, token, b.key, expired} {
		if strings.Contains(b.log.String(), s) {
			t.Error("a secret is in the log")
		}
	}
}

// TestRights asks every route with keys that have too few rights for it.
func TestRights(t *testing.T) {
	b := newBench(t)
	id, other := b.makeDisk("mine"), b.makeDisk("other")
	_, readOnly := b.newKey(catalog.APIKeySpec{ReadOnly: true})
	_, foreign := b.newKey(catalog.APIKeySpec{Disks: []disk.ID{diskID(t, other)}})
	_, ownReadOnly := b.newKey(catalog.APIKeySpec{Disks: []disk.ID{diskID(t, id)}, ReadOnly: true})
	for _, rt := range table() {
		t.Run(rt.name, func(t *testing.T) {
			path, body := target(&rt, id), tidy(&rt)
			switch rt.right {
			case rightDiskRead, rightDiskWrite:
				got, absent := b.as(foreign, rt.method, path, body), b.as(b.key, rt.method, target(&rt, absentDisk), body)
				got.want(t, "another key's disk", 404, "no_such_disk")
				if got.raw != absent.raw || !reflect.DeepEqual(got.header, absent.header) {
					t.Errorf("another key's disk differs from none:\n%s%s", got.raw, absent.raw)
				}
				b.as(foreign, rt.method, target(&rt, id+".nobranch"), body).want(t, "another key's branch", 404, "no_such_disk")
			case rightAccountRead, rightAccountWrite:
				b.as(foreign, rt.method, path, body).want(t, "a key for one disk", 403, "permission_denied")
			}
			for _, key := range []string{readOnly, ownReadOnly} {
				r := b.as(key, rt.method, path, body)
				if rt.right == rightDiskWrite || rt.right == rightAccountWrite {
					r.want(t, "a read-only key", 403, "permission_denied")
				} else if r.status == 403 && strings.Contains(r.raw, "only read") {
					t.Errorf("a read-only key: %s", r.raw)
				}
			}
		})
	}
	b.want(200, "", "GET", "/api/disks/"+id, "")
	b.want(200, "", "GET", "/api/disks/"+other, "")
}

// TestRefusalsAreRecorded looks for an audit entry of every refused change.
func TestRefusalsAreRecorded(t *testing.T) {
	b := newBench(t)
	id := b.makeDisk("mine")
	keyID, readOnly := b.newKey(catalog.APIKeySpec{Name: "reader", ReadOnly: true})
	for _, rt := range table() {
		if rt.right != rightDiskWrite && rt.right != rightAccountWrite {
			continue
		}
		b.as(readOnly, rt.method, target(&rt, id), tidy(&rt))
		entries, _, err := b.c.AuditLog(t.Context(), "", "", 1)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v, %v", entries, err)
		}
		e := entries[0]
		if e.Action != rt.action || e.Status != 403 || e.Key != keyID || e.KeyName != "reader" || e.Remote != "192.0.2.1" {
			t.Errorf("%s: %+v", rt.name, e)
		}
		if (rt.right == rightDiskWrite) != (e.Disk == id) {
			t.Errorf("%s: of disk %q", rt.name, e.Disk)
		}
	}
}

// TestAddresses asks every route of disks by addresses that name nothing.
func TestAddresses(t *testing.T) {
	eachRoute(t, func(t *testing.T, b *bench, rt *route, id string) {
		if rt.right != rightDiskRead && rt.right != rightDiskWrite {
			return
		}
		for _, bad := range []string{"dsk-1", "mine", "dsk-000000000000000G", id + ".bad!", id + "..x", id + ".root.", "%00"} {
			b.do(rt.method, target(rt, bad), tidy(rt)).want(t, bad, 400, "invalid")
		}
		b.do(rt.method, target(rt, absentDisk), tidy(rt)).want(t, "no disk", 404, "no_such_disk")
		b.do(rt.method, target(rt, absentDisk+".work"), tidy(rt)).want(t, "no disk's branch", 404, "no_such_disk")
		r := b.do(rt.method, target(rt, id+".missing"), tidy(rt))
		r.want(t, "no branch", 404, "no_such_branch")
		if want := `Branch "missing" not found`; r.raw != "" && r.env.Error != want {
			t.Errorf("%q, want %q", r.env.Error, want)
		}
	})
}

// TestBodies sends every route bodies that it can't take.
func TestBodies(t *testing.T) {
	eachRoute(t, func(t *testing.T, b *bench, rt *route, id string) {
		if rt.do.stream != "" {
			return
		}
		path := target(rt, id)
		b.do(rt.method, path, `{"x":"`+strings.Repeat("x", 5000)+`"}`).want(t, "oversized", 400, "too_large")
		for _, body := range []string{`{"no_such_field":1}`, `{"no_such_field":{"name":1}}`} {
			r := b.do(rt.method, path, body)
			r.want(t, body, 400, "invalid")
			if r.raw != "" && !strings.Contains(r.env.Error, "no_such_field") {
				t.Errorf("%s: %s", body, r.raw)
			}
		}
		for _, body := range []string{`{`, `{"`, `[]`, `[{}]`, `"x"`, `null`, `true`, `7`, `{} {}`, `{}x`, `{}]`, "{\"\xff\":1}", "\x00", `<a/>`, `name=x`} {
			b.do(rt.method, path, body).want(t, body, 400, "invalid")
		}
		if rt.do.in == nil {
			return
		}
		if !rt.do.optional {
			b.do(rt.method, path, "").want(t, "nothing", 400, "invalid")
		}
		for _, f := range fieldsOf(rt.do.in) {
			upper := strings.ToUpper(f.name)
			r := b.do(rt.method, path, `{"`+upper+`":null}`)
			r.want(t, upper, 400, "invalid")
			if r.raw != "" && !strings.Contains(r.env.Error, upper) {
				t.Errorf("%s: %s", upper, r.raw)
			}
			r = b.do(rt.method, path, `{"`+f.name+`":null,"`+f.name+`":null}`)
			r.want(t, f.name+" twice", 400, "invalid")
			if r.raw != "" && !strings.Contains(r.env.Error, "twice") {
				t.Errorf("%s twice: %s", f.name, r.raw)
			}
			for _, wrong := range []string{`{"x":1}`, `[[]]`, `"x"`, `1.5`, `true`, `-1`} {
				r := b.do(rt.method, path, `{"`+f.name+`":`+wrong+`}`)
				if r.status >= 500 && r.status != 501 {
					t.Errorf("%s: %s: %d %s", f.name, wrong, r.status, r.raw)
				}
			}
		}
	})
}

// TestNamesWithin looks for fields of objects in lists and maps.
func TestNamesWithin(t *testing.T) {
	b := newBench(t)
	path := "/api/disks/" + b.makeDisk("photos") + "/cors"
	const rule = `{"allowedOrigins":["*"],"allowedMethods":["GET"]`
	b.wantText(400, "invalid", `this route has no field "ID"`, "PUT", path, `{"rules":[`+rule+`},`+rule+`,"ID":"x"}]}`)
	b.wantText(400, "invalid", `the field "id" is there twice`, "PUT", path, `{"rules":[`+rule+`,"id":"x","id":"y"}]}`)
	b.want(200, "", "PUT", path, `{"rules":[`+rule+`,"id":"x"},`+rule+`,"id":"y"}]}`)
}

// TestMethodsAndPaths asks for every path in ways that it does not have.
func TestMethodsAndPaths(t *testing.T) {
	eachRoute(t, func(t *testing.T, b *bench, rt *route, id string) {
		path := target(rt, id)
		r := b.do("BREW", path, "")
		r.want(t, "BREW", 405, "method_not_allowed")
		if allow := r.header.Get("Allow"); !strings.Contains(", "+allow+", ", ", "+rt.method+", ") {
			t.Errorf("Allow: %q", allow)
		}
		unclean := []string{"/" + path, "/./" + path[1:], "/api/../" + path[1:], strings.Replace(path, "/api/", "/api//", 1)}
		goesOn := func(other route) bool { return other.path == rt.path+"/{path...}" }
		if !strings.Contains(rt.path, "...}") && !slices.ContainsFunc(table(), goesOn) {
			unclean = append(unclean, path+"/", path+"//", path+"/.", path+"/x/..")
		}
		for _, p := range unclean {
			b.do(rt.method, p, tidy(rt)).want(t, p, 404, "not_found")
		}
	})
}

// TestAllowedIPs asks every route from an address that the disk does not
// allow: what is in the disk is out of reach, what the disk is set to is not.
func TestAllowedIPs(t *testing.T) {
	eachRoute(t, func(t *testing.T, b *bench, rt *route, id string) {
		if rt.right != rightDiskRead && rt.right != rightDiskWrite || rt.name == "deleteDisk" {
			return
		}
		set := func(ips string) { b.want(200, "", "PUT", "/api/disks/"+id+"/allowed-ips", `{"allowedIps":[`+ips+`]}`) }
		set(`"10.0.0.0/8"`)
		r := b.do(rt.method, target(rt, id), tidy(rt))
		if refused := strings.Contains(r.raw, "allowed IPs"); r.raw != "" && refused != rt.contents || r.status == 403 != rt.contents {
			t.Errorf("from elsewhere: %d %s", r.status, r.raw)
		}
		set(`"10.0.0.0/8", "192.0.2.0/24"`)
		if r := b.do(rt.method, target(rt, id), tidy(rt)); strings.Contains(r.raw, "allowed IPs") {
			t.Errorf("from an allowed address: %s", r.raw)
		}
		set("")
	})
}

// TestFailedAuthentication counts wrong credentials by address.
func TestFailedAuthentication(t *testing.T) {
	b := newBench(t)
	limiter := clientaddr.NewLimiter(clientaddr.LimiterOptions{Burst: 3, Refill: 10 * time.Second, Now: b.now})
	proxies, err := clientaddr.ParseAllowed([]string{"192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	b.serve(Options{Limiter: limiter, Clients: clientaddr.NewResolver(proxies)})
	from := func(addr, key string) *httptest.ResponseRecorder {
		req := httptest.NewRequest("GET", "/api/disks", nil)
		req.Header.Set("X-Forwarded-For", addr)
		req.Header.Set("Authorization", key)
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, req)
		return w
	}
	for range 3 {
		if w := from("203.0.113.1", "key-wrong"); w.Code != 401 {
			t.Fatalf("status %d", w.Code)
		}
	}
	w := from("203.0.113.1", b.key)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "10" || !strings.Contains(w.Body.String(), "rate_limited") {
		t.Errorf("after three failures: %d %s", w.Code, w.Body)
	}
	if w := from("203.0.113.2", b.key); w.Code != 200 {
		t.Errorf("another address: %d", w.Code)
	}
	b.ahead.Add(int64(10 * time.Second))
	if w := from("203.0.113.1", b.key); w.Code != 200 {
		t.Errorf("later: %d", w.Code)
	}
}
