package fileserve

import (
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// sendPiece is how much is sent before the client gets another Options.Stall,
// in bytes.
const sendPiece = disk.ChunkSize

// answer is an answer being written.
type answer struct {
	w   http.ResponseWriter
	o   *Options
	p   *plan
	obj *disk.Object
	typ string // Content-Type of the file
}

// write sends headers and body.
func (a *answer) write(name string) error {
	h := a.w.Header()
	h.Set("ETag", a.p.etag)
	h.Set("Last-Modified", a.obj.Attr.Mtime.UTC().Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	h.Set("Cache-Control", a.o.CacheControl)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if Runs(a.typ) {
		h.Set("Content-Security-Policy", "sandbox")
	}
	if a.p.status == http.StatusNotModified {
		a.w.WriteHeader(a.p.status)
		return nil
	}
	h.Set("Content-Disposition", Disposition(name))
	if a.p.meta.Encoding != "" {
		h.Set("Content-Encoding", a.p.meta.Encoding)
	}
	if len(a.p.ranges) > 1 {
		return a.writeParts()
	}
	rng := disk.Range{Len: a.obj.Attr.Size}
	if len(a.p.ranges) == 1 {
		rng = a.p.ranges[0]
		h.Set("Content-Range", a.contentRange(rng))
	}
	h.Set("Content-Type", a.typ)
	a.begin(rng.Len)
	if a.p.head {
		return nil
	}
	return a.send(rng)
}

// begin sends the headers of an answer with a body of n bytes.
func (a *answer) begin(n int64) {
	a.w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	a.extend()
	a.w.WriteHeader(a.p.status)
}

// extend gives the client more time. The wall clock, whatever clock was
// injected: the deadline is the kernel's. A writer without deadlines is a
// test's.
func (a *answer) extend() {
	_ = http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(a.o.Stall))
}

func (a *answer) contentRange(r disk.Range) string {
	return "bytes " + strconv.FormatInt(r.Off, 10) + "-" + strconv.FormatInt(r.Off+r.Len-1, 10) + "/" +
		strconv.FormatInt(a.obj.Attr.Size, 10)
}

// writeParts sends several ranges as multipart/byteranges, in the order in
// which they were asked for.
func (a *answer) writeParts() error {
	var random [16]byte
	if _, err := io.ReadFull(a.o.Rand, random[:]); err != nil {
		return errs.E("serve", "", errs.Other, err)
	}
	boundary := hex.EncodeToString(random[:])
	end := "\r\n--" + boundary + "--\r\n"
	total := int64(len(end))
	heads := make([]string, len(a.p.ranges))
	for i, r := range a.p.ranges {
		if i > 0 {
			heads[i] = "\r\n"
		}
		heads[i] += "--" + boundary + "\r\nContent-Type: " + a.typ + "\r\nContent-Range: " + a.contentRange(r) + "\r\n\r\n"
		total += int64(len(heads[i])) + r.Len
	}
	a.w.Header().Set("Content-Type", "multipart/byteranges; boundary="+boundary)
	a.begin(total)
	if a.p.head {
		return nil
	}
	for i, r := range a.p.ranges {
		if _, err := io.WriteString(a.w, heads[i]); err != nil {
			return cut(err)
		}
		if err := a.send(r); err != nil {
			return err
		}
	}
	_, err := io.WriteString(a.w, end)
	return cut(err)
}

// send writes a range of the file. The ResponseWriter goes to the core as it
// is: only so a large piece goes by sendfile.
func (a *answer) send(r disk.Range) error {
	for r.Len > 0 {
		piece := disk.Range{Off: r.Off, Len: min(r.Len, sendPiece)}
		if _, err := a.obj.WriteRange(a.w, piece); err != nil {
			return cut(err)
		}
		r.Off, r.Len = r.Off+piece.Len, r.Len-piece.Len
		if r.Len > 0 {
			a.extend()
		}
	}
	return nil
}

// cut tells a client that went away from a fault of the store.
func cut(err error) error {
	if err == nil || errs.KindOf(err) != errs.Other {
		return err
	}
	return errs.E("serve", "", errs.Canceled, err)
}
