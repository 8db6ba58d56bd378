package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// s3client is what every client of the matrix does. Errors carry what the
// client told its user.
type s3client interface {
	put(ctx context.Context, file, key string) error
	get(ctx context.Context, key, file string) error
	// getRange returns the object's bytes from off to its end, if n is 0,
	// or n of them.
	getRange(ctx context.Context, key string, off, n int) ([]byte, error)
	list(ctx context.Context, prefix string) ([]string, error)
	// upload and download synchronize a whole tree.
	upload(ctx context.Context, dir, prefix string) error
	download(ctx context.Context, prefix, dir string) error
	remove(ctx context.Context, key string) error
	// putWhole uploads a large file in one part, with the settings that
	// docs/clients.md tells users to make.
	putWhole(ctx context.Context, file, key string) error
	// putMultipart and copyObject ask for what the server refuses.
	putMultipart(ctx context.Context, file, key string) error
	copyObject(ctx context.Context, from, to string) error
}

// presigner is a client that makes presigned URLs for GET.
type presigner interface {
	presignGet(ctx context.Context, key string) (string, error)
}

// putPresigner is a client that makes presigned URLs for PUT.
type putPresigner interface {
	presignPut(ctx context.Context, key string) (string, error)
}

// trickyKey has everything that URLs and signatures stumble over.
const trickyKey = "dir one/ü+%41 &?=#~'\"😀.txt"

// wholeSize is the size of the upload in one part, multipartSize one for
// which clients choose several parts unless told not to.
const (
	wholeSize     = 64 << 20
	multipartSize = 40 << 20
)

// checkClient drives one client through everything that it is used for.
func checkClient(t *testing.T, d disk, c s3client) {
	ctx := t.Context()
	raw := newWire(d)
	t.Cleanup(raw.close)
	checkObject(ctx, t, c, raw)
	checkPresigned(ctx, t, c, raw)
	checkTree(ctx, t, c, raw)
	checkWhole(ctx, t, c)
	checkRefusals(ctx, t, c, raw)
}

// checkObject puts, gets, lists and removes one object.
func checkObject(ctx context.Context, t *testing.T, c s3client, raw *wire) {
	t.Helper()
	dir := t.TempDir()
	up, down := filepath.Join(dir, "up"), filepath.Join(dir, "down")
	body := contents("object", 100_000)
	writeFile(t, up, body)
	must(t, "put", c.put(ctx, up, trickyKey))
	must(t, "get", c.get(ctx, trickyKey, down))
	sameBytes(t, "get", body, readFile(t, down))
	got, err := raw.get(ctx, trickyKey)
	must(t, "get without the client", err)
	sameBytes(t, "get without the client", body, got)

	for _, r := range []struct{ off, n int }{{99_990, 0}, {1000, 0}} {
		got, err := c.getRange(ctx, trickyKey, r.off, r.n)
		must(t, "range", err)
		sameBytes(t, fmt.Sprintf("range from %d", r.off), body[r.off:], got)
	}
	if _, ok := c.(*s3cmd); !ok { // it can only resume a download
		got, err := c.getRange(ctx, trickyKey, 4096, 1000)
		must(t, "range", err)
		sameBytes(t, "range 4096-5095", body[4096:5096], got)
	}

	keys, err := c.list(ctx, "dir one/")
	must(t, "list", err)
	if !slices.Equal(keys, []string{trickyKey}) {
		t.Errorf("list: %q, want %q", keys, trickyKey)
	}
	body = contents("overwritten", 10)
	writeFile(t, up, body)
	must(t, "overwrite", c.put(ctx, up, trickyKey))
	must(t, "get again", c.get(ctx, trickyKey, down))
	sameBytes(t, "get again", body, readFile(t, down))

	must(t, "remove", c.remove(ctx, trickyKey))
	gone(ctx, t, raw, trickyKey)
}

// checkPresigned uses the URLs that the client makes.
func checkPresigned(ctx context.Context, t *testing.T, c s3client, raw *wire) {
	t.Helper()
	body := contents("presigned", 5000)
	if p, ok := c.(putPresigner); ok {
		url, err := p.presignPut(ctx, trickyKey)
		must(t, "presign PUT", err)
		status, answer := fetch(ctx, t, raw, http.MethodPut, url, body)
		if status != http.StatusOK {
			t.Fatalf("presigned PUT: %d %s", status, answer)
		}
	} else {
		must(t, "put", raw.put(ctx, trickyKey, body))
	}
	p, ok := c.(presigner)
	if !ok {
		return
	}
	url, err := p.presignGet(ctx, trickyKey)
	must(t, "presign GET", err)
	status, got := fetch(ctx, t, raw, http.MethodGet, url, nil)
	if status != http.StatusOK {
		t.Fatalf("presigned GET: %d %s", status, got)
	}
	sameBytes(t, "presigned GET", body, got)
	if status, _ := fetch(ctx, t, raw, http.MethodGet, strings.Replace(url, "one", "two", 1), nil); status != http.StatusForbidden {
		t.Errorf("a presigned URL turned to another key: %d, want 403", status)
	}
}

// checkTree synchronizes a tree with odd names both ways.
func checkTree(ctx context.Context, t *testing.T, c s3client, raw *wire) {
	t.Helper()
	tree, keys := makeTree(t)
	must(t, "upload the tree", c.upload(ctx, tree, "tree"))
	for i, k := range keys {
		keys[i] = "tree/" + k
	}
	slices.Sort(keys) // in the order of whole keys
	got, err := raw.list(ctx, "tree/", 97)
	must(t, "list without the client", err)
	if !slices.Equal(got, keys) {
		sameKeys(t, keys, slices.Sorted(slices.Values(got)))
		t.Errorf("the server's listing is not the sorted list of keys")
	}
	listed, err := c.list(ctx, "tree/")
	must(t, "list the tree", err)
	slices.Sort(listed) // some clients sort for themselves
	sameKeys(t, keys, listed)
	back := filepath.Join(t.TempDir(), "back")
	must(t, "download the tree", c.download(ctx, "tree", back))
	sameTrees(t, tree, back)
}

// checkWhole uploads a large file in one part.
func checkWhole(ctx context.Context, t *testing.T, c s3client) {
	t.Helper()
	dir := t.TempDir()
	up, down := filepath.Join(dir, "up"), filepath.Join(dir, "down")
	body := contents("whole", wholeSize)
	writeFile(t, up, body)
	must(t, "upload in one part", c.putWhole(ctx, up, "whole.bin"))
	must(t, "download what was uploaded in one part", c.get(ctx, "whole.bin", down))
	sameBytes(t, "64 MiB", body, readFile(t, down))
}

// checkRefusals asks for multipart uploads and copies: the user reads
// NotImplemented, and nothing is made.
func checkRefusals(ctx context.Context, t *testing.T, c s3client, raw *wire) {
	t.Helper()
	up := filepath.Join(t.TempDir(), "up")
	writeFile(t, up, make([]byte, multipartSize))
	before, err := raw.list(ctx, "", 1000)
	must(t, "list", err)
	refused(t, "multipart upload", c.putMultipart(ctx, up, "refused.bin"))
	must(t, "put", raw.put(ctx, "source.txt", []byte("source")))
	before = append(before, "source.txt")
	slices.Sort(before)
	refused(t, "copy", c.copyObject(ctx, "source.txt", "refused.txt"))
	after, err := raw.list(ctx, "", 1000)
	must(t, "list", err)
	sameKeys(t, before, after)
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: the client reports success", what)
	case !strings.Contains(err.Error(), "NotImplemented"):
		t.Errorf("%s: the client does not say NotImplemented: %v", what, err)
	}
}

func gone(ctx context.Context, t *testing.T, raw *wire, key string) {
	t.Helper()
	resp, err := raw.do(ctx, http.MethodHead, key, nil, nil, nil)
	must(t, "head", err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("HEAD of a removed key: %d", resp.StatusCode)
	}
}

// fetch uses a presigned URL.
func fetch(ctx context.Context, t *testing.T, raw *wire, method, url string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	must(t, "presigned URL", err)
	resp, err := raw.http.Do(req)
	must(t, "presigned URL", err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, "presigned URL", err)
	return resp.StatusCode, b
}

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func sameBytes(t testing.TB, what string, want, got []byte) {
	t.Helper()
	if !bytes.Equal(want, got) {
		t.Fatalf("%s: got %d bytes %.40q, want %d bytes %.40q", what, len(got), got, len(want), want)
	}
}
