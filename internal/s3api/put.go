package s3api

import (
	"net/http"
	"strconv"
	"strings"

	"atoll/internal/contenttype"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/objmeta"
	"atoll/internal/sigv4"
)

// precheckSize is the size from which a PUT looks at the tree before it takes
// the body: what will be refused is refused early.
const precheckSize = 1 << 20

var (
	errCopy = &apiError{Status: 501, Code: "NotImplemented",
		Message: "CopyObject (x-amz-copy-source) is not implemented. Download the object and upload it again."}
	errSSEC = &apiError{Status: 501, Code: "NotImplemented",
		Message: "Server-side encryption by request is not implemented; no header of it is taken lightly."}
	errACL = &apiError{Status: 400, Code: "AccessControlListNotSupported",
		Message: "The bucket does not allow ACLs. Leave x-amz-acl out, or use private or bucket-owner-full-control."}
	errDirBody = badArgument("A key that ends in '/' makes a directory and can't have a body.")
)

// putObject stores an object, or makes a directory if the key ends in '/'.
func (h *Handler) putObject(q *request) error {
	if q.extended && q.r.Header["X-Amz-Copy-Source"] != nil {
		q.op = OpCopyObject
		return h.copyObject(q)
	}
	if err := q.checkPutHeaders(); err != nil {
		return err
	}
	path, dir, err := keyPath(q.key)
	if err != nil {
		return err
	}
	var b body
	defer b.close()
	if err := q.openBody(&b, maxObject, errTooLarge); err != nil {
		return err
	}
	cond, err := q.writeConditions()
	if err != nil {
		return err
	}
	o := disk.PutOptions{HasMD5: true}
	if err := q.posixHeaders(&o); err != nil {
		return err
	}
	if dir {
		return h.putDir(q, path, &b, &o, &cond)
	}
	return h.putFile(q, path, &b, &o, &cond)
}

func (h *Handler) putFile(q *request, path string, b *body, o *disk.PutOptions, cond *writeConditions) (err error) {
	if o.Meta, err = q.appendRequestMeta(nil); err != nil {
		return err
	}
	encoding, err := q.contentEncoding()
	if err != nil {
		return err
	}
	expects := q.get("Expect") != ""
	if cond.any() || expects || b.size >= precheckSize {
		if err := q.precheck(path, cond); err != nil {
			return err
		}
	}
	if cond.any() {
		o.Check = cond.check
	}
	// A small body is read before the upload begins, so that a slow client
	// keeps no group of commits waiting; one that waits for a 100 Continue
	// must hear of a full disk first.
	if !expects {
		if err := b.readSmall(); err != nil {
			return err
		}
	}
	u, err := q.view.NewUpload(q.ctx, b.size)
	if err != nil {
		return err
	}
	defer u.Abort()
	b.keepFirst = contenttype.ByName(q.key) == ""
	if err := b.receive(u); err != nil {
		return err
	}
	o.MD5 = b.md5
	if encoding != "" {
		o.ContentMeta = objmeta.AppendField(o.ContentMeta, objmeta.TagContentEncoding, encoding)
	}
	if b.keepFirst {
		o.ContentMeta = objmeta.AppendField(o.ContentMeta, objmeta.TagSniffedType, contenttype.Sniff(b.first))
	}
	if b.sum.alg != sumNone {
		o.ContentMeta = objmeta.AppendField(o.ContentMeta, objmeta.TagChecksum+byte(b.sum.alg), string(b.value))
	}
	a, err := u.Commit(q.ctx, path, *o)
	if err != nil {
		return err
	}
	q.stored(string(objmeta.AppendETag(q.buf[:0], &a)), b)
	return nil
}

// stored answers a PUT that succeeded.
func (q *request) stored(etag string, b *body) {
	q.set("Etag", etag)
	q.set("Content-Length", "0")
	if b.sum.alg != sumNone {
		q.setChecksum(b.sum.alg, string(b.value), 0)
	}
	q.writeHeader(http.StatusOK)
}

// putDir makes a directory. Its conditions are those of an empty object that
// is there if the directory is.
func (h *Handler) putDir(q *request, path string, b *body, o *disk.PutOptions, cond *writeConditions) error {
	if b.size > 0 {
		return errDirBody
	}
	if cond.any() {
		if err := q.precheckDir(path, cond); err != nil {
			return err
		}
	}
	if err := b.receive(nil); err != nil {
		return err
	}
	created, err := q.view.MakeDir(q.ctx, path, disk.MakeDirOptions{Mode: o.Mode, HasMode: o.HasMode, UID: o.UID, GID: o.GID})
	if err != nil {
		return err
	}
	if !created && cond.absent {
		return preconditionFailed("If-None-Match")
	}
	q.stored(objmeta.EmptyETag, b)
	return nil
}

// precheck looks whether a PUT of a file is bound to fail. It decides nothing
// in favour: Commit does, in its transaction.
func (q *request) precheck(path string, cond *writeConditions) error {
	a, err := q.view.Stat(q.ctx, path, true)
	switch {
	case errs.Is(err, errs.NotFound):
		// Nothing there, or a dangling link, which Commit tells apart.
		return cond.check(nil)
	case err != nil:
		return err
	case a.IsDir():
		return errs.E("put", path, errs.IsDir, nil)
	}
	return cond.check(&a)
}

func (q *request) precheckDir(path string, cond *writeConditions) error {
	a, err := q.view.Stat(q.ctx, path, true)
	switch {
	case errs.Is(err, errs.NotFound):
		return cond.check(nil)
	case err != nil:
		return err
	case !a.IsDir():
		return errs.E("put", path, errs.NotDir, nil)
	}
	return cond.check(&a)
}

// checkPutHeaders refuses headers that ask for what is not there. Ignoring
// them would tell the client that it got it.
func (q *request) checkPutHeaders() error {
	for name := range q.r.Header {
		if !strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		rest := name[len("X-Amz-"):]
		switch {
		case strings.HasPrefix(rest, "Copy-Source"):
			if q.op != OpCopyObject && q.op != OpUploadPartCopy {
				return errCopy
			}
			if strings.HasPrefix(rest, "Copy-Source-Server-Side-Encryption") {
				return errSSEC
			}
		case strings.HasPrefix(rest, "Server-Side-Encryption"):
			return errSSEC
		case rest == "Acl":
			switch q.get(name) {
			case "private", "bucket-owner-full-control", "bucket-owner-read", "":
			default:
				return errACL
			}
		case strings.HasPrefix(rest, "Grant-"):
			return errACL
		case strings.HasPrefix(rest, "Object-Lock-"), rest == "Bypass-Governance-Retention", rest == "Mfa":
			return notImplemented("Object lock is not implemented.")
		case rest == "Tagging":
			return unsupported("tagging")
		case rest == "Website-Redirect-Location":
			return notImplemented("Redirects are not implemented.")
		case rest == "Write-Offset-Bytes":
			return unsupported("append")
		case strings.HasPrefix(rest, "If-Match-"):
			return notImplemented("Of conditions, If-Match and If-None-Match are implemented.")
		}
	}
	return nil
}

// contentEncoding returns what Content-Encoding is to be stored: aws-chunked
// is a matter of this request only.
func (q *request) contentEncoding() (string, error) {
	v := q.list("Content-Encoding")
	if v == "" {
		return "", nil
	}
	v, chunked := sigv4.HasAWSChunked(v)
	if chunked && !q.chunked() {
		return "", badRequest("Content-Encoding: aws-chunked needs x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER.")
	}
	if len(v) > maxSystemMeta/4 {
		return "", errHeadersTooLarge
	}
	return v, nil
}

// posixHeaders reads x-archil-mode, x-archil-uid and x-archil-gid.
func (q *request) posixHeaders(o *disk.PutOptions) error {
	if v := q.get("X-Archil-Mode"); v != "" {
		n, err := strconv.ParseUint(v, 8, 32)
		if err != nil || n > 0o7777 {
			return badArgument("x-archil-mode must be an octal mode such as 640.")
		}
		o.Mode, o.HasMode = uint32(n), true
	}
	for name, dst := range map[string]*uint32{"X-Archil-Uid": &o.UID, "X-Archil-Gid": &o.GID} {
		v := q.get(name)
		if v == "" {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil || n == 1<<32-1 { // -1 means "leave it" to chown
			return badArgument(strings.ToLower(name) + " must be a number such as 1000.")
		}
		*dst = uint32(n)
	}
	return nil
}
