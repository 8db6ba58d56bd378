package s3api

import (
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"

	"atoll/internal/byterange"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/objmeta"
)

// minPart is the least size of all parts but the last, in bytes.
const minPart = 5 << 20

var (
	errNoUpload = &apiError{Status: http.StatusNotFound, Code: "NoSuchUpload",
		Message: "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."}
	errUploadBody = badRequest("This request can't have a body.")
	errPartNumber = badArgument("Part number must be an integer between 1 and 10000, inclusive")
)

// uploadID writes the id of an upload as clients see it.
func uploadID(id disk.MultipartID) string {
	var b [16]byte
	for i := range b {
		b[i] = "0123456789abcdef"[id>>(60-4*i)&15]
	}
	return string(b[:])
}

// parseUploadID reads what uploadID wrote.
func parseUploadID(s string) (disk.MultipartID, bool) {
	if len(s) != 16 || strings.ToLower(s) != s {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 16, 64)
	return disk.MultipartID(n), err == nil
}

// upload returns the path and the id that a request about an upload names.
func (q *request) upload() (path string, id disk.MultipartID, err error) {
	if path, err = filePath(q.key); err != nil {
		return "", 0, err
	}
	v, _ := q.param("uploadId")
	id, ok := parseUploadID(v)
	if !ok {
		return "", 0, errNoUpload
	}
	return path, id, nil
}

// uploadError translates an error of the core about an upload.
func uploadError(err error) error {
	if errs.Is(err, errs.NotFound) {
		e := *errNoUpload
		e.Cause = err
		return &e
	}
	return err
}

// createMultipart begins an upload in parts.
func (h *Handler) createMultipart(q *request) error {
	if err := q.checkPutHeaders(); err != nil {
		return err
	}
	path, err := filePath(q.key)
	if err != nil {
		return err
	}
	if err := q.emptyBody(errUploadBody); err != nil {
		return err
	}
	o, err := q.newFile()
	if err != nil {
		return err
	}
	alg, composite, err := q.uploadSum()
	if err != nil {
		return err
	}
	if alg != sumNone {
		kind := "\x00"
		if composite {
			kind = "\x01"
		}
		o.ContentMeta = objmeta.AppendField(o.ContentMeta, objmeta.TagUploadSum, string(rune(alg))+kind)
	}
	id, err := q.view.CreateMultipart(q.ctx, path, o)
	if err != nil {
		return err
	}
	if alg != sumNone {
		q.set("X-Amz-Checksum-Algorithm", sumName(alg))
		q.set("X-Amz-Checksum-Type", sumType(composite))
	}
	b := append(q.buf[:0], xmlHeader+"<InitiateMultipartUploadResult"+xmlns+">"...)
	b = appendElement(b, "Bucket", q.bucket)
	b = appendElement(b, "Key", q.key)
	b = appendElement(b, "UploadId", uploadID(id))
	b = append(b, "</InitiateMultipartUploadResult>"...)
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}

// sumName is the algorithm's name in headers and documents.
func sumName(alg checksumAlg) string {
	return strings.ToUpper(strings.TrimPrefix(sums[alg].header, checksumPrefix))
}

// uploadSum reads which checksum an upload is to have.
func (q *request) uploadSum() (alg checksumAlg, composite bool, err error) {
	name := strings.ToUpper(q.get("X-Amz-Checksum-Algorithm"))
	for a := sumCRC32; a < numSums; a++ {
		if name == sumName(a) {
			alg = a
		}
	}
	if name != "" && alg == sumNone {
		return 0, false, checkSumAlgorithm("unknown")
	}
	_, isCRC := crcs[alg]
	switch kind := strings.ToUpper(q.get("X-Amz-Checksum-Type")); {
	case kind == "":
		composite = alg != sumCRC64NVME
	case kind == "COMPOSITE" && alg != sumCRC64NVME && alg != sumNone:
		composite = true
	case kind == "FULL_OBJECT" && isCRC:
	default:
		return 0, false, badRequest("The " + kind + " checksum type cannot be used with the " + name + " checksum algorithm.")
	}
	return alg, composite, nil
}

// uploadPart takes one part, from the body or from another object.
func (h *Handler) uploadPart(q *request) error {
	copies := q.r.Header["X-Amz-Copy-Source"] != nil
	if copies {
		q.op = OpUploadPartCopy
	}
	if err := q.checkPutHeaders(); err != nil {
		return err
	}
	v, _ := q.param("partNumber")
	number, ok := byterange.Digits(v)
	if !ok || number < 1 || number > disk.MaxParts {
		return errPartNumber
	}
	path, id, err := q.upload()
	if err != nil {
		return err
	}
	if copies {
		return h.copyPart(q, path, id, int(number))
	}
	var b body
	defer b.close()
	if err := q.openBody(&b, maxObject, errTooLarge); err != nil {
		return err
	}
	if q.get("Expect") == "" {
		if err := b.readSmall(); err != nil {
			return err
		}
	}
	u, err := q.view.NewPart(q.ctx, path, id, int(number), b.size)
	if err != nil {
		return uploadError(err)
	}
	defer u.Abort()
	if err := b.receive(u); err != nil {
		return err
	}
	var meta []byte
	if b.sum.alg != sumNone {
		meta = append([]byte{byte(b.sum.alg)}, b.value...)
	}
	p, err := u.Commit(q.ctx, b.md5, meta)
	if err != nil {
		return uploadError(err)
	}
	q.stored(partETag(&p), &b)
	return nil
}

// partETag is the quoted ETag of a part.
func partETag(p *disk.Part) string { return `"` + hex.EncodeToString(p.MD5[:]) + `"` }

// partSum is the checksum that a part came with.
func partSum(p *disk.Part) (alg checksumAlg, raw []byte) {
	if len(p.Meta) == 0 || p.Meta[0] >= byte(numSums) || len(p.Meta)-1 != sums[p.Meta[0]].size {
		return sumNone, nil
	}
	return checksumAlg(p.Meta[0]), p.Meta[1:]
}

// abortMultipart gives an upload up.
func (h *Handler) abortMultipart(q *request) error {
	path, id, err := q.upload()
	if err != nil {
		return err
	}
	if err := q.view.AbortMultipart(q.ctx, path, id); err != nil {
		return uploadError(err)
	}
	q.writeHeader(http.StatusNoContent)
	return nil
}

// copyPart makes a part of an object, or of a range of it. Its bytes are read
// and written again: a part has an MD5 of its own.
func (h *Handler) copyPart(q *request, path string, id disk.MultipartID, number int) error {
	if err := q.emptyBody(errCopyBody); err != nil {
		return err
	}
	from, fromPath, dir, err := h.openSource(q)
	if err != nil {
		return err
	}
	var rng disk.Range
	var perr error
	obj, err := from.Open(q.ctx, fromPath, func(a *disk.Attr) []disk.Range {
		if a.IsDir() != dir || a.Type != disk.File || dir {
			perr = errNoKey
			return nil
		}
		if perr = q.checkSource(a); perr != nil {
			return nil
		}
		if rng, perr = q.copyRange(a.Size); perr != nil {
			return nil
		}
		return []disk.Range{rng}
	})
	if err != nil {
		return sourceError(err)
	}
	defer obj.Close()
	if perr == nil && rng.Len > maxObject {
		perr = errTooLarge
	}
	if perr != nil {
		return perr
	}
	u, err := q.view.NewPart(q.ctx, path, id, number, rng.Len)
	if err != nil {
		return uploadError(err)
	}
	defer u.Abort()
	p, err := q.fillPart(u, obj, rng)
	if err != nil {
		return uploadError(err)
	}
	return q.copied("CopyPartResult", partETag(&p), p.Time)
}

// fillPart copies a range of an object into a part.
func (q *request) fillPart(u *disk.PartUpload, obj *disk.Object, rng disk.Range) (disk.Part, error) {
	sum := md5.New()
	to := io.MultiWriter(sum, u)
	for off, end := rng.Off, rng.Off+rng.Len; off < end; {
		if err := q.ctx.Err(); err != nil {
			return disk.Part{}, err
		}
		piece := disk.Range{Off: off, Len: min(end-off, sendPiece)}
		if _, err := obj.WriteRange(to, piece); err != nil {
			return disk.Part{}, err
		}
		off += piece.Len
	}
	return u.Commit(q.ctx, [16]byte(sum.Sum(nil)), nil)
}
