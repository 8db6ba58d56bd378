package server

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"atoll/client"
)

// A data directory of each released format is kept in testdata, with the
// credentials that open it. Make that of a new format before its release with
//
//	go test ./internal/server -run TestFormatV2 -make-golden
//
// Those of released formats never change. That of format 1 was made by the
// program of that time.
var makeGolden = flag.Bool("make-golden", false, "write a data directory of the present format into testdata")

const goldenV1 = "testdata/v1.tgz"

// goldenFile stands in the archive beside the data directory's files.
const goldenFile = "golden.json"

type golden struct{ Disk, AccessKeyID, SecretAccessKey string }

// goldenObjects are what the disk holds.
func goldenObjects() map[string][]byte {
	return map[string][]byte{
		"inline.txt":      []byte("inline"),
		"a/b/extent.bin":  bytes.Repeat([]byte("extent "), 3000),
		"a/two-parts.bin": bytes.Repeat([]byte("parts "), 800_000),
		"empty":           nil,
	}
}

// TestFormatV1 starts a server on a data directory that the first release's
// code made: its disk, credentials, API key and objects are there.
func TestFormatV1(t *testing.T) {
	dir := t.TempDir()
	unpackGolden(t, goldenV1, dir)
	var g golden
	readGolden(t, dir, &g)
	mustBeClean(t, dir)
	for range 2 {
		r := begin(t, testConfig(dir))
		d, err := r.client().Disk(t.Context(), g.Disk)
		if err != nil || d.Name != "golden" {
			t.Errorf("%+v, %v", d, err)
		}
		conn := g.conn(r)
		for k, v := range goldenObjects() {
			status, b, err := conn.do(t.Context(), "GET", k, nil)
			if err != nil || status != 200 || !bytes.Equal(b, v) {
				t.Errorf("GET %s: %d, %d bytes, %v", k, status, len(b), err)
			}
		}
		if status, b, err := conn.do(t.Context(), "PUT", "new", []byte("new")); err != nil || status != 200 {
			t.Errorf("PUT: %d %s %v", status, b, err)
		}
		r.end()
		mustBeClean(t, dir)
	}
	// And it takes all that came with format 2.
	r := begin(t, goldenConfig(dir))
	var now goldenDisk
	now.ID = g.Disk
	now.fill(t, r)
	r.end()
	mustBeClean(t, dir)
	now.check(t, dir)
}

// readGolden reads what stands beside a data directory.
func readGolden(t *testing.T, dir string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, goldenFile))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (g *golden) conn(r *running) *s3 {
	return connect(client.User{AccessKeyID: g.AccessKeyID, SecretAccessKey: g.SecretAccessKey}, r.e.S3+"/"+g.Disk)
}

// packGolden packs a data directory, and what opens it.
func packGolden(t *testing.T, path, dir string, g any) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is there: a released format does not change", path)
	}
	b, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, goldenFile), b, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func unpackGolden(t *testing.T, path, dir string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(name, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
