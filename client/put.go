package client

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/minio/crc64nvme"
)

// PutOptions of Put and PutAt. The zero value makes or replaces a file.
type PutOptions struct {
	// Mode of a new file's permissions; nil: 0644. A file that is there
	// keeps its own.
	Mode *uint32
	// UID and GID own a new file, and folders that had to be made for it.
	UID, GID uint32

	ContentType string            // stored only as a hint; what is served comes from the key and the contents
	Metadata    map[string]string // kept with the file; names in lower case

	IfMatch string // the ETag that the file must have; else an Error of status 412
	IfNone  bool   // only if there is no file; else an Error of status 412

	PartSize int64 // 0: 16 MiB; grown so that 10,000 parts suffice
	Parallel int   // parts at a time; 0: 4

	// Resume continues an upload of this key that was interrupted, with
	// those of its parts that are the same; and leaves the parts if this one
	// is interrupted too. Of PutAt only.
	Resume bool
	// Progress is told how many bytes more were sent, or fewer if some must
	// be sent again. Calls may come at the same time.
	Progress func(delta int64)
}

// Limits of multipart uploads.
const (
	DefaultPartSize = 16 << 20
	minPartSize     = 5 << 20
	maxPartSize     = 5 << 30
	maxParts        = 10000
	defaultParallel = 4
)

func (o *PutOptions) ensureDefaults() {
	if o.PartSize <= 0 {
		o.PartSize = DefaultPartSize
	}
	o.PartSize = min(max(o.PartSize, minPartSize), maxPartSize)
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
}

// PartSizeFor is the size of the parts that a file of this size is uploaded
// in, if want (0: 16 MiB) is asked for: as much more, in whole MiB, as 10,000
// parts need.
func PartSizeFor(size, want int64) int64 {
	if want <= 0 {
		want = DefaultPartSize
	}
	need := (size + maxParts - 1) / maxParts
	need = (need + 1<<20 - 1) >> 20 << 20
	return max(want, need)
}

// header makes the headers of a PUT or of the begin of a multipart upload.
func (o *PutOptions) header() http.Header {
	h := http.Header{}
	if o.ContentType != "" {
		h.Set("Content-Type", o.ContentType)
	}
	if o.Mode != nil {
		h.Set("X-Archil-Mode", strconv.FormatUint(uint64(*o.Mode), 8))
	}
	if o.UID != 0 {
		h.Set("X-Archil-Uid", strconv.FormatUint(uint64(o.UID), 10))
	}
	if o.GID != 0 {
		h.Set("X-Archil-Gid", strconv.FormatUint(uint64(o.GID), 10))
	}
	for name, v := range o.Metadata {
		h.Set("X-Amz-Meta-"+name, v)
	}
	return h
}

// conditions adds those of the request that makes the file.
func (o *PutOptions) conditions(h http.Header) {
	if o.IfMatch != "" {
		h.Set("If-Match", `"`+o.IfMatch+`"`)
	}
	if o.IfNone {
		h.Set("If-None-Match", "*")
	}
}

// Put stores what r has until its end, and returns the file's ETag. What is
// larger than a part goes up in parts, several at a time, each of which waits
// in memory. Nothing is to be seen of it until all is there.
func (b *Bucket) Put(ctx context.Context, key string, r io.Reader, o PutOptions) (etag string, err error) {
	o.ensureDefaults()
	first, err := readPart(r, o.PartSize)
	if err != nil {
		return "", err
	}
	if int64(len(first)) < o.PartSize {
		return b.putOne(ctx, key, bytes.NewReader(first), int64(len(first)), &o)
	}
	return b.putStream(ctx, key, first, r, &o)
}

// PutAt stores size bytes of r, which may be read at several places at a
// time and more than once.
func (b *Bucket) PutAt(ctx context.Context, key string, r io.ReaderAt, size int64, o PutOptions) (etag string, err error) {
	o.ensureDefaults()
	o.PartSize = PartSizeFor(size, o.PartSize)
	if size <= o.PartSize {
		return b.putOne(ctx, key, r, size, &o)
	}
	etag, err = b.putParts(ctx, key, r, size, &o)
	if o.Resume && CodeOf(err) == "NoSuchUpload" {
		// Somebody else completed or ended the upload that was continued.
		o.Resume = false
		etag, err = b.putParts(ctx, key, r, size, &o)
	}
	return etag, err
}

// readPart reads up to n bytes; fewer only at the end.
func readPart(r io.Reader, n int64) ([]byte, error) {
	var buf bytes.Buffer
	_, err := io.CopyN(&buf, r, n)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return buf.Bytes(), err
}

// sumOf is the MD5 of a section, read once for it; others are fed too.
func sumOf(r io.ReaderAt, off, n int64, others ...io.Writer) (sum [md5.Size]byte, err error) {
	h := md5.New()
	got, err := io.Copy(io.MultiWriter(append(others, h)...), io.NewSectionReader(r, off, n))
	if err == nil && got != n {
		err = fmt.Errorf("%w: it became shorter", ErrChanged)
	}
	h.Sum(sum[:0])
	return sum, err
}

// putOne stores a file by one PUT.
func (b *Bucket) putOne(ctx context.Context, key string, r io.ReaderAt, size int64, o *PutOptions) (etag string, err error) {
	h := o.header()
	o.conditions(h)
	return b.sendBody(ctx, s3call{method: http.MethodPut, key: key, header: h}, r, 0, size, o)
}

// sendBody sends a section as a request's body, with its MD5, and verifies
// the ETag of the answer by it.
func (b *Bucket) sendBody(ctx context.Context, x s3call, r io.ReaderAt, off, size int64, o *PutOptions) (etag string, err error) {
	crc := crc64nvme.New()
	sum, err := sumOf(r, off, size, crc)
	if err != nil {
		return "", err
	}
	x.header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	if x.query != nil { // a part: the server makes the whole file's of the parts'
		x.header.Set("X-Amz-Checksum-Crc64nvme", base64.StdEncoding.EncodeToString(crc.Sum(nil)))
	}
	var sent *counted
	x.body = func() (io.Reader, int64, error) {
		if sent != nil {
			sent.takeBack()
		}
		sent = &counted{r: io.NewSectionReader(r, off, size), progress: o.Progress}
		return sent, size, nil
	}
	err = b.do(ctx, x, func(res *http.Response) error {
		etag = unquote(res.Header.Get("ETag"))
		return nil
	})
	if err == nil && etag != hex.EncodeToString(sum[:]) {
		err = fmt.Errorf("%s: %w", x.key, ErrChecksum)
	}
	if err != nil && sent != nil {
		sent.takeBack()
	}
	return etag, err
}

// MakeDir makes a directory, and those above it. If it is there, nothing
// changes.
func (b *Bucket) MakeDir(ctx context.Context, key string, o PutOptions) error {
	if key == "" || key[len(key)-1] != '/' {
		key += "/"
	}
	x := s3call{method: http.MethodPut, key: key, header: o.header(), body: bytesBody(nil)}
	return b.do(ctx, x, func(*http.Response) error { return nil })
}
