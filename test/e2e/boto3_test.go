package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
)

// script is a client that a script drives, one operation a call: boto3 and
// the SDK for JavaScript.
type script struct {
	command []string // program and script
	env     []string
}

// TestBoto3 drives boto3 of the python3 on PATH, and Debian's older one too
// where it is installed beside it.
func TestBoto3(t *testing.T) {
	for _, python := range pythons(t) {
		version := versionName(t, python, "-c", "import boto3; print('boto3-' + boto3.__version__)")
		t.Run(version, func(t *testing.T) {
			schemes(t, func(t *testing.T, https bool) {
				s := startServer(t, options{https: https})
				d := s.createDisk("photos")
				checkClient(t, d, &script{[]string{python, "py/boto3_client.py"}, d.scriptEnv(t)})
			})
		})
	}
}

// pythons are those of python3 on PATH and Debian's that have boto3.
func pythons(t testing.TB) (found []string) {
	t.Helper()
	for _, python := range distinct(t, "python3", "/usr/bin/python3") {
		if exec.Command(python, "-c", "import boto3").Run() == nil {
			found = append(found, python)
		}
	}
	if len(found) == 0 {
		t.Fatal("boto3 is not installed (`make deps` installs what the tests need)")
	}
	return found
}

// scriptEnv is what the scripts read.
func (d disk) scriptEnv(t testing.TB) []string {
	return append(d.awsEnv(t.TempDir()+"/none"), "BUCKET="+d.Bucket, "ENDPOINT="+d.Endpoint, "PYTHONDONTWRITEBYTECODE=1")
}

func (c *script) call(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, c.env, c.command[0], append(c.command[1:], args...)...)
}

func (c *script) do(ctx context.Context, args ...string) error {
	_, err := c.call(ctx, args...)
	return err
}

func (c *script) put(ctx context.Context, file, key string) error { return c.do(ctx, "put", file, key) }
func (c *script) get(ctx context.Context, key, file string) error { return c.do(ctx, "get", key, file) }
func (c *script) remove(ctx context.Context, key string) error    { return c.do(ctx, "rm", key) }

func (c *script) getRange(ctx context.Context, key string, off, n int) ([]byte, error) {
	return c.call(ctx, "get_range", key, rangeHeader(off, n))
}

func (c *script) list(ctx context.Context, prefix string) ([]string, error) {
	out, err := c.call(ctx, "ls", prefix)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

func (c *script) upload(ctx context.Context, dir, prefix string) error {
	return c.do(ctx, "upload", dir, prefix)
}

func (c *script) download(ctx context.Context, prefix, dir string) error {
	return c.do(ctx, "download", prefix, dir)
}

func (c *script) putWhole(ctx context.Context, file, key string) error {
	return c.do(ctx, "put_whole", file, key)
}

// putMultipart uses boto3's upload_file without the setting, and the SDK for
// JavaScript's CreateMultipartUpload.
func (c *script) putMultipart(ctx context.Context, file, key string) error {
	if strings.HasSuffix(c.command[1], ".mjs") {
		return c.do(ctx, "put_multipart", file, key)
	}
	return c.put(ctx, file, key)
}

func (c *script) copyObject(ctx context.Context, from, to string) error {
	return c.do(ctx, "copy", from, to)
}

func (c *script) presignGet(ctx context.Context, key string) (string, error) {
	out, err := c.call(ctx, "presign", "get_object", key)
	return strings.TrimSpace(string(out)), err
}

func (c *script) presignPut(ctx context.Context, key string) (string, error) {
	out, err := c.call(ctx, "presign", "put_object", key)
	return strings.TrimSpace(string(out)), err
}
