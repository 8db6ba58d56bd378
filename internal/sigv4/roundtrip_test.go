package sigv4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsv4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/minio/minio-go/v7/pkg/signer"
	"pgregory.net/rapid"
)

const region = "eu-west-1"

// overTheWire writes a client's request and reads it as a server does.
func overTheWire(t rapid.TB, r *http.Request) *http.Request {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&b))
	if err != nil {
		t.Fatalf("%v in %q", err, b.String())
	}
	return got
}

// oddRunes are what keys, query values and metadata trip over.
var oddRunes = []rune("aZ09-._~/ +%&?#=;:@!$'()*,[]{}<>|\\^`\"äöß日本語🙂é\u0301\u200d\u00a0")

// drawRequest makes an unsigned request with an odd path, query and headers.
func drawRequest(t *rapid.T) (r *http.Request, payloadHash string) {
	odd := rapid.StringOfN(rapid.SampledFrom(oddRunes), 0, 20, -1)
	u := &url.URL{Scheme: "http", Host: "127.0.0.1:9000", Path: "/dsk-0123456789abcdef/" + odd.Draw(t, "key")}
	if rapid.Bool().Draw(t, "canonical path") {
		// SDKs encode as AWS does; without it, Go's own encoding goes out.
		u.RawPath = string(AppendPath(nil, u.Path))
	}
	q := url.Values{}
	for range rapid.IntRange(0, 4).Draw(t, "parameters") {
		q.Add(rapid.StringOfN(rapid.SampledFrom(oddRunes), 1, 6, -1).Draw(t, "name"), odd.Draw(t, "value"))
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	if rapid.Bool().Draw(t, "sub-resource") {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&uploads", "&")
	}
	body := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "body")
	method := rapid.SampledFrom([]string{"GET", "PUT", "HEAD", "DELETE", "POST"}).Draw(t, "method")
	r, err := http.NewRequest(method, "http://127.0.0.1:9000/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL = u
	value := rapid.StringMatching(`[!-~]{1,5}([ ]{0,3}[!-~]{0,3}[\t ]{0,2}[!-~]){0,3}`)
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
		"Content-Type", "Range", "If-Match", "X-Amz-Meta-A", "X-Amz-Meta-B_c.d", "X-Archil-Mode", "Content-Md5", "X-Amz-Acl",
	}), 0, 5, rapid.ID).Draw(t, "headers") {
		r.Header.Set(name, value.Draw(t, "header value"))
	}
	if rapid.Bool().Draw(t, "repeated") {
		r.Header["X-Amz-Meta-List"] = []string{value.Draw(t, "first"), value.Draw(t, "second")}
	}
	sum := sha256.Sum256(body)
	payloadHash = rapid.SampledFrom([]string{hex.EncodeToString(sum[:]), UnsignedPayload, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}).Draw(t, "payload")
	return r, payloadHash
}

// mustVerify sends a signed request over the wire and checks that it is
// accepted, and refused with another secret.
func mustVerify(t *rapid.T, v *Verifier, client *http.Request, payloadHash string) {
	t.Helper()
	r := overTheWire(t, client)
	a, err := Parse(r)
	if err != nil {
		t.Fatalf("%v: %s %s %v", err, r.Method, r.RequestURI, r.Header)
	}
	if a.PayloadHash != payloadHash || a.AccessKeyID != exampleKey || a.Region != region {
		t.Fatalf("parsed %+v", a)
	}
	if err := v.Verify(r, a, exampleSecret); err != nil {
		t.Fatalf("%v: %s %s %v", err, r.Method, r.RequestURI, r.Header)
	}
	if err := v.Verify(r, a, "another"); codeOf(err) != CodeSignatureDoesNotMatch {
		t.Fatalf("with another secret: %v", err)
	}
}

var awsCredentials = aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret}

func awsSigner() *awsv4.Signer {
	return awsv4.NewSigner(func(o *awsv4.SignerOptions) { o.DisableURIPathEscaping = true })
}

// TestRoundTripAWS: what the signer of aws-sdk-go-v2 signs verifies.
func TestRoundTripAWS(t *testing.T) {
	v, s := at(exampleTime), awsSigner()
	rapid.Check(t, func(t *rapid.T) {
		r, hash := drawRequest(t)
		r.Header.Set("X-Amz-Content-Sha256", hash)
		if err := s.SignHTTP(context.Background(), awsCredentials, r, hash, "s3", region, exampleTime); err != nil {
			t.Fatal(err)
		}
		mustVerify(t, v, r, hash)
	})
}

// TestRoundTripAWSPresigned: the same for presigned URLs.
func TestRoundTripAWSPresigned(t *testing.T) {
	v, s := at(exampleTime.Add(time.Minute)), awsSigner()
	rapid.Check(t, func(t *rapid.T) {
		r, _ := drawRequest(t)
		r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&X-Amz-Expires=600", "&")
		link, headers, err := s.PresignHTTP(context.Background(), awsCredentials, r, UnsignedPayload, "s3", region, exampleTime)
		if err != nil {
			t.Fatal(err)
		}
		client, err := http.NewRequest(r.Method, link, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		client.ContentLength = r.ContentLength
		headers.Del("Host")
		client.Header = headers
		mustVerify(t, v, client, UnsignedPayload)
	})
}

// TestRoundTripMinio: what minio-go's signer signs verifies, headers and
// presigned. It signs at the present time.
func TestRoundTripMinio(t *testing.T) {
	v := &Verifier{}
	rapid.Check(t, func(t *rapid.T) {
		r, hash := drawRequest(t)
		if rapid.Bool().Draw(t, "presigned") {
			r.Header.Del("X-Amz-Meta-List")
			mustVerify(t, v, signer.PreSignV4(*r, exampleKey, exampleSecret, "", region, 600), UnsignedPayload)
			return
		}
		r.Header.Set("X-Amz-Content-Sha256", hash)
		mustVerify(t, v, signer.SignV4(*r, exampleKey, exampleSecret, "", region), hash)
	})
}

// TestRoundTripOwn: what this package signs verifies.
func TestRoundTripOwn(t *testing.T) {
	v := at(exampleTime)
	s := &Signer{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, Region: region}
	rapid.Check(t, func(t *rapid.T) {
		r, hash := drawRequest(t)
		if !rapid.Bool().Draw(t, "presigned") {
			s.Sign(r, exampleTime, hash)
			mustVerify(t, v, r, hash)
			return
		}
		link := s.Presign(r, exampleTime, time.Hour)
		client, err := http.NewRequest(r.Method, link, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		client.ContentLength, client.Header = r.ContentLength, r.Header
		mustVerify(t, v, client, UnsignedPayload)
	})
}

// TestSignExamples: signing gives the very signatures of AWS's examples.
func TestSignExamples(t *testing.T) {
	r, err := http.NewRequest(http.MethodGet, "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	link := Presign(r, exampleKey, exampleSecret, "us-east-1", exampleTime, 24*time.Hour)
	if want := "https://examplebucket.s3.amazonaws.com" + strings.Fields(awsExamples[4].request)[1]; link != want {
		t.Errorf("presigned\n%s, want\n%s", link, want)
	}
	// With a host of its own, no path, and a content hash.
	r.Host, r.URL.Path = "h:1", ""
	r.Header.Set("X-Amz-Content-Sha256", EmptySHA256)
	link = Presign(r, exampleKey, exampleSecret, region, exampleTime, time.Hour)
	target, ok := strings.CutPrefix(link, "https://h:1/?")
	if !ok {
		t.Fatal(link)
	}
	got := received(t, "GET /?"+target+" HTTP/1.1\nHost: h:1\nX-Amz-Content-Sha256: "+EmptySHA256+"\n")
	if err := check(at(exampleTime), got, exampleSecret); err != nil {
		t.Error(err)
	}
	r.Host, r.URL.Path = "", "/test.txt"
	r.Header.Set("Range", "bytes=0-9")
	Sign(r, exampleKey, exampleSecret, "us-east-1", exampleTime, EmptySHA256)
	if got := r.Header.Get("Authorization"); !strings.HasSuffix(got, "=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41") {
		t.Errorf("signed %s", got)
	}
}
