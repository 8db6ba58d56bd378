package server

import (
	"net/http"
	"strings"
	"testing"

	"atoll/internal/errs"
)

// TestOnePort serves both APIs behind one address.
func TestOnePort(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Listen, c.S3Addr, c.ControlAddr = "127.0.0.1:0", DefaultS3Addr, ""
	r := begin(t, c)
	defer r.end()
	if r.e.S3 != r.e.Control || !strings.HasPrefix(r.e.S3, "http://127.0.0.1:") {
		t.Fatalf("S3 at %s, control at %s", r.e.S3, r.e.Control)
	}
	id, u := withUser(t, r)
	opens(t, r, id, u)
	if srv, err := r.client().Server(t.Context()); err != nil || srv.S3Endpoint != r.e.S3 {
		t.Errorf("server: %+v, %v", srv, err)
	}
	for path, s3 := range map[string]bool{
		"/api": false, "/api/": false, "/api/disks": false, "/api/no/such": false, "/healthz": false, "/readyz": false, "/metrics": false,
		"/": true, "/apis": true, "/healthz/": true, "/metrics/x": true, "/%61pi/disks": true, "/" + id: true, "/" + id + "/api/x": true, "//api": true,
	} {
		res, err := http.Get(r.e.Control + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("X-Amz-Request-Id") != ""; got != s3 {
			t.Errorf("%s: answered by the S3 door: %v, want %v", path, got, s3)
		}
	}
}

func TestListenSettings(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"listen and s3-addr":      func(c *Config) { c.Listen, c.S3Addr = "127.0.0.1:0", "127.0.0.1:1" },
		"listen and control-addr": func(c *Config) { c.Listen, c.ControlAddr = "127.0.0.1:0", "127.0.0.1:1" },
		"listen: ":                func(c *Config) { c.Listen = "x" },
		"control-addr: ":          func(c *Config) { c.ControlAddr = "" },
		"pprof-addr: ":            func(c *Config) { c.PprofAddr = "x" },
		"public-url: ":            func(c *Config) { c.PublicURL = "files.example.com" },
		"public-url: \"https://e": func(c *Config) { c.PublicURL = "https://example.com/?x=1" },
		"trusted-proxies: ":       func(c *Config) { c.TrustedProxies = "10.0.0.0/8, proxy" },
		"s3-profile: ":            func(c *Config) { c.S3Profile = "all" },
	} {
		c := Default()
		c.Data = t.TempDir()
		change(&c)
		_, err := tryBegin(t, c)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	c := Default()
	c.Data, c.TrustedProxies = "d", "10.0.0.0/8, 192.0.2.1,::1"
	if err := c.validate(); err != nil {
		t.Error(err)
	}
	if l, err := c.trustedProxies(); err != nil || len(l) != 3 {
		t.Errorf("%v, %v", l, err)
	}
}

func TestPublicURL(t *testing.T) {
	c := testConfig(t.TempDir())
	s := &server{cfg: c}
	s.cfg.PublicURL = "https://files.example.com/atoll/"
	if got := s.publicURL(); got != "https://files.example.com/atoll" {
		t.Errorf("%q", got)
	}
	var err error
	if s.control, err = openDoor("control-addr", "127.0.0.1:0", controlMaxHeader, nil, newLogger(new(syncBuffer), "text", 0)); err != nil {
		t.Fatal(err)
	}
	defer s.control.ln.Close()
	s.cfg.PublicURL = ""
	if got := s.publicURL(); got != s.control.url() {
		t.Errorf("%q", got)
	}
}

// TestDoorsShareTheCatalog goes through both doors for what one sets and the
// other keeps: API keys, allowed IPs, the profile.
func TestDoorsShareTheCatalog(t *testing.T) {
	c := testConfig(t.TempDir())
	c.TrustedProxies = "127.0.0.0/8"
	r := begin(t, c)
	defer r.end()
	id, u := withUser(t, r)
	ask := func(method, url, key, from string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("Authorization", key)
		}
		if from != "" {
			req.Header.Set("X-Forwarded-For", from)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	object := r.e.S3 + "/" + id + "/x"
	if got := ask("PUT", object, r.key, "192.0.2.1"); got != 200 {
		t.Errorf("PUT with an API key: %d", got)
	}
	if got := ask("GET", r.e.S3+"/", r.key, ""); got != 200 {
		t.Errorf("ListBuckets with an API key: %d", got)
	}
	if _, err := r.client().SetAllowedIPs(t.Context(), id, []string{"192.0.2.0/24", "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]int{"192.0.2.1": 200, "198.51.100.1": 403, "": 200} {
		if got := ask("GET", object, r.key, from); got != want {
			t.Errorf("GET from %q: %d, want %d", from, got, want)
		}
	}
	opens(t, r, id, u)
	for range 30 {
		ask("GET", object, "key-wrong-wrong-wrong-wrong", "203.0.113.7")
	}
	if got := ask("GET", r.e.Control+"/api/server", r.key, "203.0.113.7"); got != 429 {
		t.Errorf("after 30 failures at the S3 door the control door answers %d", got)
	}
	if got := ask("GET", r.e.Control+"/api/server", r.key, "203.0.113.8"); got != 200 {
		t.Errorf("another address: %d", got)
	}
}
