package controlapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"testing"

	"atoll/internal/errs"
)

// FuzzBodies decodes any bytes as the body of every route: what is taken is a
// JSON object with no fields but the route's, and is refused with a reason
// otherwise.
func FuzzBodies(f *testing.F) {
	for _, s := range []string{
		`{"name":"photos","rootAttrs":{"uid":0,"gid":0,"mode":493},"allowedIps":["10.0.0.0/8"]}`,
		`{"type":"token","nickname":"x"}`, `{"rules":[{"allowedOrigins":["*"],"allowedMethods":["GET"]}]}`,
		`{"branch_name":"work","from_checkpoint_name":"one"}`, `{"bytes":1,"files":-1}`, `{}{}`, `null`, `{"x":1}`,
		`{"disks":{"a":"dsk-0000000000000000"},"command":"ls"}`, `{"expiresAt":"2026-01-02T03:04:05Z","expiresIn":3}`,
	} {
		f.Add([]byte(s))
	}
	routes := table()
	f.Fuzz(func(t *testing.T, body []byte) {
		for i := range routes {
			in := routes[i].do.in
			if in == nil {
				continue
			}
			v := reflect.New(in)
			err := decodeBody(body, v.Interface())
			if err != nil {
				if !errs.Is(err, errs.Invalid) || errs.Text(err) == "" {
					t.Fatalf("%s: %v", routes[i].name, err)
				}
				continue
			}
			var fields map[string]any
			if json.Unmarshal(body, &fields) != nil {
				t.Fatalf("%s took %q", routes[i].name, body)
			}
		}
	})
}

// FuzzPaths routes any path: values come from the path, and nothing panics.
func FuzzPaths(f *testing.F) {
	for _, s := range []string{"/api/disks", "/api/disks/x/branches/a%2Fb", "/api/disks/x/files/a//b/../c", "/api/disks//users", "/api/shared/%00", "//", "/api/disks/%zz"} {
		f.Add(s)
	}
	router := newRouter(table())
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath = path, ""
		methods := router.find(r)
		for _, rt := range methods {
			for _, name := range pathParams(rt.path) {
				if v := r.PathValue(name); v == "" && name != "path" || v == ".." && name != "path" {
					t.Fatalf("%q: {%s} is %q", path, name, v)
				}
			}
		}
	})
}

// FuzzQuery reads any limit and cursor.
func FuzzQuery(f *testing.F) {
	f.Add("50", base64.RawURLEncoding.EncodeToString([]byte("photos")))
	f.Add("-1", "!")
	f.Fuzz(func(t *testing.T, limit, after string) {
		r := httptest.NewRequest("GET", "/api/disks", nil)
		q := r.URL.Query()
		q.Set("limit", limit)
		q.Set("cursor", after)
		r.URL.RawQuery = q.Encode()
		n, last, err := (&call{r: r}).page()
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatal(err)
			}
			return
		}
		if n < 1 || n > maxLimit {
			t.Fatalf("limit %d", n)
		}
		r.URL.RawQuery = "cursor=" + cursor(last)
		if _, again, err := (&call{r: r}).page(); err != nil || again != last {
			t.Fatalf("%q became %q, %v", last, again, err)
		}
	})
}
