package client

import (
	"context"
	"encoding/xml"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ListOptions of List. The zero value lists all files.
type ListOptions struct {
	Prefix     string
	StartAfter string // only keys after it
	// Folders gives each directory right below the prefix as one entry,
	// instead of what is in it.
	Folders  bool
	PageSize int // keys a request; 0: the server's 1000
}

// Entry is one of a listing.
type Entry struct {
	Object
	// Folder tells that it stands for a directory; Key ends in '/', and
	// nothing else is known of it.
	Folder bool `json:"folder,omitempty"`
}

type listResult struct {
	Contents []struct {
		Key          string
		Size         int64
		ETag         string
		LastModified time.Time
	}
	CommonPrefixes []struct{ Prefix string }
	IsTruncated    bool
	NextToken      string `xml:"NextContinuationToken"`
}

// List walks a bucket's keys in S3's order, which is that of their bytes.
func (b *Bucket) List(ctx context.Context, o ListOptions) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		// Encoded, since XML has no way to write some bytes that names may have.
		q := url.Values{"list-type": {"2"}, "encoding-type": {"url"}}
		for name, v := range map[string]string{"prefix": o.Prefix, "start-after": o.StartAfter} {
			if v != "" {
				q.Set(name, v)
			}
		}
		if o.Folders {
			q.Set("delimiter", "/")
		}
		if o.PageSize > 0 {
			q.Set("max-keys", strconv.Itoa(o.PageSize))
		}
		for {
			page, next, err := b.page(ctx, q)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			q.Set("continuation-token", next)
		}
	}
}

// page asks for one page, and puts its keys and folders in one order.
func (b *Bucket) page(ctx context.Context, q url.Values) (out []Entry, next string, err error) {
	var doc listResult
	err = b.do(ctx, s3call{method: http.MethodGet, query: q}, func(res *http.Response) error {
		doc = listResult{}
		return readXML(res, &doc)
	})
	if err != nil {
		return nil, "", err
	}
	for _, c := range doc.Contents {
		key, err := url.PathUnescape(c.Key)
		if err != nil {
			return nil, "", fmt.Errorf("read the listing: %w", err)
		}
		out = append(out, Entry{Object: Object{Key: key, Size: c.Size, ETag: unquote(c.ETag), Modified: c.LastModified}})
	}
	for _, p := range doc.CommonPrefixes {
		key, err := url.PathUnescape(p.Prefix)
		if err != nil {
			return nil, "", fmt.Errorf("read the listing: %w", err)
		}
		out = append(out, Entry{Object: Object{Key: key}, Folder: true})
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	if doc.IsTruncated {
		if next = doc.NextToken; next == "" || next == q.Get("continuation-token") {
			return nil, "", errRepeats
		}
	}
	return out, next, nil
}

// maxDelete is how many keys one request deletes.
const maxDelete = 1000

// DeleteError is why DeleteMany could not delete a key.
type DeleteError struct {
	Key, Code, Message string
}

func (e *DeleteError) Error() string { return e.Key + ": " + e.Message }

type deleteDoc struct {
	XMLName xml.Name       `xml:"Delete"`
	Objects []deleteObject `xml:"Object"`
	Quiet   bool
}

type deleteObject struct{ Key string }

// DeleteMany removes files, and empty directories whose keys end in '/', a
// thousand a request. failed tells which could not be.
func (b *Bucket) DeleteMany(ctx context.Context, keys []string) (failed []DeleteError, err error) {
	for part := range slices.Chunk(keys, maxDelete) {
		doc := deleteDoc{Quiet: true}
		var alone []string
		for _, k := range part {
			if xmlCarries(k) {
				doc.Objects = append(doc.Objects, deleteObject{k})
			} else {
				alone = append(alone, k)
			}
		}
		if len(doc.Objects) > 0 {
			f, err := b.deletePage(ctx, doc)
			if err != nil {
				return failed, err
			}
			failed = append(failed, f...)
		}
		for _, k := range alone {
			if err := b.Delete(ctx, k); err != nil {
				if CodeOf(err) == "" {
					return failed, err
				}
				failed = append(failed, DeleteError{k, CodeOf(err), err.Error()})
			}
		}
	}
	return failed, nil
}

func (b *Bucket) deletePage(ctx context.Context, doc deleteDoc) ([]DeleteError, error) {
	body, err := xml.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var res struct {
		Errors []DeleteError `xml:"Error"`
	}
	x := s3call{method: http.MethodPost, query: url.Values{"delete": {""}}, body: bytesBody(body),
		header: http.Header{"Content-Md5": {md5Base64(body)}, "Content-Type": {"application/xml"}}}
	err = b.do(ctx, x, func(r *http.Response) error {
		res.Errors = nil
		return readXML(r, &res)
	})
	return res.Errors, err
}

// xmlCarries tells whether an XML document can hold a key as it is: some
// bytes can't be written in one, and readers trim spaces at the ends.
func xmlCarries(key string) bool {
	if strings.TrimSpace(key) != key || strings.ToValidUTF8(key, "") != key {
		return false
	}
	return strings.IndexFunc(key, func(r rune) bool {
		return r < ' ' || r == '\uFFFD' || r == '\uFFFE' || r == '\uFFFF'
	}) < 0
}
