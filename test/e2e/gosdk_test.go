package e2e

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// goSDK is aws-sdk-go-v2 with its defaults.
type goSDK struct {
	c      *s3.Client
	bucket *string
}

func TestGoSDK(t *testing.T) {
	schemes(t, func(t *testing.T, https bool) {
		srv := startServer(t, options{https: https})
		d := srv.createDisk("photos")
		tr := &http.Transport{TLSClientConfig: certs.clientTLS(), ForceAttemptHTTP2: true}
		t.Cleanup(tr.CloseIdleConnections)
		c := s3.New(s3.Options{
			BaseEndpoint: aws.String(d.Endpoint), Region: d.Region, UsePathStyle: true,
			Credentials:      credentials.NewStaticCredentialsProvider(d.AccessKey, d.SecretKey, ""),
			HTTPClient:       &http.Client{Transport: tr},
			RetryMaxAttempts: 1,
		})
		checkClient(t, d, &goSDK{c, aws.String(d.Bucket)})
	})
}

func (g *goSDK) put(ctx context.Context, file, key string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = g.c.PutObject(ctx, &s3.PutObjectInput{Bucket: g.bucket, Key: &key, Body: f})
	return err
}

func (g *goSDK) get(ctx context.Context, key, file string) error {
	out, err := g.c.GetObject(ctx, &s3.GetObjectInput{Bucket: g.bucket, Key: &key, ChecksumMode: "ENABLED"})
	if err != nil {
		return err
	}
	return save(file, out.Body)
}

// save writes a download to a file.
func save(file string, r io.ReadCloser) error {
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (g *goSDK) getRange(ctx context.Context, key string, off, n int) ([]byte, error) {
	out, err := g.c.GetObject(ctx, &s3.GetObjectInput{Bucket: g.bucket, Key: &key, Range: aws.String(rangeHeader(off, n))})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

func (g *goSDK) list(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	p := s3.NewListObjectsV2Paginator(g.c, &s3.ListObjectsV2Input{Bucket: g.bucket, Prefix: &prefix, MaxKeys: aws.Int32(150)})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys, nil
}

func (g *goSDK) upload(ctx context.Context, dir, prefix string) error {
	return eachFile(dir, func(file, rel string) error { return g.put(ctx, file, prefix+"/"+rel) })
}

func (g *goSDK) download(ctx context.Context, prefix, dir string) error {
	keys, err := g.list(ctx, prefix+"/")
	for _, key := range keys {
		if err == nil {
			err = g.get(ctx, key, filepath.Join(dir, key[len(prefix)+1:]))
		}
	}
	return err
}

// eachFile calls f for every file below dir.
func eachFile(dir string, f func(file, rel string) error) error {
	return filepath.WalkDir(dir, func(file string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		return f(file, rel)
	})
}

func (g *goSDK) remove(ctx context.Context, key string) error {
	_, err := g.c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: g.bucket, Key: &key})
	return err
}

// putWhole needs no setting: PutObject is always one part.
func (g *goSDK) putWhole(ctx context.Context, file, key string) error { return g.put(ctx, file, key) }

func (g *goSDK) putMultipart(ctx context.Context, _, key string) error {
	_, err := g.c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: g.bucket, Key: &key})
	return err
}

func (g *goSDK) copyObject(ctx context.Context, from, to string) error {
	source := *g.bucket + "/" + url.PathEscape(from)
	_, err := g.c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: g.bucket, Key: &to, CopySource: &source})
	return err
}

func (g *goSDK) presignGet(ctx context.Context, key string) (string, error) {
	r, err := s3.NewPresignClient(g.c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: g.bucket, Key: &key})
	if err != nil {
		return "", err
	}
	return r.URL, nil
}

func (g *goSDK) presignPut(ctx context.Context, key string) (string, error) {
	r, err := s3.NewPresignClient(g.c).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: g.bucket, Key: &key})
	if err != nil {
		return "", err
	}
	return r.URL, nil
}
