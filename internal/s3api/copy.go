package s3api

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"atoll/internal/byterange"
	"atoll/internal/disk"
	"atoll/internal/objmeta"
)

var (
	errCopyItself = badRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata. " +
		"Set x-amz-metadata-directive: REPLACE.")
	errCopyBody     = badRequest("A copy is made of its source and can't have a body.")
	errCopyDir      = badRequest("A directory (a key that ends in '/') can be copied to a directory only, and a file to a file.")
	errCopyTooLarge = badRequest("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120. " +
		"Copy it in parts (UploadPartCopy).")
	errChanged  = errors.New("the source was changed meanwhile")
	errCopyBusy = &apiError{Status: http.StatusConflict, Code: "OperationAborted",
		Message: "The source of the copy is being changed. Try again."}
)

// copyTries is how often a copy begins anew because the source was changed
// between the look at its metadata and the copy.
const copyTries = 8

// copyObject puts a copy of an object, of one version of it, in place of
// another.
func (h *Handler) copyObject(q *request) error {
	if err := q.checkPutHeaders(); err != nil {
		return err
	}
	path, dir, err := keyPath(q.key)
	if err != nil {
		return err
	}
	replace, err := q.metadataDirective()
	if err != nil {
		return err
	}
	if err := q.emptyBody(errCopyBody); err != nil {
		return err
	}
	cond, err := q.writeConditions()
	if err != nil {
		return err
	}
	from, fromPath, fromDir, err := h.openSource(q)
	if err != nil {
		return err
	}
	switch {
	case dir != fromDir:
		return errCopyDir
	case from == q.view && fromPath == path && !replace && !dir:
		return errCopyItself
	case dir:
		return h.copyDir(q, path, from, fromPath, &cond)
	}
	o, err := q.newFile()
	if err != nil {
		return err
	}
	if cond.any() {
		o.Check = cond.check
	}
	for range copyTries {
		src, err := statSource(q, from, fromPath, false)
		if err != nil {
			return err
		}
		a, err := q.copyFile(path, from, fromPath, &src, o, replace)
		if !errors.Is(err, errChanged) {
			if err != nil {
				return err
			}
			return q.copied("CopyObjectResult", string(objmeta.AppendETag(nil, &a)), a.Mtime)
		}
	}
	return errCopyBusy
}

// copyFile copies a file as it was when src was read. o's metadata is that of
// the request.
func (q *request) copyFile(path string, from *disk.View, fromPath string, src *disk.Attr, o disk.PutOptions, replace bool) (disk.Attr, error) {
	if replace {
		content, err := withEncoding(src.ContentMeta, o.ContentMeta)
		if err != nil {
			return disk.Attr{}, err
		}
		o.ContentMeta = content
	} else {
		o.Meta, o.ContentMeta = src.Meta, src.ContentMeta
	}
	if src.Size > maxObject {
		return disk.Attr{}, errCopyTooLarge
	}
	check := func(now *disk.Attr) error {
		if now.Ino != src.Ino || now.Version != src.Version || !now.Ctime.Equal(src.Ctime) {
			return errChanged
		}
		return nil
	}
	return q.view.Copy(q.ctx, path, from, fromPath, check, o)
}

// withEncoding is what a file's ContentMeta becomes with the Content-Encoding
// of another: all else that is said of the contents stays true. It is never
// nil, which would mean the source's to the core.
func withEncoding(src, encoding []byte) ([]byte, error) {
	out := append([]byte{}, encoding...)
	m := objmeta.Read(src)
	for m.Next() {
		if m.Tag != objmeta.TagContentEncoding {
			out = objmeta.AppendField(out, m.Tag, m.Value)
		}
	}
	return out, m.Err()
}

// copyDir makes a directory, as a PUT of its key does: directories hold
// nothing that could be copied.
func (h *Handler) copyDir(q *request, path string, from *disk.View, fromPath string, cond *writeConditions) error {
	if _, err := statSource(q, from, fromPath, true); err != nil {
		return err
	}
	if cond.any() {
		if err := q.precheckDir(path, cond); err != nil {
			return err
		}
	}
	var o disk.PutOptions
	if err := q.posixHeaders(&o); err != nil {
		return err
	}
	created, err := q.view.MakeDir(q.ctx, path, disk.MakeDirOptions{Mode: o.Mode, HasMode: o.HasMode, UID: o.UID, GID: o.GID})
	if err != nil {
		return err
	}
	if !created && cond.absent {
		return preconditionFailed("If-None-Match")
	}
	return q.copied("CopyObjectResult", objmeta.EmptyETag, q.h.o.Now())
}

// metadataDirective tells whether the copy takes the request's metadata
// instead of the source's.
func (q *request) metadataDirective() (replace bool, err error) {
	if v := q.get("X-Amz-Tagging-Directive"); v != "" && v != "COPY" {
		return false, unsupported("tagging")
	}
	switch q.get("X-Amz-Metadata-Directive") {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	}
	return false, badArgument("Unknown metadata directive: x-amz-metadata-directive can be COPY or REPLACE.")
}

// emptyBody checks that the body is empty, in the way that the request says.
func (q *request) emptyBody(tooLarge error) error {
	var b body
	defer b.close()
	if err := q.openBody(&b, 0, tooLarge); err != nil {
		return err
	}
	return b.receive(nil)
}

// copied answers a copy that succeeded.
func (q *request) copied(element, etag string, modified time.Time) error {
	b := append(q.buf[:0], xmlHeader+"<"...)
	b = append(b, element...)
	b = append(b, xmlns+"><LastModified>"...)
	b = appendISO(b, modified)
	b = append(b, "</LastModified>"...)
	b = appendElement(b, "ETag", etag)
	b = append(b, "</"...)
	b = append(b, element...)
	b = append(b, '>')
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}

// copyRange reads x-amz-copy-source-range for a source of size bytes; without
// the header it is all of it.
func (q *request) copyRange(size int64) (disk.Range, error) {
	v := q.get("X-Amz-Copy-Source-Range")
	if v == "" {
		return disk.Range{Len: size}, nil
	}
	spec, ok := strings.CutPrefix(v, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	from, ok1 := byterange.Digits(first)
	to, ok2 := byterange.Digits(last)
	if !ok || !dash || !ok1 || !ok2 || to < from {
		return disk.Range{}, badArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	if to >= size {
		return disk.Range{}, badArgument("Range specified is not valid for source object of size: " + itoa(size))
	}
	return disk.Range{Off: from, Len: to - from + 1}, nil
}
