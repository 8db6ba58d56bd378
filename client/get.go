package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// GetOptions of Get. The zero value reads the whole file.
type GetOptions struct {
	Offset int64
	Length int64 // 0: to the end

	// IfMatch is the ETag that the file must still have; else ErrChanged.
	IfMatch string

	// Have reads the Offset bytes that are there already, so that the file
	// can be verified as a whole.
	Have io.Reader
}

// Reader reads one version of a file, from the first byte to the last. If the
// connection breaks it continues at the byte where it broke off; if the file
// was replaced meanwhile, it fails with ErrChanged. A whole file is verified
// by the checksum that the server has of it: then the last Read fails with
// ErrChecksum if what came was damaged.
type Reader struct {
	Object Object // Size is that of the whole file

	b     *Bucket
	ctx   context.Context
	body  io.ReadCloser
	off   int64 // of the next byte
	end   int64
	have  io.Reader
	check *check
	err   error
	tries int // since bytes last came
}

// Get opens a file for reading. The caller closes the Reader.
func (b *Bucket) Get(ctx context.Context, key string, o GetOptions) (*Reader, error) {
	r := &Reader{b: b, ctx: ctx, off: o.Offset, have: o.Have, Object: Object{Key: key, ETag: o.IfMatch}, end: -1}
	if o.Length > 0 {
		r.end = o.Offset + o.Length
	}
	if err := r.open(true); err != nil {
		return nil, err
	}
	return r, nil
}

// Verified tells whether what is read is compared with a checksum at its end.
func (r *Reader) Verified() bool { return r.check != nil }

// open asks for the contents from r.off on.
func (r *Reader) open(first bool) error {
	h := http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}
	ranged := r.off > 0 || r.end >= 0
	if ranged {
		v := "bytes=" + strconv.FormatInt(r.off, 10) + "-"
		if r.end >= 0 {
			v += strconv.FormatInt(r.end-1, 10)
		}
		h.Set("Range", v)
	}
	if r.Object.ETag != "" {
		h.Set("If-Match", `"`+r.Object.ETag+`"`)
	}
	err := r.b.do(r.ctx, s3call{method: http.MethodGet, key: r.Object.Key, header: h, stream: true}, func(res *http.Response) error {
		if err := r.begin(res, first, ranged); err != nil {
			_ = res.Body.Close() // what it holds is not wanted
			return err
		}
		r.body = res.Body
		return nil
	})
	if StatusOf(err) == http.StatusPreconditionFailed {
		return fmt.Errorf("%s: %w", r.Object.Key, ErrChanged)
	}
	return err
}

// begin reads the headers of an answer.
func (r *Reader) begin(res *http.Response, first, ranged bool) error {
	if !first {
		if got := contentRange(res); res.StatusCode != http.StatusPartialContent || got.first != r.off {
			return errors.New("the server does not continue where the connection broke off")
		}
		return nil
	}
	o := objectOf(r.Object.Key, res)
	switch {
	case res.StatusCode == http.StatusPartialContent:
		got := contentRange(res)
		if got.first != r.off || got.size < 0 {
			return errors.New("the server answers with another range than was asked for")
		}
		o.Size, r.end = got.size, got.last+1
	case res.ContentLength < 0:
		return errors.New("the server does not tell the file's size")
	case ranged && (r.off > 0 || r.end < o.Size):
		return errors.New("the server passes over the range that was asked for")
	default:
		r.end = o.Size
	}
	r.Object = o
	if r.end != o.Size || r.off > 0 && r.have == nil {
		return nil
	}
	if r.check = checkOf(res.Header); r.check != nil && r.off > 0 {
		if _, err := io.CopyN(r.check.h, r.have, r.off); err != nil {
			return fmt.Errorf("read what is there of %s: %w", o.Key, err)
		}
	}
	return nil
}

type byteRange struct{ first, last, size int64 }

// contentRange parses `bytes 0-9/10`; all is -1 if it can't.
func contentRange(res *http.Response) byteRange {
	none := byteRange{-1, -1, -1}
	v, ok := strings.CutPrefix(res.Header.Get("Content-Range"), "bytes ")
	if !ok {
		return none
	}
	span, size, ok := strings.Cut(v, "/")
	first, last, ok2 := strings.Cut(span, "-")
	if !ok || !ok2 {
		return none
	}
	out := byteRange{}
	for _, f := range []struct {
		text string
		n    *int64
	}{{first, &out.first}, {last, &out.last}, {size, &out.size}} {
		n, err := strconv.ParseInt(f.text, 10, 64)
		if err != nil {
			return none
		}
		*f.n = n
	}
	return out
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.off == r.end {
		return 0, r.finish()
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.off)])
		if n > 0 {
			r.off += int64(n)
			r.tries = 0
			if r.check != nil {
				r.check.h.Write(p[:n])
			}
			return n, nil // what is amiss comes again
		}
		if err == nil {
			continue
		}
		if err := r.resume(err); err != nil {
			r.err = err
			return 0, err
		}
	}
}

// resume asks for the rest after the connection broke.
func (r *Reader) resume(cause error) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.tries >= max(r.b.c.o.Retries, 0) {
		return fmt.Errorf("the connection broke after %d bytes: %w", r.off, cause)
	}
	wait, _ := r.b.c.backoff(r.tries, cause)
	if err := r.b.c.o.Sleep(r.ctx, wait); err != nil {
		return err
	}
	r.tries++
	_ = r.body.Close() // it is broken
	return r.open(false)
}

func (r *Reader) finish() error {
	r.err = io.EOF
	if r.check != nil && !r.check.ok() {
		r.err = fmt.Errorf("%s: %w", r.Object.Key, ErrChecksum)
	}
	return r.err
}

// Close ends the reading.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = errors.New("read of a closed file")
	}
	return r.body.Close()
}
