package s3api

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"atoll/internal/byterange"
	"atoll/internal/disk"
)

// count reads a parameter that says how many entries a page may have.
func (q *request) count(name string, most int) (int, error) {
	v, _ := q.param(name)
	if v == "" {
		return most, nil
	}
	n, ok := byterange.Digits(v)
	if !ok || n > math.MaxInt32 {
		return 0, badArgument("Argument " + name + " must be an integer between 0 and 2147483647")
	}
	return int(min(n, int64(most))), nil
}

// listParts lists the parts of an upload.
func (h *Handler) listParts(q *request) error {
	path, id, err := q.upload()
	if err != nil {
		return err
	}
	limit, err := q.count("max-parts", maxPage)
	if err != nil {
		return err
	}
	after, err := q.count("part-number-marker", math.MaxInt32)
	if err != nil {
		return err
	}
	if v, _ := q.param("part-number-marker"); v == "" {
		after = 0
	}
	info, err := q.view.Multipart(q.ctx, path, id)
	if err != nil {
		return uploadError(err)
	}
	var parts []disk.Part
	var more bool
	if limit > 0 {
		if err := q.takeMemory(listMemory); err != nil {
			return err
		}
		if parts, more, err = q.view.Parts(q.ctx, path, id, after, limit); err != nil {
			return uploadError(err)
		}
	}
	b := append(q.buf[:0], xmlHeader+"<ListPartsResult"+xmlns+">"...)
	b = appendElement(b, "Bucket", q.bucket)
	b = appendElement(b, "Key", q.key)
	b = appendElement(b, "UploadId", uploadID(info.ID))
	b = q.appendOwners(b)
	b = appendNumber(b, "PartNumberMarker", int64(after))
	if len(parts) > 0 {
		b = appendNumber(b, "NextPartNumberMarker", int64(parts[len(parts)-1].Number))
	}
	b = appendNumber(b, "MaxParts", int64(limit))
	b = appendElement(b, "IsTruncated", strconv.FormatBool(more))
	for i := range parts {
		b = appendPart(b, &parts[i])
	}
	b = append(b, "</ListPartsResult>"...)
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}

func appendPart(b []byte, p *disk.Part) []byte {
	b = append(b, "<Part>"...)
	b = appendNumber(b, "PartNumber", int64(p.Number))
	b = append(b, "<LastModified>"...)
	b = appendISO(b, p.Time)
	b = append(b, "</LastModified>"...)
	b = appendElement(b, "ETag", partETag(p))
	b = appendNumber(b, "Size", p.Size)
	if alg, raw := partSum(p); alg != sumNone {
		b = appendElement(b, "Checksum"+sumName(alg), sumText(string(raw), 0))
	}
	return append(b, "</Part>"...)
}

// appendOwners appends who began an upload, and its storage class.
func (q *request) appendOwners(b []byte) []byte {
	id := q.disk.String()
	for _, name := range [...]string{"Initiator", "Owner"} {
		b = append(b, "<"+name+"><ID>"+id+"</ID><DisplayName>"+id+"</DisplayName></"+name+">"...)
	}
	return append(b, "<StorageClass>STANDARD</StorageClass>"...)
}

func appendNumber(b []byte, name string, n int64) []byte { return appendElement(b, name, itoa(n)) }

// uploadPage is one page of a ListMultipartUploads.
type uploadPage struct {
	listQuery
	markerID string
	uploads  []disk.MultipartInfo
	prefixes []string
	more     bool
	last     string           // key or common prefix of the last entry
	lastID   disk.MultipartID // 0: of a common prefix
}

// listMultipart lists the uploads of the bucket that are neither completed
// nor aborted.
func (h *Handler) listMultipart(q *request) error {
	l, err := q.listQuery()
	if err != nil {
		return err
	}
	p := uploadPage{listQuery: l}
	if p.maxKeys, err = q.count("max-uploads", maxPage); err != nil {
		return err
	}
	p.after, _ = q.param("key-marker")
	p.markerID, _ = q.param("upload-id-marker")
	if p.maxKeys > 0 {
		if err := q.takeMemory(listMemory); err != nil {
			return err
		}
		if err := q.fillUploads(&p); err != nil {
			return err
		}
	}
	return q.writeUploads(&p)
}

// fillUploads reads a page of uploads and groups it.
func (q *request) fillUploads(p *uploadPage) error {
	path, id := p.after, disk.MultipartID(0)
	switch {
	case p.after == "":
	case p.delimiter != "" && p.groupOf(p.after) == p.after:
		path = behind(p.after)
	case p.markerID != "":
		var ok bool
		if id, ok = parseUploadID(p.markerID); !ok {
			return badArgument("Invalid uploadId marker")
		}
	default:
		id = math.MaxUint64 // the whole key is behind us
	}
	for {
		page, more, err := q.view.ListMultipart(q.ctx, p.prefix, path, id, maxPage)
		if err != nil {
			return err
		}
		jumped := false
		for i := range page {
			u := &page[i]
			if len(p.uploads)+len(p.prefixes) == p.maxKeys {
				p.more = true
				return nil
			}
			path, id = u.Path, u.ID
			if g := p.groupOf(u.Path); p.delimiter != "" && g != "" {
				p.prefixes = append(p.prefixes, g)
				p.last, p.lastID = g, 0
				path, id, jumped = behind(g), 0, true
				break
			}
			p.uploads = append(p.uploads, *u)
			p.last, p.lastID = u.Path, u.ID
		}
		if !jumped && !more {
			return nil
		}
	}
}

// groupOf returns the common prefix that a key falls under, or "".
func (p *uploadPage) groupOf(key string) string {
	if !strings.HasPrefix(key, p.prefix) {
		return ""
	}
	i := strings.IndexByte(key[len(p.prefix):], '/')
	if i < 0 {
		return ""
	}
	return key[:len(p.prefix)+i+1]
}

// behind is where the keys go on that don't begin with a prefix, which ends
// in a slash: '0' follows '/'.
func behind(prefix string) string { return prefix[:len(prefix)-1] + "0" }

func (q *request) writeUploads(p *uploadPage) error {
	b := append(q.buf[:0], xmlHeader+"<ListMultipartUploadsResult"+xmlns+">"...)
	b = appendElement(b, "Bucket", q.bucket)
	b = p.element(b, "KeyMarker", p.after)
	b = appendElement(b, "UploadIdMarker", p.markerID)
	if p.more {
		b = p.element(b, "NextKeyMarker", p.last)
		if p.lastID != 0 {
			b = appendElement(b, "NextUploadIdMarker", uploadID(p.lastID))
		}
	}
	b = p.element(b, "Prefix", p.prefix)
	if p.delimiter != "" {
		b = append(b, "<Delimiter>/</Delimiter>"...)
	}
	if p.encode {
		b = append(b, "<EncodingType>url</EncodingType>"...)
	}
	b = appendNumber(b, "MaxUploads", int64(p.maxKeys))
	b = appendElement(b, "IsTruncated", strconv.FormatBool(p.more))
	for i := range p.uploads {
		u := &p.uploads[i]
		b = append(b, "<Upload>"...)
		b = p.element(b, "Key", u.Path)
		b = appendElement(b, "UploadId", uploadID(u.ID))
		b = q.appendOwners(b)
		b = append(b, "<Initiated>"...)
		b = appendISO(b, u.Started)
		b = append(b, "</Initiated></Upload>"...)
	}
	for _, g := range p.prefixes {
		b = append(b, "<CommonPrefixes>"...)
		b = p.element(b, "Prefix", g)
		b = append(b, "</CommonPrefixes>"...)
	}
	b = append(b, "</ListMultipartUploadsResult>"...)
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}
