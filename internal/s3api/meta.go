package s3api

import (
	"net/http"
	"slices"
	"strings"

	"atoll/internal/objmeta"
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
	{objmeta.TagCacheControl, "Cache-Control"},
	{objmeta.TagContentDisposition, "Content-Disposition"},
	{objmeta.TagContentLanguage, "Content-Language"},
	{objmeta.TagExpires, "Expires"},
}

var (
	errMetaTooLarge = &apiError{Status: 400, Code: "MetadataTooLarge",
		Message: "Your metadata headers exceed the maximum allowed metadata size of 2048 bytes."}
	errHeadersTooLarge = &apiError{Status: 400, Code: "RequestHeaderSectionTooLarge",
		Message: "The Cache-Control, Content-* and Expires headers exceed the maximum allowed size of 8192 bytes."}
)

// appendRequestMeta appends what Meta keeps of a PUT's headers.
func (q *request) appendRequestMeta(b []byte) ([]byte, error) {
	system := 0
	for _, mh := range metaHeaders {
		if v := q.list(mh.name); v != "" {
			system += len(v)
			b = objmeta.AppendField(b, mh.tag, v)
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
		b = objmeta.AppendUser(b, strings.ToLower(name[len(userPrefix):]), v)
	}
	return b, nil
}

// setMeta sets the response headers that a file's Meta holds.
func (q *request) setMeta(meta []byte) error {
	m := objmeta.Read(meta)
	for m.Next() {
		switch m.Tag {
		case objmeta.TagUser:
			// In lower case, as AWS sends them: SDKs take the rest of the
			// header's name for the metadata's as it comes.
			q.set("x-amz-meta-"+m.Name, m.Value)
		case objmeta.TagCacheControl, objmeta.TagContentDisposition, objmeta.TagContentLanguage, objmeta.TagExpires:
			q.set(metaHeaders[m.Tag-objmeta.TagCacheControl].name, m.Value)
		}
	}
	return m.Err()
}

// contentMeta is what a file's ContentMeta says.
type contentMeta struct {
	encoding string
	sniffed  string
	alg      checksumAlg // sumNone: no checksum
	sum      string      // raw
	parts    int         // 0: sum is of the contents; else of the digests of so many parts
}

func parseContentMeta(p []byte) (contentMeta, error) {
	c, err := objmeta.ParseContent(p)
	m := contentMeta{encoding: c.Encoding, sniffed: c.Sniffed}
	if c.Alg < int(numSums) {
		m.alg, m.sum, m.parts = checksumAlg(c.Alg), c.Sum, c.SumParts
	}
	return m, err
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
