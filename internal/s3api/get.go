package s3api

import (
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"

	"atoll/internal/byterange"
	"atoll/internal/contenttype"
	"atoll/internal/disk"
	"atoll/internal/objmeta"
)

// sendPiece is how much of an object is sent before the client gets another
// StallTimeout, in bytes.
const sendPiece = disk.ChunkSize

// readPlan is what a GET or HEAD decides in the snapshot that it reads: the
// conditions, the range and whether the contents must be looked at.
type readPlan struct {
	q    *request
	dir  bool   // the key ends in a slash
	head bool   // HEAD: no contents
	ext  string // Content-Type by the key's extension

	status int    // 200, 206, 304, 404, 412, 416
	failed string // header of a 412
	etag   string
	rng    disk.Range
	sniff  bool // the first bytes are picked for sniffing
	meta   contentMeta
	err    error

	ranges [2]disk.Range
}

// pick is disk.View.Open's callback; it may run several times.
func (p *readPlan) pick(a *disk.Attr) []disk.Range {
	p.sniff, p.failed, p.err, p.meta = false, "", nil, contentMeta{}
	p.status, p.rng = http.StatusNotFound, disk.Range{}
	if p.dir != a.IsDir() || a.Type != disk.File && a.Type != disk.Dir {
		return nil
	}
	q := p.q
	q.buf = objmeta.AppendETag(q.buf[:0], a)
	p.etag = string(q.buf)
	size := objectSize(a)
	if p.status, p.failed = q.checkRead(p.etag, a.Mtime); p.status != http.StatusOK {
		return nil
	}
	p.rng = disk.Range{Len: size}
	if h := q.get("Range"); h != "" && q.ifRange(p.etag, a.Mtime) {
		switch rng, res := parseRange(h, size); res {
		case rangeUnsatisfiable:
			p.status = http.StatusRequestedRangeNotSatisfiable
			return nil
		case rangePart:
			p.status, p.rng = http.StatusPartialContent, rng
		}
	}
	if p.meta, p.err = parseContentMeta(a.ContentMeta); p.err != nil || p.dir {
		return nil
	}
	out := p.ranges[:0]
	if !p.head && p.rng.Len > 0 {
		out = append(out, p.rng)
	}
	if p.ext == "" && p.meta.sniffed == "" {
		p.sniff = true
		if n := min(size, contenttype.SniffLen); n > 0 && (p.head || p.rng.Off > 0 || p.rng.Len < n) {
			out = append(out, disk.Range{Len: n})
		}
	}
	return out
}

// objectSize is a file's size; directories are empty objects.
func objectSize(a *disk.Attr) int64 {
	if a.IsDir() {
		return 0
	}
	return a.Size
}

// getObject answers GET and HEAD of an object: the same up to the body.
func (h *Handler) getObject(q *request) error {
	path, dir, err := readPath(q.key)
	if err != nil {
		return err
	}
	if err := q.checkGet(); err != nil {
		return err
	}
	p := &q.read
	*p = readPlan{q: q, dir: dir, head: q.op == OpHeadObject, ext: contenttype.ByName(q.key)}
	obj, err := q.view.Open(q.ctx, path, p.pick)
	if err != nil {
		return err
	}
	defer obj.Close()
	if p.err != nil {
		return p.err
	}
	switch p.status {
	case http.StatusNotFound:
		return errNoKey
	case http.StatusPreconditionFailed:
		return preconditionFailed(p.failed)
	case http.StatusRequestedRangeNotSatisfiable:
		return q.unsatisfiable(objectSize(&obj.Attr))
	}
	if err := q.objectHeaders(p, obj); err != nil {
		return err
	}
	q.writeHeader(p.status)
	if p.head || p.status == http.StatusNotModified {
		return nil
	}
	q.send(obj, p.rng)
	return nil
}

// checkGet refuses what a GET can't do.
func (q *request) checkGet() error {
	for name := range q.r.Header {
		if strings.HasPrefix(name, "X-Amz-Server-Side-Encryption-Customer-") {
			return errSSEC
		}
	}
	if v, ok := q.param("partNumber"); ok {
		n, ok := byterange.Digits(v)
		switch {
		case !ok || n < 1 || n > 10000:
			return badArgument("Part number must be an integer between 1 and 10000, inclusive")
		case n > 1:
			return &apiError{Status: 416, Code: "InvalidPartNumber",
				Message: "The requested partnumber is not satisfiable: every object has one part."}
		}
	}
	return nil
}

func (q *request) unsatisfiable(size int64) error {
	q.set("Content-Range", "bytes */"+itoa(size))
	return &apiError{Status: http.StatusRequestedRangeNotSatisfiable, Code: "InvalidRange",
		Message: "The requested range is not satisfiable",
		Fields:  []field{{"RangeRequested", q.get("Range")}, {"ActualObjectSize", itoa(size)}}}
}

// objectHeaders sets the headers of a 200, 206 or 304.
func (q *request) objectHeaders(p *readPlan, obj *disk.Object) error {
	a := &obj.Attr
	q.set("Etag", p.etag)
	size := objectSize(a)
	// One string holds what has to be built.
	b := a.Mtime.UTC().AppendFormat(q.buf[:0], http.TimeFormat)
	modified := len(b)
	b = strconv.AppendInt(b, p.rng.Len, 10)
	length := len(b)
	if p.status == http.StatusPartialContent {
		b = append(b, "bytes "...)
		b = strconv.AppendInt(b, p.rng.Off, 10)
		b = append(b, '-')
		b = strconv.AppendInt(b, p.rng.Off+p.rng.Len-1, 10)
		b = append(b, '/')
		b = strconv.AppendInt(b, size, 10)
	}
	q.buf = b
	s := string(b)
	q.set("Last-Modified", s[:modified])
	if p.status != http.StatusNotModified {
		q.set("Content-Length", s[modified:length])
		contentType, err := contentType(p, obj)
		if err != nil {
			return err
		}
		q.set("Content-Type", contentType)
	}
	if length < len(s) {
		q.set("Content-Range", s[length:])
	}
	if p.meta.encoding != "" {
		q.set("Content-Encoding", p.meta.encoding)
	}
	if p.meta.alg != sumNone && p.status == http.StatusOK && strings.EqualFold(q.get("X-Amz-Checksum-Mode"), "ENABLED") {
		q.setChecksum(p.meta.alg, p.meta.sum, p.meta.parts)
	}
	if len(a.Meta) > 0 {
		if err := q.setMeta(a.Meta); err != nil {
			return err
		}
	}
	if len(q.query) > 0 {
		return q.overrides()
	}
	return nil
}

// setChecksum sets the headers of a checksum: of the contents, or of the
// digests of so many parts.
func (q *request) setChecksum(alg checksumAlg, raw string, parts int) {
	q.set(sums[alg].header, sumText(raw, parts))
	q.set("X-Amz-Checksum-Type", sumType(parts > 0))
}

// sumText is how S3 writes a checksum.
func sumText(raw string, parts int) string {
	s := base64.StdEncoding.EncodeToString([]byte(raw))
	if parts > 0 {
		s += "-" + itoa(int64(parts))
	}
	return s
}

func sumType(composite bool) string {
	if composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// contentType is the extension's type, else what the first bytes look like:
// as they looked when they were put, or as they look now.
func contentType(p *readPlan, obj *disk.Object) (string, error) {
	switch {
	case p.dir:
		return contenttype.Dir, nil
	case p.ext != "":
		return p.ext, nil
	case !p.sniff:
		return p.meta.sniffed, nil
	}
	var first [contenttype.SniffLen]byte
	n, err := obj.ReadAt(first[:], 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return contenttype.Sniff(first[:n]), nil
}

// send writes the body. The response writer goes to the core as it is: only
// so a large piece goes by sendfile.
func (q *request) send(obj *disk.Object, r disk.Range) {
	for r.Len > 0 {
		piece := disk.Range{Off: r.Off, Len: min(r.Len, sendPiece)}
		n, err := obj.WriteRange(q.w, piece)
		q.out += n
		if err != nil {
			q.cutOff(err)
			return
		}
		r.Off, r.Len = r.Off+piece.Len, r.Len-piece.Len
		if r.Len > 0 {
			q.extendWrite()
		}
	}
}
