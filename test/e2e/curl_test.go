package e2e

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// curl is curl --aws-sigv4.
type curl struct {
	program, dir string
	d            disk
}

func TestCurl(t *testing.T) {
	program := needProgram(t, "curl")
	schemes(t, func(t *testing.T, https bool) {
		s := startServer(t, options{https: https})
		d := s.createDisk("photos")
		checkClient(t, d, &curl{program, t.TempDir(), d})
	})
}

func (c *curl) url(key string) string { return c.d.Endpoint + "/" + c.d.Bucket + "/" + escape(key) }

// call passes what docs/clients.md passes. The header is needed: curl does
// not hash the files that it uploads.
func (c *curl) call(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, nil, c.program, append([]string{
		"--silent", "--show-error", "--fail-with-body", "--globoff", "--cacert", certs.caFile,
		"--aws-sigv4", "aws:amz:" + c.d.Region + ":s3", "--user", c.d.AccessKey + ":" + c.d.SecretKey,
		"--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
	}, args...)...)
}

func (c *curl) do(ctx context.Context, args ...string) error {
	_, err := c.call(ctx, args...)
	return err
}

func (c *curl) put(ctx context.Context, file, key string) error {
	return c.do(ctx, "--upload-file", file, c.url(key))
}

func (c *curl) get(ctx context.Context, key, file string) error {
	return c.do(ctx, "--output", file, c.url(key))
}

func (c *curl) getRange(ctx context.Context, key string, off, n int) ([]byte, error) {
	return c.call(ctx, "--header", "Range: "+rangeHeader(off, n), c.url(key))
}

// list reads one page of 1000 keys, with the query in sorted order: curl signs
// it as it is written.
func (c *curl) list(ctx context.Context, prefix string) ([]string, error) {
	b, err := c.call(ctx, c.d.Endpoint+"/"+c.d.Bucket+"?list-type=2&prefix="+strings.ReplaceAll(escape(prefix), "/", "%2F"))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Contents    []struct{ Key string }
		IsTruncated bool
	}
	if err := xml.Unmarshal(b, &answer); err != nil {
		return nil, err
	}
	if answer.IsTruncated {
		return nil, fmt.Errorf("more than a page of keys")
	}
	var keys []string
	for _, o := range answer.Contents {
		keys = append(keys, o.Key)
	}
	return keys, nil
}

// upload and download hand curl a list of transfers.
func (c *curl) upload(ctx context.Context, dir, prefix string) error {
	var list strings.Builder
	err := eachFile(dir, func(file, rel string) error {
		fmt.Fprintf(&list, "upload-file = %s\nurl = %s\n", curlQuote(file), curlQuote(c.url(prefix+"/"+rel)))
		return nil
	})
	if err != nil {
		return err
	}
	return c.transfer(ctx, list.String())
}

func (c *curl) download(ctx context.Context, prefix, dir string) error {
	keys, err := c.list(ctx, prefix+"/")
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&list, "output = %s\nurl = %s\n", curlQuote(filepath.Join(dir, key[len(prefix)+1:])), curlQuote(c.url(key)))
	}
	return c.transfer(ctx, list.String())
}

func (c *curl) transfer(ctx context.Context, list string) error {
	file := filepath.Join(c.dir, "transfers")
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		return err
	}
	return c.do(ctx, "--create-dirs", "--fail-early", "--config", file)
}

// curlQuote quotes a value of a configuration file.
func curlQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (c *curl) remove(ctx context.Context, key string) error {
	return c.do(ctx, "--request", "DELETE", c.url(key))
}

func (c *curl) putWhole(ctx context.Context, file, key string) error { return c.put(ctx, file, key) }

func (c *curl) putMultipart(ctx context.Context, _, key string) error {
	return c.do(ctx, "--request", "POST", c.url(key)+"?uploads=")
}

func (c *curl) copyObject(ctx context.Context, from, to string) error {
	return c.do(ctx, "--request", "PUT", "--header", "x-amz-copy-source: /"+c.d.Bucket+"/"+escape(from), c.url(to))
}
