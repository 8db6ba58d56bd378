package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// TestParseHeaderErrors breaks a good Authorization header in every way.
func TestParseHeaderErrors(t *testing.T) {
	good := awsExamples[0].request
	for _, tc := range []struct {
		name, old, new string
		want           Code
	}{
		{"none", good[strings.Index(good, "Authorization"):strings.Index(good, "Range:")], "", CodeAccessDenied},
		{"empty", good[strings.Index(good, "AWS4-"):strings.Index(good, "\nRange:")], "", CodeInvalidArgument},
		{"two of them", "Range:", "Authorization: x\nRange:", CodeHeaderMalformed},
		{"and a query", "/test.txt", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256", CodeInvalidArgument},
		{"Signature V2", "AWS4-HMAC-SHA256 ", "AWS ", CodeInvalidRequest},
		{"Signature V4A", "AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", CodeInvalidRequest},
		{"basic", "AWS4-HMAC-SHA256 ", "Basic ", CodeInvalidArgument},
		{"no parameters", good[strings.Index(good, " Credential"):strings.Index(good, "\nRange:")], "", CodeHeaderMalformed},
		{"no credential", "Credential=", "Cred=", CodeHeaderMalformed},
		{"empty credential", exampleKey + "/20130524/us-east-1/s3/aws4_request", "", CodeHeaderMalformed},
		{"empty access key", exampleKey, "", CodeHeaderMalformed},
		{"huge access key", exampleKey, strings.Repeat("A", 129), CodeHeaderMalformed},
		{"short scope", "/us-east-1/s3", "/s3", CodeHeaderMalformed},
		{"no scope", "/20130524/us-east-1/s3/aws4_request", "", CodeHeaderMalformed},
		{"empty region", "/us-east-1/", "//", CodeHeaderMalformed},
		{"service", "/s3/", "/ec2/", CodeHeaderMalformed},
		{"terminator", "/aws4_request", "/aws4_requesT", CodeHeaderMalformed},
		{"scope's date, another", "/20130524/", "/20130523/", CodeHeaderMalformed},
		{"scope's date, long", "/20130524/", "/2013-05-24/", CodeHeaderMalformed},
		{"no signed headers", "SignedHeaders=", "Signed=", CodeHeaderMalformed},
		{"host not signed", "=host;range", "=range", CodeHeaderMalformed},
		{"upper case", "host;range", "host;Range", CodeHeaderMalformed},
		{"empty name", "host;range", "host;;range", CodeHeaderMalformed},
		{"semicolon at the end", "x-amz-date,Sig", "x-amz-date;,Sig", CodeHeaderMalformed},
		{"a space in a name", "host;range", "host; range", CodeHeaderMalformed},
		{"too many names", "host;", "host;" + strings.Repeat("a;", maxSignedHeaders), CodeHeaderMalformed},
		{"no signature", ",Signature=", ",S=", CodeHeaderMalformed},
		{"empty signature", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", "", CodeHeaderMalformed},
		{"twice", ",Signature=", ",Signature=1,Signature=", CodeHeaderMalformed},
		{"unknown parameter", ",Signature=", ",Other=1,Signature=", CodeHeaderMalformed},
		{"trailing garbage", "bdb41\n", "bdb41,x\n", CodeHeaderMalformed},
		{"no date", "x-amz-date: 20130524T000000Z\n", "", CodeAccessDenied},
		{"bad date", "x-amz-date: 20130524T000000Z\n", "x-amz-date: 20130524\n", CodeAccessDenied},
		{"no such date", "x-amz-date: 20130524T000000Z\n", "x-amz-date: 20130532T000000Z\n", CodeAccessDenied},
		{"fraction", "x-amz-date: 20130524T000000Z\n", "x-amz-date: 20130524T000000.5Z\n", CodeAccessDenied},
		{"two dates", "x-amz-date:", "x-amz-date: 20130524T000001Z\nx-amz-date:", CodeAccessDenied},
		{"bad Date header", "x-amz-date: 20130524T000000Z\n", "Date: yesterday\n", CodeAccessDenied},
		{"Date of another day", "x-amz-date: 20130524T000000Z\n", "Date: Sat, 25 May 2013 00:00:00 GMT\n", CodeHeaderMalformed},
		{"two hashes", "x-amz-content-sha256:", "x-amz-content-sha256: UNSIGNED-PAYLOAD\nx-amz-content-sha256:", CodeInvalidArgument},
		{"no hash, a body", "x-amz-content-sha256: " + EmptySHA256, "Content-Length: 1", CodeInvalidRequest},
		{"session token", "Range:", "X-Amz-Security-Token: t\nRange:", CodeInvalidToken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bad := strings.Replace(good, tc.old, tc.new, 1)
			if bad == good {
				t.Fatal("nothing changed")
			}
			a, err := Parse(received(t, bad))
			if codeOf(err) != tc.want || a != nil {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestParseHeaderForms: what clients write differently.
func TestParseHeaderForms(t *testing.T) {
	v := at(exampleTime)
	for _, tc := range []struct{ name, old, new string }{
		{"spaces after commas", ",Signature", ", Signature"},
		{"two spaces", "SHA256 Credential", "SHA256  Credential"},
		{"no hash, no body", "x-amz-content-sha256: " + EmptySHA256 + "\n", ""},
		{"date header too", "Range:", "Date: Sat, 25 May 2013 00:00:00 GMT\nRange:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(received(t, strings.Replace(awsExamples[0].request, tc.old, tc.new, 1)))
			if err != nil {
				t.Error(err)
			}
		})
	}
	// A Date header alone, in both of its forms.
	for _, date := range []string{"Fri, 24 May 2013 00:00:00 GMT", "20130524T000000Z"} {
		r := received(t, "GET /b/k HTTP/1.1\nHost: h\nDate: "+date+"\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\n")
		r.Header.Set("Authorization", authorization(r, UnsignedPayload, "date", "host", "x-amz-content-sha256"))
		if err := check(v, r, exampleSecret); err != nil {
			t.Errorf("%s: %v", date, err)
		}
	}
}

// TestParseQueryErrors breaks a good presigned URL in every way.
func TestParseQueryErrors(t *testing.T) {
	good := awsExamples[4].request
	const date = "X-Amz-Date=20130524T000000Z"
	type testCase struct {
		name, old, new string
		want           Code
	}
	cases := []testCase{
		{"algorithm", "=AWS4-HMAC-SHA256", "=AWS4-HMAC-SHA1", CodeQueryMalformed},
		{"scope", "%2Fus-east-1", "", CodeQueryMalformed},
		{"service", "%2Fs3%2F", "%2Fs4%2F", CodeQueryMalformed},
		{"terminator", "aws4_request", "aws4", CodeQueryMalformed},
		{"scope's date", "%2F20130524", "%2F20130525", CodeQueryMalformed},
		{"date", date, "X-Amz-Date=2013-05-24T00:00:00Z", CodeQueryMalformed},
		{"date twice", date, date + "&" + date, CodeQueryMalformed},
		{"expires 0", "=86400", "=0", CodeQueryMalformed},
		{"expires negative", "=86400", "=-1", CodeQueryMalformed},
		{"expires over a week", "=86400", "=604801", CodeQueryMalformed},
		{"expires huge", "=86400", "=99999999999999999999", CodeQueryMalformed},
		{"expires no number", "=86400", "=1d", CodeQueryMalformed},
		{"a week", "=86400", "=604800", ""},
		{"host not signed", "Headers=host", "Headers=range", CodeQueryMalformed},
		{"names in escapes", "X-Amz-Algorithm", "X%2DAmz%2DAlgorithm", ""},
		{"bad escape", "%2Fs3", "%2Gs3", CodeInvalidURI},
		{"session token", "&X-Amz-Date", "&X-Amz-Security-Token=t&X-Amz-Date", CodeInvalidToken},
		{"content hash signed and not sent", "Headers=host", "Headers=host%3Bx-amz-content-sha256", CodeInvalidArgument},
	}
	for _, name := range []string{"Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"} {
		cases = append(cases, testCase{"no " + name, "X-Amz-" + name + "=", "Y-" + name + "=", CodeQueryMalformed})
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			bad := strings.Replace(good, tc.old, tc.new, 1)
			if bad == good {
				t.Fatal("nothing changed")
			}
			if _, err := Parse(received(t, bad)); codeOf(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	for target, want := range map[string]Code{
		"/b/k?AWSAccessKeyId=a&Expires=1&Signature=b": CodeInvalidRequest, // Signature V2
		"/b/k?X-Amz-Meta-X=1":                         CodeAccessDenied,   // no signature at all
		"/b/k?x=%41":                                  CodeAccessDenied,
	} {
		if _, err := Parse(received(t, "GET "+target+" HTTP/1.1\nHost: h\n")); codeOf(err) != want {
			t.Errorf("%s: got %v, want %q", target, err, want)
		}
	}
}

func TestParsePayload(t *testing.T) {
	for hash, want := range map[string]PayloadKind{
		UnsignedPayload:                                    PayloadUnsigned,
		EmptySHA256:                                        PayloadSHA256,
		strings.ToUpper(EmptySHA256):                       PayloadSHA256,
		"STREAMING-UNSIGNED-PAYLOAD-TRAILER":               PayloadUnsignedTrailer,
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD":               PayloadStreamingSigned,
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":       PayloadStreamingSigned,
		"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD":         PayloadStreamingSigned,
		"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER": PayloadStreamingSigned,
	} {
		r := &http.Request{Header: http.Header{"X-Amz-Content-Sha256": {hash}}}
		for _, a := range []*Auth{nil, {PayloadHash: hash}} {
			p, err := ParsePayload(r, a)
			if err != nil || p.Kind != want {
				t.Errorf("%s: %v, %v", hash, p, err)
			}
			if want == PayloadSHA256 && hex.EncodeToString(p.SHA256[:]) != EmptySHA256 {
				t.Errorf("%s: hash %x", hash, p.SHA256)
			}
		}
	}
	for _, hash := range []string{"", "unsigned-payload", "STREAMING-UNSIGNED-PAYLOAD", EmptySHA256[1:], EmptySHA256 + "0", "g" + EmptySHA256[1:]} {
		if _, err := ParsePayload(nil, &Auth{PayloadHash: hash}); codeOf(err) != CodeInvalidArgument {
			t.Errorf("%q: %v", hash, err)
		}
	}
	if p, err := ParsePayload(&http.Request{}, nil); err != nil || p.Kind != PayloadUnsigned {
		t.Errorf("without the header: %v, %v", p, err)
	}
	two := &http.Request{Header: http.Header{"X-Amz-Content-Sha256": {EmptySHA256, EmptySHA256}}}
	if _, err := ParsePayload(two, nil); codeOf(err) != CodeInvalidArgument {
		t.Errorf("two values: %v", err)
	}
}

func TestHasAWSChunked(t *testing.T) {
	for in, want := range map[string]string{
		"aws-chunked": "", "aws-chunked,gzip": "gzip", "gzip, AWS-Chunked": "gzip", "a,aws-chunked , b": "a,b",
	} {
		if rest, ok := HasAWSChunked(in); !ok || rest != want {
			t.Errorf("%q: %q, %v", in, rest, ok)
		}
	}
	for _, in := range []string{"", "gzip", "x-aws-chunked-y, gzip"} {
		if rest, ok := HasAWSChunked(in); ok || (rest != in && strings.ReplaceAll(in, " ", "") != rest) {
			t.Errorf("%q: %q, %v", in, rest, ok)
		}
	}
}

// TestErrorStatus: each code has the status that S3 gives it.
func TestErrorStatus(t *testing.T) {
	for _, e := range []*Error{ErrAnonymous, errMismatch, errSkewed, errExpired, errNotYet} {
		if e.Status() != http.StatusForbidden {
			t.Errorf("%v: %d", e, e.Status())
		}
	}
	for _, e := range []*Error{errToken, errTwoAuths, errOldAuth, errURI, errHash, ErrIncomplete, ErrTooLong, ErrMalformedChunk, ErrMalformedTrailer, {Code: CodeHeaderMalformed}, {Code: CodeQueryMalformed}} {
		if e.Status() != http.StatusBadRequest {
			t.Errorf("%v: %d", e, e.Status())
		}
	}
}

// FuzzParseHeader: no header makes Parse or Verify panic, and none verifies
// with a secret that signed nothing.
func FuzzParseHeader(f *testing.F) {
	for _, e := range awsExamples[:4] {
		r := received(f, e.request)
		f.Add(r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Content-Sha256"), r.URL.Path)
	}
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=;,Signature=", "", "", "/%")
	v := at(exampleTime)
	f.Fuzz(func(t *testing.T, auth, date, hash, path string) {
		r := &http.Request{Method: "GET", Host: "h", RequestURI: path, URL: &url.URL{Path: path}, Header: http.Header{
			"Authorization": {auth}, "X-Amz-Date": {date}, "X-Amz-Content-Sha256": {hash}, "X-Amz-Meta-A": {path},
		}}
		fuzzed(t, v, r)
	})
}

// FuzzParseQuery is the same for presigned requests.
func FuzzParseQuery(f *testing.F) {
	f.Add(received(f, awsExamples[4].request).URL.RawQuery)
	f.Add("X-Amz-Signature=1&X-Amz-Algorithm&%zz&a=%4&;=+")
	v := at(exampleTime)
	f.Fuzz(func(t *testing.T, query string) {
		fuzzed(t, v, &http.Request{Method: "GET", Host: "h", RequestURI: "/?" + query, URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{}})
	})
}

func fuzzed(t *testing.T, v *Verifier, r *http.Request) {
	a, err := Parse(r)
	if err != nil {
		if codeOf(err) == "?" || a != nil {
			t.Fatalf("%#v, %v", a, err)
		}
		return
	}
	if a.AccessKeyID == "" || a.Region == "" || a.Service != "s3" || len(a.Date) != 8 || a.Signature == "" || !a.Signed("Host") ||
		a.Time.Format(dayLayout) != a.Date || a.Presigned != (a.Expires > 0) || a.Expires > maxExpires {
		t.Fatalf("parsed %+v", a)
	}
	if err := v.Verify(r, a, "a secret that signed nothing"); err == nil || codeOf(err) == "?" {
		t.Fatalf("verified: %v, %+v", err, a)
	}
}
