package sigv4

import (
	"bufio"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The published examples of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
// and sigv4-query-string-auth.html.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	examplePrefix = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

var awsExamples = []struct{ name, request string }{
	{"get object", "GET /test.txt HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\n" +
		examplePrefix + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\n" +
		"Range: bytes=0-9\nx-amz-content-sha256: " + EmptySHA256 + "\nx-amz-date: 20130524T000000Z\n"},
	{"put object", "PUT /test$file.text HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\nDate: Fri, 24 May 2013 00:00:00 GMT\n" +
		examplePrefix + "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd\n" +
		"x-amz-date: 20130524T000000Z\nx-amz-storage-class: REDUCED_REDUNDANCY\n" +
		"x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\nContent-Length: 0\n"},
	{"get lifecycle", "GET /?lifecycle HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\n" +
		examplePrefix + "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543\n" +
		"x-amz-date: 20130524T000000Z\nx-amz-content-sha256: " + EmptySHA256 + "\n"},
	{"list objects", "GET /?max-keys=2&prefix=J HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\n" +
		examplePrefix + "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7\n" +
		"x-amz-date: 20130524T000000Z\nx-amz-content-sha256: " + EmptySHA256 + "\n"},
	{"presigned get", "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1\nHost: examplebucket.s3.amazonaws.com\n"},
}

// received parses a request as a server does.
func received(t testing.TB, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// at is a Verifier whose clock stands at now.
func at(now time.Time) *Verifier { return &Verifier{Now: func() time.Time { return now }} }

// check parses and verifies r.
func check(v *Verifier, r *http.Request, secret string) error {
	a, err := Parse(r)
	if err != nil {
		return err
	}
	return v.Verify(r, a, secret)
}

// codeOf returns the code of an error, "" for nil and "?" for foreign ones.
func codeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return "?"
}

func TestAWSExamples(t *testing.T) {
	v := at(exampleTime)
	for _, tc := range awsExamples {
		t.Run(tc.name, func(t *testing.T) {
			// Twice: with a derived key, then with the cached one.
			for range 2 {
				if err := check(v, received(t, tc.request), exampleSecret); err != nil {
					t.Fatal(err)
				}
			}
			if err := check(v, received(t, tc.request), exampleSecret+"x"); codeOf(err) != CodeSignatureDoesNotMatch {
				t.Fatalf("with a wrong secret: %v", err)
			}
		})
	}
	a, err := Parse(received(t, awsExamples[0].request))
	if err != nil {
		t.Fatal(err)
	}
	if a.AccessKeyID != exampleKey || a.Date != "20130524" || a.Region != "us-east-1" || a.Service != "s3" ||
		!a.Time.Equal(exampleTime) || a.Presigned || a.PayloadHash != EmptySHA256 ||
		strings.Join(a.SignedHeaders, " ") != "host range x-amz-content-sha256 x-amz-date" {
		t.Errorf("parsed %+v", a)
	}
}
