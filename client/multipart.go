package client

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Part is one that an upload has.
type Part struct {
	Number int    `xml:"PartNumber"`
	Size   int64  `xml:"Size"`
	ETag   string `xml:"ETag"` // the MD5 in hex
}

// Upload is a multipart upload that is neither completed nor aborted.
type Upload struct {
	Key       string
	ID        string `xml:"UploadId"`
	Initiated time.Time
}

// Uploads walks the uploads in work of keys that begin with prefix.
func (b *Bucket) Uploads(ctx context.Context, prefix string) iter.Seq2[Upload, error] {
	return func(yield func(Upload, error) bool) {
		q := url.Values{"uploads": {""}, "prefix": {prefix}, "encoding-type": {"url"}}
		for {
			var doc struct {
				Uploads            []Upload `xml:"Upload"`
				EncodingType       string
				IsTruncated        bool
				NextKeyMarker      string
				NextUploadIDMarker string `xml:"NextUploadIdMarker"`
			}
			err := b.do(ctx, s3call{method: http.MethodGet, query: q}, func(res *http.Response) error { return readXML(res, &doc) })
			decode := func(s string) string {
				if doc.EncodingType != "url" || err != nil {
					return s
				}
				s, err = url.PathUnescape(s)
				return s
			}
			next := decode(doc.NextKeyMarker)
			if err == nil && doc.IsTruncated && next == q.Get("key-marker") && doc.NextUploadIDMarker == q.Get("upload-id-marker") {
				err = errRepeats
			}
			for _, u := range doc.Uploads {
				if u.Key = decode(u.Key); err != nil {
					break
				}
				if !yield(u, nil) {
					return
				}
			}
			if err != nil {
				yield(Upload{}, err)
				return
			}
			if !doc.IsTruncated {
				return
			}
			q.Set("key-marker", next)
			q.Set("upload-id-marker", doc.NextUploadIDMarker)
		}
	}
}

// Parts walks the parts that an upload has, by number.
func (b *Bucket) Parts(ctx context.Context, key, upload string) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		q := url.Values{"uploadId": {upload}}
		for {
			var doc struct {
				Parts       []Part `xml:"Part"`
				IsTruncated bool
				Next        string `xml:"NextPartNumberMarker"`
			}
			err := b.do(ctx, s3call{method: http.MethodGet, key: key, query: q}, func(res *http.Response) error { return readXML(res, &doc) })
			if err == nil && doc.IsTruncated && doc.Next == q.Get("part-number-marker") {
				err = errRepeats
			}
			if err != nil {
				yield(Part{}, err)
				return
			}
			for _, p := range doc.Parts {
				p.ETag = unquote(p.ETag)
				if !yield(p, nil) {
					return
				}
			}
			if !doc.IsTruncated {
				return
			}
			q.Set("part-number-marker", doc.Next)
		}
	}
}

// Abort ends an upload and forgets its parts.
func (b *Bucket) Abort(ctx context.Context, key, upload string) error {
	err := b.do(ctx, s3call{method: http.MethodDelete, key: key, query: url.Values{"uploadId": {upload}}},
		func(*http.Response) error { return nil })
	if IsNotFound(err) {
		return nil
	}
	return err
}

// upload is a multipart upload that this client works on.
type upload struct {
	b    *Bucket
	key  string
	id   string
	o    *PutOptions
	have map[int]Part // of an upload that is continued

	mu   sync.Mutex
	sums map[int][md5.Size]byte // of parts that are there
	err  error
}

// begin makes an upload.
func (b *Bucket) begin(ctx context.Context, key string, o *PutOptions) (*upload, error) {
	var doc struct {
		UploadID string `xml:"UploadId"`
	}
	x := s3call{method: http.MethodPost, key: key, query: url.Values{"uploads": {""}}, header: o.header(), once: true}
	// The ETag of such a file tells nothing of its contents without the sizes
	// of the parts; this checksum does.
	x.header.Set("X-Amz-Checksum-Algorithm", "CRC64NVME")
	x.header.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	err := b.do(ctx, x, func(res *http.Response) error { return readXML(res, &doc) })
	return &upload{b: b, key: key, id: doc.UploadID, o: o, sums: map[int][md5.Size]byte{}}, err
}

// resume finds the newest upload of the key with its parts, or begins one.
func (b *Bucket) resume(ctx context.Context, key string, o *PutOptions) (*upload, error) {
	var newest Upload
	for u, err := range b.Uploads(ctx, key) {
		if err != nil {
			return nil, err
		}
		if u.Key == key && (newest.ID == "" || u.Initiated.After(newest.Initiated)) {
			newest = u
		}
	}
	if newest.ID == "" {
		return b.begin(ctx, key, o)
	}
	u := &upload{b: b, key: key, id: newest.ID, o: o, sums: map[int][md5.Size]byte{}, have: map[int]Part{}}
	for p, err := range b.Parts(ctx, key, newest.ID) {
		if err != nil {
			if CodeOf(err) == "NoSuchUpload" { // it ended just now
				return b.begin(ctx, key, o)
			}
			return nil, err
		}
		u.have[p.Number] = p
	}
	return u, nil
}

// put sends one part, unless the upload has it.
func (u *upload) put(ctx context.Context, n int, r io.ReaderAt, off, size int64) error {
	if p, ok := u.have[n]; ok && p.Size == size {
		sum, err := sumOf(r, off, size)
		if err != nil {
			return err
		}
		if p.ETag == hex.EncodeToString(sum[:]) {
			u.o.Progress(size)
			u.done(n, sum)
			return nil
		}
	}
	x := s3call{method: http.MethodPut, key: u.key, header: http.Header{},
		query: url.Values{"uploadId": {u.id}, "partNumber": {strconv.Itoa(n)}}}
	etag, err := u.b.sendBody(ctx, x, r, off, size, u.o)
	if err != nil {
		return err
	}
	sum, _ := MD5ETag(etag) // sendBody has compared it
	u.done(n, sum)
	return nil
}

func (u *upload) done(n int, sum [md5.Size]byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sums[n] = sum
}

func (u *upload) fail(err error, cancel context.CancelFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = err
	}
	cancel()
}

// putParts stores a file in parts.
func (b *Bucket) putParts(ctx context.Context, key string, r io.ReaderAt, size int64, o *PutOptions) (etag string, err error) {
	start := b.begin
	if o.Resume {
		start = b.resume
	}
	u, err := start(ctx, key, o)
	if err != nil {
		return "", err
	}
	parts := int((size + o.PartSize - 1) / o.PartSize)
	numbers := make(chan int)
	u.work(ctx, func(ctx context.Context) {
		defer close(numbers)
		for n := 1; n <= parts; n++ {
			select {
			case numbers <- n:
			case <-ctx.Done():
				return
			}
		}
	}, func(ctx context.Context) error {
		for n := range numbers {
			off := int64(n-1) * o.PartSize
			if err := u.put(ctx, n, r, off, min(o.PartSize, size-off)); err != nil {
				return err
			}
		}
		return nil
	})
	return u.finish(ctx, parts)
}

// putStream stores in parts what comes in order; first is the first part.
func (b *Bucket) putStream(ctx context.Context, key string, first []byte, r io.Reader, o *PutOptions) (etag string, err error) {
	o.Resume = false
	u, err := b.begin(ctx, key, o)
	if err != nil {
		return "", err
	}
	type part struct {
		n    int
		data []byte
	}
	parts := make(chan part)
	count := 0
	u.work(ctx, func(ctx context.Context) {
		defer close(parts)
		size, data := o.PartSize, first
		for last := false; !last; {
			count++
			select {
			case parts <- part{count, data}:
			case <-ctx.Done():
				return
			}
			if count%(maxParts/10) == 0 { // so that 10,000 parts hold whatever comes
				size = min(2*size, maxPartSize)
			}
			var err error
			if data, err = readPart(r, size); err != nil {
				u.fail(err, func() {})
				return
			}
			last = len(data) == 0
		}
	}, func(ctx context.Context) error {
		for p := range parts {
			if err := u.put(ctx, p.n, bytesAt(p.data), 0, int64(len(p.data))); err != nil {
				return err
			}
		}
		return nil
	})
	return u.finish(ctx, count)
}

// work runs the one that hands out parts, and as many workers as there shall
// be; the first error ends all.
func (u *upload) work(ctx context.Context, feed func(context.Context), worker func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { feed(ctx) })
	for range u.o.Parallel {
		wg.Go(func() {
			if err := worker(ctx); err != nil {
				u.fail(err, cancel)
			}
		})
	}
	wg.Wait()
}

// finish completes the upload, or gives it up.
func (u *upload) finish(ctx context.Context, parts int) (etag string, err error) {
	if err = u.err; err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if etag, err = u.complete(ctx, parts); err == nil {
			return etag, nil
		}
	}
	if !u.o.Resume {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = u.b.Abort(clean, u.key, u.id) // else it expires by itself
	}
	return "", err
}

type completeDoc struct {
	XMLName xml.Name       `xml:"CompleteMultipartUpload"`
	Parts   []completePart `xml:"Part"`
}

type completePart struct {
	PartNumber int
	ETag       string
}

// complete makes the file of the parts. It is not repeated; if its answer is
// lost, the file's ETag tells whether it was done.
func (u *upload) complete(ctx context.Context, parts int) (etag string, err error) {
	var doc completeDoc
	sums := make([][md5.Size]byte, parts)
	for i := range sums {
		sums[i] = u.sums[i+1]
		doc.Parts = append(doc.Parts, completePart{i + 1, `"` + hex.EncodeToString(sums[i][:]) + `"`})
	}
	body, err := xml.Marshal(doc)
	if err != nil {
		return "", err
	}
	h := http.Header{"Content-Type": {"application/xml"}}
	u.o.conditions(h)
	x := s3call{method: http.MethodPost, key: u.key, query: url.Values{"uploadId": {u.id}}, header: h, body: bytesBody(body), once: true}
	var res struct{ ETag string }
	err = u.b.do(ctx, x, func(r *http.Response) error { return readXML(r, &res) })
	want := PartsETag(sums)
	if err != nil && StatusOf(err) == 0 && ctx.Err() == nil {
		if o, headErr := u.b.Head(ctx, u.key); headErr == nil && o.ETag == want {
			return want, nil
		}
	}
	if err == nil && unquote(res.ETag) != want {
		err = fmt.Errorf("%s: %w", u.key, ErrChecksum)
	}
	return want, err
}

// bytesAt reads a slice.
type bytesAt []byte

func (b bytesAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
