package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/client"
	"atoll/internal/errs"
)

// running is a server of a test.
type running struct {
	t    *testing.T
	e    Endpoints
	key  string
	stop context.CancelFunc
	done chan error
	log  *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func testConfig(dir string) Config {
	c := Default()
	c.Data, c.S3Addr, c.ControlAddr, c.Memory = dir, "127.0.0.1:0", "127.0.0.1:0", minMemory
	return c
}

// begin starts a server and waits until it is ready.
func begin(t *testing.T, c Config) *running {
	t.Helper()
	r, err := tryBegin(t, c)
	if err != nil {
		t.Fatalf("start: %v\n%s", err, r.log)
	}
	return r
}

func tryBegin(t *testing.T, c Config) (*running, error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, stop: stop, done: make(chan error, 1), log: new(syncBuffer)}
	ready := make(chan Endpoints, 1)
	c.Stderr = r.log
	c.OnReady = func(e Endpoints) { ready <- e }
	go func() { r.done <- Run(ctx, c) }()
	t.Cleanup(stop)
	select {
	case err := <-r.done:
		return r, err
	case r.e = <-ready:
	}
	key, err := ReadAPIKey(c.Data)
	if err != nil {
		key = c.APIKey
	}
	r.key = key
	return r, nil
}

// end stops the server in order.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Fatalf("stop: %v\n%s", err, r.log)
	}
}

func (r *running) client() *client.Client {
	r.t.Helper()
	c, err := client.New(client.Options{URL: r.e.Control, APIKey: r.key})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

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
	if r.e.FirstAPIKey != "key-my-own-key-0123456789" || r.key != r.e.FirstAPIKey {
		t.Errorf("key %q, file %q", r.e.FirstAPIKey, r.key)
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

// TestKeyFileWithoutRow is the first start cut off between writing the key's
// file and its row: the next start takes the file's key.
func TestKeyFileWithoutRow(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, apiKeyFile), []byte("key-abcdefghijklmnopqrstuvwxyz\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := begin(t, testConfig(dir))
	defer r.end()
	if r.e.FirstAPIKey != "key-abcdefghijklmnopqrstuvwxyz" {
		t.Errorf("key %q", r.e.FirstAPIKey)
	}
	if _, err := r.client().Server(t.Context()); err != nil {
		t.Error(err)
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

func TestBackup(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, testConfig(dir))
	id, _, err := r.client().CreateDisk(t.Context(), client.NewDisk{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "copy")
	message, err := r.client().Backup(t.Context(), dest)
	if err != nil || !strings.Contains(message, "master key") {
		t.Fatalf("%q, %v", message, err)
	}
	for _, name := range []string{masterFile, apiKeyFile, endpointFile} {
		if _, err := os.Stat(filepath.Join(dest, name)); !os.IsNotExist(err) {
			t.Errorf("%s is in the backup", name)
		}
	}
	if _, err := r.client().Backup(t.Context(), dest); client.StatusOf(err) != 409 {
		t.Errorf("into a directory that is in use: %v", err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "copy"), "/proc/nothing/here"} {
		if _, err := r.client().Backup(t.Context(), bad); client.StatusOf(err) != 400 {
			t.Errorf("into %s: %v", bad, err)
		}
	}
	if _, _, err := r.client().CreateDisk(t.Context(), client.NewDisk{Name: "later"}); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, masterFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryBegin(t, testConfig(dest)); err == nil || !strings.Contains(err.Error(), "master key is missing") {
		t.Errorf("the backup without its key: %v", err)
	}
	c := testConfig(dest)
	c.MasterKey, c.APIKey = string(key), r.key // both servers at once
	copied := begin(t, c)
	defer copied.end()
	defer r.end()
	var names []string
	for d, err := range copied.client().Disks(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, d.Name)
	}
	if strings.Join(names, " ") != "a" {
		t.Errorf("the backup holds %v", names)
	}
	if d, err := copied.client().Disk(t.Context(), id); err != nil || d.Name != "a" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestAccessLog(t *testing.T) {
	reload := make(chan os.Signal)
	path := filepath.Join(t.TempDir(), "access.log")
	c := testConfig(t.TempDir())
	c.AccessLog, c.LogFormat, c.Reload = path, "json", reload
	r := begin(t, c)
	get(t, r.e.S3+"/one")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	reload <- os.Interrupt
	reload <- os.Interrupt // taken only when the first has been handled
	get(t, r.e.S3+"/two")
	r.end()
	for name, want := range map[string]string{path + ".1": "one", path: "two"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var line struct {
			Bucket string
			Status int
		}
		if err := json.Unmarshal(bytes.TrimSpace(b), &line); err != nil {
			t.Fatalf("%s: %q: %v", name, b, err)
		}
		if line.Bucket != want || line.Status != 403 {
			t.Errorf("%s: %+v", name, line)
		}
	}
}

func TestPprof(t *testing.T) {
	c := testConfig(t.TempDir())
	c.PprofAddr = "127.0.0.1:0"
	r := begin(t, c)
	defer r.end()
	if status, _ := get(t, r.e.Pprof+"/debug/pprof/cmdline"); status != 200 {
		t.Errorf("status %d", status)
	}
	if status, _ := get(t, r.e.Control+"/debug/pprof/cmdline"); status != 404 {
		t.Errorf("profiles on the control address: %d", status)
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	first := makeCert(t, cert, key, "first")
	clock := &fakeClock{now: time.Now()}
	reload := make(chan os.Signal)
	c := testConfig(filepath.Join(dir, "data"))
	c.TLSCert, c.TLSKey, c.Now, c.Reload = cert, key, clock.Now, reload
	r := begin(t, c)
	defer r.end()
	if !strings.HasPrefix(r.e.S3, "https://") || !strings.HasPrefix(r.e.Control, "https://") {
		t.Fatalf("endpoints %+v", r.e)
	}
	shown := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", strings.TrimPrefix(r.e.S3, "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if p := conn.ConnectionState().NegotiatedProtocol; p != "h2" {
			t.Errorf("protocol %q", p)
		}
		return string(conn.ConnectionState().PeerCertificates[0].Raw)
	}
	if shown() != first {
		t.Error("another certificate than the file's")
	}
	second := makeCert(t, cert, key, "second, changed on disk")
	if shown() != first {
		t.Error("the files are looked at more often than once a second")
	}
	clock.add(2 * certCheckEvery)
	if shown() != second {
		t.Error("the changed certificate is not served")
	}
	if err := os.WriteFile(key, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	clock.add(2 * certCheckEvery)
	if shown() != second {
		t.Error("a broken file took the certificate away")
	}
	if !strings.Contains(r.log.String(), "could not be read again") {
		t.Errorf("log: %s", r.log)
	}
	third := makeCert(t, cert, key, "third")
	reload <- os.Interrupt
	reload <- os.Interrupt // taken only when the first has been handled
	if shown() != third {
		t.Error("SIGHUP does not read the certificate")
	}
}

type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
