package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// awsCLI is the aws command line.
type awsCLI struct {
	program string
	d       disk
	dir     string   // of temporary files
	plain   []string // environment: nothing configured
	whole   []string // environment: multipart_threshold as documented
}

// TestAWSCLI drives the aws cli on PATH, and Debian's older one too where it
// is installed beside it.
func TestAWSCLI(t *testing.T) {
	for _, program := range distinct(t, "aws", "/usr/bin/aws") {
		t.Run(versionName(t, program, "--version"), func(t *testing.T) {
			schemes(t, func(t *testing.T, https bool) {
				s := startServer(t, options{https: https})
				d := s.createDisk("photos")
				checkClient(t, d, newAWSCLI(t, program, d))
			})
		})
	}
}

// distinct finds the program on PATH and, if it is another one, Debian's.
func distinct(t testing.TB, name, debian string) []string {
	t.Helper()
	onPath := needProgram(t, name)
	all := []string{onPath}
	if a, err := filepath.EvalSymlinks(onPath); err == nil {
		b, err := filepath.EvalSymlinks(debian)
		if err == nil && a != b {
			all = append(all, debian)
		}
	}
	return all
}

// versionName makes a test's name from the first line that a program prints.
func versionName(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, args, err, out)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	name, _, _ := strings.Cut(first, " Python")
	return strings.ReplaceAll(strings.TrimSpace(name), "/", "-")
}

func newAWSCLI(t *testing.T, program string, d disk) *awsCLI {
	t.Helper()
	dir := t.TempDir()
	c := &awsCLI{program: program, d: d, dir: dir, plain: d.awsEnv(filepath.Join(dir, "plain")), whole: d.awsEnv(filepath.Join(dir, "whole"))}
	// docs/clients.md: no multipart below 5 GB; version 1 of the cli presigns
	// with signature version 2 unless told.
	configure(t, c.whole, program, "default.s3.multipart_threshold", "5GB")
	configure(t, c.plain, program, "default.s3.signature_version", "s3v4")
	return c
}

func configure(t *testing.T, env []string, program, name, value string) {
	t.Helper()
	_, err := run(t.Context(), env, program, "configure", "set", name, value)
	must(t, "aws configure set", err)
}

func (c *awsCLI) url(key string) string { return "s3://" + c.d.Bucket + "/" + key }

func (c *awsCLI) call(ctx context.Context, env []string, args ...string) ([]byte, error) {
	return run(ctx, env, c.program, append([]string{"--endpoint-url", c.d.Endpoint}, args...)...)
}

func (c *awsCLI) s3(ctx context.Context, args ...string) error {
	_, err := c.call(ctx, c.plain, append([]string{"s3"}, args...)...)
	return err
}

func (c *awsCLI) put(ctx context.Context, file, key string) error {
	return c.s3(ctx, "cp", "--only-show-errors", file, c.url(key))
}

func (c *awsCLI) get(ctx context.Context, key, file string) error {
	return c.s3(ctx, "cp", "--only-show-errors", c.url(key), file)
}

func (c *awsCLI) getRange(ctx context.Context, key string, off, n int) ([]byte, error) {
	to := filepath.Join(c.dir, "range")
	_, err := c.call(ctx, c.plain, "s3api", "get-object", "--bucket", c.d.Bucket, "--key", key, "--range", rangeHeader(off, n), to)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(to)
}

// rangeHeader is the Range of n bytes from off, or of all that follows if n
// is 0.
func rangeHeader(off, n int) string {
	if n == 0 {
		return fmt.Sprintf("bytes=%d-", off)
	}
	return fmt.Sprintf("bytes=%d-%d", off, off+n-1)
}

// list reads the lines of `aws s3 ls`: date, time, size and key.
func (c *awsCLI) list(ctx context.Context, prefix string) ([]string, error) {
	out, err := c.call(ctx, c.plain, "s3", "ls", "--recursive", c.url(prefix))
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		if len(line) < 31 {
			return nil, fmt.Errorf("a line of aws s3 ls: %q", line)
		}
		keys = append(keys, line[31:])
	}
	return keys, nil
}

func (c *awsCLI) upload(ctx context.Context, dir, prefix string) error {
	return c.s3(ctx, "sync", "--only-show-errors", dir, c.url(prefix))
}

func (c *awsCLI) download(ctx context.Context, prefix, dir string) error {
	return c.s3(ctx, "sync", "--only-show-errors", c.url(prefix), dir)
}

func (c *awsCLI) remove(ctx context.Context, key string) error {
	return c.s3(ctx, "rm", "--only-show-errors", c.url(key))
}

func (c *awsCLI) putWhole(ctx context.Context, file, key string) error {
	_, err := c.call(ctx, c.whole, "s3", "cp", "--only-show-errors", file, c.url(key))
	return err
}

func (c *awsCLI) putMultipart(ctx context.Context, file, key string) error {
	return c.put(ctx, file, key) // its threshold is 8 MB
}

// copyObject tries both commands that copy on the server. A refused move must
// leave its source, which checkRefusals verifies.
func (c *awsCLI) copyObject(ctx context.Context, from, to string) error {
	cp := c.s3(ctx, "cp", "--only-show-errors", c.url(from), c.url(to))
	if cp == nil {
		return nil
	}
	mv := c.s3(ctx, "mv", "--only-show-errors", c.url(from), c.url(to))
	if mv == nil {
		return nil
	}
	return errors.Join(cp, mv)
}

func (c *awsCLI) presignGet(ctx context.Context, key string) (string, error) {
	out, err := c.call(ctx, c.plain, "s3", "presign", c.url(key), "--expires-in", "600")
	return strings.TrimSpace(string(out)), err
}
