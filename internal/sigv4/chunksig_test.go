package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The published examples of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// sigv4-streaming-trailers.html: 66560 times the letter a.
var streamingExamples = []struct {
	name, head, signed, signature string
	chunks                        []string // signatures
	trailer                       string
}{
	{"signed chunks", "Content-Encoding: aws-chunked\nContent-Length: 66824\nx-amz-content-sha256: " + StreamingPayload + "\n",
		"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
		"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
		[]string{"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
			"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
			"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"}, ""},
	{"signed trailer", "Content-Encoding: aws-chunked\nx-amz-content-sha256: " + StreamingPayloadTrailer + "\nx-amz-trailer: x-amz-checksum-crc32c\n",
		"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
		"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
		[]string{"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
			"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
			"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"},
		"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"},
}

func TestStreamingExamples(t *testing.T) {
	for _, ex := range streamingExamples {
		t.Run(ex.name, func(t *testing.T) {
			r := received(t, "PUT /examplebucket/chunkObject.txt HTTP/1.1\nHost: s3.amazonaws.com\nx-amz-date: 20130524T000000Z\n"+
				"x-amz-storage-class: REDUCED_REDUNDANCY\nx-amz-decoded-content-length: 66560\n"+ex.head+
				examplePrefix+"SignedHeaders="+ex.signed+",Signature="+ex.signature+"\n")
			v := at(exampleTime)
			a, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Verify(r, a, exampleSecret); err != nil {
				t.Fatal(err)
			}
			body := ""
			for i, n := range []int{65536, 1024, 0} {
				body += fmt.Sprintf("%x;chunk-signature=%s\r\n%s", n, ex.chunks[i], strings.Repeat("a", n))
				if n > 0 {
					body += "\r\n"
				}
			}
			body += ex.trailer + "\r\n"
			c := v.NewChunkReader(strings.NewReader(body), a, exampleSecret, 66560, ex.trailer != "")
			got, err := io.ReadAll(c)
			if err != nil || string(got) != strings.Repeat("a", 66560) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			want := http.Header{}
			if ex.trailer != "" {
				want.Set("X-Amz-Checksum-Crc32c", "sOO8/Q==")
			}
			if fmt.Sprint(c.Trailer()) != fmt.Sprint(want) {
				t.Errorf("trailer %v", c.Trailer())
			}
			for _, secret := range []string{"wrong", exampleSecret} {
				b := strings.Replace(body, "aaaa", "aaba", 1)
				if secret == "wrong" {
					b = body
				}
				if _, err := io.ReadAll(v.NewChunkReader(strings.NewReader(b), a, secret, 66560, ex.trailer != "")); err != ErrChunkSignature {
					t.Errorf("changed bytes or secret: %v", err)
				}
			}
		})
	}
}

// streamAuth is what Parse says of an imagined request.
var streamAuth = &Auth{AccessKeyID: "AK", Date: "20130524", Region: "r", stamp: "20130524T000000Z", Signature: strings.Repeat("5", 64)}

// signChunks encodes body in signed chunks of the given size, written from
// AWS's description and not from the decoder.
func signChunks(body []byte, size int, trailer string) string {
	key := deriveKey("secret", "20130524", "r")
	last := streamAuth.Signature
	sign := func(alg, what string) string {
		last = string(key.appendSignature(nil, []byte(alg+"\n20130524T000000Z\n20130524/r/s3/aws4_request\n"+last+"\n"+what)))
		return last
	}
	sum := func(p []byte) string { s := sha256.Sum256(p); return hex.EncodeToString(s[:]) }
	var b strings.Builder
	for done := false; !done; {
		n := min(size, len(body))
		done = n == 0
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s", n, sign("AWS4-HMAC-SHA256-PAYLOAD", sum(nil)+"\n"+sum(body[:n])), body[:n])
		if !done {
			b.WriteString("\r\n")
		}
		body = body[n:]
	}
	if trailer != "" {
		fmt.Fprintf(&b, "%s\r\nx-amz-trailer-signature:%s\r\n", trailer, sign("AWS4-HMAC-SHA256-TRAILER", sum([]byte(trailer+"\n"))))
	}
	return b.String() + "\r\n"
}

func readSigned(body string, n int, trailer bool) ([]byte, http.Header, error) {
	var v Verifier
	c := v.NewChunkReader(strings.NewReader(body), streamAuth, "secret", int64(n), trailer)
	got, err := io.ReadAll(c)
	return got, c.Trailer(), err
}

// TestSignedChunksTampered changes, drops, swaps and repeats what was signed.
func TestSignedChunksTampered(t *testing.T) {
	const crc = "x-amz-checksum-crc32:AAAAAA=="
	body := bytes.Repeat([]byte("0123456789abcdef"), 3*1024)
	plain, trailed := signChunks(body, 16<<10, ""), signChunks(body, 16<<10, crc)
	if got, _, err := readSigned(plain, len(body), false); err != nil || !bytes.Equal(got, body) {
		t.Fatal(err)
	}
	// minio-go's encoder has an empty line before the signature.
	gap := strings.Replace(trailed, crc+"\r\n", crc+"\n\r\n", 1)
	for _, enc := range []string{trailed, gap} {
		if _, h, err := readSigned(enc, len(body), true); err != nil || len(h) != 1 || h.Get("X-Amz-Checksum-Crc32") != "AAAAAA==" {
			t.Fatal(h, err)
		}
	}
	chunk := len(plain[:strings.Index(plain, "\r\n")]) + 2 + 16<<10 + 2
	for _, tc := range []struct {
		name    string
		body    string
		n       int
		trailer bool
		want    error
	}{
		{"swapped chunks", plain[chunk:2*chunk] + plain[:chunk] + plain[2*chunk:], len(body), false, ErrChunkSignature},
		{"a repeated chunk", plain[:chunk] + plain[:chunk] + plain[2*chunk:], len(body), false, ErrChunkSignature},
		{"a missing chunk", plain[chunk:], len(body) - 16<<10, false, ErrChunkSignature},
		{"cut after a chunk", plain[:chunk], 16 << 10, false, ErrIncomplete},
		{"another end", plain[:2*chunk] + plain[strings.LastIndex(plain, "0;"):], 32 << 10, false, ErrChunkSignature},
		{"no signature", strings.Replace(plain, ";chunk-signature=", ";", 1), len(body), false, ErrMalformedChunk},
		{"plain size", "5\r\nhello\r\n0\r\n\r\n", 5, false, ErrMalformedChunk},
		{"small chunks", signChunks(body[:100], 50, ""), 100, false, ErrChunkTooSmall},
		{"a trailer where none belongs", trailed, len(body), false, ErrMalformedTrailer},
		{"no trailer where one belongs", plain, len(body), true, ErrMalformedTrailer},
		{"a changed trailer", strings.Replace(trailed, "AAAAAA==", "BAAAAA==", 1), len(body), true, ErrChunkSignature},
		{"an added trailer", strings.Replace(trailed, crc, "x-amz-a:b\r\n"+crc, 1), len(body), true, ErrChunkSignature},
		{"more than announced", plain, len(body) - 1, false, ErrTooLong},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, h, err := readSigned(tc.body, tc.n, tc.trailer); err != tc.want || h != nil {
				t.Errorf("%v, trailer %v, want %v", err, h, tc.want)
			}
		})
	}
}

// FuzzSignedChunks: what was signed is read back; with any one byte changed it
// is either refused or says the same.
func FuzzSignedChunks(f *testing.F) {
	f.Add([]byte("hello"), uint16(0), 3, byte('x'), true)
	f.Add(bytes.Repeat([]byte("a"), 20000), uint16(100), 90, byte(0xff), false)
	f.Fuzz(func(t *testing.T, data []byte, more uint16, at int, to byte, trailer bool) {
		line := ""
		if trailer {
			line = "x-amz-checksum-crc32:AAAAAA=="
		}
		body := signChunks(data, minChunk+int(more), line)
		got, _, err := readSigned(body, len(data), trailer)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%q of %q, %v", got, data, err)
		}
		b := []byte(body)
		i := int(uint(at) % uint(len(b)))
		b[i] = to
		got, h, err := readSigned(string(b), len(data), trailer)
		if err == nil && (!bytes.Equal(got, data) || trailer && h.Get("X-Amz-Checksum-Crc32") != "AAAAAA==") {
			t.Fatalf("byte %d changed to %q: decoded %q of %q", i, to, got, data)
		}
	})
}
