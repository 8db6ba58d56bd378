package server

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"atoll/client"
)

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
