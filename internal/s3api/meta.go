package s3api

import (
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// The core keeps two opaque byte strings with a file: Meta, which stays when
// another door changes the contents, and ContentMeta, which goes then. Both
// are a version byte and fields: a tag, and the field's value behind its
// length as a uvarint; user metadata has the name, in the same form, before
// the value. Readers skip tags that they don't know. docs/formats.md has it
// too.
const metaVersion = 1

// Tags of Meta.
const (
	tagUser               = 1 // name and value
	tagCacheControl       = 2
	tagContentDisposition = 3
	tagContentLanguage    = 4
	tagExpires            = 5
)

// Tags of ContentMeta.
const (
	tagContentEncoding = 16
	tagSniffedType     = 17 // what the contents look like; only where the key's extension says nothing
	tagChecksum        = 32 // + a checksumAlg: the raw digest
)

const (
	maxUserMeta   = 2 << 10 // names without x-amz-meta- and values, in bytes
	maxSystemMeta = 8 << 10 // values of the other kept headers, in bytes
	userPrefix    = "X-Amz-Meta-"
)

// metaHeaders are the headers kept in Meta, by tag.
var metaHeaders = [...]struct {
	tag  byte
	name string
}{
	{tagCacheControl, "Cache-Control"},
	{tagContentDisposition, "Content-Disposition"},
	{tagContentLanguage, "Content-Language"},
	{tagExpires, "Expires"},
}

var (
	errMetaTooLarge = &apiError{Status: 400, Code: "MetadataTooLarge",
		Message: "Your metadata headers exceed the maximum allowed metadata size of 2048 bytes."}
	errHeadersTooLarge = &apiError{Status: 400, Code: "RequestHeaderSectionTooLarge",
		Message: "The Cache-Control, Content-* and Expires headers exceed the maximum allowed size of 8192 bytes."}
	errMetaCorrupt = errors.New("stored object metadata does not parse")
)

// appendField appends a field whose value is a string.
func appendField(b []byte, tag byte, value string) []byte {
	if len(b) == 0 {
		b = append(b, metaVersion)
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// appendUser appends one header of user metadata.
func appendUser(b []byte, name, value string) []byte {
	if len(b) == 0 {
		b = append(b, metaVersion)
	}
	b = append(b, tagUser)
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// metaReader walks the fields of a Meta or ContentMeta.
type metaReader struct {
	rest  string
	tag   byte
	name  string // lower case, behind x-amz-meta-; of user metadata only
	value string
	err   error
}

// readMeta begins a walk. The string is copied from p, values are parts of it.
func readMeta(p []byte) metaReader {
	if len(p) == 0 {
		return metaReader{}
	}
	if p[0] != metaVersion {
		return metaReader{err: errMetaCorrupt}
	}
	return metaReader{rest: string(p[1:])}
}

// next moves to the next field.
func (m *metaReader) next() bool {
	if m.err != nil || m.rest == "" {
		return false
	}
	m.tag, m.rest = m.rest[0], m.rest[1:]
	m.name = ""
	if m.tag == tagUser {
		m.name = m.part()
	}
	m.value = m.part()
	return m.err == nil
}

// part takes one length and as many bytes.
func (m *metaReader) part() string {
	var n uint64
	for i := 0; ; i++ {
		if i == len(m.rest) || i == 3 {
			m.err = errMetaCorrupt
			return ""
		}
		c := m.rest[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			m.rest = m.rest[i+1:]
			break
		}
	}
	if n > uint64(len(m.rest)) {
		m.err = errMetaCorrupt
		return ""
	}
	s := m.rest[:n]
	m.rest = m.rest[n:]
	return s
}

// appendRequestMeta appends what Meta keeps of a PUT's headers.
func (q *request) appendRequestMeta(b []byte) ([]byte, error) {
	system := 0
	for _, mh := range metaHeaders {
		if v := q.list(mh.name); v != "" {
			system += len(v)
			b = appendField(b, mh.tag, v)
		}
	}
	if system > maxSystemMeta {
		return nil, errHeadersTooLarge
	}
	user := 0
	var names []string
	for name := range q.r.Header {
		if strings.HasPrefix(name, userPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names) // the same headers are always the same bytes
	for _, name := range names {
		v := q.list(name)
		user += len(name) - len(userPrefix) + len(v)
		if user > maxUserMeta {
			return nil, errMetaTooLarge
		}
		b = appendUser(b, strings.ToLower(name[len(userPrefix):]), v)
	}
	return b, nil
}

// setMeta sets the response headers that a file's Meta holds.
func (q *request) setMeta(meta []byte) error {
	m := readMeta(meta)
	for m.next() {
		switch m.tag {
		case tagUser:
			// In lower case, as AWS sends them: SDKs take the rest of the
			// header's name for the metadata's as it comes.
			q.set("x-amz-meta-"+m.name, m.value)
		case tagCacheControl, tagContentDisposition, tagContentLanguage, tagExpires:
			q.set(metaHeaders[m.tag-tagCacheControl].name, m.value)
		}
	}
	return m.err
}

// contentMeta is what a file's ContentMeta says.
type contentMeta struct {
	encoding string
	sniffed  string
	alg      checksumAlg // sumNone: no checksum
	sum      string      // raw
}

func parseContentMeta(p []byte) (c contentMeta, err error) {
	m := readMeta(p)
	for m.next() {
		switch {
		case m.tag == tagContentEncoding:
			c.encoding = m.value
		case m.tag == tagSniffedType:
			c.sniffed = m.value
		case m.tag > tagChecksum && m.tag < tagChecksum+byte(numSums):
			c.alg, c.sum = checksumAlg(m.tag-tagChecksum), m.value
		}
	}
	return c, m.err
}

// overrides sets the response-* overrides of a GET's query.
func (q *request) overrides() error {
	for i := range q.query {
		p := &q.query[i]
		name, ok := strings.CutPrefix(p.name, "response-")
		if !ok {
			continue
		}
		if !isFieldValue(p.value) {
			return badArgument("The value of " + p.name + " can't be a header's.")
		}
		q.set(http.CanonicalHeaderKey(name), p.value)
	}
	return nil
}
