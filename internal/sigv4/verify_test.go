package sigv4

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// signedText is a request signed by this package, as text on the wire.
func signedText(t testing.TB, method, target, headers string) string {
	t.Helper()
	r := received(t, method+" "+target+" HTTP/1.1\nHost: s3.example.com\n"+headers)
	Sign(r, exampleKey, exampleSecret, "us-east-1", exampleTime, EmptySHA256)
	text := method + " " + target + " HTTP/1.1\nHost: s3.example.com\n" + headers
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256"} {
		text += name + ": " + r.Header.Get(name) + "\n"
	}
	return text
}

// TestTampering changes each signed piece of a request.
func TestTampering(t *testing.T) {
	v := at(exampleTime)
	good := signedText(t, "PUT", "/b/dir/a%2Bb?x=1&y", "Range: bytes=0-9\nX-Amz-Meta-A: one  two\nX-Archil-Mode: 640\n")
	if err := check(v, received(t, good), exampleSecret); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, old, new string
		want           Code
	}{
		{"method", "PUT ", "DELETE ", CodeSignatureDoesNotMatch},
		{"path", "/b/dir/", "/b/Dir/", CodeSignatureDoesNotMatch},
		{"path, other bucket", "/b/dir/", "/c/dir/", CodeSignatureDoesNotMatch},
		{"path, encoded once more", "a%2Bb", "a%252Bb", CodeSignatureDoesNotMatch},
		{"path, plus made a space", "a%2Bb", "a%20b", CodeSignatureDoesNotMatch},
		{"path, a slash more", "/b/dir", "/b//dir", CodeSignatureDoesNotMatch},
		{"path, dots", "/b/dir", "/b/./dir", CodeSignatureDoesNotMatch},
		{"path, the same in another encoding", "a%2Bb", "%61+b", ""},
		{"path, absolute form", "PUT /b", "PUT http://s3.example.com/b", ""},
		{"query value", "x=1", "x=2", CodeSignatureDoesNotMatch},
		{"query name", "?x=", "?z=", CodeSignatureDoesNotMatch},
		{"query dropped", "?x=1&y", "?x=1", CodeSignatureDoesNotMatch},
		{"query added", "&y", "&y&acl", CodeSignatureDoesNotMatch},
		{"query, bad escape", "&y", "&y&z=%zz", CodeInvalidURI},
		{"query, bad escape in a name", "&y", "&y&%z=1", CodeInvalidURI},
		{"query, cut escape", "&y", "&y&z=%4", CodeInvalidURI},
		{"query, too many parameters", "&y", "&y" + strings.Repeat("&a", maxPairs), CodeInvalidURI},
		{"query in another order and encoding", "x=1&y", "&%79=&x=%31", ""},
		{"host", "s3.example.com", "s3.example.org", CodeSignatureDoesNotMatch},
		{"header", "bytes=0-9", "bytes=0-8", CodeSignatureDoesNotMatch},
		{"header dropped", "Range: bytes=0-9\n", "", CodeSignatureDoesNotMatch},
		{"header repeated", "Range: bytes=0-9\n", "Range: bytes=0-9\nRange: bytes=1-\n", CodeSignatureDoesNotMatch},
		{"header of ours", "640", "777", CodeSignatureDoesNotMatch},
		{"metadata", "one  two", "one tw", CodeSignatureDoesNotMatch},
		{"metadata, spaces folded", "one  two", "  one two ", ""},
		{"unsigned x-amz header", "Range:", "X-Amz-Acl: public-read\nRange:", CodeAccessDenied},
		{"x-amz header no longer signed", ";x-amz-meta-a", "", CodeAccessDenied},
		{"other header no longer signed", ";range", "", CodeSignatureDoesNotMatch},
		{"other header added, unsigned", "Range:", "Via: proxy\nRange:", ""},
		{"payload hash", EmptySHA256, UnsignedPayload, CodeSignatureDoesNotMatch},
		{"time", "20130524T000000Z", "20130524T000001Z", CodeSignatureDoesNotMatch},
		{"region", "us-east-1", "us-east-2", CodeSignatureDoesNotMatch},
		{"access key id", exampleKey, "AKIAOTHER", ""}, // the caller looks the secret up by it
		{"signature cut", "Signature=", "Signature=0", CodeSignatureDoesNotMatch},
		{"signature of another kind", "Signature=", "Signature=é", CodeSignatureDoesNotMatch},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bad := strings.Replace(good, tc.old, tc.new, 1)
			if bad == good {
				t.Fatal("nothing changed")
			}
			if err := check(v, received(t, bad), exampleSecret); codeOf(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	for i := range 64 {
		at := strings.Index(good, "Signature=") + len("Signature=") + i
		digit := byte('0')
		if good[at] == digit {
			digit = '1'
		}
		if err := check(v, received(t, good[:at]+string(digit)+good[at+1:]), exampleSecret); codeOf(err) != CodeSignatureDoesNotMatch {
			t.Fatalf("digit %d changed: %v", i, err)
		}
	}
}

// TestTamperingPresigned changes each piece of a presigned URL.
func TestTamperingPresigned(t *testing.T) {
	v := at(exampleTime)
	good := awsExamples[4].request
	for _, tc := range []struct {
		name, old, new string
		want           Code
	}{
		{"method", "GET ", "PUT ", CodeSignatureDoesNotMatch},
		{"path", "test.txt", "text.txt", CodeSignatureDoesNotMatch},
		{"expires", "=86400", "=86401", CodeSignatureDoesNotMatch},
		{"parameter added", "?", "?acl&", CodeSignatureDoesNotMatch},
		{"unsigned x-amz header", "\nHost", "\nX-Amz-Meta-A: x\nHost", CodeAccessDenied},
		{"unsigned payload header", "\nHost", "\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\nHost", ""},
		{"streaming payload header", "\nHost", "\nX-Amz-Content-Sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nHost", CodeAccessDenied},
		{"date header", "\nHost", "\nX-Amz-Date: 20200101T000000Z\nHost", ""},
		{"content hash added", "&X-Amz-Date", "&X-Amz-Content-Sha256=" + EmptySHA256 + "&X-Amz-Date", CodeSignatureDoesNotMatch},
		{"host", "examplebucket.s3", "other.s3", CodeSignatureDoesNotMatch},
		{"signature", "aeeed9", "beeed9", CodeSignatureDoesNotMatch},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bad := strings.Replace(good, tc.old, tc.new, 1)
			if bad == good {
				t.Fatal("nothing changed")
			}
			if err := check(v, received(t, bad), exampleSecret); codeOf(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestPresignedContentHash: a content hash that is signed is honoured, from
// the query and from a header.
func TestPresignedContentHash(t *testing.T) {
	v := at(exampleTime)
	const hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
	for _, tc := range []struct{ name, query, header string }{
		{"query", "?X-Amz-Content-Sha256=" + hash, ""},
		{"header", "", "X-Amz-Content-Sha256: " + hash + "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := received(t, "PUT /b/k"+tc.query+" HTTP/1.1\nHost: h\n"+tc.header)
			names := []string{"host"}
			if tc.header != "" {
				names = append(names, "x-amz-content-sha256")
			}
			r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="+escapeQuery(exampleKey+"/20130524/"+region+"/s3/aws4_request")+
				"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders="+escapeQuery(strings.Join(names, ";")), "&")
			_, sig, _ := strings.Cut(authorization(r, hash, names...), "Signature=")
			r.URL.RawQuery += "&X-Amz-Signature=" + sig
			a, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Verify(r, a, exampleSecret); err != nil || a.PayloadHash != hash {
				t.Errorf("%v, hash %s", err, a.PayloadHash)
			}
		})
	}
}

// TestTime covers clock skew and the life of presigned URLs.
func TestTime(t *testing.T) {
	header, link := awsExamples[0].request, awsExamples[4].request // the link lives for 24 h
	for _, tc := range []struct {
		name    string
		request string
		off     time.Duration
		want    string
	}{
		{"15 minutes late", header, 15 * time.Minute, ""},
		{"15 minutes early", header, -15 * time.Minute, ""},
		{"later", header, 15*time.Minute + time.Second, errSkewed.Error()},
		{"earlier", header, -15*time.Minute - time.Second, errSkewed.Error()},
		{"link, its last second", link, 24 * time.Hour, ""},
		{"link, expired", link, 24*time.Hour + time.Second, "AccessDenied: Request has expired"},
		{"link, a little early", link, -15 * time.Minute, ""},
		{"link, too early", link, -15*time.Minute - time.Second, "AccessDenied: Request is not valid yet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			if err := check(at(exampleTime.Add(tc.off)), received(t, tc.request), exampleSecret); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	v := at(exampleTime.Add(time.Minute))
	v.MaxSkew = time.Second
	if err := check(v, received(t, header), exampleSecret); codeOf(err) != CodeRequestTimeTooSkewed {
		t.Errorf("with another limit: %v", err)
	}
}

// TestOtherForms: clients that sign what they send, in place of AWS's form.
func TestOtherForms(t *testing.T) {
	v := at(exampleTime)
	for _, tc := range []struct{ name, target, path, query string }{
		{"raw path", "/b/a(b)'!*+$,;:@=&c", "/b/a(b)'!*+$,;:@=&c", ""},
		{"raw path, lower-case escapes", "/b/%c3%a4%7e", "/b/%c3%a4%7e", ""},
		{"raw query", "/b?prefix=a/b(c):d", "/b", "prefix=a/b(c):d"},
		{"raw query, sorted", "/b?prefix=a/b&delimiter=/", "/b", "delimiter=/&prefix=a/b"},
		{"raw query, not sorted", "/b?prefix=a/b&delimiter=/&uploads", "/b", "prefix=a/b&delimiter=/&uploads"},
		{"plus as a space", "/b?prefix=a+b", "/b", "prefix=a%20b"},
		{"plus as sent", "/b?prefix=a+b", "/b", "prefix=a+b"},
		{"both raw", "/b/(x)?a=(b)", "/b/(x)", "a=(b)"},
		{"both raw, empty pairs", "/b/(x)?&a=(b)&&", "/b/(x)", "a=(b)"},
		{"raw path, absolute form", "http://h/b/(x)", "/b/(x)", ""},
		{"no path, absolute form", "http://h", "/", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := received(t, "GET "+tc.target+" HTTP/1.1\nHost: h\nX-Amz-Date: 20130524T000000Z\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\n")
			r.Header.Set("Authorization", rawAuthorization(tc.path, tc.query))
			if err := check(v, r, exampleSecret); err != nil {
				t.Error(err)
			}
		})
	}
}

// rawAuthorization signs GET path?query just as they are given.
func rawAuthorization(path, query string) string {
	const signed = "host;x-amz-content-sha256;x-amz-date"
	cr := "GET\n" + path + "\n" + query + "\nhost:h\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20130524T000000Z\n\n" + signed + "\nUNSIGNED-PAYLOAD"
	sts := "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/r/s3/aws4_request\n" + hexSHA256(cr)
	sig := deriveKey(exampleSecret, "20130524", "r").appendSignature(nil, []byte(sts))
	return "AWS4-HMAC-SHA256 Credential=" + exampleKey + "/20130524/r/s3/aws4_request, SignedHeaders=" + signed + ", Signature=" + string(sig)
}

// TestRawPath: the fallback is open only to a raw path that is r.URL.Path in
// another encoding, and only where there is one.
func TestRawPath(t *testing.T) {
	for _, tc := range []struct{ uri, path, want string }{
		{"/b/(x)?q", "/b/(x)", "/b/(x)"},
		{"/b/%28x)", "/b/(x)", "/b/%28x)"},
		{"http://h/b/(x)", "/b/(x)", "/b/(x)"},
		{"/b/(y)", "/b/(x)", ""},
		{"/b/%zz", "/b/%zz", ""},
		{"http://h", "/", ""},
		{"*", "*", ""},
		{"", "/b", ""},
	} {
		if got := rawPath(&http.Request{RequestURI: tc.uri, URL: &url.URL{Path: tc.path}}); got != tc.want {
			t.Errorf("%q for %q: %q, want %q", tc.uri, tc.path, got, tc.want)
		}
	}
}

// TestLongHeaderName: a signed header whose name exceeds the look-up's buffer.
func TestLongHeaderName(t *testing.T) {
	text := signedText(t, "GET", "/b/k", "X-Amz-Meta-"+strings.Repeat("long-", 20)+"name: value\n")
	if err := check(at(exampleTime), received(t, text), exampleSecret); err != nil {
		t.Error(err)
	}
	if err := check(at(exampleTime), received(t, strings.Replace(text, ": value", ": other", 1)), exampleSecret); codeOf(err) != CodeSignatureDoesNotMatch {
		t.Error(err)
	}
}

// TestHeadersElsewhere: headers that net/http keeps out of Request.Header.
func TestHeadersElsewhere(t *testing.T) {
	v := at(exampleTime)
	for _, tc := range []struct {
		name string
		set  func(*http.Request)
		want Code
	}{
		{"content-length", func(r *http.Request) { r.Header.Del("Content-Length"); r.ContentLength = 5 }, ""},
		{"content-length, another", func(r *http.Request) { r.Header.Del("Content-Length"); r.ContentLength = 6 }, CodeSignatureDoesNotMatch},
		{"content-length, chunked", func(r *http.Request) { r.Header.Del("Content-Length"); r.ContentLength = -1 }, CodeSignatureDoesNotMatch},
		{"transfer-encoding", func(r *http.Request) { r.Header.Del("Transfer-Encoding"); r.TransferEncoding = []string{"chunked"} }, ""},
		{"expect in HTTP/2", func(r *http.Request) { r.Header.Del("Expect"); r.ProtoMajor = 2 }, ""},
		{"expect dropped in HTTP/1", func(r *http.Request) { r.Header.Del("Expect") }, CodeSignatureDoesNotMatch},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := received(t, "PUT /b/k HTTP/1.1\nHost: h\n")
			header, value := strings.FieldsFunc(tc.name, func(c rune) bool { return c == ' ' || c == ',' })[0], "5"
			switch header {
			case "transfer-encoding":
				value = "chunked"
			case "expect":
				value = "100-continue"
			}
			r.Header.Set(header, value)
			r.Header.Set("X-Amz-Date", exampleTime.Format(stampLayout))
			r.Header.Set("X-Amz-Content-Sha256", UnsignedPayload)
			r.Header.Set("Authorization", authorization(r, UnsignedPayload, header, "host", "x-amz-content-sha256", "x-amz-date"))
			tc.set(r)
			if err := check(v, r, exampleSecret); codeOf(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// authorization signs the given headers of r, in the examples' name and at
// their time, and returns the Authorization header.
func authorization(r *http.Request, hash string, names ...string) string {
	slices.Sort(names)
	signed := strings.Join(names, ";")
	sts, err := new(canon).stringToSign(r, request{names, signed, hash}, exampleTime.Format(stampLayout), "20130524", region, variant{})
	if err != nil {
		panic(err)
	}
	sig := deriveKey(exampleSecret, "20130524", region).appendSignature(nil, sts)
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20130524/%s/s3/aws4_request,SignedHeaders=%s,Signature=%s", exampleKey, region, signed, sig)
}

// TestKeyCache: only right signatures enter it, it is bounded, a changed
// secret counts at once, and Forget empties it.
func TestKeyCache(t *testing.T) {
	v := at(exampleTime)
	v.MaxKeys = 6
	verify := func(region, signed, secret string) error {
		r := received(t, "GET /b/k HTTP/1.1\nHost: h\n")
		Sign(r, exampleKey, signed, region, exampleTime, UnsignedPayload)
		return check(v, r, secret)
	}
	for i := range 20 {
		if err := verify(fmt.Sprint("r", i), "wrong", exampleSecret); codeOf(err) != CodeSignatureDoesNotMatch {
			t.Fatal(err)
		}
	}
	if n := v.keys.size(); n != 0 {
		t.Fatalf("%d keys of wrong signatures", n)
	}
	for i := range 20 {
		for range 2 {
			if err := verify(fmt.Sprint("r", i), exampleSecret, exampleSecret); err != nil {
				t.Fatal(err)
			}
		}
		if n := v.keys.size(); n < 1 || n > v.MaxKeys {
			t.Fatalf("%d keys", n)
		}
	}
	// r15 is in the old generation by now; its use brings it back, as it was.
	id := cacheKey{exampleKey, "20130524", "r15"}
	kept, n := v.keys.old[id], v.keys.size()
	if err := verify("r15", exampleSecret, exampleSecret); err != nil || kept == nil || v.keys.young[id] != kept || v.keys.size() != n {
		t.Fatalf("%v, %d keys, %d before", err, v.keys.size(), n)
	}
	if err := verify("r19", exampleSecret, "new"); codeOf(err) != CodeSignatureDoesNotMatch {
		t.Fatalf("old signature, new secret: %v", err)
	}
	if err := verify("r19", "new", "new"); err != nil {
		t.Fatal(err)
	}
	v.Forget("someone else")
	if v.keys.size() == 0 {
		t.Fatal("Forget dropped another's keys")
	}
	v.Forget(exampleKey)
	if n := v.keys.size(); n != 0 {
		t.Fatalf("%d keys after Forget", n)
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	v := at(exampleTime)
	s := Signer{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, Region: region}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				r, err := http.NewRequest("GET", fmt.Sprintf("http://h/b/%d-%d", g, i), nil)
				if err != nil {
					t.Error(err)
					return
				}
				s.Sign(r, exampleTime, UnsignedPayload)
				if err := check(v, r, exampleSecret); err != nil {
					t.Error(err)
				}
				if i%10 == 0 {
					v.Forget(exampleKey)
				}
			}
		})
	}
	wg.Wait()
}
