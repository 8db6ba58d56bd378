package s3api

import (
	"bufio"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atoll/internal/disk"
	"atoll/internal/sigv4"
)

// TestCheckpointBuckets reads a checkpoint, and tries to change it in every
// way.
func TestCheckpointBuckets(t *testing.T) {
	e := newEnv(t, withKeys, extended)
	ctx := context.Background()
	e.put("dir/k", "old")
	if err := e.a.Checkpoint(ctx, "root", "v1"); err != nil {
		t.Fatal(err)
	}
	e.put("dir/k", "new")
	bucket := "/" + diskA.String() + ".root.v1"
	if r := e.do(e.req("GET", bucket+"/dir/k")).want(t, 200, ""); string(r.body) != "old" {
		t.Errorf("the checkpoint holds %q", r.body)
	}
	e.do(e.req("HEAD", bucket)).want(t, 200, "")
	e.do(e.req("HEAD", bucket+"/dir/k")).want(t, 200, "")
	if r := e.do(e.req("GET", bucket+"?list-type=2")).want(t, 200, ""); !strings.Contains(string(r.body), "<Key>dir/k</Key>") {
		t.Errorf("%s", r.body)
	}
	for _, tc := range []struct{ method, target string }{
		{"PUT", "/dir/k"}, {"PUT", "/new"}, {"PUT", "/newdir/"}, {"DELETE", "/dir/k"}, {"DELETE", "/nothing"}, {"POST", "?delete"},
		{"PUT", "/k?append=true"}, {"POST", "/k?uploads"}, {"PUT", "/k?uploadId=1&partNumber=1"}, {"POST", "/k?uploadId=1"}, {"DELETE", "/k?uploadId=1"},
	} {
		e.do(e.req(tc.method, bucket+tc.target)).want(t, 403, "AccessDenied")
		e.send(e.req(tc.method, bucket+tc.target).asKey(keyAll)).want(t, 403, "AccessDenied")
	}
	e.do(e.req("PUT", bucket+"/k").with("X-Amz-Copy-Source", path("dir/k"))).want(t, 403, "AccessDenied")
	e.do(e.req("GET", "/"+diskA.String()+".root.v2/k")).want(t, 404, "NoSuchBucket")
	e.do(e.req("GET", bucket+"/dir/k").as(keyB, "secret-of-b")).want(t, 403, "AccessDenied")
	e.do(e.req("GET", "/"+diskA.String()+".root.v2/k").as(keyB, "secret-of-b")).want(t, 403, "AccessDenied")
}

// TestBranchIDs addresses a branch by its own id, and others by way of it.
func TestBranchIDs(t *testing.T) {
	e := newEnv(t, withKeys, withCORS)
	ctx := context.Background()
	e.put("k", "root's")
	if err := e.a.Fork(ctx, disk.Ref{}, "dev"); err != nil {
		t.Fatal(err)
	}
	info, err := e.a.Branch(ctx, "dev")
	if err != nil {
		t.Fatal(err)
	}
	dev := info.ID.String()
	e.do(e.req("PUT", "/"+dev+"/k", []byte("dev's")...)).want(t, 200, "")
	if err := e.a.Checkpoint(ctx, "dev", "v1"); err != nil {
		t.Fatal(err)
	}
	e.do(e.req("PUT", "/"+dev+".dev/k", []byte("later")...)).want(t, 200, "")
	for bucket, want := range map[string]string{diskA.String(): "root's", dev: "later", dev + ".root": "root's", dev + ".dev": "later",
		dev + ".dev.v1": "dev's", diskA.String() + ".dev": "later", diskA.String() + ".dev.v1": "dev's"} {
		if r := e.do(e.req("GET", "/"+bucket+"/k")).want(t, 200, ""); string(r.body) != want {
			t.Errorf("%s holds %q, want %q", bucket, r.body, want)
		}
		e.send(e.req("GET", "/"+bucket+"/k").asKey(keyOnlyA)).want(t, 200, "")
		e.do(e.req("GET", "/"+bucket+"/k").as(keyB, "secret-of-b")).want(t, 403, "AccessDenied")
	}
	e.do(e.req("PUT", "/"+dev+".dev.v1/k", 'x')).want(t, 403, "AccessDenied")
	e.do(e.req("GET", "/"+dev+".nope/k")).want(t, 404, "NoSuchBucket")
	e.do(e.req("GET", "/"+dev+"./k")).want(t, 404, "NoSuchBucket")
	e.do(e.req("GET", "/"+dev+"./k").as(keyB, "secret-of-b")).want(t, 403, "AccessDenied")
	e.preflight("/"+dev+"/k", "https://app.example.com", "PUT", "").want(t, 200, "") // rules are the disk's
}

// TestRolledBackMeanwhile rolls the branch back while a body comes in: the
// upload is refused and leaves nothing, the next request sees the new state.
func TestRolledBackMeanwhile(t *testing.T) {
	e := newEnv(t)
	ctx := context.Background()
	e.put("k", "old")
	if err := e.a.Checkpoint(ctx, "root", "v1"); err != nil {
		t.Fatal(err)
	}
	e.put("k", "new")
	body := randomBody(2 << 20)
	q := e.req("PUT", path("k"), body...).payload(sigv4.UnsignedPayload).sign()
	c := e.raw()
	if _, err := c.Write([]byte(q.rawHead(len(body), "Expect: 100-continue"))); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := e.a.Rollback(ctx, "root", "v1", disk.MoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(body); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, _ := io.ReadAll(r.Body); r.StatusCode != 409 || !strings.Contains(string(b), "OperationAborted") || !strings.Contains(string(b), "rolled back") {
		t.Errorf("%d %s", r.StatusCode, b)
	}
	e.wantBody("k", "old")
}

// TestReadsDuringRollbacks: a reader sees one state or the other, and never
// that there was a change.
func TestReadsDuringRollbacks(t *testing.T) {
	e := newEnv(t)
	ctx := context.Background()
	e.put("k", "v")
	if err := e.a.Checkpoint(ctx, "root", "v1"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var done atomic.Bool
	for range 3 {
		wg.Go(func() {
			for !done.Load() {
				for _, q := range []*req{e.req("GET", path("k")), e.req("HEAD", path("k")), e.req("GET", "/"+diskA.String()+"?list-type=2")} {
					if r := e.do(q); r.StatusCode != 200 {
						t.Errorf("%s %s: %d %s", q.Method, q.URL, r.StatusCode, r.body)
					}
				}
			}
		})
	}
	for range 25 {
		if _, err := e.a.Rollback(ctx, "root", "v1", disk.MoveOptions{}); err != nil {
			t.Error(err)
		}
	}
	done.Store(true)
	wg.Wait()
}

// bucketList is the document of a ListBuckets.
type bucketList struct {
	XMLName xml.Name `xml:"ListAllMyBucketsResult"`
	Buckets struct {
		Bucket []struct {
			Name         string
			CreationDate time.Time
			BucketRegion string
		}
	}
	ContinuationToken string
	Prefix            string
}

// withBuckets lists disks A and B and a hundred more.
func withBuckets(o *Options) {
	o.Buckets = func(_ context.Context, after disk.ID, limit int) (page []Bucket, more bool, err error) {
		all := []disk.ID{diskA, diskB}
		for i := range 100 {
			all = append(all, diskB+1+disk.ID(i))
		}
		for _, id := range all {
			if id <= after {
				continue
			}
			if len(page) == min(limit, 7) { // short pages, as any source may give
				return page, true, nil
			}
			page = append(page, Bucket{ID: id, Created: time.Unix(1e9, 0)})
		}
		return page, false, nil
	}
}

func (e *env) buckets(q *req) bucketList {
	e.t.Helper()
	r := e.send(q).want(e.t, 200, "")
	var l bucketList
	if err := xml.Unmarshal(r.body, &l); err != nil {
		e.t.Fatalf("%v: %s", err, r.body)
	}
	return l
}

func (l *bucketList) names() (out []string) {
	for _, b := range l.Buckets.Bucket {
		out = append(out, b.Name)
	}
	return out
}

// TestListBuckets lists what the credential may use, and nothing else.
func TestListBuckets(t *testing.T) {
	e := newEnv(t, withKeys, extended, withBuckets)
	a, b := diskA.String(), diskB.String()
	for _, tc := range []struct {
		q    *req
		want string
	}{
		{e.req("GET", "/").sign(), fmt.Sprint([]string{a})},
		{e.req("GET", "/?x-id=ListBuckets").as(keyB, "secret-of-b").sign(), fmt.Sprint([]string{b})},
		{e.req("GET", "/").asKey(keyOnlyA), fmt.Sprint([]string{a})},
		{e.req("GET", "/?prefix=dsk-a").asKey(keyAll), fmt.Sprint([]string{a})},
		{e.req("GET", "/?prefix=photos").asKey(keyAll), "[]"},
		{e.req("GET", "/?prefix=dsk-b").asKey(keyOnlyA), "[]"},
		{e.req("GET", "/?bucket-region=us-east-1").asKey(keyOnlyA), fmt.Sprint([]string{a})},
		{e.req("GET", "/?bucket-region=mars").asKey(keyAll), "[]"},
	} {
		l := e.buckets(tc.q)
		if fmt.Sprint(l.names()) != tc.want || l.ContinuationToken != "" {
			t.Errorf("%s: %q, token %q", tc.q.URL, l.names(), l.ContinuationToken)
		}
	}
	one := e.buckets(e.req("GET", "/").sign()).Buckets.Bucket[0]
	if one.BucketRegion != "us-east-1" || !one.CreationDate.Equal(time.Unix(1e9, 0)) {
		t.Errorf("%+v", one)
	}
	seen, token := map[string]bool{}, ""
	for n := 1; ; n++ {
		query := "/?max-buckets=10"
		if token != "" {
			query += "&continuation-token=" + token
		}
		l := e.buckets(e.req("GET", query).asKey(keyReadOnly))
		for _, name := range l.names() {
			if seen[name] {
				t.Errorf("%s comes twice", name)
			}
			seen[name] = true
		}
		if token = l.ContinuationToken; token == "" {
			if len(seen) != 102 || n != 11 {
				t.Errorf("%d disks on %d pages", len(seen), n)
			}
			break
		}
	}
	for _, query := range []string{"max-buckets=0", "max-buckets=x", "continuation-token=x"} {
		e.send(e.req("GET", "/?"+query).asKey(keyAll)).want(t, 400, "InvalidArgument")
	}
	e.send(e.req("GET", "/?acl").asKey(keyAll)).want(t, 501, "NotImplemented")
	e.send(e.req("GET", "/")).want(t, 403, "AccessDenied")
	e.send(e.req("PUT", "/").asKey(keyAll)).want(t, 405, "MethodNotAllowed")
	// For signatures without the profile it is not there, for keys it is.
	e = newEnv(t, withKeys, withBuckets)
	e.do(e.req("GET", "/")).want(t, 405, "MethodNotAllowed")
	e.buckets(e.req("GET", "/").asKey(keyAll))
}

// TestProfiles asks for every extended operation in both profiles, and with
// an API key in the smaller one. Without the profile each is refused as it
// was before there was one.
func TestProfiles(t *testing.T) {
	a := "/" + diskA.String()
	uploads := unsupported("uploads").(*apiError).Message
	for _, tc := range []struct {
		method, target string
		headers        []string
		status         int // without the profile
		code, message  string
		extended       string // code with it
	}{
		{"GET", "/", nil, 405, "MethodNotAllowed", errListBuckets.Message, ""},
		{"PUT", a + "/k?append=true", nil, 501, "NotImplemented", "Appending is not implemented; write the whole object.", ""},
		{"PUT", a + "/k", []string{"X-Amz-Copy-Source", a + "/nothing"}, 501, "NotImplemented", errCopy.Message, "NoSuchKey"},
		{"POST", a + "/k?uploads", nil, 501, "NotImplemented", uploads, ""},
		{"GET", a + "?uploads", nil, 501, "NotImplemented", uploads, ""},
		{"GET", a + "/k?uploadId=1", nil, 501, "NotImplemented", uploads, "NoSuchUpload"},
		{"PUT", a + "/k?uploadId=1&partNumber=1", nil, 501, "NotImplemented", uploads, "NoSuchUpload"},
		{"PUT", a + "/k?uploadId=1&partNumber=1", []string{"X-Amz-Copy-Source", a + "/nothing"}, 501, "NotImplemented", uploads, "NoSuchUpload"},
		{"POST", a + "/k?uploadId=1", nil, 501, "NotImplemented", uploads, "NoSuchUpload"},
		{"DELETE", a + "/k?uploadId=1", nil, 501, "NotImplemented", uploads, "NoSuchUpload"},
	} {
		t.Run(tc.method+" "+tc.target, func(t *testing.T) {
			send := func(e *env, key bool) *resp {
				q := e.req(tc.method, tc.target).with(tc.headers...)
				if key {
					return e.send(q.asKey(keyAll))
				}
				return e.do(q)
			}
			plain, ext := newEnv(t, withKeys, withBuckets), newEnv(t, extended, withBuckets)
			if r := send(plain, false).want(t, tc.status, tc.code); r.err.Message != tc.message {
				t.Errorf("refused with %q", r.err.Message)
			}
			for _, r := range []*resp{send(plain, true), send(ext, false)} {
				if r.err.Code != tc.extended {
					t.Errorf("with the profile: %d %s", r.StatusCode, r.body)
				}
			}
		})
	}
}
