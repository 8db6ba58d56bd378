package transfer

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"atoll/client"
	"atoll/internal/server"
)

// connect starts a server and returns a client of it.
func connect(t *testing.T) *client.Client {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cfg := server.Default()
	cfg.Data, cfg.S3Addr, cfg.ControlAddr, cfg.Memory, cfg.Stderr = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0", 64<<20, io.Discard
	ready, done := make(chan server.Endpoints, 1), make(chan error, 1)
	cfg.OnReady = func(e server.Endpoints) { ready <- e }
	go func() { done <- server.Run(ctx, cfg) }()
	var e server.Endpoints
	select {
	case e = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(client.Options{URL: e.Control, APIKey: e.FirstAPIKey})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bucket makes a disk.
func bucket(t *testing.T, c *client.Client, name string) *client.Bucket {
	t.Helper()
	id, _, err := c.CreateDisk(t.Context(), client.NewDisk{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Bucket(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// events collects what a transfer reports.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

func (e *events) of(a Action) (paths []string) {
	for _, ev := range e.all {
		if ev.Action == a {
			paths = append(paths, ev.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// fatalf is of *testing.T and *rapid.T.
type fatalf interface {
	Helper()
	Fatalf(format string, args ...any)
}

// write makes a tree of files; a path with a slash at its end is an empty
// directory.
func write(t fatalf, root string, files map[string]string) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		name := filepath.Join(root, path)
		dir := filepath.Dir(name)
		if path[len(path)-1] == '/' {
			dir = name
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatalf("%v", err)
		}
		if dir == name {
			continue
		}
		if err := os.WriteFile(name, []byte(files[path]), 0o666); err != nil {
			t.Fatalf("%v", err)
		}
	}
}

// read is a tree as write takes it, with every directory.
func read(t fatalf, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			out[rel+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(name)
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return out
}
