package s3api

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"atoll/internal/disk"
)

// create begins an upload and returns its id.
func (e *env) create(key string, headers ...string) string {
	e.t.Helper()
	r := e.do(e.req("POST", path(key)+"?uploads").with(headers...)).want(e.t, 200, "")
	var doc struct {
		XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
		Bucket, Key, UploadId string
	}
	if err := xml.Unmarshal(r.body, &doc); err != nil || doc.Bucket != diskA.String() || doc.Key != key || doc.UploadId == "" {
		e.t.Fatalf("%v: %s", err, r.body)
	}
	return doc.UploadId
}

func partTarget(key, id string, n int) string {
	return fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path(key), n, id)
}

// part uploads a part and returns its ETag.
func (e *env) part(key, id string, n int, body []byte, headers ...string) string {
	e.t.Helper()
	r := e.do(e.req("PUT", partTarget(key, id, n), body...).payload("UNSIGNED-PAYLOAD").with(headers...)).want(e.t, 200, "")
	if etag := r.Header.Get("Etag"); etag != quotedMD5(string(body)) {
		e.t.Fatalf("part %d: ETag %s", n, etag)
	}
	return r.Header.Get("Etag")
}

// named is a part in a CompleteMultipartUpload document.
type named struct {
	n    int
	etag string
	more string // further elements
}

func completeDoc(parts ...named) []byte {
	var b strings.Builder
	b.WriteString(`<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, p := range parts {
		fmt.Fprintf(&b, "<Part><ETag>%s</ETag>%s<PartNumber>%d</PartNumber></Part>", strings.ReplaceAll(p.etag, `"`, "&quot;"), p.more, p.n)
	}
	return []byte(b.String() + "</CompleteMultipartUpload>")
}

func (e *env) completeReq(key, id string, parts ...named) *req {
	return e.req("POST", path(key)+"?uploadId="+id, completeDoc(parts...)...)
}

// completion is the document of a CompleteMultipartUpload's answer.
type completion struct {
	XMLName                       xml.Name `xml:"CompleteMultipartUploadResult"`
	Location, Bucket, Key, ETag   string
	ChecksumType                  string
	ChecksumCRC32, ChecksumCRC32C string
	ChecksumCRC64NVME             string
	ChecksumSHA1, ChecksumSHA256  string
}

func (e *env) complete(q *req) completion {
	e.t.Helper()
	r := e.do(q).want(e.t, 200, "")
	var c completion
	if err := xml.Unmarshal(r.body, &c); err != nil {
		e.t.Fatalf("%v: %s", err, r.body)
	}
	return c
}

// partsETag is the quoted ETag of an object of these parts.
func partsETag(parts ...[]byte) string {
	h := md5.New()
	for _, p := range parts {
		sum := md5.Sum(p)
		h.Write(sum[:])
	}
	return fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(h.Sum(nil)), len(parts))
}

// bigPart is a part that need not be the last one.
func bigPart(seed byte) []byte {
	b := randomBody(minPart + int(seed))
	b[0] = seed
	return b
}

func TestMultipart(t *testing.T) {
	e := newEnv(t, extended)
	const key = "dir/a b+c.bin"
	e.put(key, "before")
	id := e.create(key, "X-Archil-Mode", "600", "X-Amz-Meta-Color", "blue", "Content-Encoding", "gzip", "Cache-Control", "no-store")
	p := [][]byte{bigPart(1), bigPart(2), []byte("the end")}
	tags := []string{e.part(key, id, 10, p[1]), e.part(key, id, 7, []byte("overwritten")), e.part(key, id, 7, p[0]), e.part(key, id, 9999, p[2])}
	e.part(key, id, 4, []byte("left out"))
	e.wantBody(key, "before")
	c := e.complete(e.completeReq(key, id, named{7, tags[2], ""}, named{10, strings.Trim(tags[0], `"`), ""}, named{9999, tags[3], ""}))
	want := partsETag(p...)
	if c.ETag != want || c.Bucket != diskA.String() || c.Key != key || c.Location != e.url+path(key) {
		t.Errorf("%+v, want ETag %s", c, want)
	}
	whole := string(p[0]) + string(p[1]) + string(p[2])
	e.wantBody(key, whole)
	r := e.head(key).want(t, 200, "")
	for name, v := range map[string]string{"Etag": want, "X-Amz-Meta-Color": "blue", "Content-Encoding": "gzip", "Cache-Control": "no-store", "Content-Length": fmt.Sprint(len(whole))} {
		if r.Header.Get(name) != v {
			t.Errorf("%s is %q, want %q", name, r.Header.Get(name), v)
		}
	}
	if l := e.list("list-type=2"); l.Contents[0].ETag != want || len(l.Contents) != 1 {
		t.Errorf("listed: %+v", l.Contents)
	}
	e.get(key, "If-Match", want).want(t, 200, "")
	e.get(key, "If-None-Match", want).want(t, 304, "")
	e.get(key, "Range", fmt.Sprintf("bytes=%d-%d", len(p[0])-2, len(p[0])+1)).want(t, 206, "")
	// It was an upload once.
	e.do(e.completeReq(key, id, named{7, tags[2], ""})).want(t, 404, "NoSuchUpload")
	e.do(e.req("PUT", partTarget(key, id, 1), 'x')).want(t, 404, "NoSuchUpload")
	e.do(e.req("GET", path(key)+"?uploadId="+id)).want(t, 404, "NoSuchUpload")
	e.do(e.req("DELETE", path(key)+"?uploadId="+id)).want(t, 404, "NoSuchUpload")
	// Another door's change makes the ETag another one.
	a, err := e.view().Stat(context.Background(), key, true)
	if err != nil {
		t.Fatal(err)
	}
	if a.Mode != 0o644 {
		t.Errorf("the replaced file's mode became %o", a.Mode)
	}
	e.rewrite(key, "mounted")
	if r := e.head(key).want(t, 200, ""); r.Header.Get("Etag") == want || r.Header.Get("Content-Encoding") != "" || r.Header.Get("X-Amz-Meta-Color") != "blue" {
		t.Errorf("after another door's change: %v", r.Header)
	}
}

// TestMultipartNewFile: mode, owner and parents of a file that was not there.
func TestMultipartNewFile(t *testing.T) {
	e := newEnv(t, extended)
	id := e.create("new/dir/f", "X-Archil-Mode", "640", "X-Archil-Uid", "7", "X-Archil-Gid", "8")
	tag := e.part("new/dir/f", id, 1, nil)
	c := e.complete(e.completeReq("new/dir/f", id, named{1, tag, ""}))
	if c.ETag != partsETag(nil) {
		t.Errorf("ETag %s", c.ETag)
	}
	e.wantBody("new/dir/f", "")
	for path, mode := range map[string]uint32{"new/dir/f": 0o640, "new/dir": 0o755, "new": 0o755} {
		a, err := e.view().Stat(context.Background(), path, true)
		if err != nil || a.Mode != mode || a.UID != 7 || a.GID != 8 {
			t.Errorf("%s: %o %d:%d, %v", path, a.Mode, a.UID, a.GID, err)
		}
	}
}

func TestMultipartErrors(t *testing.T) {
	e := newEnv(t, extended)
	ctx := context.Background()
	const key = "k"
	id := e.create(key)
	big, small := e.part(key, id, 1, bigPart(1)), e.part(key, id, 2, []byte("small"))
	last := e.part(key, id, 3, []byte("last"))
	for _, tc := range []struct {
		name   string
		parts  []named
		status int
		code   string
	}{
		{"a part that is not there", []named{{1, big, ""}, {4, last, ""}}, 400, "InvalidPart"},
		{"another ETag", []named{{1, big, ""}, {3, small, ""}}, 400, "InvalidPart"},
		{"any ETag", []named{{1, "*", ""}}, 400, "InvalidPart"},
		{"a list of ETags", []named{{1, big + ", *", ""}}, 400, "InvalidPart"},
		{"a checksum that was not sent", []named{{1, big, "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"}}, 400, "InvalidPart"},
		{"descending", []named{{3, last, ""}, {1, big, ""}}, 400, "InvalidPartOrder"},
		{"twice", []named{{1, big, ""}, {1, big, ""}}, 400, "InvalidPartOrder"},
		{"too small", []named{{1, big, ""}, {2, small, ""}, {3, last, ""}}, 400, "EntityTooSmall"},
		{"none", nil, 400, "MalformedXML"},
		{"number 0", []named{{0, big, ""}}, 400, "MalformedXML"},
		{"number 10001", []named{{10001, big, ""}}, 400, "MalformedXML"},
		{"no ETag", []named{{1, "", ""}}, 400, "MalformedXML"},
	} {
		t.Run(tc.name, func(t *testing.T) { e.do(e.completeReq(key, id, tc.parts...)).want(t, tc.status, tc.code) })
	}
	e.do(e.req("POST", path(key)+"?uploadId="+id, []byte("<CompleteMultipartUpload>")...)).want(t, 400, "MalformedXML")
	e.do(e.completeReq(key, id, named{1, big, ""}).with("X-Amz-Mp-Object-Size", "5")).want(t, 400, "InvalidRequest")
	for _, n := range []string{"0", "10001", "-1", "x", "", "99999999999999999999"} {
		e.do(e.req("PUT", path(key)+"?partNumber="+n+"&uploadId="+id, 'x')).want(t, 400, "InvalidArgument")
	}
	for _, bad := range []string{"", "1", "x", strings.ToUpper("00000000000000ab"), "00000000000000zz", "0000000000000fff"} {
		e.do(e.req("PUT", partTarget(key, bad, 1), 'x')).want(t, 404, "NoSuchUpload")
		e.do(e.completeReq(key, bad, named{1, big, ""})).want(t, 404, "NoSuchUpload")
	}
	e.do(e.req("PUT", path(key)+"?partNumber=1", 'x')).want(t, 404, "NoSuchUpload")
	// An upload is one of its key, its branch and its disk.
	if err := e.a.Fork(ctx, disk.Ref{}, "dev"); err != nil {
		t.Fatal(err)
	}
	e.do(e.req("PUT", partTarget("other", id, 1), 'x')).want(t, 404, "NoSuchUpload")
	e.do(e.req("PUT", strings.Replace(partTarget(key, id, 1), diskA.String(), diskA.String()+".dev", 1), 'x')).want(t, 404, "NoSuchUpload")
	e.do(e.req("PUT", strings.Replace(partTarget(key, id, 1), diskA.String(), diskB.String(), 1), 'x').as(keyB, "secret-of-b")).want(t, 404, "NoSuchUpload")
	// Keys that can't be, and headers that a PUT refuses.
	e.do(e.req("POST", path("dir/")+"?uploads")).want(t, 400, "InvalidArgument")
	e.do(e.req("POST", path("a//b")+"?uploads")).want(t, 400, "InvalidArgument")
	e.do(e.req("POST", path(".archil/x")+"?uploads")).want(t, 403, "AccessDenied")
	e.do(e.req("POST", path("k")+"?uploads").with("X-Amz-Acl", "public-read")).want(t, 400, "AccessControlListNotSupported")
	e.do(e.req("POST", path("k")+"?uploads", 'x')).want(t, 400, "InvalidRequest")
	e.do(e.req("POST", path("k")+"?uploads").with("X-Archil-Mode", "9")).want(t, 400, "InvalidArgument")
	e.do(e.req("POST", path("k")+"?uploads&x=y")).want(t, 501, "NotImplemented")
	e.do(e.req("PUT", partTarget(key, id, 1), 'x').with("Content-Md5", base64.StdEncoding.EncodeToString(make([]byte, 16)))).want(t, 400, "BadDigest")
	e.do(e.req("PUT", partTarget(key, id, 1)).with("X-Amz-Copy-Source", path("nothing"))).want(t, 404, "NoSuchKey")
	e.wantGone(key)
	// After all that the upload is what it was.
	e.complete(e.completeReq(key, id, named{1, big, ""}, named{3, last, ""}))
}

func TestMultipartConditions(t *testing.T) {
	e := newEnv(t, extended)
	begin := func() (string, named) {
		id := e.create("k")
		return id, named{1, e.part("k", id, 1, []byte("new")), ""}
	}
	id, p := begin()
	e.do(e.completeReq("k", id, p).with("If-Match", `"x"`)).want(t, 404, "NoSuchKey")
	e.put("k", "old")
	e.do(e.completeReq("k", id, p).with("If-None-Match", "*")).want(t, 412, "PreconditionFailed")
	e.do(e.completeReq("k", id, p).with("If-Match", `"x"`)).want(t, 412, "PreconditionFailed")
	e.wantBody("k", "old")
	e.complete(e.completeReq("k", id, p).with("If-Match", quotedMD5("old")))
	e.wantBody("k", "new")
	e.do(e.req("DELETE", path("k"))).want(t, 204, "")
	id, p = begin()
	e.complete(e.completeReq("k", id, p).with("If-None-Match", "*"))
	id, p = begin()
	e.complete(e.completeReq("k", id, p).with("If-Match", partsETag([]byte("new"))))
}

// TestMultipartChecksums has parts and objects with each of the checksums, as
// digests of digests and of the whole.
func TestMultipartChecksums(t *testing.T) {
	e := newEnv(t, extended)
	parts := [][]byte{bigPart(3), bigPart(200), []byte("the rest")}
	whole := append(append(append([]byte(nil), parts[0]...), parts[1]...), parts[2]...)
	for alg := sumCRC32; alg < numSums; alg++ {
		for _, kind := range []string{"COMPOSITE", "FULL_OBJECT"} {
			t.Run(sumName(alg)+" "+kind, func(t *testing.T) {
				headers := []string{"X-Amz-Checksum-Algorithm", sumName(alg), "X-Amz-Checksum-Type", kind}
				if _, isCRC := crcs[alg]; !isCRC && kind == "FULL_OBJECT" || alg == sumCRC64NVME && kind == "COMPOSITE" {
					e.do(e.req("POST", path("k")+"?uploads").with(headers...)).want(t, 400, "InvalidRequest")
					return
				}
				id := e.create("k", headers...)
				digests := sums[alg].make()
				var names []named
				for i, p := range parts {
					h := sums[alg].make()
					h.Write(p)
					sum := base64.StdEncoding.EncodeToString(h.Sum(nil))
					digests.Write(h.Sum(nil))
					names = append(names, named{i + 1, e.part("k", id, i+1, p, sums[alg].header, sum), "<Checksum" + sumName(alg) + ">" + sum + "</Checksum" + sumName(alg) + ">"})
				}
				want := base64.StdEncoding.EncodeToString(digests.Sum(nil)) + "-3"
				if kind == "FULL_OBJECT" {
					h := sums[alg].make()
					h.Write(whole)
					want = base64.StdEncoding.EncodeToString(h.Sum(nil))
				}
				wrong := base64.StdEncoding.EncodeToString(make([]byte, sums[alg].size))
				e.do(e.completeReq("k", id, names...).with(sums[alg].header, wrong)).want(t, 400, "BadDigest")
				e.do(e.completeReq("k", id, names...).with("X-Amz-Checksum-Type", sumType(kind != "COMPOSITE"))).want(t, 400, "InvalidRequest")
				bad := append([]named(nil), names...)
				bad[1].more = strings.Replace(bad[1].more, ">", ">A", 1)
				e.do(e.completeReq("k", id, bad...)).want(t, 400, "InvalidPart")
				c := e.complete(e.completeReq("k", id, names...).with(sums[alg].header, want))
				got := map[checksumAlg]string{sumCRC32: c.ChecksumCRC32, sumCRC32C: c.ChecksumCRC32C, sumCRC64NVME: c.ChecksumCRC64NVME, sumSHA1: c.ChecksumSHA1, sumSHA256: c.ChecksumSHA256}[alg]
				if got != want || c.ChecksumType != kind || c.ETag != partsETag(parts...) {
					t.Errorf("%+v, want %s", c, want)
				}
				r := e.head("k", "X-Amz-Checksum-Mode", "ENABLED")
				if r.Header.Get(sums[alg].header) != want || r.Header.Get("X-Amz-Checksum-Type") != kind {
					t.Errorf("HEAD: %v", r.Header)
				}
			})
		}
	}
	// A part whose checksum is wrong is none; one without leaves the object
	// without.
	id := e.create("k", "X-Amz-Checksum-Algorithm", "CRC32")
	e.do(e.req("PUT", partTarget("k", id, 1), 'x').with("X-Amz-Checksum-Crc32", "AAAAAA==")).want(t, 400, "BadDigest")
	p := named{1, e.part("k", id, 1, []byte("x")), ""}
	e.do(e.completeReq("k", id, p).with("X-Amz-Checksum-Crc32", "AAAAAA==")).want(t, 400, "InvalidRequest")
	if c := e.complete(e.completeReq("k", id, p)); c.ChecksumType != "" || c.ChecksumCRC32 != "" {
		t.Errorf("%+v", c)
	}
	e.do(e.req("POST", path("k")+"?uploads").with("X-Amz-Checksum-Algorithm", "ROT13")).want(t, 400, "InvalidRequest")
}

// TestUploadPartCopy makes parts of other objects.
func TestUploadPartCopy(t *testing.T) {
	e := newEnv(t, extended)
	src := bigPart(9)
	e.put("src", string(src))
	e.put("small", "0123456789")
	id := e.create("k")
	copyReq := func(n int, source string, headers ...string) *req {
		return e.req("PUT", partTarget("k", id, n)).with("X-Amz-Copy-Source", source).with(headers...)
	}
	do := func(q *req) string {
		t.Helper()
		r := e.do(q).want(t, 200, "")
		var doc struct {
			XMLName xml.Name `xml:"CopyPartResult"`
			ETag    string
		}
		if err := xml.Unmarshal(r.body, &doc); err != nil {
			t.Fatal(err)
		}
		return doc.ETag
	}
	a := named{1, do(copyReq(1, path("src"))), ""}
	b := named{2, do(copyReq(2, path("small"), "X-Amz-Copy-Source-Range", "bytes=2-4")), ""}
	e.complete(e.completeReq("k", id, a, b))
	e.wantBody("k", string(src)+"234")
	id = e.create("k")
	for _, tc := range []struct {
		source, header, value string
		status                int
		code                  string
	}{
		{path("small"), "X-Amz-Copy-Source-Range", "bytes=2-10", 400, "InvalidArgument"},
		{path("small"), "X-Amz-Copy-Source-Range", "bytes=2-", 400, "InvalidArgument"},
		{path("small"), "X-Amz-Copy-Source-Range", "bytes=-2", 400, "InvalidArgument"},
		{path("small"), "X-Amz-Copy-Source-If-Match", `"x"`, 412, "PreconditionFailed"},
		{path("small"), "X-Amz-Copy-Source-If-None-Match", quotedMD5("0123456789"), 412, "PreconditionFailed"},
		{"/" + diskB.String() + "/k", "X-Amz-Meta-A", "b", 403, "AccessDenied"},
		{path("gone"), "X-Amz-Meta-A", "b", 404, "NoSuchKey"},
		{path(".archil/x"), "X-Amz-Meta-A", "b", 404, "NoSuchKey"},
	} {
		e.do(copyReq(1, tc.source, tc.header, tc.value)).want(t, tc.status, tc.code)
	}
	if r := e.do(e.req("GET", path("k")+"?uploadId="+id)).want(t, 200, ""); strings.Contains(string(r.body), "<Part>") {
		t.Errorf("parts came of refused copies: %s", r.body)
	}
}

// FuzzCombineCRC: the CRC of two runs of bytes follows from theirs.
func FuzzCombineCRC(f *testing.F) {
	f.Add([]byte("hello"), []byte("world"))
	f.Add([]byte{}, make([]byte, 300))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for alg, crc := range crcs {
			sum := func(p []byte) uint64 {
				h := sums[alg].make()
				h.Write(p)
				return crc.number(h.Sum(nil))
			}
			both := append(append([]byte(nil), a...), b...)
			if got := crc.combine(sum(a), sum(b), int64(len(b))); got != sum(both) || string(crc.digest(got)) == "" {
				t.Fatalf("%s of %q and %q: %x, want %x", sumName(alg), a, b, got, sum(both))
			}
		}
	})
}

// FuzzComplete parses arbitrary documents, and reads back what was written
// into one.
func FuzzComplete(f *testing.F) {
	f.Add(completeDoc(named{1, `"x"`, ""}, named{2, "y", "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"}), uint16(1), "abc")
	f.Add([]byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&a;</ETag></Part></CompleteMultipartUpload>"), uint16(0), "")
	f.Fuzz(func(t *testing.T, doc []byte, n uint16, etag string) {
		parts, err := parseComplete(doc)
		if err == nil && (len(parts) == 0 || len(parts) > disk.MaxParts) {
			t.Fatalf("%d parts", len(parts))
		}
		for i, p := range parts {
			if p.number < 1 || p.number > disk.MaxParts || p.etag == "" || i > 0 && parts[i-1].number >= p.number {
				t.Fatalf("part %d: %+v", i, p)
			}
		}
		etag = hex.EncodeToString([]byte(etag))
		number := int(n)%disk.MaxParts + 1
		parts, err = parseComplete(completeDoc(named{number, etag, ""}))
		if etag == "" {
			if err == nil {
				t.Fatal("an empty ETag is taken")
			}
			return
		}
		if err != nil || len(parts) != 1 || parts[0].number != number || parts[0].etag != etag {
			t.Fatalf("%+v, %v", parts, err)
		}
	})
}
