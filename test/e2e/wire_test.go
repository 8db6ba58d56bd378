package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsv4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// wire speaks S3 with nothing but net/http and the AWS signer, so that a test
// sees every answer as it came: no retries, no checksums, no redirects.
type wire struct {
	d      disk
	http   *http.Client
	signer *awsv4.Signer
}

func newWire(d disk) *wire {
	return &wire{
		d: d,
		http: &http.Client{Transport: &http.Transport{
			TLSClientConfig: certs.clientTLS(), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64, DisableCompression: true,
		}},
		signer: awsv4.NewSigner(func(o *awsv4.SignerOptions) {
			o.DisableURIPathEscaping, o.DisableHeaderHoisting = true, true
		}),
	}
}

func (w *wire) close() { w.http.CloseIdleConnections() }

// payload is a request's body. The zero value is none.
type payload struct {
	r    io.Reader
	size int64
	hash string // for x-amz-content-sha256
}

func bytesPayload(b []byte) *payload {
	sum := sha256.Sum256(b)
	return &payload{r: bytes.NewReader(b), size: int64(len(b)), hash: hex.EncodeToString(sum[:])}
}

func streamPayload(r io.Reader, size int64) *payload {
	return &payload{r: r, size: size, hash: "UNSIGNED-PAYLOAD"}
}

// request makes a signed request. The key "" addresses the bucket.
func (w *wire) request(ctx context.Context, method, key string, q url.Values, h http.Header, p *payload) (*http.Request, error) {
	if p == nil {
		p = bytesPayload(nil)
	}
	target := w.d.Endpoint + "/" + w.d.Bucket
	if key != "" {
		target += "/" + escape(key)
	}
	if len(q) > 0 {
		target += "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
	}
	req, err := http.NewRequestWithContext(ctx, method, target, p.r)
	if err != nil {
		return nil, err
	}
	if req.ContentLength = p.size; p.size == 0 {
		req.Body = nil
	}
	for name, values := range h {
		req.Header[name] = values
	}
	req.Header.Set("X-Amz-Content-Sha256", p.hash)
	who := aws.Credentials{AccessKeyID: w.d.AccessKey, SecretAccessKey: w.d.SecretKey}
	return req, w.signer.SignHTTP(ctx, who, req, p.hash, "s3", w.d.Region, time.Now())
}

func (w *wire) do(ctx context.Context, method, key string, q url.Values, h http.Header, p *payload) (*http.Response, error) {
	req, err := w.request(ctx, method, key, q, h, p)
	if err != nil {
		return nil, err
	}
	return w.http.Do(req)
}

// statusError is an answer that is not a success.
type statusError struct {
	status int
	body   []byte
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.body) }

// call makes a request and reads its whole answer.
func (w *wire) call(ctx context.Context, method, key string, q url.Values, p *payload) ([]byte, error) {
	resp, err := w.do(ctx, method, key, q, nil, p)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, &statusError{resp.StatusCode, b}
	}
	return b, nil
}

func (w *wire) put(ctx context.Context, key string, body []byte) error {
	_, err := w.call(ctx, http.MethodPut, key, nil, bytesPayload(body))
	return err
}

func (w *wire) get(ctx context.Context, key string) ([]byte, error) {
	return w.call(ctx, http.MethodGet, key, nil, nil)
}

func (w *wire) remove(ctx context.Context, key string) error {
	_, err := w.call(ctx, http.MethodDelete, key, nil, nil)
	return err
}

// list returns the keys with the prefix, in the server's order.
func (w *wire) list(ctx context.Context, prefix string, page int) ([]string, error) {
	var keys []string
	q := url.Values{"list-type": {"2"}, "prefix": {prefix}, "max-keys": {strconv.Itoa(page)}}
	for {
		b, err := w.call(ctx, http.MethodGet, "", q, nil)
		if err != nil {
			return nil, err
		}
		var answer struct {
			Contents              []struct{ Key string }
			IsTruncated           bool
			NextContinuationToken string
		}
		if err := xml.Unmarshal(b, &answer); err != nil {
			return nil, err
		}
		for _, c := range answer.Contents {
			keys = append(keys, c.Key)
		}
		if !answer.IsTruncated {
			return keys, nil
		}
		q.Set("continuation-token", answer.NextContinuationToken)
	}
}

// escape encodes a key for a URL's path as AWS does: all but unreserved
// characters and the slash.
func escape(key string) string {
	var b strings.Builder
	for _, c := range []byte(key) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
