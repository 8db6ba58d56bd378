package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"atoll/internal/sigv4"
)

// s3 sends one request of an S3 user.
type s3 struct {
	signer *sigv4.Signer
	base   string    // URL of the bucket
	at     time.Time // of signatures; zero: now
}

func (c *s3) do(ctx context.Context, method, key string, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+"/"+key, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	sum := sha256.Sum256(body)
	at := c.at
	if at.IsZero() {
		at = time.Now()
	}
	c.signer.Sign(r, at, hex.EncodeToString(sum[:]))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, b, err
}

// loadBody is what object i of writer w holds: inline, small or of two chunks.
func loadBody(w, i int) []byte {
	sizes := [...]int{100, 5000, 300_000, 4<<20 + 9}
	return bytes.Repeat([]byte(fmt.Sprintf("%d.%d ", w, i)), sizes[i%len(sizes)]/4)
}

// load puts, replaces and deletes objects until ctx ends. Objects of the first
// half of each ten stay as they were put; acked is told of them.
func (c *s3) load(ctx context.Context, w int, acked func(key string, i int)) error {
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("w%d/d%d/o%d", w, i%3, i)
		if i%10 >= 5 {
			key = fmt.Sprintf("w%d/turnover", w)
			if i%10 == 9 {
				if _, _, err := c.do(context.Background(), "DELETE", key, nil); err != nil {
					return err
				}
				continue
			}
		}
		status, b, err := c.do(context.Background(), "PUT", key, loadBody(w, i))
		if err != nil || status != 200 {
			return fmt.Errorf("PUT %s: %d %s %w", key, status, b, err)
		}
		if i%10 < 5 {
			acked(key, i)
		}
	}
	return nil
}

// TestBackupUnderLoad makes a backup while objects are written, replaced and
// deleted. A server on the copy has every object that was acknowledged before
// the backup began, and a check finds nothing wrong with the copy.
func TestBackupUnderLoad(t *testing.T) {
	dir := t.TempDir()
	cfg := testConfig(dir)
	cfg.Memory = 2 * minMemory // a lone disk's share has room for all writers
	r := begin(t, cfg)
	id, _, err := r.client().CreateDisk(t.Context(), client.NewDisk{Name: "busy"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := r.client().AddS3User(t.Context(), id, "writer")
	if err != nil {
		t.Fatal(err)
	}
	conn := &s3{base: r.e.S3 + "/" + id, signer: &sigv4.Signer{
		AccessKeyID: u.AccessKeyID, SecretAccessKey: u.SecretAccessKey, Region: "us-east-1"}}

	const writers, before = 4, 60
	var mu sync.Mutex
	acked := map[string][]byte{}
	enough := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	failed := make(chan error, writers)
	for w := range writers {
		go func() {
			failed <- conn.load(ctx, w, func(key string, i int) {
				mu.Lock()
				defer mu.Unlock()
				acked[key] = loadBody(w, i)
				if len(acked) == before {
					close(enough)
				}
			})
		}()
	}
	select {
	case <-enough:
	case err := <-failed:
		t.Fatal(err)
	}
	mu.Lock()
	want := map[string][]byte{}
	for k, v := range acked {
		want[k] = v
	}
	mu.Unlock()
	dest := filepath.Join(t.TempDir(), "copy")
	_, err = r.client().Backup(t.Context(), dest)
	stop()
	for range writers {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, masterFile))
	if err != nil {
		t.Fatal(err)
	}
	r.end()
	mustBeClean(t, dest)
	if b, err := os.ReadFile(filepath.Join(dest, restoreFile)); err != nil || !strings.Contains(string(b), "USELESS WITHOUT THE MASTER KEY") {
		t.Errorf("%s: %q, %v", restoreFile, b, err)
	}
	if _, err := os.Stat(filepath.Join(dest, masterFile)); !os.IsNotExist(err) {
		t.Errorf("the master key is in the backup: %v", err)
	}
	if _, err := tryBegin(t, testConfig(dest)); err == nil || !strings.Contains(err.Error(), "master key is missing") {
		t.Errorf("started without the master key: %v", err)
	}

	c := testConfig(dest)
	c.MasterKey = string(key)
	copied := begin(t, c)
	conn.base = copied.e.S3 + "/" + id
	for k, v := range want {
		status, b, err := conn.do(t.Context(), "GET", k, nil)
		if err != nil || status != 200 || !bytes.Equal(b, v) {
			t.Errorf("GET %s of the copy: %d, %d bytes of %d, %v", k, status, len(b), len(v), err)
		}
	}
	copied.end()
	mustBeClean(t, dest)
	mustBeClean(t, dir)
}

func mustBeClean(t *testing.T, dir string) {
	t.Helper()
	res, err := Fsck(t.Context(), FsckOptions{Data: dir, Report: func(p string) { t.Error(p) }})
	if err != nil || !res.Clean() || res.Files == 0 || res.Records == 0 {
		t.Errorf("check of %s: %+v, %v", dir, res, err)
	}
}
