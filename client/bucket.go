package client

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Bucket is a disk, a branch or a checkpoint as the S3 API shows it: keys are
// the paths of its files. It may be used by any number of goroutines.
type Bucket struct {
	c    *Client
	name string
	base string // URL, without a slash at the end
}

// Bucket opens the files of an address: dsk-…, dsk-….BRANCH or
// dsk-….BRANCH.CHECKPOINT. It asks the server for its S3 endpoint the first
// time, and does not look whether the address exists.
func (c *Client) Bucket(ctx context.Context, address string) (*Bucket, error) {
	c.s3mu.Lock()
	defer c.s3mu.Unlock()
	if c.s3 == "" {
		s, err := c.Server(ctx)
		if err != nil {
			return nil, err
		}
		if c.s3, err = cleanURL(s.S3Endpoint); err != nil {
			return nil, fmt.Errorf("the server's S3 endpoint %q is no URL", s.S3Endpoint)
		}
	}
	return &Bucket{c: c, name: address, base: c.s3 + "/" + escapeSegment(address)}, nil
}

// Name is the bucket's.
func (b *Bucket) Name() string { return b.name }

// Object is what is known of a file without its contents.
type Object struct {
	Key         string            `json:"key"`
	Size        int64             `json:"size"`
	ETag        string            `json:"etag"` // without quotes; changes with the contents
	Modified    time.Time         `json:"modified"`
	ContentType string            `json:"contentType,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"` // names in lower case
}

// escapeKey writes a key as a URL's path: everything that is not unreserved
// is percent-encoded, so that no client or proxy on the way changes it.
func escapeKey(key string) string {
	var out strings.Builder
	for i, seg := range strings.Split(key, "/") {
		if i > 0 {
			out.WriteByte('/')
		}
		out.WriteString(escapeSegment(seg))
	}
	return out.String()
}

const upperHex = "0123456789ABCDEF"

func escapeSegment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			out.WriteByte(c)
		default:
			out.WriteByte('%')
			out.WriteByte(upperHex[c>>4])
			out.WriteByte(upperHex[c&15])
		}
	}
	return out.String()
}

// s3call is one request of the S3 API.
type s3call struct {
	method string
	key    string
	query  url.Values
	header http.Header
	body   func() (r io.Reader, size int64, err error) // anew for each attempt; nil: none
	once   bool                                        // it must not be carried out twice
	stream bool                                        // use owns the body of the answer
}

// do makes a request. use reads an answer of success.
func (b *Bucket) do(ctx context.Context, x s3call, use func(*http.Response) error) error {
	target := b.base
	if x.key != "" {
		target += "/" + escapeKey(x.key)
	}
	if len(x.query) > 0 {
		target += "?" + strings.ReplaceAll(x.query.Encode(), "+", "%20")
	}
	build := func() (*http.Request, error) {
		var r io.Reader
		var size int64
		if x.body != nil {
			var err error
			if r, size, err = x.body(); err != nil {
				return nil, err
			}
		}
		req, err := http.NewRequestWithContext(ctx, x.method, target, r)
		if err != nil {
			return nil, err
		}
		req.ContentLength = size
		if r != nil && size == 0 {
			req.Body = http.NoBody
		}
		for name, v := range x.header {
			req.Header[name] = v
		}
		// Else net/http would ask for gzip, and unpack what is stored packed.
		req.Header.Set("Accept-Encoding", "identity")
		return req, nil
	}
	return b.c.send(ctx, build, x.once, func(res *http.Response) error {
		if res.StatusCode/100 != 2 {
			defer res.Body.Close()
			return s3Error(res)
		}
		if x.stream {
			return use(res)
		}
		defer res.Body.Close()
		return use(res)
	})
}

// s3Error reads the error of an answer. Answers to HEAD have no body.
func s3Error(res *http.Response) error {
	e := &Error{Status: res.StatusCode, retryAfter: res.Header.Get("Retry-After")}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return &brokenError{err}
	}
	e.Code, e.Message = parseS3Error(body)
	if e.Code == "" {
		e.Code = strings.ReplaceAll(http.StatusText(e.Status), " ", "")
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the S3 API answered with status %d (%s)", e.Status, http.StatusText(e.Status))
	}
	return e
}

func parseS3Error(body []byte) (code, message string) {
	var doc struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	if xml.Unmarshal(body, &doc) != nil {
		return "", ""
	}
	return doc.Code, doc.Message
}

// readXML reads an answer's document. An <Error> may come with status 200,
// when work went on after the status was sent.
func readXML(res *http.Response, out any) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return &brokenError{err}
	}
	if code, message := parseS3Error(body); code != "" {
		return &Error{Status: http.StatusInternalServerError, Code: code, Message: message}
	}
	if err := xml.Unmarshal(bytes.TrimSpace(body), out); err != nil {
		return fmt.Errorf("read the S3 API's answer: %w", err)
	}
	return nil
}

// objectOf reads an answer's headers.
func objectOf(key string, res *http.Response) Object {
	h := res.Header
	o := Object{Key: key, Size: res.ContentLength, ETag: unquote(h.Get("ETag")), ContentType: h.Get("Content-Type")}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		o.Modified = t
	}
	for name, v := range h {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			if o.Metadata == nil {
				o.Metadata = map[string]string{}
			}
			o.Metadata[rest] = strings.Join(v, ",")
		}
	}
	return o
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }

// Head tells what is known of a file. An Error of status 404: there is none.
func (b *Bucket) Head(ctx context.Context, key string) (o Object, err error) {
	err = b.do(ctx, s3call{method: http.MethodHead, key: key}, func(res *http.Response) error {
		o = objectOf(key, res)
		return nil
	})
	return o, err
}

// Delete removes a file or, if the key ends in '/', an empty directory. What
// is not there needs no deleting.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := b.do(ctx, s3call{method: http.MethodDelete, key: key}, func(*http.Response) error { return nil })
	if IsNotFound(err) && CodeOf(err) != "NoSuchBucket" {
		return nil
	}
	return err
}

// Copy makes a file of this bucket from one of from, which may be the same;
// nothing is sent through the client.
func (b *Bucket) Copy(ctx context.Context, key string, from *Bucket, fromKey string) (o Object, err error) {
	h := http.Header{"X-Amz-Copy-Source": {"/" + escapeSegment(from.name) + "/" + escapeKey(fromKey)}}
	var doc struct {
		ETag         string
		LastModified time.Time
	}
	err = b.do(ctx, s3call{method: http.MethodPut, key: key, header: h}, func(res *http.Response) error {
		return readXML(res, &doc)
	})
	return Object{Key: key, ETag: unquote(doc.ETag), Modified: doc.LastModified}, err
}

// MaxAppend is the most that one Append takes, in bytes.
const MaxAppend = 1 << 20

// Append adds at most MaxAppend bytes to the end of a file, or makes it. It
// is atomic, and not repeated if its answer is lost.
func (b *Bucket) Append(ctx context.Context, key string, data []byte) (etag string, err error) {
	x := s3call{method: http.MethodPut, key: key, query: url.Values{"append": {"true"}}, once: true,
		header: http.Header{"Content-Md5": {md5Base64(data)}}, body: bytesBody(data)}
	err = b.do(ctx, x, func(res *http.Response) error {
		etag = unquote(res.Header.Get("ETag"))
		return nil
	})
	return etag, err
}

func bytesBody(data []byte) func() (io.Reader, int64, error) {
	return func() (io.Reader, int64, error) { return bytes.NewReader(data), int64(len(data)), nil }
}
