package s3api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"io"
	"net/http"
	"testing"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// md5simdHasher is what minio-go's signer wants of a hash.
type md5simdHasher struct{ hash.Hash }

func (md5simdHasher) Close() {}

// signedChunks makes a PUT whose body minio-go's signer has put into signed
// chunks, with a checksum in a trailer if crc is not empty. change alters the
// bytes that are sent.
func (e *env) signedChunks(key string, body []byte, crc, secret string, change func([]byte) []byte) *req {
	e.t.Helper()
	q := e.req("PUT", path(key))
	q.Body = io.NopCloser(bytes.NewReader(body))
	if crc != "" {
		q.Trailer = http.Header{"X-Amz-Checksum-Crc32": {crc}}
	}
	r := signer.StreamingSignV4(q.Request, keyA, secret, "", "us-east-1", int64(len(body)), e.now(), md5simdHasher{sha256.New()})
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	if change != nil {
		sent = change(sent)
	}
	r.ContentLength = int64(len(sent))
	r.Body = io.NopCloser(bytes.NewReader(sent))
	q.Request = r
	return q
}

// TestSignedChunks puts bodies in signed chunks: none counts unless all
// signatures fit.
func TestSignedChunks(t *testing.T) {
	e := newEnv(t, extended)
	for _, n := range append(sizes, 200_000) {
		body := randomBody(n)
		h := sums[sumCRC32].make()
		h.Write(body)
		crc := base64.StdEncoding.EncodeToString(h.Sum(nil))
		for _, trailer := range []string{"", crc} {
			e.send(e.signedChunks("k", body, trailer, "secret-of-a", nil)).want(t, 200, "")
			e.wantBody("k", string(body))
			r := e.head("k", "X-Amz-Checksum-Mode", "ENABLED")
			if r.Header.Get("X-Amz-Checksum-Crc32") != trailer || r.Header.Get("Etag") != quotedMD5(string(body)) || r.Header.Get("Content-Encoding") != "" {
				t.Errorf("%d bytes: %v", n, r.Header)
			}
			flip := func(p []byte) []byte {
				i := bytes.LastIndexByte(p, '=') + 2 // in the last signature
				if n > 0 {
					i = bytes.Index(p, []byte("\r\n")) + 2 // in the first chunk
				}
				p[i] ^= 1
				return p
			}
			if trailer == "" || n > 0 {
				e.send(e.signedChunks("bad", body, trailer, "secret-of-a", flip)).want(t, 403, "SignatureDoesNotMatch")
			}
			e.send(e.signedChunks("bad", body, trailer, "wrong", nil)).want(t, 403, "SignatureDoesNotMatch")
			e.wantGone("bad")
		}
		if n > 0 {
			e.send(e.signedChunks("bad", body, "AAAAAA==", "secret-of-a", nil)).want(t, 400, "BadDigest")
		}
		e.send(e.signedChunks("bad", body, "", "secret-of-a", func(p []byte) []byte { return p[:len(p)/2] })).want(t, 400, "IncompleteBody")
		e.wantGone("bad")
	}
}

// TestSignedChunksRefused: the forms that stay refused in either profile.
func TestSignedChunksRefused(t *testing.T) {
	e := newEnv(t, extended)
	for _, form := range []string{"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"} {
		e.do(e.req("PUT", path("k"), []byte("0\r\n\r\n")...).payload(form)).want(t, 501, "NotImplemented")
	}
	q := e.req("PUT", path("k"), []byte("0\r\n\r\n")...).with("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
	e.send(e.presign(q, 1e10)).want(t, 501, "NotImplemented")
	e.wantGone("k")
	// Without the profile, a body that would be right is refused too.
	e = newEnv(t)
	e.send(e.signedChunks("k", []byte("body"), "", "secret-of-a", nil)).want(t, 501, "NotImplemented")
	e.wantGone("k")
}
