package s3api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscreds "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/minio-go/v7"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"
)

// awsClient is AWS's SDK with disk A's credential.
func (e *env) awsClient() *s3.Client {
	return s3.New(s3.Options{BaseEndpoint: aws.String(e.url), Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: awscreds.NewStaticCredentialsProvider(keyA, "secret-of-a", ""), HTTPClient: e.http})
}

// keyTransport sends requests with an API key in place of a signature.
type keyTransport struct {
	key  string
	next http.RoundTripper
}

func (k keyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", k.key)
	return k.next.RoundTrip(r)
}

// TestAWSSDK runs AWS's SDK through the extended operations: signed with the
// profile, with an API key without it, and signed without it, where each is
// refused.
func TestAWSSDK(t *testing.T) {
	ctx := context.Background()
	for name, options := range map[string][]envOption{"signed": {extended, withBuckets}, "API key": {withKeys, withBuckets}} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, options...)
			if name == "API key" {
				e.http = &http.Client{Transport: keyTransport{keyAll, e.http.Transport}}
			}
			sdkSession(t, e.awsClient())
		})
	}
	e := newEnv(t, withBuckets)
	e.put("src", "v")
	c := e.awsClient()
	bucket := aws.String(diskA.String())
	for code, call := range map[string]func() error{
		"NotImplemented create": func() error {
			_, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("k")})
			return err
		},
		"NotImplemented copy": func() error {
			_, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("k"), CopySource: aws.String(path("src"))})
			return err
		},
		"NotImplemented uploads": func() error {
			_, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: bucket})
			return err
		},
		"MethodNotAllowed buckets": func() error { _, err := c.ListBuckets(ctx, &s3.ListBucketsInput{}); return err },
	} {
		code, _, _ := strings.Cut(code, " ")
		if err := call(); err == nil || !strings.Contains(err.Error(), "api error "+code) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func sdkSession(t *testing.T, c *s3.Client) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	bucket, key := aws.String(diskA.String()), aws.String("dir/a b+ü.bin")
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c})
	must(err)
	parts := [][]byte{bigPart(1), []byte("the rest")}
	var done []types.CompletedPart
	for i, p := range parts {
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(int32(i + 1)),
			Body: bytes.NewReader(p), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c})
		must(err)
		if out.ChecksumCRC32C == nil {
			t.Error("the part's checksum does not come back")
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag, ChecksumCRC32C: out.ChecksumCRC32C})
	}
	listed, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: bucket, Key: key, UploadId: up.UploadId})
	must(err)
	uploads, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: bucket})
	must(err)
	if len(listed.Parts) != 2 || len(uploads.Uploads) != 1 || aws.ToString(uploads.Uploads[0].Key) != *key {
		t.Errorf("%d parts, %d uploads", len(listed.Parts), len(uploads.Uploads))
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}}
	out, err := c.CompleteMultipartUpload(ctx, in)
	must(err)
	if aws.ToString(out.ETag) != partsETag(parts...) || !strings.HasSuffix(aws.ToString(out.ChecksumCRC32C), "-2") {
		t.Errorf("ETag %s, checksum %s", aws.ToString(out.ETag), aws.ToString(out.ChecksumCRC32C))
	}
	var gone *types.NoSuchUpload
	if _, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId}); !errors.As(err, &gone) {
		t.Errorf("abort after complete: %v", err)
	}
	_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String(path(*key)),
		MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"color": "red"}})
	must(err)
	got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("copy"), ChecksumMode: types.ChecksumModeEnabled})
	must(err)
	body, err := io.ReadAll(got.Body)
	must(err)
	if !bytes.Equal(body, bytes.Join(parts, nil)) || got.Metadata["color"] != "red" {
		t.Errorf("the copy has %d bytes, metadata %v", len(body), got.Metadata)
	}
	buckets, err := c.ListBuckets(ctx, &s3.ListBucketsInput{MaxBuckets: aws.Int32(1)})
	must(err)
	if len(buckets.Buckets) != 1 || aws.ToString(buckets.Buckets[0].Name) != *bucket {
		t.Errorf("buckets: %+v", buckets.Buckets)
	}
}

// TestMinioSDK uploads with minio-go, which signs chunks over plain HTTP and
// cuts what is large, or of unknown length, into parts.
func TestMinioSDK(t *testing.T) {
	ctx := context.Background()
	e := newEnv(t, extended, withBuckets)
	for _, trailer := range []bool{false, true} {
		c, err := minio.New(e.addr, &minio.Options{Creds: miniocreds.NewStaticV4(keyA, "secret-of-a", ""), Region: "us-east-1",
			BucketLookup: minio.BucketLookupPath, TrailingHeaders: trailer, Transport: e.http.Transport})
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range map[string]int{"small": 1000, "large": 12<<20 + 5} {
			body := randomBody(n)
			for _, size := range []int64{int64(n), -1} {
				info, err := c.PutObject(ctx, diskA.String(), name, bytes.NewReader(body), size, minio.PutObjectOptions{PartSize: 5 << 20, UserMetadata: map[string]string{"a": "b"}})
				if err != nil {
					t.Fatalf("%s, trailer %v: %v", name, trailer, err)
				}
				if r := e.get(name).want(t, 200, ""); !bytes.Equal(r.body, body) || strings.Trim(r.Header.Get("Etag"), `"`) != info.ETag || r.Header.Get("X-Amz-Meta-A") != "b" {
					t.Errorf("%s, trailer %v: %d bytes, ETag %s, %s", name, trailer, len(r.body), r.Header.Get("Etag"), info.ETag)
				}
			}
		}
		_, err = c.ComposeObject(ctx, minio.CopyDestOptions{Bucket: diskA.String(), Object: "composed"},
			minio.CopySrcOptions{Bucket: diskA.String(), Object: "large"}, minio.CopySrcOptions{Bucket: diskA.String(), Object: "small"})
		if err != nil {
			t.Fatal(err)
		}
		if r := e.head("composed").want(t, 200, ""); r.ContentLength != 12<<20+5+1000 {
			t.Errorf("composed: %d bytes", r.ContentLength)
		}
		if l, err := c.ListBuckets(ctx); err != nil || len(l) != 1 || l[0].Name != diskA.String() {
			t.Errorf("buckets: %v, %v", l, err)
		}
	}
}
