package s3api

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"atoll/internal/disk"
)

func TestDeleteIsIdempotent(t *testing.T) {
	e := newEnv(t)
	e.put("dir/k", "x")
	e.put("file", "x")
	for _, key := range []string{"dir/k", "dir/k", "nope", "no/such/thing", "file/below", "nope/"} {
		r := e.do(e.req("DELETE", path(key))).want(t, 204, "")
		if len(r.body) > 0 {
			t.Errorf("%q", r.body)
		}
	}
	e.wantGone("dir/k")
	e.wantBody("file", "x")
	// The parent stays.
	e.get("dir/").want(t, 200, "")
}

func TestDeleteDirectories(t *testing.T) {
	e := newEnv(t)
	e.put("full/k", "x")
	e.do(e.req("PUT", path("empty/"))).want(t, 200, "")
	e.do(e.req("DELETE", path("empty"))).want(t, 204, "")
	e.get("empty/").want(t, 200, "")
	e.do(e.req("DELETE", path("empty/"))).want(t, 204, "")
	e.wantGone("empty/")
	e.do(e.req("DELETE", path("full/"))).want(t, 204, "")
	e.do(e.req("DELETE", path("full"))).want(t, 204, "")
	e.wantBody("full/k", "x")
	e.do(e.req("DELETE", path("full/k/"))).want(t, 204, "")
	e.wantBody("full/k", "x")
}

func TestConditionalDelete(t *testing.T) {
	e := newEnv(t)
	e.do(e.req("DELETE", path("nope")).with("If-Match", "*")).want(t, 404, "NoSuchKey")
	etag := e.put("k", "x").Header.Get("Etag")
	e.do(e.req("DELETE", path("k")).with("If-Match", `"x"`)).want(t, 412, "PreconditionFailed")
	e.do(e.req("DELETE", path("k")).with("If-None-Match", "*")).want(t, 501, "NotImplemented")
	e.do(e.req("DELETE", path("k")).with("x-amz-if-match-size", "1")).want(t, 501, "NotImplemented")
	e.wantBody("k", "x")
	e.do(e.req("DELETE", path("k")).with("If-Match", etag)).want(t, 204, "")
	e.wantGone("k")
	e.put("k", "x")
	e.do(e.req("DELETE", path("k")).with("If-Match", "*")).want(t, 204, "")
	e.wantGone("k")
	// The ETag of a link is its target's, as GET shows it.
	e.put("k", "x")
	if _, err := e.view().Create(context.Background(), disk.RootIno, "link", disk.NewNode{Type: disk.Symlink, Target: "k"}); err != nil {
		t.Fatal(err)
	}
	e.do(e.req("DELETE", path("link")).with("If-Match", `"x"`)).want(t, 412, "PreconditionFailed")
	e.do(e.req("DELETE", path("link")).with("If-Match", etag)).want(t, 204, "")
	e.wantGone("link")
	e.wantBody("k", "x")
}

type deleteResult struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Deleted []struct{ Key string }
	Error   []struct{ Key, Code, Message string }
}

func (e *env) deleteMany(doc string, headers ...string) *resp {
	e.t.Helper()
	return e.do(e.req("POST", "/"+diskA.String()+"?delete", []byte(doc)...).with(headers...))
}

func deleteDoc(quiet bool, keys ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>%v</Quiet>`, quiet)
	for _, k := range keys {
		b.WriteString("<Object><Key>" + string(appendXML(nil, k)) + "</Key></Object>")
	}
	return b.String() + "</Delete>"
}

func (r *resp) deleted(t *testing.T) (d deleteResult) {
	t.Helper()
	r.want(t, 200, "")
	if err := xml.Unmarshal(r.body, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDeleteObjects(t *testing.T) {
	e := newEnv(t)
	e.put("a", "x")
	e.put(" b ", "x")
	e.put("d/k", "x")
	e.do(e.req("PUT", path("empty/"))).want(t, 200, "")
	d := e.deleteMany(deleteDoc(false, "a", " b ", "nope", "d/", "empty/", ".archil/x", "a//b", "d/k\n")).deleted(t)
	var got []string
	for _, x := range d.Deleted {
		got = append(got, x.Key)
	}
	if fmt.Sprintf("%q", got) != `["a" " b " "nope" "d/" "empty/" "d/k\n"]` {
		t.Errorf("deleted: %q", got)
	}
	if len(d.Error) != 2 || d.Error[0].Key != ".archil/x" || d.Error[0].Code != "AccessDenied" || d.Error[0].Message == "" ||
		d.Error[1].Key != "a//b" || d.Error[1].Code != "InvalidArgument" {
		t.Errorf("errors: %+v", d.Error)
	}
	e.wantGone("a")
	e.wantGone(" b ")
	e.wantGone("empty/")
	e.wantBody("d/k", "x")
	d = e.deleteMany(deleteDoc(true, "d/k", ".archil/x")).deleted(t)
	if len(d.Deleted) != 0 || len(d.Error) != 1 {
		t.Errorf("quiet: %+v", d)
	}
	e.wantGone("d/k")
	if r := e.do(e.req("POST", "/"+diskA.String()+"/?delete=", []byte(deleteDoc(false, "x"))...)); r.StatusCode != 200 {
		t.Errorf("%d", r.StatusCode)
	}
}

func TestDeleteObjectsThousand(t *testing.T) {
	e := newEnv(t)
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprintf("k%04d", i))
	}
	for _, k := range keys[:20] {
		e.put(k, "x")
	}
	d := e.deleteMany(deleteDoc(false, keys...)).deleted(t)
	if len(d.Deleted) != 1000 || len(d.Error) != 0 {
		t.Fatalf("%d deleted, %d errors", len(d.Deleted), len(d.Error))
	}
	for i, x := range d.Deleted {
		if x.Key != keys[i] {
			t.Fatalf("result %d is of %q", i, x.Key)
		}
	}
	if l := e.list("list-type=2"); len(l.Contents) != 0 {
		t.Errorf("left: %q", l.keys())
	}
	e.deleteMany(deleteDoc(false, append(keys, "one-more")...)).want(t, 400, "MalformedXML")
}

func TestDeleteObjectsErrors(t *testing.T) {
	e := newEnv(t)
	e.put("k", "x")
	for _, doc := range []string{"", "x", "<Delete>", "<Delete></Delete>", "<Other><Object><Key>k</Key></Object></Other>",
		"<Delete><Object></Object></Delete>", "<Delete><Object><Key></Key></Object></Delete>", "<Delete><Object><Key><a/></Key></Object></Delete>",
		"<Delete>text<Object><Key>k</Key></Object></Delete>", deleteDoc(false, "k") + "<more/>", deleteDoc(false, "k") + "more",
		"<Delete>" + strings.Repeat("<a>", maxNesting+1) + strings.Repeat("</a>", maxNesting+1) + "<Object><Key>k</Key></Object></Delete>",
		"<Delete><Object><Key>&nope;</Key></Object></Delete>", deleteDoc(false, strings.Repeat("k", maxDeleteBody))} {
		r := e.deleteMany(doc)
		if r.StatusCode != 400 || r.err.Code != "MalformedXML" {
			t.Errorf("%q: %d %s", clip([]byte(doc)), r.StatusCode, r.body)
		}
	}
	doc := deleteDoc(false, "k")
	sum := md5.Sum([]byte(doc + " "))
	e.deleteMany(doc, "Content-MD5", base64.StdEncoding.EncodeToString(sum[:])).want(t, 400, "BadDigest")
	e.deleteMany(doc, "Content-MD5", "x").want(t, 400, "InvalidDigest")
	e.deleteMany(doc, "X-Amz-Checksum-Crc32", "AAAAAA==").want(t, 400, "BadDigest")
	e.wantBody("k", "x")
	with := func(more string) string {
		return "<Delete><Object><Key>k</Key>" + more + "</Object></Delete>"
	}
	for more, code := range map[string]string{"<VersionId>1</VersionId>": "NotImplemented", "<Size>1</Size>": "NotImplemented",
		`<ETag>"x"</ETag>`: "PreconditionFailed"} {
		d := e.deleteMany(with(more)).deleted(t)
		if len(d.Error) != 1 || d.Error[0].Code != code {
			t.Errorf("%s: %+v", more, d)
		}
	}
	e.wantBody("k", "x")
	sum = md5.Sum([]byte(doc))
	e.deleteMany(doc, "Content-MD5", base64.StdEncoding.EncodeToString(sum[:])).want(t, 200, "")
	e.wantGone("k")
}
