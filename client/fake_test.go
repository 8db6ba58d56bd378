package client

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeS3 keeps one bucket in memory and speaks what the client asks for. A
// hook may answer, or break, a request before it.
type fakeS3 struct {
	*httptest.Server

	mu      sync.Mutex
	files   map[string]*fakeFile
	uploads map[string]*fakeUpload
	log     []string // METHOD /path?query
	hook    func(w http.ResponseWriter, r *http.Request) (handled bool)
	bytes   int64 // of bodies of parts and files that came
	page    int
}

type fakeFile struct {
	data   []byte
	etag   string
	header http.Header
}

type fakeUpload struct {
	key   string
	parts map[int][]byte
}

func newFake(t *testing.T) (*fakeS3, *Bucket) {
	t.Helper()
	f := &fakeS3{files: map[string]*fakeFile{}, uploads: map[string]*fakeUpload{}, page: 1000}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	c, err := New(Options{URL: f.URL, S3URL: f.URL, APIKey: "k", Sleep: noSleep, Random: func() float64 { return 1 }})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Bucket(t.Context(), "dsk-1.dev")
	if err != nil {
		t.Fatal(err)
	}
	return f, b
}

// count returns how many requests began so.
func (f *fakeS3) count(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.log {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

func (f *fakeS3) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.log = append(f.log, r.Method+" "+r.RequestURI)
	hook := f.hook
	f.mu.Unlock()
	if r.Header.Get("Authorization") != "key-k" || r.Header.Get("Accept-Encoding") != "identity" {
		fail(w, 403, "AccessDenied")
		return
	}
	if hook != nil && hook(w, r) {
		return
	}
	key, ok := strings.CutPrefix(r.URL.Path, "/dsk-1.dev")
	if !ok {
		fail(w, 404, "NoSuchBucket")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	sum := md5.Sum(body)
	if v := r.Header.Get("Content-Md5"); v != "" && v != base64.StdEncoding.EncodeToString(sum[:]) {
		fail(w, 400, "BadDigest")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.route(w, r, strings.TrimPrefix(key, "/"), body)
}

func (f *fakeS3) route(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	q := r.URL.Query()
	switch {
	case q.Has("uploadId") || q.Has("uploads"):
		f.multipart(w, r, key, q, body)
	case key == "" && r.Method == "GET":
		f.list(w, q)
	case key == "" && r.Method == "POST":
		f.deleteMany(w, body)
	case r.Method == "PUT":
		f.put(w, r, key, q, body)
	case r.Method == "DELETE":
		delete(f.files, key)
		w.WriteHeader(204)
	default:
		f.get(w, r, key)
	}
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>it is %s</Message></Error>", code, code)
}

func (f *fakeS3) put(w http.ResponseWriter, r *http.Request, key string, q url.Values, body []byte) {
	old := f.files[key]
	switch {
	case r.Header.Get("If-None-Match") == "*" && old != nil, r.Header.Get("If-Match") != "" && (old == nil || r.Header.Get("If-Match") != `"`+old.etag+`"`):
		fail(w, 412, "PreconditionFailed")
		return
	case q.Get("append") == "true" && old != nil:
		body = append(slices.Clone(old.data), body...)
	case r.Header.Get("X-Amz-Copy-Source") != "":
		from, err := url.PathUnescape(strings.TrimPrefix(r.Header.Get("X-Amz-Copy-Source"), "/dsk-1.dev/"))
		src := f.files[from]
		if err != nil || src == nil {
			fail(w, 404, "NoSuchKey")
			return
		}
		f.files[key] = src
		fmt.Fprintf(w, "<CopyObjectResult><ETag>&quot;%s&quot;</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified></CopyObjectResult>", src.etag)
		return
	}
	f.bytes += int64(len(body))
	sum := md5.Sum(body)
	f.files[key] = &fakeFile{data: body, etag: hex.EncodeToString(sum[:]), header: r.Header}
	w.Header().Set("ETag", `"`+f.files[key].etag+`"`)
}

func (f *fakeS3) get(w http.ResponseWriter, r *http.Request, key string) {
	file := f.files[key]
	if file == nil {
		fail(w, 404, "NoSuchKey")
		return
	}
	if v := r.Header.Get("If-Match"); v != "" && v != `"`+file.etag+`"` {
		fail(w, 412, "PreconditionFailed")
		return
	}
	w.Header().Set("ETag", `"`+file.etag+`"`)
	w.Header().Set("x-amz-meta-a", file.header.Get("X-Amz-Meta-A"))
	http.ServeContent(w, r, "x.bin", time.Unix(1700000000, 0), strings.NewReader(string(file.data)))
}

func (f *fakeS3) list(w http.ResponseWriter, q url.Values) {
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	prefix := q.Get("prefix")
	seen, n, last, more := map[string]bool{}, 0, "", false
	var out strings.Builder
	for _, k := range sortedKeys(f.files) {
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		shown, folder := k, false
		if i := strings.IndexByte(k[len(prefix):], '/'); q.Get("delimiter") != "" && i >= 0 {
			shown, folder = k[:len(prefix)+i+1], true
		}
		if shown <= after || seen[shown] {
			continue
		}
		if n == f.page {
			more = true
			break
		}
		seen[shown], last, n = true, shown, n+1
		if folder {
			fmt.Fprintf(&out, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", escapeKey(shown))
		} else {
			fmt.Fprintf(&out, "<Contents><Key>%s</Key><Size>%d</Size><ETag>&quot;%s&quot;</ETag><LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>",
				escapeKey(shown), len(f.files[k].data), f.files[k].etag)
		}
	}
	if more {
		fmt.Fprintf(&out, "<NextContinuationToken>%s</NextContinuationToken>", last)
	}
	fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%v</IsTruncated>%s</ListBucketResult>", more, out.String())
}

func sortedKeys[V any](m map[string]V) []string {
	keys := []string{}
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (f *fakeS3) deleteMany(w http.ResponseWriter, body []byte) {
	var doc deleteDoc
	if err := xml.Unmarshal(body, &doc); err != nil {
		fail(w, 400, "MalformedXML")
		return
	}
	fmt.Fprint(w, "<DeleteResult>")
	for _, o := range doc.Objects {
		if strings.HasPrefix(o.Key, ".archil/") {
			fmt.Fprintf(w, "<Error><Key>%s</Key><Code>AccessDenied</Code><Message>reserved</Message></Error>", o.Key)
		}
		delete(f.files, o.Key)
	}
	fmt.Fprint(w, "</DeleteResult>")
}

func (f *fakeS3) multipart(w http.ResponseWriter, r *http.Request, key string, q url.Values, body []byte) {
	if key == "" {
		f.listUploads(w)
		return
	}
	if q.Has("uploads") {
		id := strconv.Itoa(len(f.uploads) + 1)
		f.uploads[id] = &fakeUpload{key: key, parts: map[int][]byte{}}
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
		return
	}
	id := q.Get("uploadId")
	u := f.uploads[id]
	if u == nil || u.key != key {
		fail(w, 404, "NoSuchUpload")
		return
	}
	switch r.Method {
	case "PUT":
		n, _ := strconv.Atoi(q.Get("partNumber"))
		u.parts[n] = body
		f.bytes += int64(len(body))
		sum := md5.Sum(body)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	case "GET":
		f.listParts(w, u, q)
	case "DELETE":
		delete(f.uploads, id)
		w.WriteHeader(204)
	case "POST":
		f.complete(w, id, u, body)
	}
}

func (f *fakeS3) listUploads(w http.ResponseWriter) {
	fmt.Fprint(w, "<ListMultipartUploadsResult><EncodingType>url</EncodingType>")
	for i, id := range sortedKeys(f.uploads) {
		fmt.Fprintf(w, "<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>2026-01-02T03:04:%02d.000Z</Initiated></Upload>",
			escapeKey(f.uploads[id].key), id, i)
	}
	fmt.Fprint(w, "</ListMultipartUploadsResult>")
}

func (f *fakeS3) listParts(w http.ResponseWriter, u *fakeUpload, q url.Values) {
	after, _ := strconv.Atoi(q.Get("part-number-marker"))
	fmt.Fprint(w, "<ListPartsResult>")
	shown := 0
	for n := after + 1; n <= 10000; n++ {
		p, ok := u.parts[n]
		if !ok {
			continue
		}
		if shown == 2 {
			fmt.Fprintf(w, "<IsTruncated>true</IsTruncated><NextPartNumberMarker>%d</NextPartNumberMarker>", n-1)
			break
		}
		shown++
		sum := md5.Sum(p)
		fmt.Fprintf(w, "<Part><PartNumber>%d</PartNumber><ETag>&quot;%x&quot;</ETag><Size>%d</Size></Part>", n, sum, len(p))
	}
	fmt.Fprint(w, "</ListPartsResult>")
}

func (f *fakeS3) complete(w http.ResponseWriter, id string, u *fakeUpload, body []byte) {
	var doc completeDoc
	if err := xml.Unmarshal(body, &doc); err != nil {
		fail(w, 400, "MalformedXML")
		return
	}
	var data []byte
	var sums [][md5.Size]byte
	for _, p := range doc.Parts {
		sum := md5.Sum(u.parts[p.PartNumber])
		if unquote(p.ETag) != hex.EncodeToString(sum[:]) {
			fail(w, 400, "InvalidPart")
			return
		}
		sums = append(sums, sum)
		data = append(data, u.parts[p.PartNumber]...)
	}
	etag := PartsETag(sums)
	f.files[u.key] = &fakeFile{data: data, etag: etag, header: http.Header{}}
	delete(f.uploads, id)
	fmt.Fprintf(w, "<CompleteMultipartUploadResult><ETag>&quot;%s&quot;</ETag></CompleteMultipartUploadResult>", etag)
}
