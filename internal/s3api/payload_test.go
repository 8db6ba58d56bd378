package s3api

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"atoll/internal/sigv4"
)

// sizes go through each of the ways in which bodies are taken.
var sizes = []int{0, 1, 4096, 4097, 64 << 10, 256 << 10, 256<<10 + 1, 1<<20 + 17}

func randomBody(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// chunked encodes a body as aws-chunked with a trailer.
func chunked(body []byte, chunk int, trailer string) []byte {
	var b bytes.Buffer
	for len(body) > 0 {
		n := min(chunk, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	b.WriteString("0\r\n" + trailer + "\r\n")
	return b.Bytes()
}

func (e *env) chunkedPut(key string, decoded int, body []byte, headers ...string) *req {
	return e.req("PUT", path(key), body...).payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER").
		with("Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", fmt.Sprint(decoded)).with(headers...)
}

func TestPayloadSHA256(t *testing.T) {
	e := newEnv(t)
	for _, n := range sizes {
		body := randomBody(n)
		e.do(e.req("PUT", path("k"), body...)).want(t, 200, "")
		e.wantBody("k", string(body))
		wrong := sha256.Sum256(append([]byte("x"), body...))
		e.do(e.req("PUT", path("wrong"), body...).payload(hex.EncodeToString(wrong[:]))).want(t, 400, "XAmzContentSHA256Mismatch")
		e.wantGone("wrong")
		e.do(e.req("PUT", path("k"), body...).payload(sigv4.UnsignedPayload)).want(t, 200, "")
		e.wantBody("k", string(body))
	}
	e.do(e.req("PUT", path("wrong"), 'x').payload("zz")).want(t, 400, "InvalidArgument")
	e.wantGone("wrong")
}

func TestPayloadStreamingSignedRefused(t *testing.T) {
	e := newEnv(t)
	for _, form := range []string{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
		"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"} {
		e.do(e.req("PUT", path("k"), []byte("0\r\n\r\n")...).payload(form)).want(t, 501, "NotImplemented")
	}
	e.wantGone("k")
}

func TestPayloadUnsignedTrailer(t *testing.T) {
	e := newEnv(t)
	for _, n := range sizes {
		body := randomBody(n)
		for alg := sumCRC32; alg < numSums; alg++ {
			name := strings.ToLower(sums[alg].header)
			h := sums[alg].make()
			h.Write(body)
			good := base64.StdEncoding.EncodeToString(h.Sum(nil))
			r := e.do(e.chunkedPut("k", n, chunked(body, 65536, name+":"+good+"\r\n"), "X-Amz-Trailer", name)).want(t, 200, "")
			if r.Header.Get(name) != good {
				t.Errorf("PUT answers %s %q, want %q", name, r.Header.Get(name), good)
			}
			if alg == sumCRC32 || n < 5000 {
				e.wantBody("k", string(body))
				if got := e.get("k", "X-Amz-Checksum-Mode", "ENABLED").Header.Get(name); got != good {
					t.Errorf("GET answers %s %q, want %q", name, got, good)
				}
			}
			h.Write([]byte("x"))
			bad := base64.StdEncoding.EncodeToString(h.Sum(nil))
			e.do(e.chunkedPut("bad", n, chunked(body, 65536, name+":"+bad+"\r\n"), "X-Amz-Trailer", name)).want(t, 400, "BadDigest")
			e.wantGone("bad")
		}
	}
	r := e.head("k")
	if ce := r.Header.Get("Content-Encoding"); ce != "" {
		t.Errorf("stored Content-Encoding %q", ce)
	}
}

func TestPayloadTrailerErrors(t *testing.T) {
	e := newEnv(t)
	body := []byte("123456789")
	crc := "x-amz-checksum-crc32:y/Q5Jg==\r\n"
	trailer := []string{"X-Amz-Trailer", "x-amz-checksum-crc32"}
	for _, tc := range []struct {
		name    string
		decoded int
		body    []byte
		headers []string
		code    string
	}{
		{"longer than announced", 8, chunked(body, 4, crc), trailer, "IncompleteBody"},
		{"shorter than announced", 10, chunked(body, 4, crc), trailer, "IncompleteBody"},
		{"cut off", 9, body, trailer, "IncompleteBody"},
		{"not hexadecimal", 9, []byte("xyz\r\n123456789"), trailer, "InvalidRequest"},
		{"no trailer", 9, chunked(body, 9, ""), trailer, "MalformedTrailerError"},
		{"malformed value", 9, chunked(body, 9, "x-amz-checksum-crc32:zz\r\n"), trailer, "InvalidRequest"},
		{"unknown trailer", 9, chunked(body, 9, crc), []string{"X-Amz-Trailer", "x-amz-checksum-rot13"}, "InvalidRequest"},
		{"wrong and not announced", 9, chunked(body, 9, "x-amz-checksum-crc32:AAAAAA==\r\n"), nil, "MalformedTrailerError"},
		{"one announced of two", 9, chunked(body, 9, crc+"x-amz-checksum-crc32c:AAAAAA==\r\n"), trailer, "MalformedTrailerError"},
		{"header and trailer", 9, chunked(body, 9, crc), []string{"X-Amz-Trailer", "x-amz-checksum-crc32", "X-Amz-Checksum-Sha1", "98O8HYCOBHMqP/SZoVB6Wd5cERA="}, "InvalidRequest"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e.do(e.chunkedPut("k", tc.decoded, tc.body, tc.headers...)).want(t, 400, tc.code)
			e.wantGone("k")
		})
	}
	// No checksum at all is a client's right.
	e.do(e.chunkedPut("k", 9, chunked(body, 4, ""))).want(t, 200, "")
	e.wantBody("k", "123456789")
	// The encoding without the payload that explains it would store chunks.
	e.do(e.req("PUT", path("k"), chunked(body, 4, "")...).with("Content-Encoding", "aws-chunked")).want(t, 400, "InvalidRequest")
	e.wantBody("k", "123456789")
}

func TestChecksumHeaders(t *testing.T) {
	e := newEnv(t)
	for _, n := range sizes {
		body := randomBody(n)
		for alg := sumCRC32; alg < numSums; alg++ {
			name := sums[alg].header
			h := sums[alg].make()
			h.Write(body)
			good := base64.StdEncoding.EncodeToString(h.Sum(nil))
			e.do(e.req("PUT", path("k"), body...).with(name, good)).want(t, 200, "")
			for _, method := range []string{"GET", "HEAD"} {
				r := e.do(e.req(method, path("k")).with("X-Amz-Checksum-Mode", "ENABLED")).want(t, 200, "")
				if r.Header.Get(name) != good || r.Header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
					t.Errorf("%s: %s %q, type %q", method, name, r.Header.Get(name), r.Header.Get("X-Amz-Checksum-Type"))
				}
			}
			if r := e.head("k"); r.Header.Get(name) != "" {
				t.Errorf("%s is there without being asked for", name)
			}
			if n > 1 {
				if r := e.get("k", "X-Amz-Checksum-Mode", "ENABLED", "Range", "bytes=0-0"); r.Header.Get(name) != "" {
					t.Errorf("a range has the whole object's %s", name)
				}
			}
			h.Write([]byte("x"))
			bad := base64.StdEncoding.EncodeToString(h.Sum(nil))
			e.do(e.req("PUT", path("bad"), body...).with(name, bad)).want(t, 400, "BadDigest")
			e.wantGone("bad")
		}
	}
}

func TestChecksumHeaderErrors(t *testing.T) {
	e := newEnv(t)
	for _, tc := range []struct {
		headers []string
		status  int
		code    string
	}{
		{[]string{"X-Amz-Checksum-Crc32", "not base64"}, 400, "InvalidRequest"},
		{[]string{"X-Amz-Checksum-Crc32", "AAAA"}, 400, "InvalidRequest"},
		{[]string{"X-Amz-Checksum-Crc32", "y/Q5Jg==", "X-Amz-Checksum-Sha1", "98O8HYCOBHMqP/SZoVB6Wd5cERA="}, 400, "InvalidRequest"},
		{[]string{"X-Amz-Checksum-Rot13", "AAAA"}, 501, "NotImplemented"},
		{[]string{"X-Amz-Sdk-Checksum-Algorithm", "ROT13"}, 400, "InvalidRequest"},
		{[]string{"X-Amz-Sdk-Checksum-Algorithm", "CRC32"}, 200, ""},
		{[]string{"X-Amz-Checksum-Crc32", "y/Q5Jg==", "X-Amz-Sdk-Checksum-Algorithm", "CRC32"}, 200, ""},
		{[]string{"X-Amz-Checksum-Crc32", "y/Q5Jg==", "X-Amz-Checksum-Type", "COMPOSITE"}, 400, "InvalidRequest"},
	} {
		e.do(e.req("PUT", path("k"), []byte("123456789")...).with(tc.headers...)).want(t, tc.status, tc.code)
		if tc.status == 200 {
			e.do(e.req("DELETE", path("k"))).want(t, 204, "")
		}
		e.wantGone("k")
	}
}

func TestContentMD5(t *testing.T) {
	e := newEnv(t)
	for _, n := range []int{0, 9, 300 << 10} {
		body := randomBody(n)
		sum := md5.Sum(body)
		e.do(e.req("PUT", path("k"), body...).with("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))).want(t, 200, "")
		sum[0]++
		e.do(e.req("PUT", path("bad"), body...).with("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))).want(t, 400, "BadDigest")
	}
	for _, v := range []string{"", "x", "AAAA", "y/Q5Jg=="} {
		e.do(e.req("PUT", path("bad"), 'x').with("Content-MD5", v)).want(t, 400, "InvalidDigest")
	}
	e.wantGone("bad")
}

// TestETagIsMD5 puts bodies of all sizes, signed and not.
func TestETagIsMD5(t *testing.T) {
	e := newEnv(t)
	for _, n := range sizes {
		body := randomBody(n)
		want := quotedMD5(string(body))
		put := e.do(e.req("PUT", path("k"), body...)).want(t, 200, "")
		get, head := e.get("k"), e.head("k")
		if put.Header.Get("Etag") != want || get.Header.Get("Etag") != want || head.Header.Get("Etag") != want {
			t.Errorf("%d bytes: ETags %s %s %s, want %s", n, put.Header.Get("Etag"), get.Header.Get("Etag"), head.Header.Get("Etag"), want)
		}
		if head.ContentLength != int64(n) || get.ContentLength != int64(n) {
			t.Errorf("%d bytes: lengths %d and %d", n, head.ContentLength, get.ContentLength)
		}
	}
}

func TestLengthRequired(t *testing.T) {
	e := newEnv(t)
	send := func(q *req) *resp {
		q.Body = http.NoBody
		q.ContentLength = -1
		q.Body = struct{ *bytesBody }{&bytesBody{*bytes.NewReader(q.body)}}
		return e.do(q)
	}
	send(e.req("PUT", path("k"), []byte("body")...)).want(t, 411, "MissingContentLength")
	send(e.req("PUT", path("k"), []byte("body")...).payload(sigv4.UnsignedPayload)).want(t, 411, "MissingContentLength")
	body := chunked([]byte("123456789"), 4, "x-amz-checksum-crc32:y/Q5Jg==\r\n")
	q := e.chunkedPut("k", 9, body, "X-Amz-Trailer", "x-amz-checksum-crc32")
	q.Header.Del("X-Amz-Decoded-Content-Length")
	send(q).want(t, 411, "MissingContentLength")
	q = e.chunkedPut("k", 9, body, "X-Amz-Trailer", "x-amz-checksum-crc32")
	q.Header.Set("X-Amz-Decoded-Content-Length", "nine")
	send(q).want(t, 400, "InvalidArgument")
	e.wantGone("k")
	// With it, HTTP's own chunks are fine: that is what SDKs send over TLS.
	send(e.chunkedPut("k", 9, body, "X-Amz-Trailer", "x-amz-checksum-crc32")).want(t, 200, "")
	e.wantBody("k", "123456789")
	// Without any word of its length a body is no body to HTTP/1, and what
	// follows is another request.
	for _, q := range []*req{e.req("PUT", path("none")), e.req("PUT", path("none/")), e.req("POST", "/"+diskA.String()+"?delete")} {
		c := e.raw()
		fmt.Fprint(c, q.payload(sigv4.UnsignedPayload).sign().rawHead(-1)+"body")
		if r := readResponse(t, c, q.Method); r.StatusCode != 411 || r.err.Code != "MissingContentLength" {
			t.Errorf("%s without a length: %d %q", q.Method, r.StatusCode, r.body)
		} else if !r.Close {
			t.Errorf("%s without a length: the body would be taken for a request", q.Method)
		}
	}
	e.wantGone("none")
	e.wantGone("none/")
	// Of nothing, no length is missing.
	e.do(e.req("PUT", path("empty"))).want(t, 200, "")
	e.wantBody("empty", "")
}

// bytesBody hides its length from net/http.
type bytesBody struct{ bytes.Reader }

func (*bytesBody) Close() error { return nil }
