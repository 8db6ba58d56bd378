package sigv4

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// benchGet is a small GET as an SDK sends it.
func benchGet(b *testing.B) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:9000/dsk-0123456789abcdef/some/dir/object-000123.bin?x-id=GetObject", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("User-Agent", "bench")
	r.Header.Set("X-Amz-Checksum-Mode", "ENABLED")
	r.Header.Set("Amz-Sdk-Invocation-Id", "00000000-0000-0000-0000-000000000000")
	r.Header.Set("Amz-Sdk-Request", "attempt=1; max=3")
	Sign(r, exampleKey, exampleSecret, "us-east-1", exampleTime, EmptySHA256)
	r.RequestURI = r.URL.RequestURI()
	return r
}

func BenchmarkParse(b *testing.B) {
	r := benchGet(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is a header-signed GET on a cached signing key.
func BenchmarkVerify(b *testing.B) {
	r := benchGet(b)
	v := at(exampleTime)
	a, err := Parse(r)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Verify(r, a, exampleSecret); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyColdKey derives the signing key each time.
func BenchmarkVerifyColdKey(b *testing.B) {
	r := benchGet(b)
	v := at(exampleTime)
	a, err := Parse(r)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.Forget(exampleKey)
		if err := v.Verify(r, a, exampleSecret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyPresigned(b *testing.B) {
	r := received(b, awsExamples[4].request)
	v := at(exampleTime)
	b.ReportAllocs()
	for b.Loop() {
		if err := check(v, r, exampleSecret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	r := benchGet(b)
	s := Signer{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, Region: "us-east-1"}
	b.ReportAllocs()
	for b.Loop() {
		s.Sign(r, exampleTime, UnsignedPayload)
	}
}

func BenchmarkPresign(b *testing.B) {
	r := benchGet(b)
	r.Header = http.Header{}
	s := Signer{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, Region: "us-east-1"}
	b.ReportAllocs()
	for b.Loop() {
		s.Presign(r, exampleTime, time.Hour)
	}
}

func BenchmarkChunkReader(b *testing.B) {
	for _, bc := range []struct {
		name        string
		size, chunk int
	}{{"4KiB", 4 << 10, 4 << 10}, {"1MiB", 1 << 20, 64 << 10}} {
		b.Run(bc.name, func(b *testing.B) {
			body := encodeChunks(strings.Repeat("x", bc.size), bc.chunk, "x-amz-checksum-crc32:AAAAAA==\r\n")
			buf := make([]byte, 32<<10)
			src := strings.NewReader(body)
			b.SetBytes(int64(bc.size))
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(body)
				c := NewChunkReader(src, int64(bc.size))
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, c, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// encodeChunks encodes s as aws-chunked with unsigned chunks.
func encodeChunks(s string, chunk int, trailer string) string {
	var b bytes.Buffer
	for s != "" {
		n := min(chunk, len(s))
		b.WriteString(hexSize(n) + "\r\n" + s[:n] + "\r\n")
		s = s[n:]
	}
	b.WriteString("0\r\n" + trailer + "\r\n")
	return b.String()
}
