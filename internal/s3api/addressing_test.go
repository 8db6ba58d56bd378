package s3api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"atoll/internal/disk"
)

func TestPathStyleKeys(t *testing.T) {
	e := newEnv(t)
	e.put("dir/file.txt", "x")
	e.wantBody("dir/file.txt", "x")
	// An escaped slash is a slash, as on AWS.
	e.do(e.req("GET", "/"+diskA.String()+"/dir%2Ffile.txt")).want(t, 200, "")
}

func TestVirtualHostRefused(t *testing.T) {
	e := newEnv(t)
	q := e.req("GET", "/key")
	q.Host = diskA.String() + ".s3.example.com"
	r := e.do(q).want(t, 400, "InvalidRequest")
	if !strings.Contains(r.err.Message, "path style") {
		t.Errorf("message %q", r.err.Message)
	}
	q = e.req("GET", "/key")
	q.Host = strings.ToUpper(diskA.String()) + ".S3.example.com"
	e.do(q).want(t, 400, "InvalidRequest")
	// The same Host with a bucket in the path is path style.
	q = e.req("GET", "/"+diskA.String()+"?location")
	q.Host = diskA.String() + ".s3.example.com"
	e.do(q).want(t, 200, "")
}

func TestTrailingSlashMeansBucket(t *testing.T) {
	e := newEnv(t)
	e.do(e.req("HEAD", "/"+diskA.String()+"/")).want(t, 200, "")
	r := e.do(e.req("GET", "/"+diskA.String()+"/?list-type=2")).want(t, 200, "")
	if !strings.Contains(string(r.body), "<ListBucketResult") {
		t.Errorf("%s", r.body)
	}
	e.do(e.req("GET", "/"+diskA.String()+"/?location")).want(t, 200, "")
}

func TestBucketNames(t *testing.T) {
	e := newEnv(t)
	a, b := diskA.String(), diskB.String()
	ctx := context.Background()
	e.put("k", "old")
	if err := e.a.Fork(ctx, disk.Ref{}, "dev"); err != nil {
		t.Fatal(err)
	}
	e.put("k", "new")
	if r := e.do(e.req("GET", "/"+a+".dev/k")).want(t, 200, ""); string(r.body) != "old" {
		t.Errorf("the branch holds %q", r.body)
	}
	e.do(e.req("PUT", "/"+a+".dev/only-there", 'x')).want(t, 200, "")
	e.wantGone("only-there")
	e.do(e.req("GET", "/"+a+".root/k")).want(t, 200, "")
	for _, tc := range []struct {
		bucket string
		status int
		code   string
	}{
		{a + ".nope", 404, "NoSuchBucket"},
		{a + ".", 404, "NoSuchBucket"},
		{a + ".dev.x", 404, "NoSuchBucket"},
		{b, 403, "AccessDenied"},           // another's
		{b + ".nope", 403, "AccessDenied"}, // another's branch
		{"dsk-00000000deadbeef", 403, "AccessDenied"},
		{"photos", 403, "AccessDenied"},
		{strings.ToUpper(a), 403, "AccessDenied"},
		{a + "0", 403, "AccessDenied"},
		{"", 403, "AccessDenied"},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			e.do(e.req(method, "/"+tc.bucket+"/k")).want(t, tc.status, tc.code)
		}
		if tc.bucket != "" {
			e.do(e.req("GET", "/"+tc.bucket+"?list-type=2")).want(t, tc.status, tc.code)
			e.do(e.req("HEAD", "/"+tc.bucket)).want(t, tc.status, "")
		}
	}
	// B's credential has the mirrored rights.
	e.do(e.req("GET", "/"+b+"?list-type=2").as(keyB, "secret-of-b")).want(t, 200, "")
	e.do(e.req("GET", "/"+a+"/k").as(keyB, "secret-of-b")).want(t, 403, "AccessDenied")
}

// TestOperationsNotOffered asks for everything that is answered with an error
// by its very shape, and checks that nothing came of it.
func TestOperationsNotOffered(t *testing.T) {
	e := newEnv(t)
	e.put("k", "contents")
	a := "/" + diskA.String()
	for _, tc := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", "/", 405, "MethodNotAllowed"},
		{"GET", "/?x-id=ListBuckets", 405, "MethodNotAllowed"},
		{"PUT", "/", 405, "MethodNotAllowed"},
		{"PUT", a, 409, "BucketAlreadyOwnedByYou"},
		{"PUT", a + "/", 409, "BucketAlreadyOwnedByYou"},
		{"PUT", a + ".newbranch", 405, "MethodNotAllowed"},
		{"PUT", "/photos", 405, "MethodNotAllowed"},
		{"PUT", "/" + diskB.String(), 403, "AccessDenied"},
		{"DELETE", a, 405, "MethodNotAllowed"},
		{"DELETE", "/photos", 403, "AccessDenied"},
		{"PATCH", a + "/k", 405, "MethodNotAllowed"},
		{"OPTIONS", a + "/k", 405, "MethodNotAllowed"},
		{"BREW", a, 405, "MethodNotAllowed"},
		{"POST", a + "/k", 405, "MethodNotAllowed"},
		{"POST", a, 501, "NotImplemented"},
		{"POST", a + "/k?uploads", 501, "NotImplemented"},
		{"POST", a + "/k?uploadId=1", 501, "NotImplemented"},
		{"POST", a + "/k?select&select-type=2", 501, "NotImplemented"},
		{"POST", a + "/k?restore", 501, "NotImplemented"},
		{"PUT", a + "/k?partNumber=1&uploadId=1", 501, "NotImplemented"},
		{"PUT", a + "/k?append=true", 501, "NotImplemented"},
		{"DELETE", a + "/k?uploadId=1", 501, "NotImplemented"},
		{"GET", a + "?uploads", 501, "NotImplemented"},
		{"GET", a + "?list-type=2&uploads", 501, "NotImplemented"},
	} {
		e.do(e.req(tc.method, tc.target)).want(t, tc.status, tc.code)
	}
	e.wantBody("k", "contents")
	e.do(e.req("GET", a+"?list-type=1")).want(t, 400, "InvalidArgument")
}

func TestUnknownSubresources(t *testing.T) {
	e := newEnv(t)
	e.put("k", "contents")
	subs := []string{"acl", "policy", "policyStatus", "tagging", "versioning", "versions", "versionId=1", "lifecycle", "cors",
		"encryption", "website", "logging", "notification", "replication", "requestPayment", "accelerate", "analytics",
		"inventory", "metrics", "intelligent-tiering", "object-lock", "ownershipControls", "publicAccessBlock", "torrent",
		"attributes", "retention", "legal-hold", "renameObject", "session", "what-is-this", "Location", "DELETE", "prefix%20",
		"X-Amz-Expires=5", "x-amz-algorithm=x", "X-Amz-Security-Token=x", "%75ploads=1", "uploads%00", "=", ";acl"}
	for _, sub := range subs {
		for _, target := range []string{path("k"), "/" + diskA.String()} {
			for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "POST"} {
				code := "NotImplemented"
				if method == "HEAD" {
					code = ""
				}
				e.do(e.req(method, target+"?"+sub)).want(t, 501, code)
			}
		}
	}
	e.wantBody("k", "contents")
	if l := e.list("list-type=2"); len(l.Contents) != 1 {
		t.Errorf("keys: %q", l.keys())
	}
	// What is harmless: x-id, and parameters that the operation knows.
	e.do(e.req("GET", path("k")+"?x-id=GetObject")).want(t, 200, "")
	e.do(e.req("GET", path("k")+"?x-id=GetObject&partNumber=1")).want(t, 200, "")
	e.do(e.req("PUT", path("k")+"?x-id=PutObject", 'y')).want(t, 200, "")
	// The same parameter twice could be re-ordered under the signature.
	e.do(e.req("GET", "/"+diskA.String()+"?list-type=2&prefix=a&prefix=b")).want(t, 400, "InvalidArgument")
	e.do(e.req("GET", "/"+diskA.String()+"?prefix=%zz")).want(t, 400, "InvalidURI")
}

// TestManyParameters sends strangers' queries that would take long to compare
// each with each.
func TestManyParameters(t *testing.T) {
	e := newEnv(t)
	var query strings.Builder
	for i := range maxParams {
		fmt.Fprintf(&query, "p%d&", i)
	}
	e.send(e.req("GET", path("k")+"?"+query.String())).want(t, 403, "AccessDenied")
	e.send(e.req("GET", path("k")+"?"+query.String()+"one-more")).want(t, 400, "InvalidArgument")
}

func TestHeadBucketAndLocation(t *testing.T) {
	for code, shown := range map[string]string{"": "us-east-1", "aws-us-east-1": "us-east-1", "aws-eu-west-1": "eu-west-1",
		"gcp-us-central1": "us-central1", "here": "here"} {
		e := newEnv(t, func(o *Options) { o.Region = code })
		r := e.do(e.req("HEAD", "/"+diskA.String())).want(t, 200, "")
		if got := r.Header.Get("X-Amz-Bucket-Region"); got != shown {
			t.Errorf("region %q: x-amz-bucket-region %q", code, got)
		}
		r = e.do(e.req("GET", "/"+diskA.String()+"?location")).want(t, 200, "")
		want := `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + shown + `</LocationConstraint>`
		if !strings.Contains(string(r.body), want) {
			t.Errorf("region %q: %s", code, r.body)
		}
	}
}

// TestOptionsAsterisk sends targets that are no paths.
func TestOptionsAsterisk(t *testing.T) {
	e := newEnv(t)
	c := e.raw()
	if _, err := c.Write([]byte("OPTIONS * HTTP/1.1\r\nHost: " + e.addr + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	r := readResponse(t, c, http.MethodOptions)
	if r.StatusCode != 400 || r.err.Code != "InvalidURI" {
		t.Errorf("%d %q", r.StatusCode, r.body)
	}
}

func TestServerName(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.ServerName = "Lagoon" })
	if got := e.get("nope").Header.Get("Server"); got != "Lagoon" {
		t.Errorf("Server: %q", got)
	}
	e = newEnv(t)
	first, second := e.get("nope"), e.get("nope")
	if got := first.Header.Get("Server"); got != "Atoll" {
		t.Errorf("Server: %q", got)
	}
	if first.err.RequestID == second.err.RequestID {
		t.Error("two requests have one id")
	}
}
