package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// minioGo is minio-go.
type minioGo struct {
	c      *minio.Client
	bucket string
}

func TestMinioGo(t *testing.T) {
	schemes(t, func(t *testing.T, https bool) {
		srv := startServer(t, options{https: https})
		d := srv.createDisk("photos")
		c := newMinioGo(t, d, https)
		checkClient(t, d, c)
		if !https {
			// Its default over HTTP is a signed stream.
			_, err := c.c.FPutObject(t.Context(), d.Bucket, "refused.txt", "minio_test.go", minio.PutObjectOptions{})
			refused(t, "signed stream", coded(err))
		}
	})
}

func newMinioGo(t *testing.T, d disk, https bool) *minioGo {
	t.Helper()
	u, err := url.Parse(d.Endpoint)
	must(t, "endpoint", err)
	tr := &http.Transport{TLSClientConfig: certs.clientTLS()}
	t.Cleanup(tr.CloseIdleConnections)
	c, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(d.AccessKey, d.SecretKey, ""), Secure: https, Transport: tr,
		BucketLookup: minio.BucketLookupPath, TrailingHeaders: https, MaxRetries: 1,
	})
	must(t, "minio.New", err)
	return &minioGo{c, d.Bucket}
}

// onePart are the options that docs/clients.md gives: one part whatever the
// size, and no signed stream over HTTP.
func onePart() minio.PutObjectOptions {
	return minio.PutObjectOptions{DisableMultipart: true, DisableContentSha256: true}
}

func (m *minioGo) put(ctx context.Context, file, key string) error {
	_, err := m.c.FPutObject(ctx, m.bucket, key, file, onePart())
	return err
}

func (m *minioGo) get(ctx context.Context, key, file string) error {
	return m.c.FGetObject(ctx, m.bucket, key, file, minio.GetObjectOptions{})
}

func (m *minioGo) getRange(ctx context.Context, key string, off, n int) ([]byte, error) {
	var o minio.GetObjectOptions
	last := int64(0) // to the end
	if n > 0 {
		last = int64(off + n - 1)
	}
	if err := o.SetRange(int64(off), last); err != nil {
		return nil, err
	}
	obj, err := m.c.GetObject(ctx, m.bucket, key, o)
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	return io.ReadAll(obj)
}

func (m *minioGo) list(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	for o := range m.c.ListObjects(ctx, m.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, MaxKeys: 150}) {
		if o.Err != nil {
			return nil, o.Err
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

func (m *minioGo) upload(ctx context.Context, dir, prefix string) error {
	return eachFile(dir, func(file, rel string) error { return m.put(ctx, file, prefix+"/"+rel) })
}

func (m *minioGo) download(ctx context.Context, prefix, dir string) error {
	keys, err := m.list(ctx, prefix+"/")
	for _, key := range keys {
		if err == nil {
			err = m.get(ctx, key, filepath.Join(dir, key[len(prefix)+1:]))
		}
	}
	return err
}

func (m *minioGo) remove(ctx context.Context, key string) error {
	return m.c.RemoveObject(ctx, m.bucket, key, minio.RemoveObjectOptions{})
}

func (m *minioGo) putWhole(ctx context.Context, file, key string) error {
	return m.put(ctx, file, key)
}

func (m *minioGo) putMultipart(ctx context.Context, file, key string) error {
	o := onePart()
	o.DisableMultipart = false
	_, err := m.c.FPutObject(ctx, m.bucket, key, file, o)
	return coded(err)
}

func (m *minioGo) copyObject(ctx context.Context, from, to string) error {
	_, err := m.c.CopyObject(ctx, minio.CopyDestOptions{Bucket: m.bucket, Object: to}, minio.CopySrcOptions{Bucket: m.bucket, Object: from})
	return coded(err)
}

// coded is an error with its S3 code, which minio-go leaves out of the text.
func coded(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", minio.ToErrorResponse(err).Code, err)
}

func (m *minioGo) presignGet(ctx context.Context, key string) (string, error) {
	u, err := m.c.PresignedGetObject(ctx, m.bucket, key, 10*time.Minute, nil)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func (m *minioGo) presignPut(ctx context.Context, key string) (string, error) {
	u, err := m.c.PresignedPutObject(ctx, m.bucket, key, 10*time.Minute)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}
