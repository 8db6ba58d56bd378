package objmeta

import (
	"encoding/binary"
	"errors"
)

const version = 1

// Tags of Meta.
const (
	TagUser               = 1 // name and value
	TagCacheControl       = 2
	TagContentDisposition = 3
	TagContentLanguage    = 4
	TagExpires            = 5
)

// Tags of ContentMeta.
const (
	TagContentEncoding = 16
	TagSniffedType     = 17 // what the contents look like; only where the key's extension says nothing
	TagParts           = 18 // of a multipart upload: MD5 of the parts' MD5s and, in 2 bytes, how many there were
	TagUploadSum       = 19 // of an upload that is not complete: number and type of its checksum
	TagChecksum        = 32 // + the number of a checksum algorithm, from 1: the raw digest
	TagComposite       = 48 // + the same: digest of the parts' digests and, in 2 bytes, how many there were

	maxChecksum = 15 // algorithms that tags are kept for
)

var errCorrupt = errors.New("stored object metadata does not parse")

// AppendField appends a field whose value is a string.
func AppendField(b []byte, tag byte, value string) []byte {
	if len(b) == 0 {
		b = append(b, version)
	}
	b = append(b, tag)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// AppendUser appends one header of user metadata.
func AppendUser(b []byte, name, value string) []byte {
	if len(b) == 0 {
		b = append(b, version)
	}
	b = append(b, TagUser)
	b = binary.AppendUvarint(b, uint64(len(name)))
	b = append(b, name...)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// Reader walks the fields of a Meta or ContentMeta.
type Reader struct {
	rest  string
	Tag   byte
	Name  string // lower case, behind x-amz-meta-; of user metadata only
	Value string
	err   error
}

// Read begins a walk. The string is copied from p, values are parts of it.
func Read(p []byte) Reader {
	if len(p) == 0 {
		return Reader{}
	}
	if p[0] != version {
		return Reader{err: errCorrupt}
	}
	return Reader{rest: string(p[1:])}
}

// Next moves to the next field.
func (m *Reader) Next() bool {
	if m.err != nil || m.rest == "" {
		return false
	}
	m.Tag, m.rest = m.rest[0], m.rest[1:]
	m.Name = ""
	if m.Tag == TagUser {
		m.Name = m.part()
	}
	m.Value = m.part()
	return m.err == nil
}

// part takes one length and as many bytes.
func (m *Reader) part() string {
	var n uint64
	for i := 0; ; i++ {
		if i == len(m.rest) || i == 3 {
			m.err = errCorrupt
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
		m.err = errCorrupt
		return ""
	}
	s := m.rest[:n]
	m.rest = m.rest[n:]
	return s
}

// Err tells why Next stopped early; nil: it did not.
func (m *Reader) Err() error { return m.err }

// Content is what a file's ContentMeta says.
type Content struct {
	Encoding string // header Content-Encoding
	Sniffed  string // Content-Type that the contents look like
	Alg      int    // number of a checksum algorithm; 0: no checksum
	Sum      string // raw
	SumParts int    // 0: Sum is of the contents; else of the digests of so many parts
}

// ParseContent reads a ContentMeta.
func ParseContent(p []byte) (c Content, err error) {
	m := Read(p)
	for m.Next() {
		switch {
		case m.Tag == TagContentEncoding:
			c.Encoding = m.Value
		case m.Tag == TagSniffedType:
			c.Sniffed = m.Value
		case m.Tag > TagChecksum && m.Tag <= TagChecksum+maxChecksum:
			c.Alg, c.Sum, c.SumParts = int(m.Tag-TagChecksum), m.Value, 0
		case m.Tag > TagComposite && m.Tag <= TagComposite+maxChecksum:
			c.Alg = int(m.Tag - TagComposite)
			c.Sum, c.SumParts = cutCount(m.Value)
		}
	}
	return c, m.Err()
}

// AppendParts appends a field of a digest of n parts' digests.
func AppendParts(b []byte, tag byte, sum []byte, n int) []byte {
	return AppendField(b, tag, string(binary.BigEndian.AppendUint16(append([]byte(nil), sum...), uint16(n))))
}

// cutCount reads the value of such a field.
func cutCount(value string) (sum string, n int) {
	cut := len(value) - 2
	if cut < 0 {
		return "", 0
	}
	return value[:cut], int(value[cut])<<8 | int(value[cut+1])
}
