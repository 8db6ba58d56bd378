package e2e

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
)

// rclone is rclone's S3 backend (Debian's is built on aws-sdk-go v1).
type rclone struct {
	program string
	d       disk
	env     []string
}

func TestRclone(t *testing.T) {
	program := needProgram(t, "rclone")
	schemes(t, func(t *testing.T, https bool) {
		s := startServer(t, options{https: https})
		d := s.createDisk("photos")
		checkClient(t, d, &rclone{program, d, rcloneEnv(d)})
	})
}

// rcloneEnv configures the remote "atoll:" as docs/clients.md does.
func rcloneEnv(d disk) []string {
	return []string{
		"RCLONE_CONFIG=" + os.DevNull, "RCLONE_CA_CERT=" + certs.caFile,
		"RCLONE_CONFIG_ATOLL_TYPE=s3", "RCLONE_CONFIG_ATOLL_PROVIDER=Other",
		"RCLONE_CONFIG_ATOLL_ENDPOINT=" + d.Endpoint, "RCLONE_CONFIG_ATOLL_REGION=" + d.Region,
		"RCLONE_CONFIG_ATOLL_ACCESS_KEY_ID=" + d.AccessKey, "RCLONE_CONFIG_ATOLL_SECRET_ACCESS_KEY=" + d.SecretKey,
		"RCLONE_CONFIG_ATOLL_FORCE_PATH_STYLE=true", "RCLONE_CONFIG_ATOLL_UPLOAD_CUTOFF=5G",
		"RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1", "RCLONE_NO_UNICODE_NORMALIZATION=true",
	}
}

func (c *rclone) path(key string) string { return "atoll:" + c.d.Bucket + "/" + key }

func (c *rclone) call(ctx context.Context, args ...string) error {
	_, err := run(ctx, c.env, c.program, args...)
	return err
}

func (c *rclone) put(ctx context.Context, file, key string) error {
	return c.call(ctx, "copyto", file, c.path(key))
}

func (c *rclone) get(ctx context.Context, key, file string) error {
	return c.call(ctx, "copyto", "--ignore-times", c.path(key), file)
}

func (c *rclone) getRange(ctx context.Context, key string, off, n int) ([]byte, error) {
	if n == 0 {
		n = -1
	}
	return run(ctx, c.env, c.program, "cat", "--offset", strconv.Itoa(off), "--count", strconv.Itoa(n), c.path(key))
}

func (c *rclone) list(ctx context.Context, prefix string) ([]string, error) {
	out, err := run(ctx, c.env, c.program, "lsf", "--recursive", "--files-only", c.path(strings.TrimSuffix(prefix, "/")))
	if err != nil {
		return nil, err
	}
	var keys []string
	for line := range strings.Lines(string(out)) {
		keys = append(keys, prefix+strings.TrimSuffix(line, "\n"))
	}
	return keys, nil
}

// upload synchronizes, then lets rclone compare every byte.
func (c *rclone) upload(ctx context.Context, dir, prefix string) error {
	if err := c.call(ctx, "sync", dir, c.path(prefix)); err != nil {
		return err
	}
	return c.call(ctx, "check", "--download", dir, c.path(prefix))
}

func (c *rclone) download(ctx context.Context, prefix, dir string) error {
	return c.call(ctx, "sync", c.path(prefix), dir)
}

func (c *rclone) remove(ctx context.Context, key string) error {
	return c.call(ctx, "deletefile", c.path(key))
}

func (c *rclone) putWhole(ctx context.Context, file, key string) error { return c.put(ctx, file, key) }

func (c *rclone) putMultipart(ctx context.Context, file, key string) error {
	return c.call(ctx, "copyto", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", file, c.path(key))
}

func (c *rclone) copyObject(ctx context.Context, from, to string) error {
	return c.call(ctx, "copyto", c.path(from), c.path(to))
}

func (c *rclone) presignGet(ctx context.Context, key string) (string, error) {
	out, err := run(ctx, c.env, c.program, "link", "--expire", "10m", c.path(key))
	return strings.TrimSpace(string(out)), err
}
