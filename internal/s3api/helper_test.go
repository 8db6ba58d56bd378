package s3api

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/blob"
	"atoll/internal/disk"
	"atoll/internal/kv/pebblekv"
	"atoll/internal/sigv4"
)

// The disks and credentials of every test environment.
const (
	diskA = disk.ID(0xa11ce00000000001)
	diskB = disk.ID(0xb0b0000000000002)
	keyA  = "AKAAAAAAAAAAAAAAAAAA"
	keyB  = "AKBBBBBBBBBBBBBBBBBB"
)

// env is a door on a real core, behind a real server on loopback.
type env struct {
	t     testing.TB
	h     *Handler
	disks *disk.Store
	a, b  *disk.Disk
	creds map[string]Credential
	skew  atomic.Int64 // of the server's clock, in nanoseconds
	addr  string
	url   string
	http  *http.Client
}

type envOption func(*Options)

// newEnv starts a server; options change the door's.
func newEnv(t testing.TB, options ...envOption) *env {
	t.Helper()
	return newEnvOn(t, vfs.NewMem(), "", options...)
}

// newEnvOn is newEnv on a file system of the caller's.
func newEnvOn(t testing.TB, fs vfs.FS, dir string, options ...envOption) *env {
	t.Helper()
	e := &env{t: t, creds: map[string]Credential{
		keyA: {Secret: "secret-of-a", Disk: diskA},
		keyB: {Secret: "secret-of-b", Disk: diskB},
	}}
	e.disks = newCore(t, fs, dir)
	e.a, e.b = newDisk(t, e.disks, diskA), newDisk(t, e.disks, diskB)
	o := Options{Disks: e.disks, Now: e.now,
		Credentials: CredentialsFunc(func(_ context.Context, id string) (Credential, bool, error) {
			c, ok := e.creds[id]
			return c, ok, nil
		})}
	for _, opt := range options {
		opt(&o)
	}
	var err error
	if e.h, err = New(o); err != nil {
		t.Fatal(err)
	}
	e.serve(e.h)
	return e
}

// serve runs handler on a listener of its own.
func (e *env) serve(handler http.Handler) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	srv := &http.Server{Handler: handler, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan struct{})
	go func() { _ = srv.Serve(ln); close(done) }()
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, ExpectContinueTimeout: 10 * time.Second}
	e.addr, e.url, e.http = ln.Addr().String(), "http://"+ln.Addr().String(), &http.Client{Transport: tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	e.t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = srv.Close()
		<-done
	})
}

func newCore(t testing.TB, fs vfs.FS, dir string) *disk.Store {
	t.Helper()
	kvs, err := pebblekv.Open(pebblekv.Options{Dir: fs.PathJoin(dir, "meta"), FS: fs, Split: disk.Split})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(blob.Options{Dir: fs.PathJoin(dir, "data"), FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	s, err := disk.Open(context.Background(), disk.Options{KV: kvs, Blob: blobs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range []io.Closer{s, blobs, kvs} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

func newDisk(t testing.TB, s *disk.Store, id disk.ID) *disk.Disk {
	t.Helper()
	if err := s.Create(context.Background(), id, disk.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Disk(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// now is the server's clock.
func (e *env) now() time.Time { return time.Now().Add(time.Duration(e.skew.Load())) }

// view is disk A's root branch, to change files as another door would.
func (e *env) view() *disk.View {
	e.t.Helper()
	v, err := e.a.View(context.Background(), disk.Ref{})
	if err != nil {
		e.t.Fatal(err)
	}
	return v
}

// path is the encoded URL path of a key of disk A.
func path(key string) string {
	return "/" + diskA.String() + "/" + string(sigv4.AppendPath(nil, key))
}

// req is a request in the making.
type req struct {
	*http.Request
	body   []byte
	access string
	secret string
	hash   string // x-amz-content-sha256; empty: the body's
	region string
	time   time.Time
}

// req begins a request with disk A's credential; target is what follows the
// host, encoded.
func (e *env) req(method, target string, body ...byte) *req {
	e.t.Helper()
	r, err := http.NewRequest(method, e.url+target, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	q := &req{Request: r, body: body, access: keyA, secret: e.creds[keyA].Secret, region: "us-east-1", time: e.now()}
	if len(body) > 0 {
		q.ContentLength = int64(len(body))
	}
	return q
}

// with sets headers: name, value, name, value.
func (q *req) with(headers ...string) *req {
	for i := 0; i < len(headers); i += 2 {
		q.Header[http.CanonicalHeaderKey(headers[i])] = append(q.Header[http.CanonicalHeaderKey(headers[i])], headers[i+1])
	}
	return q
}

// as signs with another credential.
func (q *req) as(access, secret string) *req {
	q.access, q.secret = access, secret
	return q
}

// payload sets x-amz-content-sha256.
func (q *req) payload(hash string) *req {
	q.hash = hash
	return q
}

// sign signs the request as it stands.
func (q *req) sign() *req {
	hash := q.hash
	if hash == "" {
		sum := sha256.Sum256(q.body)
		hash = hex.EncodeToString(sum[:])
	}
	q.Header.Del("Authorization")
	sigv4.Sign(q.Request, q.access, q.secret, q.region, q.time, hash)
	return q
}

// resp is a response with its body.
type resp struct {
	*http.Response
	body []byte
	err  s3Error
}

type s3Error struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Resource  string
	RequestID string `xml:"RequestId"`
	Condition string
}

// send sends the request as it stands and checks what every response must be.
func (e *env) send(q *req) *resp {
	e.t.Helper()
	if q.Body == nil && len(q.body) > 0 {
		q.Body = io.NopCloser(bytes.NewReader(q.body))
	}
	r, err := e.http.Do(q.Request)
	if err != nil {
		e.t.Fatalf("%s %s: %v", q.Method, q.URL, err)
	}
	defer r.Body.Close()
	out := &resp{Response: r}
	if out.body, err = io.ReadAll(r.Body); err != nil {
		e.t.Fatalf("%s %s: %v", q.Method, q.URL, err)
	}
	e.checkCommon(q, out)
	return out
}

// checkCommon checks the rules that hold for every response.
func (e *env) checkCommon(q *req, r *resp) {
	e.t.Helper()
	where := fmt.Sprintf("%s %s: %d", q.Method, q.URL, r.StatusCode)
	for _, name := range []string{"X-Amz-Request-Id", "Server", "Accept-Ranges"} {
		if len(r.Header[name]) != 1 || r.Header[name][0] == "" {
			e.t.Errorf("%s: header %s is %q", where, name, r.Header[name])
		}
	}
	if r.Header.Get("Accept-Ranges") != "bytes" {
		e.t.Errorf("%s: Accept-Ranges %q", where, r.Header.Get("Accept-Ranges"))
	}
	if r.StatusCode < 400 {
		return
	}
	if q.Method == http.MethodHead {
		if len(r.body) > 0 {
			e.t.Errorf("%s: the error of a HEAD has a body", where)
		}
		return
	}
	if err := xml.Unmarshal(r.body, &r.err); err != nil {
		e.t.Errorf("%s: error document: %v: %q", where, err, r.body)
		return
	}
	if r.err.Code == "" || r.err.Message == "" || r.err.Resource == "" || r.err.RequestID != r.Header.Get("X-Amz-Request-Id") {
		e.t.Errorf("%s: error document lacks something: %s", where, r.body)
	}
	if r.Header.Get("Content-Type") != "application/xml" {
		e.t.Errorf("%s: Content-Type %q", where, r.Header.Get("Content-Type"))
	}
}

// do signs and sends.
func (e *env) do(q *req) *resp {
	e.t.Helper()
	return e.send(q.sign())
}

// want fails the test unless the response has this status and S3 code ("" for
// successes; a HEAD's error has none to see).
func (r *resp) want(t testing.TB, status int, code string) *resp {
	t.Helper()
	if r.StatusCode != status || r.err.Code != code {
		t.Fatalf("%s %s: %d %q, want %d %q: %s", r.Request.Method, r.Request.URL, r.StatusCode, r.err.Code, status, code, r.body)
	}
	return r
}

// put stores an object and returns the response.
func (e *env) put(key, body string, headers ...string) *resp {
	e.t.Helper()
	return e.do(e.req("PUT", path(key), []byte(body)...).with(headers...)).want(e.t, 200, "")
}

// get reads an object.
func (e *env) get(key string, headers ...string) *resp {
	e.t.Helper()
	return e.do(e.req("GET", path(key)).with(headers...))
}

func (e *env) head(key string, headers ...string) *resp {
	e.t.Helper()
	return e.do(e.req("HEAD", path(key)).with(headers...))
}

// wantBody fails unless the object has these contents.
func (e *env) wantBody(key, body string) {
	e.t.Helper()
	if r := e.get(key).want(e.t, 200, ""); string(r.body) != body {
		e.t.Fatalf("%q holds %q, want %q", key, clip(r.body), clip([]byte(body)))
	}
}

// wantGone fails if the key can be read.
func (e *env) wantGone(key string) {
	e.t.Helper()
	e.get(key).want(e.t, 404, "NoSuchKey")
}

func clip(b []byte) []byte { return b[:min(len(b), 60)] }

func quotedMD5(body string) string {
	sum := md5.Sum([]byte(body))
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// listing is either listing's document.
type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	Prefix                string
	Delimiter             string
	MaxKeys               int
	KeyCount              int
	IsTruncated           bool
	StartAfter            string
	ContinuationToken     string
	NextContinuationToken string
	Marker                string
	NextMarker            string
	EncodingType          string
	Contents              []struct {
		Key          string
		LastModified time.Time
		ETag         string
		Size         int64
		StorageClass string
		Owner        *struct{ ID, DisplayName string }
	}
	CommonPrefixes []struct{ Prefix string }
}

// list asks for a listing; query is raw.
func (e *env) list(query string) listing {
	e.t.Helper()
	r := e.do(e.req("GET", "/"+diskA.String()+"?"+query)).want(e.t, 200, "")
	var l listing
	if err := xml.Unmarshal(r.body, &l); err != nil {
		e.t.Fatalf("%v: %s", err, r.body)
	}
	return l
}

// keys returns the keys and common prefixes, the latter last.
func (l *listing) keys() []string {
	var out []string
	for _, c := range l.Contents {
		out = append(out, c.Key)
	}
	for _, p := range l.CommonPrefixes {
		out = append(out, p.Prefix)
	}
	return out
}

// raw sends bytes on a connection of its own and returns what reads it.
func (e *env) raw() net.Conn {
	e.t.Helper()
	c, err := net.Dial("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// rawHead is the head of a signed request as bytes, with a Content-Length of
// its own choice.
func (q *req) rawHead(length int, extra ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", q.Method, q.URL.RequestURI(), q.URL.Host)
	for name, values := range q.Header {
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	if length >= 0 {
		b.WriteString("Content-Length: " + strconv.Itoa(length) + "\r\n")
	}
	for _, x := range extra {
		b.WriteString(x + "\r\n")
	}
	return b.String() + "\r\n"
}
