package s3wire

import (
	"strings"
	"testing"
	"time"
)

// The examples of "Authenticating Requests: Using the Authorization Header (AWS
// Signature Version 4)" in the Amazon S3 API reference.
var docs = Credentials{
	AccessKey: "AKIAIOSFODNN7EXAMPLE",
	SecretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	Region:    "us-east-1",
}

func TestSignaturesOfTheAWSExamples(t *testing.T) {
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	const host = "examplebucket.s3.amazonaws.com"
	for _, tc := range []struct{ name, path, query, rng, want string }{
		{"GET Object", "/test.txt", "", "bytes=0-9", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"Get Bucket (List Objects)", "/", "max-keys=2&prefix=J", "", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
		{"GET Bucket Lifecycle", "/", "lifecycle=", "", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
	} {
		s := NewSigner(docs)
		for range 2 { // the second time with everything cached
			got := string(s.appendHeaders(nil, now, "GET", host, tc.path, tc.query, tc.rng, EmptyHash))
			if !strings.HasSuffix(got, ", Signature="+tc.want+"\r\n") {
				t.Errorf("%s: headers are\n%swant signature %s", tc.name, got, tc.want)
			}
			if !strings.HasPrefix(got, "x-amz-date: 20130524T000000Z\r\nx-amz-content-sha256: "+EmptyHash+"\r\n"+
				"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;") {
				t.Errorf("%s: headers are\n%s", tc.name, got)
			}
		}
	}
}

func TestSignerFollowsTheClock(t *testing.T) {
	s, now := NewSigner(docs), time.Date(2024, 1, 1, 23, 59, 59, 0, time.UTC)
	for range 3 {
		got := string(s.appendHeaders(nil, now, "GET", "h", "/", "", "", EmptyHash))
		fresh := string(NewSigner(docs).appendHeaders(nil, now, "GET", "h", "/", "", "", EmptyHash))
		if got != fresh {
			t.Errorf("at %v a used signer gives\n%sand a fresh one\n%s", now, got, fresh)
		}
		now = now.Add(time.Second)
	}
}

func TestSigningAllocatesNothing(t *testing.T) {
	s, now := NewSigner(docs), time.Unix(1700000000, 0)
	dst := make([]byte, 0, 1024)
	n := testing.AllocsPerRun(100, func() {
		dst = s.appendHeaders(dst[:0], now, "GET", "127.0.0.1:9000", "/bucket/key", "", "", EmptyHash)
	})
	if n > 1 {
		t.Errorf("signing allocates %v objects", n)
	}
}
