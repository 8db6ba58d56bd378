package s3api

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// partList is the document of a ListParts.
type partList struct {
	XMLName               xml.Name `xml:"ListPartsResult"`
	Bucket, Key, UploadId string
	PartNumberMarker      int
	NextPartNumberMarker  int
	MaxParts              int
	IsTruncated           bool
	Part                  []struct {
		PartNumber    int
		ETag          string
		Size          int64
		LastModified  time.Time
		ChecksumCRC32 string
	}
}

func (e *env) parts(key, id, query string) partList {
	e.t.Helper()
	r := e.do(e.req("GET", path(key)+"?uploadId="+id+query)).want(e.t, 200, "")
	var l partList
	if err := xml.Unmarshal(r.body, &l); err != nil {
		e.t.Fatalf("%v: %s", err, r.body)
	}
	return l
}

func TestListParts(t *testing.T) {
	e := newEnv(t, extended)
	const key = "a & b"
	id := e.create(key)
	if l := e.parts(key, id, ""); len(l.Part) != 0 || l.IsTruncated || l.Key != key || l.UploadId != id || l.MaxParts != 1000 {
		t.Errorf("%+v", l)
	}
	numbers := []int{1, 2, 5, 10, 999, 10000}
	for _, n := range []int{10, 1, 10000, 2, 999, 5} {
		e.part(key, id, n, []byte(strings.Repeat("x", n)), "X-Amz-Sdk-Checksum-Algorithm", "CRC32")
	}
	e.part(key, id, 5, []byte("123456789"), "X-Amz-Checksum-Crc32", "y/Q5Jg==")
	for _, size := range []int{1, 2, 6, 7, 5000} {
		var got []int
		for marker := 0; ; {
			l := e.parts(key, id, fmt.Sprintf("&max-parts=%d&part-number-marker=%d", size, marker))
			if l.PartNumberMarker != marker || l.MaxParts != min(size, 1000) || len(l.Part) > size {
				t.Fatalf("%+v", l)
			}
			for _, p := range l.Part {
				got = append(got, p.PartNumber)
				body, crc := strings.Repeat("x", p.PartNumber), ""
				if p.PartNumber == 5 {
					body, crc = "123456789", "y/Q5Jg=="
				}
				if p.ETag != quotedMD5(body) || p.Size != int64(len(body)) || p.ChecksumCRC32 != crc || p.LastModified.IsZero() {
					t.Errorf("%+v", p)
				}
			}
			if !l.IsTruncated {
				break
			}
			marker = l.NextPartNumberMarker
		}
		if !slices.Equal(got, numbers) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	if l := e.parts(key, id, "&max-parts=0"); len(l.Part) != 0 {
		t.Errorf("%+v", l)
	}
	for _, query := range []string{"&max-parts=x", "&max-parts=-1", "&part-number-marker=x", "&max-parts=2147483648"} {
		e.do(e.req("GET", path(key)+"?uploadId="+id+query)).want(t, 400, "InvalidArgument")
	}
	e.do(e.req("GET", path(key)+"?uploadId="+id+"&versionId=1")).want(t, 501, "NotImplemented")
}

// uploadList is the document of a ListMultipartUploads.
type uploadList struct {
	XMLName                           xml.Name `xml:"ListMultipartUploadsResult"`
	Bucket, KeyMarker, UploadIdMarker string
	NextKeyMarker, NextUploadIdMarker string
	EncodingType, Prefix, Delimiter   string
	MaxUploads                        int
	IsTruncated                       bool
	Upload                            []struct {
		Key, UploadId string
		Initiated     time.Time
	}
	CommonPrefixes []struct{ Prefix string }
}

func (e *env) uploads(query string) uploadList {
	e.t.Helper()
	r := e.do(e.req("GET", "/"+diskA.String()+"?uploads"+query)).want(e.t, 200, "")
	var l uploadList
	if err := xml.Unmarshal(r.body, &l); err != nil {
		e.t.Fatalf("%v: %s", err, r.body)
	}
	return l
}

// TestListMultipartUploads pages through uploads, with and without prefix and
// delimiter, and compares with what a plain list gives.
func TestListMultipartUploads(t *testing.T) {
	e := newEnv(t, extended)
	var all []string // key and id, as they are listed
	for _, key := range []string{"a", "a", "a", "dir/a", "dir/b", "dir/sub/x", "dir/sub/x", "dir.x", "dir0", "e/f g", "é", "z"} {
		all = append(all, key+" "+e.create(key))
	}
	slices.Sort(all)
	for _, prefix := range []string{"", "a", "d", "dir", "dir/", "dir/s", "dir/sub/", "nothing", "dir0"} {
		for _, delimiter := range []string{"", "/"} {
			var want []string
			for _, u := range all {
				key, _, _ := strings.Cut(u, " ")
				if !strings.HasPrefix(u, prefix) {
					continue
				}
				if i := strings.IndexByte(strings.TrimPrefix(u, prefix), '/'); delimiter != "" && i >= 0 {
					u = key[:len(prefix)+i+1]
				}
				if len(want) == 0 || want[len(want)-1] != u {
					want = append(want, u)
				}
			}
			for _, size := range []int{1, 2, 3, 100} {
				if got := e.allUploads(t, prefix, delimiter, size); !slices.Equal(got, want) {
					t.Errorf("prefix %q, delimiter %q, pages of %d:\n got %q\nwant %q", prefix, delimiter, size, got, want)
				}
			}
		}
	}
	// A key marker alone is behind all uploads of the key.
	if l := e.uploads("&key-marker=a&max-uploads=1"); len(l.Upload) != 1 || l.Upload[0].Key != "dir.x" {
		t.Errorf("%+v", l)
	}
	if l := e.uploads("&max-uploads=0"); len(l.Upload) != 0 || l.MaxUploads != 0 {
		t.Errorf("%+v", l)
	}
	a := "/" + diskA.String()
	for _, query := range []string{"delimiter=x", "max-uploads=x", "encoding-type=x", "key-marker=a&upload-id-marker=x"} {
		e.do(e.req("GET", a+"?uploads&"+query)).want(t, 400, "InvalidArgument")
	}
	e.do(e.req("GET", a+"?uploads&list-type=2")).want(t, 501, "NotImplemented")
	// One that was aborted is gone.
	key, id, _ := strings.Cut(all[0], " ")
	e.do(e.req("DELETE", path(key)+"?uploadId="+id)).want(t, 204, "")
	if got := e.allUploads(t, "", "", 100); !slices.Equal(got, all[1:]) {
		t.Errorf("after an abort: %q", got)
	}
}

// allUploads lists in pages: "KEY ID" or the common prefix, sorted.
func (e *env) allUploads(t *testing.T, prefix, delimiter string, size int) (got []string) {
	t.Helper()
	for markers := ""; ; {
		l := e.uploads(fmt.Sprintf("&prefix=%s&delimiter=%s&max-uploads=%d&encoding-type=url%s", prefix, delimiter, size, markers))
		if len(l.Upload)+len(l.CommonPrefixes) > size || l.EncodingType != "url" || l.Delimiter != delimiter {
			t.Fatalf("%+v", l)
		}
		for _, u := range l.Upload {
			key, err := url.PathUnescape(u.Key)
			if err != nil || u.Initiated.IsZero() {
				t.Fatal(err, u)
			}
			got = append(got, key+" "+u.UploadId)
		}
		for _, p := range l.CommonPrefixes {
			got = append(got, p.Prefix)
		}
		if !l.IsTruncated {
			slices.Sort(got)
			return got
		}
		markers = "&key-marker=" + url.QueryEscape(mustUnescape(t, l.NextKeyMarker)) + "&upload-id-marker=" + l.NextUploadIdMarker
		if l.NextKeyMarker == "" || len(got) > 100 {
			t.Fatalf("no end: %+v", l)
		}
	}
}

func mustUnescape(t *testing.T, s string) string {
	t.Helper()
	s, err := url.PathUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCompleteTwiceAtOnce: of many completes of one upload one wins, the
// others find it gone.
func TestCompleteTwiceAtOnce(t *testing.T) {
	e := newEnv(t, extended)
	for round := range 5 {
		id := e.create("k")
		body := fmt.Sprint("round ", round)
		p := named{1, e.part("k", id, 1, []byte(body)), ""}
		var mu sync.Mutex
		codes := map[string]int{}
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				r := e.do(e.completeReq("k", id, p))
				mu.Lock()
				defer mu.Unlock()
				codes[r.err.Code]++
			})
		}
		wg.Wait()
		if codes[""] != 1 || codes["NoSuchUpload"] != 5 {
			t.Fatalf("answers: %v", codes)
		}
		e.wantBody("k", body)
	}
}

// TestPartDuringComplete uploads a part again while the upload is completed:
// the object is of the parts that were named, or it is not made.
func TestPartDuringComplete(t *testing.T) {
	e := newEnv(t, extended)
	for range 10 {
		id := e.create("k")
		old, other := []byte("the part that was named"), []byte("another")
		p := named{1, e.part("k", id, 1, old), ""}
		var wg sync.WaitGroup
		var again, done *resp
		wg.Go(func() { again = e.do(e.req("PUT", partTarget("k", id, 1), other...)) })
		wg.Go(func() { done = e.do(e.completeReq("k", id, p)) })
		wg.Wait()
		if again.StatusCode != 200 && again.err.Code != "NoSuchUpload" {
			t.Errorf("the part: %d %s", again.StatusCode, again.body)
		}
		switch done.err.Code {
		case "":
			if r := e.get("k").want(t, 200, ""); !bytes.Equal(r.body, old) || r.Header.Get("Etag") != partsETag(old) {
				t.Fatalf("the object holds %q with ETag %s", r.body, r.Header.Get("Etag"))
			}
		case "InvalidPart":
			e.complete(e.completeReq("k", id, named{1, quotedMD5(string(other)), ""}))
			e.wantBody("k", string(other))
		default:
			t.Errorf("complete: %d %s", done.StatusCode, done.body)
		}
	}
}

// TestAbortDuringPart aborts an upload while parts come in; nothing is left of
// it.
func TestAbortDuringPart(t *testing.T) {
	e := newEnv(t, extended)
	body := randomBody(300_000)
	for range 5 {
		id := e.create("k")
		var wg sync.WaitGroup
		for n := range 4 {
			wg.Go(func() {
				if r := e.do(e.req("PUT", partTarget("k", id, n+1), body...)); r.StatusCode != 200 && r.err.Code != "NoSuchUpload" {
					t.Errorf("part: %d %s", r.StatusCode, r.body)
				}
			})
		}
		wg.Go(func() { e.do(e.req("DELETE", path("k")+"?uploadId="+id)).want(t, 204, "") })
		wg.Wait()
		e.do(e.req("GET", path("k")+"?uploadId="+id)).want(t, 404, "NoSuchUpload")
	}
	e.wantGone("k")
	if len(e.uploads("").Upload) != 0 {
		t.Error("an aborted upload is listed")
	}
}
