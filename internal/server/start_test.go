package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atoll/client"
	"atoll/internal/errs"
)

func TestFirstAndSecondStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	r := begin(t, testConfig(dir))
	if r.e.FirstAPIKey == "" || r.e.FirstAPIKey != r.key {
		t.Errorf("first key %q, file %q", r.e.FirstAPIKey, r.key)
	}
	for _, name := range []string{apiKeyFile, masterFile, endpointFile} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	for _, name := range []string{metaDir, blobDir} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	e, err := ReadEndpoints(dir)
	if err != nil || e.Control != r.e.Control || e.S3 != r.e.S3 || e.FirstAPIKey != "" || e.PID != os.Getpid() {
		t.Errorf("endpoint.json: %+v, %v", e, err)
	}
	id, created, err := r.client().CreateDisk(t.Context(), client.NewDisk{Name: "a"})
	if err != nil || !created {
		t.Fatalf("create: %v, %v", created, err)
	}
	u, err := r.client().AddS3User(t.Context(), id, "n")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := r.client().Server(t.Context())
	if err != nil || srv.S3Endpoint != r.e.S3 {
		t.Errorf("server: %+v, %v", srv, err)
	}
	if status, body := get(t, r.e.Control+"/metrics"); status != 200 || !strings.Contains(body, "atoll_fsync_seconds_count{store=\"meta\"}") ||
		!strings.Contains(body, "atoll_blob_segments") || !strings.Contains(body, "atoll_s3_requests_in_flight") {
		t.Errorf("metrics: %d\n%s", status, body)
	}
	if status, _ := get(t, r.e.Control+"/readyz"); status != 200 {
		t.Errorf("ready: %d", status)
	}
	if strings.Contains(r.log.String(), r.key) || strings.Contains(r.log.String(), u.SecretAccessKey) {
		t.Error("a secret is in the log")
	}
	r.end()
	if _, err := os.Stat(filepath.Join(dir, endpointFile)); !os.IsNotExist(err) {
		t.Errorf("endpoint.json after the end: %v", err)
	}

	r = begin(t, testConfig(dir))
	defer r.end()
	if r.e.FirstAPIKey != "" {
		t.Error("the key is shown twice")
	}
	if d, ok, err := r.client().DiskByName(t.Context(), "a"); err != nil || !ok || d.ID != id {
		t.Errorf("after a restart: %+v, %v, %v", d, ok, err)
	}
	if !strings.Contains(r.log.String(), "store opened") {
		t.Errorf("log: %s", r.log)
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, testConfig(dir))
	defer r.end()
	_, err := tryBegin(t, testConfig(dir))
	if !errs.Is(err, errs.Delegated) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error: %v", err)
	}
	if status, _ := get(t, r.e.Control+"/healthz"); status != 200 {
		t.Error("the first server does not serve any more")
	}
}

func TestAPIKeyFromEnvironment(t *testing.T) {
	dir := t.TempDir()
	c := testConfig(dir)
	c.APIKey = "my-own-key-0123456789"
	r := begin(t, c)
	if r.key != "key-my-own-key-0123456789" {
		t.Errorf("file %q", r.key)
	}
	if r.e.FirstAPIKey != "" || strings.Contains(r.log.String(), "my-own-key") {
		t.Errorf("the operator's key is shown: %q, %s", r.e.FirstAPIKey, r.log)
	}
	if _, err := r.client().Server(t.Context()); err != nil {
		t.Error(err)
	}
	r.end()
	c.APIKey = "another-key-0123456789"
	r = begin(t, c)
	defer r.end()
	if !strings.Contains(r.log.String(), "ATOLL_API_KEY is not a key of this store") {
		t.Errorf("no warning: %s", r.log)
	}
	c.Data, c.APIKey = t.TempDir(), "short"
	if _, err := tryBegin(t, c); err == nil || !strings.Contains(err.Error(), "ATOLL_API_KEY") {
		t.Errorf("a short key: %v", err)
	}
}

func TestMasterKey(t *testing.T) {
	dir := t.TempDir()
	begin(t, testConfig(dir)).end()
	path := filepath.Join(dir, masterFile)
	key, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := tryBegin(t, testConfig(dir)); err == nil || !strings.Contains(err.Error(), "master key is missing") {
		t.Errorf("without its key: %v", err)
	}
	c := testConfig(dir)
	c.MasterKey = strings.Repeat("ab", 32)
	if _, err := tryBegin(t, c); !errs.Is(err, errs.Permission) || !strings.Contains(err.Error(), "another master key") {
		t.Errorf("with another key: %v", err)
	}
	c.MasterKey = "nonsense"
	if _, err := tryBegin(t, c); err == nil || !strings.Contains(err.Error(), "ATOLL_MASTER_KEY") {
		t.Errorf("with nonsense: %v", err)
	}
	c.MasterKey = string(key)
	begin(t, c).end()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("a key that was given must not be written")
	}
}

func TestFormatFile(t *testing.T) {
	dir := t.TempDir()
	begin(t, testConfig(dir)).end()
	path := filepath.Join(dir, formatFile)
	if b, err := os.ReadFile(path); err != nil || string(b) != "atoll 1\n" {
		t.Fatalf("FORMAT: %q, %v", b, err)
	}
	for text, kind := range map[string]errs.Kind{"atoll 2\n": errs.Unsupported, "other 1\n": errs.Corrupt, "": errs.Corrupt} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := tryBegin(t, testConfig(dir)); !errs.Is(err, kind) {
			t.Errorf("FORMAT %q: %v", text, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := tryBegin(t, testConfig(dir)); !errs.Is(err, errs.Corrupt) {
		t.Errorf("without FORMAT: %v", err)
	}
}

func TestBadStart(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, testConfig(dir))
	defer r.end()
	for name, change := range map[string]func(*Config){
		"another program listens": func(c *Config) { c.S3Addr = strings.TrimPrefix(r.e.S3, "http://") },
		"read the certificate":    func(c *Config) { c.TLSCert, c.TLSKey = "/no/such", "/no/such" },
		"open the access log":     func(c *Config) { c.AccessLog = "/no/such/dir/log" },
		"s3-url":                  func(c *Config) { c.S3URL = "x" },
	} {
		c := testConfig(filepath.Join(t.TempDir(), "d"))
		change(&c)
		if _, err := tryBegin(t, c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		// What failed has given everything back.
		c2 := testConfig(c.Data)
		begin(t, c2).end()
	}
}
