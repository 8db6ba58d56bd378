package s3api

import (
	"bytes"
	"net/http"

	"atoll/internal/disk"
	"atoll/internal/objmeta"
)

// maxAppend is the largest body of one append, in bytes.
const maxAppend = 1 << 20

var errAppendTooLarge = &apiError{Status: http.StatusBadRequest, Code: "EntityTooLarge",
	Message: "Your proposed append exceeds the maximum allowed size of 1048576 bytes."}

// appendObject adds the body to the end of an object, in one step.
func (h *Handler) appendObject(q *request) error {
	if v, _ := q.param("append"); v != "true" {
		return badArgument("The query parameter append can only be true.")
	}
	if err := q.checkPutHeaders(); err != nil {
		return err
	}
	path, err := filePath(q.key)
	if err != nil {
		return err
	}
	var b body
	defer b.close()
	if err := q.openBody(&b, maxAppend, errAppendTooLarge); err != nil {
		return err
	}
	cond, err := q.writeConditions()
	if err != nil {
		return err
	}
	o, err := q.newFile()
	if err != nil {
		return err
	}
	if cond.any() {
		o.Check = cond.check
	}
	if cond.any() || q.get("Expect") != "" {
		if err := q.precheck(path, &cond); err != nil {
			return err
		}
	}
	data, err := q.receiveAll(&b)
	if err != nil {
		return err
	}
	a, err := q.view.Append(q.ctx, path, data, o)
	if err != nil {
		return err
	}
	q.stored(string(objmeta.AppendETag(q.buf[:0], &a)), &b)
	return nil
}

// receiveAll takes the whole body into memory. The bytes are valid until the
// body is closed.
func (q *request) receiveAll(b *body) ([]byte, error) {
	if b.size <= smallBody {
		if err := b.receive(nil); err != nil {
			return nil, err
		}
		return b.small.b[:b.size], nil
	}
	if err := q.takeMemory(b.size); err != nil {
		return nil, err
	}
	doc := bytes.NewBuffer(make([]byte, 0, b.size))
	if err := b.receive(doc); err != nil {
		return nil, err
	}
	return doc.Bytes(), nil
}

// filePath is keyPath for what can't be done to directories.
func filePath(key string) (string, error) {
	path, dir, err := keyPath(key)
	if err == nil && dir {
		err = badArgument("A key that ends in '/' is a directory; this needs one of a file.")
	}
	return path, err
}

// newFile reads what the headers say of a file to be made: mode, owner and
// what is kept with it.
func (q *request) newFile() (o disk.PutOptions, err error) {
	if err = q.posixHeaders(&o); err != nil {
		return o, err
	}
	if o.Meta, err = q.appendRequestMeta(nil); err != nil {
		return o, err
	}
	encoding, err := q.contentEncoding()
	if encoding != "" {
		o.ContentMeta = objmeta.AppendField(o.ContentMeta, objmeta.TagContentEncoding, encoding)
	}
	return o, err
}
