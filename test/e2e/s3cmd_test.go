package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// s3cmd is s3cmd.
type s3cmd struct {
	program, config, dir string
	d                    disk
}

func TestS3cmd(t *testing.T) {
	program := needProgram(t, "s3cmd")
	schemes(t, func(t *testing.T, https bool) {
		s := startServer(t, options{https: https})
		d := s.createDisk("photos")
		checkClient(t, d, newS3cmd(t, program, d, https))
	})
}

// newS3cmd writes the configuration of docs/clients.md.
func newS3cmd(t *testing.T, program string, d disk, https bool) *s3cmd {
	t.Helper()
	u, err := url.Parse(d.Endpoint)
	must(t, "endpoint", err)
	dir := t.TempDir()
	config := filepath.Join(dir, "s3cfg")
	writeFile(t, config, fmt.Appendf(nil, `[default]
access_key = %s
secret_key = %s
host_base = %s
host_bucket = %[3]s
bucket_location = %[4]s
use_https = %[5]t
ca_certs_file = %[6]s
max_retries = 1
progress_meter = False
`, d.AccessKey, d.SecretKey, u.Host, d.Region, https, certs.caFile))
	return &s3cmd{program: program, config: config, dir: dir, d: d}
}

func (c *s3cmd) url(key string) string { return "s3://" + c.d.Bucket + "/" + key }

func (c *s3cmd) call(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, nil, c.program, append([]string{"--config", c.config}, args...)...)
}

func (c *s3cmd) do(ctx context.Context, args ...string) error {
	_, err := c.call(ctx, args...)
	return err
}

func (c *s3cmd) put(ctx context.Context, file, key string) error {
	return c.do(ctx, "put", "--disable-multipart", file, c.url(key))
}

func (c *s3cmd) get(ctx context.Context, key, file string) error {
	return c.do(ctx, "get", "--force", c.url(key), file)
}

// getRange resumes a download of which off bytes are there already.
func (c *s3cmd) getRange(ctx context.Context, key string, off, n int) ([]byte, error) {
	if n != 0 {
		return nil, fmt.Errorf("s3cmd can't read %d bytes from %d", n, off)
	}
	to := filepath.Join(c.dir, "range")
	if err := os.WriteFile(to, make([]byte, off), 0o600); err != nil {
		return nil, err
	}
	if err := c.do(ctx, "get", "--continue", c.url(key), to); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(to)
	return b[min(off, len(b)):], err
}

// list reads the lines of `s3cmd ls`: date, time, size and URL.
func (c *s3cmd) list(ctx context.Context, prefix string) ([]string, error) {
	out, err := c.call(ctx, "ls", "--recursive", c.url(prefix))
	if err != nil {
		return nil, err
	}
	var keys []string
	for line := range strings.Lines(string(out)) {
		_, key, ok := strings.Cut(strings.TrimSuffix(line, "\n"), c.url(""))
		if !ok {
			return nil, fmt.Errorf("a line of s3cmd ls: %q", line)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (c *s3cmd) upload(ctx context.Context, dir, prefix string) error {
	return c.do(ctx, "sync", "--disable-multipart", dir+"/", c.url(prefix+"/"))
}

func (c *s3cmd) download(ctx context.Context, prefix, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return c.do(ctx, "sync", c.url(prefix+"/"), dir+"/")
}

func (c *s3cmd) remove(ctx context.Context, key string) error { return c.do(ctx, "del", c.url(key)) }

func (c *s3cmd) putWhole(ctx context.Context, file, key string) error { return c.put(ctx, file, key) }

func (c *s3cmd) putMultipart(ctx context.Context, file, key string) error {
	return c.do(ctx, "put", file, c.url(key)) // its parts are of 15 MB
}

func (c *s3cmd) copyObject(ctx context.Context, from, to string) error {
	return c.do(ctx, "cp", c.url(from), c.url(to))
}

// presignGet is absent: s3cmd signurl makes URLs of signature version 2.
