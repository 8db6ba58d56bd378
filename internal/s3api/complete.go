package s3api

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"strings"

	"atoll/internal/byterange"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/objmeta"
)

// maxCompleteBody bounds the document of a CompleteMultipartUpload, in bytes:
// 10,000 parts with a checksum each.
const maxCompleteBody = 4 << 20

var (
	errPart = &apiError{Status: http.StatusBadRequest, Code: "InvalidPart",
		Message: "One or more of the specified parts could not be found. The part may not have been uploaded, " +
			"or the specified entity tag or checksum may not match the part's."}
	errPartOrder = &apiError{Status: http.StatusBadRequest, Code: "InvalidPartOrder",
		Message: "The list of parts was not in ascending order. Parts must be ordered by part number."}
)

// completePart is a part as a CompleteMultipartUpload document names it.
type completePart struct {
	number int
	etag   string // quoted or not
	alg    checksumAlg
	sum    string // base64
}

// completeMultipart makes an object of an upload's parts.
func (h *Handler) completeMultipart(q *request) error {
	path, id, err := q.upload()
	if err != nil {
		return err
	}
	cond, err := q.writeConditions()
	if err != nil {
		return err
	}
	var b body
	defer b.close()
	if err := q.openBody(&b, maxCompleteBody, errXML); err != nil {
		return err
	}
	if err := q.takeMemory(2 * b.size); err != nil {
		return err
	}
	doc, err := q.receiveAll(&b)
	if err != nil {
		return err
	}
	named, err := parseComplete(doc)
	if err != nil {
		return err
	}
	info, err := q.view.Multipart(q.ctx, path, id)
	if err != nil {
		return uploadError(err)
	}
	parts, size, err := q.chosenParts(path, id, named)
	if err != nil {
		return err
	}
	if v := q.get("X-Amz-Mp-Object-Size"); v != "" && v != itoa(size) {
		return badRequest("The provided 'x-amz-mp-object-size' header value " + v + " does not match what was computed: " + itoa(size))
	}
	o := disk.PutOptions{}
	sum, err := q.completeMeta(&o, info.Options.ContentMeta, parts)
	if err != nil {
		return err
	}
	if cond.any() {
		o.Check = cond.check
	}
	a, err := q.view.CompleteMultipart(q.ctx, path, id, parts, o)
	if errs.Is(err, errs.Invalid) {
		e := *errPart
		e.Cause = err
		return &e
	}
	if err != nil {
		return uploadError(err)
	}
	return q.completed(&a, sum)
}

// chosenParts finds the parts that a document names, and their size in all.
func (q *request) chosenParts(path string, id disk.MultipartID, named []completePart) (parts []disk.Part, size int64, err error) {
	var page []disk.Part
	more := true
	after := 0
	for i := range named {
		n := &named[i]
		for (len(page) == 0 || page[0].Number < n.number) && (len(page) > 0 || more) {
			if len(page) > 0 {
				page = page[1:]
				continue
			}
			if page, more, err = q.view.Parts(q.ctx, path, id, after, maxPage); err != nil {
				return nil, 0, uploadError(err)
			}
			if len(page) == 0 {
				more = false
				break
			}
			after = page[len(page)-1].Number
		}
		if len(page) == 0 || page[0].Number != n.number {
			return nil, 0, noPart(n)
		}
		p := page[0]
		if alg, raw := partSum(&p); !objmeta.MatchETag(n.etag, partETag(&p), false) || strings.Contains(n.etag, "*") ||
			n.sum != "" && (n.alg != alg || n.sum != base64.StdEncoding.EncodeToString(raw)) {
			return nil, 0, noPart(n)
		}
		if i < len(named)-1 && p.Size < minPart {
			return nil, 0, &apiError{Status: http.StatusBadRequest, Code: "EntityTooSmall",
				Message: "Your proposed upload is smaller than the minimum allowed size: every part but the last has at least 5 MiB.",
				Fields: []field{{"ProposedSize", itoa(p.Size)}, {"MinSizeAllowed", itoa(minPart)},
					{"PartNumber", itoa(int64(p.Number))}, {"ETag", strings.Trim(n.etag, `"`)}}}
		}
		parts, size = append(parts, p), size+p.Size
	}
	return parts, size, nil
}

func noPart(n *completePart) error {
	e := *errPart
	e.Fields = []field{{"PartNumber", itoa(int64(n.number))}, {"ETag", strings.Trim(n.etag, `"`)}}
	return &e
}

// objectSum is the checksum of an object that was put in parts.
type objectSum struct {
	alg   checksumAlg
	raw   []byte
	parts int // of a composite one; 0: of the contents
}

// completeMeta makes the ContentMeta of the object: what the upload began
// with, the ETag and the checksum. A checksum that the request gives is
// checked.
func (q *request) completeMeta(o *disk.PutOptions, begun []byte, parts []disk.Part) (sum objectSum, err error) {
	etag := md5.New()
	for i := range parts {
		etag.Write(parts[i].MD5[:])
	}
	var alg checksumAlg
	composite := false
	m := objmeta.Read(begun)
	for m.Next() {
		switch {
		case m.Tag != objmeta.TagUploadSum:
			o.ContentMeta = objmeta.AppendField(o.ContentMeta, m.Tag, m.Value)
		case len(m.Value) == 2 && m.Value[0] < byte(numSums):
			alg, composite = checksumAlg(m.Value[0]), m.Value[1] == 1
		}
	}
	if m.Err() != nil {
		return sum, m.Err()
	}
	o.ContentMeta = objmeta.AppendParts(o.ContentMeta, objmeta.TagParts, etag.Sum(nil), len(parts))
	sum = sumOfParts(alg, composite, parts)
	switch {
	case sum.alg == sumNone:
	case sum.parts > 0:
		o.ContentMeta = objmeta.AppendParts(o.ContentMeta, objmeta.TagComposite+byte(alg), sum.raw, sum.parts)
	default:
		o.ContentMeta = objmeta.AppendField(o.ContentMeta, objmeta.TagChecksum+byte(alg), string(sum.raw))
	}
	return sum, q.checkObjectSum(&sum)
}

// sumOfParts computes an object's checksum from those of its parts, if all of
// them came with one of the upload's algorithm.
func sumOfParts(alg checksumAlg, composite bool, parts []disk.Part) objectSum {
	if alg == sumNone {
		return objectSum{}
	}
	crc := crcs[alg]
	var whole uint64
	h := sums[alg].make()
	for i := range parts {
		a, raw := partSum(&parts[i])
		if a != alg {
			return objectSum{}
		}
		if composite {
			h.Write(raw)
		} else {
			whole = crc.combine(whole, crc.number(raw), parts[i].Size)
		}
	}
	if composite {
		return objectSum{alg, h.Sum(nil), len(parts)}
	}
	return objectSum{alg, crc.digest(whole), 0}
}

// checkObjectSum compares an object's checksum with the one that the request
// gives for it.
func (q *request) checkObjectSum(sum *objectSum) error {
	if v := q.get("X-Amz-Checksum-Type"); v != "" && sum.alg != sumNone && !strings.EqualFold(v, sumType(sum.parts > 0)) {
		return badRequest("The upload was not begun with the checksum type " + v + ".")
	}
	for alg := sumCRC32; alg < numSums; alg++ {
		v := q.get(sums[alg].header)
		if v == "" {
			continue
		}
		if sum.alg != alg {
			return badRequest("The " + strings.ToLower(sums[alg].header) + " of the object can't be verified: begin the upload with " +
				"x-amz-checksum-algorithm: " + sumName(alg) + ", and send every part with its checksum.")
		}
		// minio-go leaves the number of parts out.
		if raw := string(sum.raw); v != sumText(raw, sum.parts) && v != sumText(raw, 0) {
			return badDigest(strings.ToLower(sumName(alg)))
		}
	}
	return nil
}

// completed answers a CompleteMultipartUpload that succeeded.
func (q *request) completed(a *disk.Attr, sum objectSum) error {
	scheme := "http://"
	if q.r.TLS != nil {
		scheme = "https://"
	}
	b := append(q.buf[:0], xmlHeader+"<CompleteMultipartUploadResult"+xmlns+"><Location>"...)
	b = appendXML(b, scheme+q.r.Host+"/"+q.bucket+"/")
	b = appendURL(b, q.key)
	b = append(b, "</Location>"...)
	b = appendElement(b, "Bucket", q.bucket)
	b = appendElement(b, "Key", q.key)
	b = appendElement(b, "ETag", string(objmeta.AppendETag(nil, a)))
	if sum.alg != sumNone {
		b = appendElement(b, "Checksum"+sumName(sum.alg), sumText(string(sum.raw), sum.parts))
		b = appendElement(b, "ChecksumType", sumType(sum.parts > 0))
	}
	b = append(b, "</CompleteMultipartUploadResult>"...)
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}

// parseComplete reads a CompleteMultipartUpload document. Elements that nobody
// knows are skipped; a document of another shape, or without parts, is
// MalformedXML.
func parseComplete(doc []byte) (parts []completePart, err error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	root, err := nextStart(d)
	if err != nil || root == nil || root.Name.Local != "CompleteMultipartUpload" {
		return nil, errXML
	}
	for {
		el, err := nextStart(d)
		if err != nil {
			return nil, errXML
		}
		if el == nil {
			break
		}
		if el.Name.Local != "Part" {
			if skip(d) != nil {
				return nil, errXML
			}
			continue
		}
		p, err := parsePart(d)
		if err != nil || len(parts) == disk.MaxParts {
			return nil, errXML
		}
		if n := len(parts); n > 0 && parts[n-1].number >= p.number {
			return nil, errPartOrder
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, errXML
	}
	if _, err := nextStart(d); err != io.EOF {
		return nil, errXML
	}
	return parts, nil
}

// parsePart reads a Part element up to its end.
func parsePart(d *xml.Decoder) (p completePart, err error) {
	for {
		el, err := nextStart(d)
		if err != nil {
			return p, err
		}
		if el == nil {
			break
		}
		s, err := text(d)
		if err != nil {
			return p, err
		}
		s = strings.TrimSpace(s)
		switch name := el.Name.Local; {
		case name == "PartNumber":
			n, ok := byterange.Digits(s)
			if !ok || n < 1 || n > disk.MaxParts {
				return p, errXML
			}
			p.number = int(n)
		case name == "ETag":
			p.etag = s
		case strings.HasPrefix(name, "Checksum"):
			for alg := sumCRC32; alg < numSums; alg++ {
				if name == "Checksum"+sumName(alg) {
					p.alg, p.sum = alg, s
				}
			}
		}
	}
	if p.number == 0 || p.etag == "" {
		return p, errXML
	}
	return p, nil
}
