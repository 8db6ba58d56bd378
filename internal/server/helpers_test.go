package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"testing"

	"atoll/client"
	"atoll/internal/sigv4"
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

// withUser makes a disk with an S3 user and gives its connection.
func withUser(t *testing.T, r *running) (id string, u client.User) {
	t.Helper()
	id, _, err := r.client().CreateDisk(t.Context(), client.NewDisk{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if u, err = r.client().AddS3User(t.Context(), id, "n"); err != nil {
		t.Fatal(err)
	}
	return id, u
}

// connect signs requests below base with a user's credential.
func connect(u client.User, base string) *s3 {
	return &s3{base: base, signer: &sigv4.Signer{AccessKeyID: u.AccessKeyID, SecretAccessKey: u.SecretAccessKey, Region: "us-east-1"}}
}

// opens tells whether the credential still opens the disk.
func opens(t *testing.T, r *running, id string, u client.User) {
	t.Helper()
	c := connect(u, r.e.S3+"/"+id)
	if status, b, err := c.do(t.Context(), "PUT", "k", []byte("x")); err != nil || status != 200 {
		t.Errorf("PUT: %d %s %v", status, b, err)
	}
}
