package fileserve

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"atoll/internal/contenttype"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/objmeta"
)

// DefaultStall is the default of Options.Stall.
const DefaultStall = time.Minute

// Options of Serve. The zero value serves.
type Options struct {
	CacheControl string        // header; "": "private, no-cache"
	Stall        time.Duration // a client may take so long for each 4 MiB; 0: DefaultStall
	Rand         io.Reader     // draws boundaries of parts; nil: crypto/rand
}

// Unsatisfiable is the error of a range that is beyond the file: status 416.
// The header Content-Range is set.
type Unsatisfiable struct{ Size int64 }

func (*Unsatisfiable) Error() string { return "the range is not within the file" }

// Serve answers GET and HEAD of the file that path leads to, following links.
//
// Until something was written errors come back for the caller to answer:
// NotFound (also for what is no file), Precondition, *Unsatisfiable, and the
// core's. An error after the status was written cuts the answer short; the
// caller must not write more.
func Serve(w http.ResponseWriter, r *http.Request, v *disk.View, path string, o Options) error {
	if err := disk.CheckPath(path); err != nil || disk.IsReserved(path) {
		return errs.E("serve", path, errs.NotFound, err)
	}
	if o.CacheControl == "" {
		o.CacheControl = "private, no-cache"
	}
	if o.Stall == 0 {
		o.Stall = DefaultStall
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	p := &plan{r: r, head: r.Method == http.MethodHead, ext: contenttype.ByName(path)}
	obj, err := v.Open(r.Context(), path, p.pick)
	if err != nil {
		return gone(err)
	}
	defer obj.Close()
	if p.err != nil {
		var beyond *Unsatisfiable
		if errors.As(p.err, &beyond) {
			w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(beyond.Size, 10))
		}
		return p.err
	}
	typ, err := p.contentType(obj)
	if err != nil {
		return err
	}
	a := &answer{w: w, o: &o, p: p, obj: obj, typ: typ}
	return a.write(path[strings.LastIndexByte(path, '/')+1:])
}

// gone makes NotFound of what keeps a path from leading to a file.
func gone(err error) error {
	switch errs.KindOf(err) {
	case errs.NotDir, errs.Loop, errs.LeavesDisk, errs.IsDir, errs.Reserved, errs.NameTooLong:
		return errs.E("serve", "", errs.NotFound, nil)
	}
	return err
}

// plan is what a request comes to, decided in the snapshot that is served.
type plan struct {
	r    *http.Request
	head bool
	ext  string // Content-Type by the name's extension

	err    error
	status int // 200, 206, 304
	etag   string
	meta   objmeta.Content
	ranges []disk.Range // of a 206
	sniff  bool         // the first bytes are to be looked at
}

// pick is disk.View.Open's callback; it may run several times.
func (p *plan) pick(a *disk.Attr) []disk.Range {
	*p = plan{r: p.r, head: p.head, ext: p.ext}
	if a.Type != disk.File {
		p.err = errs.E("serve", "", errs.NotFound, nil)
		return nil
	}
	p.etag = string(objmeta.AppendETag(nil, a))
	if p.meta, p.err = objmeta.ParseContent(a.ContentMeta); p.err != nil {
		return nil
	}
	if p.status = p.conditions(a.Mtime); p.status == http.StatusPreconditionFailed {
		p.err = errs.New("serve", "", errs.Precondition, "the file is not the one that the request's conditions name")
		return nil
	}
	if p.status == http.StatusNotModified {
		return nil
	}
	send := []disk.Range{{Len: a.Size}}
	if h := p.r.Header.Get("Range"); h != "" && p.ifRange(a.Mtime) {
		ranges, ok := parseRanges(h, a.Size)
		if !ok {
			p.err = &Unsatisfiable{a.Size}
			return nil
		}
		if len(ranges) > 0 {
			p.status, p.ranges, send = http.StatusPartialContent, ranges, ranges
		}
	}
	if p.head {
		send = nil
	}
	if p.sniff = p.ext == "" && p.meta.Sniffed == ""; p.sniff {
		send = append([]disk.Range{{Len: min(a.Size, contenttype.SniffLen)}}, send...)
	}
	return union(send)
}

// conditions evaluates the request's in the order of RFC 9110, 13.2.2: 200,
// 304 or 412. Dates that don't parse are no conditions.
func (p *plan) conditions(mtime time.Time) int {
	h := p.r.Header
	mtime = mtime.Truncate(time.Second)
	if v := h["If-Match"]; v != nil {
		if !objmeta.MatchETag(strings.Join(v, ","), p.etag, false) {
			return http.StatusPreconditionFailed
		}
	} else if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && mtime.After(t) {
		return http.StatusPreconditionFailed
	}
	if v := h["If-None-Match"]; v != nil {
		if objmeta.MatchETag(strings.Join(v, ","), p.etag, true) {
			return http.StatusNotModified
		}
	} else if t, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil && !mtime.After(t) {
		return http.StatusNotModified
	}
	return http.StatusOK
}

// ifRange tells whether a Range header counts: an If-Range header that names
// another version makes it void.
func (p *plan) ifRange(mtime time.Time) bool {
	v := p.r.Header.Get("If-Range")
	if v == "" {
		return true
	}
	if t, err := http.ParseTime(v); err == nil {
		return mtime.Truncate(time.Second).Equal(t)
	}
	return v != "*" && objmeta.MatchETag(v, p.etag, false)
}

// contentType is the extension's type, else what the first bytes look like: as
// they looked when they were put, or as they look now.
func (p *plan) contentType(obj *disk.Object) (string, error) {
	switch {
	case p.ext != "":
		return p.ext, nil
	case !p.sniff:
		return p.meta.Sniffed, nil
	}
	var first [contenttype.SniffLen]byte
	n, err := obj.ReadAt(first[:], 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return contenttype.Sniff(first[:n]), nil
}
