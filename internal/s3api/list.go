package s3api

import (
	"encoding/base64"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"

	"atoll/internal/byterange"
	"atoll/internal/disk"
	"atoll/internal/objmeta"
)

const (
	maxPage = 1000
	// listMemory is what a page may take, in bytes: entries and document.
	listMemory = 1 << 20
	// keepBuffer is the largest scratch buffer that stays with a pooled request.
	keepBuffer = 1 << 20
)

// listQuery is what the two listings have in common.
type listQuery struct {
	prefix    string
	delimiter string
	after     string // only keys behind it
	maxKeys   int
	encode    bool // encoding-type=url
	owner     bool // Contents have an Owner
}

// listQuery reads the common parameters.
func (q *request) listQuery() (l listQuery, err error) {
	l.prefix, _ = q.param("prefix")
	l.delimiter, _ = q.param("delimiter")
	if l.delimiter != "" && l.delimiter != "/" {
		return l, badArgument("Only '/' can be a delimiter: keys are paths of files.")
	}
	l.maxKeys = maxPage
	if v, _ := q.param("max-keys"); v != "" {
		n, ok := byterange.Digits(v)
		if !ok {
			return l, badArgument("Argument max-keys must be an integer between 0 and 2147483647")
		}
		l.maxKeys = int(min(n, maxPage))
	}
	switch v, _ := q.param("encoding-type"); v {
	case "":
	case "url":
		l.encode = true
	default:
		return l, badArgument("Invalid Encoding Method specified in Request: it can be url or absent.")
	}
	return l, nil
}

// page reads one page from the core.
func (q *request) page(l *listQuery) ([]disk.ListEntry, bool, error) {
	if l.maxKeys == 0 || !canBePrefix(l.prefix) {
		return nil, false, nil
	}
	if err := q.takeMemory(listMemory); err != nil {
		return nil, false, err
	}
	return q.view.List(q.ctx, disk.ListOptions{Prefix: l.prefix, StartAfter: l.after,
		Delimiter: l.delimiter != "", Limit: l.maxKeys})
}

// canBePrefix tells whether any key can begin so.
func canBePrefix(prefix string) bool {
	if strings.IndexByte(prefix, 0) >= 0 || len(prefix) > maxKey {
		return false
	}
	slash := strings.LastIndexByte(prefix, '/')
	return slash < 0 || disk.CheckPath(prefix[:slash]) == nil && slash > 0
}

// listObjectsV2 answers ListObjectsV2.
func (h *Handler) listObjectsV2(q *request) error {
	l, err := q.listQuery()
	if err != nil {
		return err
	}
	v, _ := q.param("fetch-owner")
	l.owner = v == "true"
	startAfter, _ := q.param("start-after")
	token, hasToken := q.param("continuation-token")
	l.after = startAfter
	if hasToken {
		var ok bool
		if l.after, ok = parseToken(token); !ok {
			return badArgument("The continuation token provided is incorrect")
		}
	}
	entries, more, err := q.page(&l)
	if err != nil {
		return err
	}
	b := q.openList(&l)
	if startAfter != "" {
		b = l.element(b, "StartAfter", startAfter)
	}
	if hasToken {
		b = appendElement(b, "ContinuationToken", token)
	}
	if more {
		b = append(b, "<NextContinuationToken>"...)
		b = appendToken(b, entries[len(entries)-1].Key)
		b = append(b, "</NextContinuationToken>"...)
	}
	b = append(b, "<KeyCount>"...)
	b = strconv.AppendInt(b, int64(len(entries)), 10)
	b = append(b, "</KeyCount>"...)
	return q.closeList(b, &l, entries, more)
}

// listObjectsV1 answers ListObjects: the same page, with markers.
func (h *Handler) listObjectsV1(q *request) error {
	l, err := q.listQuery()
	if err != nil {
		return err
	}
	l.owner = true
	l.after, _ = q.param("marker")
	entries, more, err := q.page(&l)
	if err != nil {
		return err
	}
	b := q.openList(&l)
	b = l.element(b, "Marker", l.after)
	if more {
		b = l.element(b, "NextMarker", entries[len(entries)-1].Key)
	}
	return q.closeList(b, &l, entries, more)
}

// openList begins a document with what both listings have.
func (q *request) openList(l *listQuery) []byte {
	b := append(q.buf[:0], xmlHeader+"<ListBucketResult"+xmlns+">"...)
	b = appendElement(b, "Name", q.bucket)
	b = l.element(b, "Prefix", l.prefix)
	if l.delimiter != "" {
		b = append(b, "<Delimiter>/</Delimiter>"...)
	}
	b = append(b, "<MaxKeys>"...)
	b = strconv.AppendInt(b, int64(l.maxKeys), 10)
	b = append(b, "</MaxKeys>"...)
	if l.encode {
		b = append(b, "<EncodingType>url</EncodingType>"...)
	}
	return b
}

// closeList appends the entries and sends the document.
func (q *request) closeList(b []byte, l *listQuery, entries []disk.ListEntry, more bool) error {
	b = append(b, "<IsTruncated>"...)
	b = strconv.AppendBool(b, more)
	b = append(b, "</IsTruncated>"...)
	owner := ""
	if l.owner {
		id := q.disk.String()
		owner = "<Owner><ID>" + id + "</ID><DisplayName>" + id + "</DisplayName></Owner>"
	}
	for i := range entries {
		if e := &entries[i]; !e.IsPrefix {
			b = append(b, "<Contents>"...)
			b = l.element(b, "Key", e.Key)
			b = append(b, "<LastModified>"...)
			b = appendISO(b, e.Attr.Mtime)
			b = append(b, "</LastModified><ETag>"...)
			b = objmeta.AppendETag(b, &e.Attr)
			b = append(b, "</ETag><Size>"...)
			b = strconv.AppendInt(b, e.Attr.Size, 10)
			b = append(b, "</Size>"...)
			b = append(b, owner...)
			b = append(b, "<StorageClass>STANDARD</StorageClass></Contents>"...)
		}
	}
	for i := range entries {
		if e := &entries[i]; e.IsPrefix {
			b = append(b, "<CommonPrefixes>"...)
			b = l.element(b, "Prefix", e.Key)
			b = append(b, "</CommonPrefixes>"...)
		}
	}
	b = append(b, "</ListBucketResult>"...)
	q.buf = b
	return q.writeXML(http.StatusOK, b)
}

// element appends an element whose value the client may have asked encoded.
func (l *listQuery) element(b []byte, name, value string) []byte {
	if !l.encode {
		return appendElement(b, name, value)
	}
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	b = appendURL(b, value)
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, '>')
}

// A continuation token is base64url of a version byte, the last key and the
// CRC-32C of both, so that it outlives restarts and garbage is recognized.
const tokenVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendToken appends the token that continues behind key.
func appendToken(b []byte, key string) []byte {
	raw := make([]byte, 0, 1+len(key)+4)
	raw = append(raw, tokenVersion)
	raw = append(raw, key...)
	sum := crc32.Checksum(raw, castagnoli)
	raw = append(raw, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	return base64.RawURLEncoding.AppendEncode(b, raw)
}

// parseToken returns the key that a token names.
func parseToken(token string) (key string, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < 6 || raw[0] != tokenVersion {
		return "", false
	}
	n := len(raw) - 4
	sum := crc32.Checksum(raw[:n], castagnoli)
	if raw[n] != byte(sum>>24) || raw[n+1] != byte(sum>>16) || raw[n+2] != byte(sum>>8) || raw[n+3] != byte(sum) {
		return "", false
	}
	return string(raw[1:n]), true
}
