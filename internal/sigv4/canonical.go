package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// variant says which of the forms that signers use is built; the zero value is
// AWS's. See the package comment.
type variant struct {
	rawPath bool // the path as sent
	query   queryForm
	tabs    bool // tabs in header values fold as spaces
}

// queryForm is how a query is signed.
type queryForm uint8

const (
	queryCanonical queryForm = iota // encoded and sorted
	querySorted                     // names and values as sent, sorted
	queryAsSent                     // the query as sent, in its order
)

// variants are all forms but AWS's, the likelier ones first.
var variants = func() (all []variant) {
	for i := 1; i < 2*2*3; i++ {
		all = append(all, variant{rawPath: i%2 == 1, query: queryForm(i / 2 % 3), tabs: i >= 2*3})
	}
	return all
}()

// pair is a name and a value of a query, as offsets into canon.query.
type pair struct{ start, mid, end int }

// canon builds canonical requests and strings to sign in buffers that are
// used again. It is not safe for concurrent use.
type canon struct {
	buf    []byte // canonical request, then the string to sign
	query  []byte // encoded query parts, unsorted
	pairs  []pair
	sawTab bool // some signed header value holds a tab
}

// maxPairs bounds the parameters of a query, which are sorted before anyone is
// known to have signed them; real requests have a few dozen.
const maxPairs = 1024

// maxPooled is the size of buffers that are worth keeping.
const maxPooled = 64 << 10

// request is what a canonical request is built of, beyond the http.Request.
type request struct {
	names  []string // signed headers, lower case, in signing order
	signed string   // the same, joined
	hash   string   // payload hash
}

// stringToSign builds the canonical request of r and from it the string to
// sign, which is valid until the next call.
func (c *canon) stringToSign(r *http.Request, q request, stamp, date, region string, v variant) ([]byte, *Error) {
	c.buf = append(c.buf[:0], r.Method...)
	c.buf = append(c.buf, '\n')
	c.path(r, v)
	c.buf = append(c.buf, '\n')
	if !c.canonicalQuery(r.URL.RawQuery, v.query) {
		return nil, errURI
	}
	c.buf = append(c.buf, '\n')
	for _, name := range q.names {
		if !c.header(r, name, v.tabs) {
			return nil, &Error{CodeSignatureDoesNotMatch, "The header " + name + " is signed and not in the request."}
		}
	}
	c.buf = append(c.buf, '\n')
	c.buf = append(c.buf, q.signed...)
	c.buf = append(c.buf, '\n')
	c.buf = append(c.buf, q.hash...)

	sum := sha256.Sum256(c.buf)
	c.buf = append(c.buf[:0], algorithm+"\n"...)
	c.buf = append(c.buf, stamp...)
	c.buf = append(c.buf, '\n')
	c.buf = appendScope(c.buf, date, region)
	c.buf = append(c.buf, '\n')
	c.buf = hex.AppendEncode(c.buf, sum[:])
	return c.buf, nil
}

func appendScope(dst []byte, date, region string) []byte {
	dst = append(dst, date...)
	dst = append(dst, '/')
	dst = append(dst, region...)
	return append(dst, "/"+service+"/"+terminator...)
}

func (c *canon) path(r *http.Request, v variant) {
	switch raw := ""; {
	case v.rawPath:
		raw = rawPath(r)
		c.buf = append(c.buf, raw...)
	case r.URL.Path == "":
		c.buf = append(c.buf, '/')
	default:
		c.buf = AppendPath(c.buf, r.URL.Path)
	}
}

// canonicalQuery appends the canonical form of a raw query without
// X-Amz-Signature; false if it holds a bad escape or too many pairs.
func (c *canon) canonicalQuery(raw string, form queryForm) bool {
	if raw == "" {
		return true
	}
	c.query, c.pairs = c.query[:0], c.pairs[:0]
	for raw != "" {
		var item string
		item, raw, _ = strings.Cut(raw, "&")
		if item == "" {
			continue
		}
		if len(c.pairs) == maxPairs || !c.addPair(item, form) {
			return false
		}
	}
	if form != queryAsSent {
		slices.SortFunc(c.pairs, c.comparePairs)
	}
	for i, p := range c.pairs {
		if i > 0 {
			c.buf = append(c.buf, '&')
		}
		c.buf = append(c.buf, c.query[p.start:p.mid]...)
		if form != queryAsSent {
			c.buf = append(c.buf, '=')
		}
		c.buf = append(c.buf, c.query[p.mid:p.end]...)
	}
	return true
}

func (c *canon) comparePairs(a, b pair) int {
	if d := bytes.Compare(c.query[a.start:a.mid], c.query[b.start:b.mid]); d != 0 {
		return d
	}
	return bytes.Compare(c.query[a.mid:a.end], c.query[b.mid:b.end])
}

// addPair encodes one NAME=VALUE of a query.
func (c *canon) addPair(item string, form queryForm) bool {
	name, value, _ := strings.Cut(item, "=")
	p := pair{start: len(c.query)}
	var ok bool
	if c.query, ok = appendQueryPart(c.query, name); !ok {
		return false
	}
	if string(c.query[p.start:]) == "X-Amz-Signature" {
		c.query = c.query[:p.start]
		return true
	}
	p.mid = len(c.query)
	if c.query, ok = appendQueryPart(c.query, value); !ok {
		return false
	}
	switch form {
	case querySorted:
		c.query = append(c.query[:p.start], name...)
		p.mid = len(c.query)
		c.query = append(c.query, value...)
	case queryAsSent:
		c.query = append(c.query[:p.start], item...)
		p.mid = len(c.query)
	}
	p.end = len(c.query)
	c.pairs = append(c.pairs, p)
	return true
}

// header appends the line of a signed header; false if r does not have it.
// Those that net/http keeps elsewhere are taken from there.
func (c *canon) header(r *http.Request, name string, tabs bool) bool {
	values := lookup(r.Header, name)
	if name == "host" {
		values = nil
	}
	start := len(c.buf)
	c.buf = append(c.buf, name...)
	c.buf = append(c.buf, ':')
	switch {
	case name == "host":
		host := r.Host
		if host == "" {
			host = r.URL.Host
		}
		c.buf = appendFolded(c.buf, host, tabs)
	case len(values) > 0:
		for i, v := range values {
			if i > 0 {
				c.buf = append(c.buf, ',')
			}
			c.sawTab = c.sawTab || strings.IndexByte(v, '\t') >= 0
			c.buf = appendFolded(c.buf, v, tabs)
		}
	case name == "content-length" && r.ContentLength >= 0:
		c.buf = strconv.AppendInt(c.buf, r.ContentLength, 10)
	case name == "transfer-encoding" && len(r.TransferEncoding) > 0:
		c.buf = append(c.buf, strings.Join(r.TransferEncoding, ",")...)
	case name == "expect" && r.ProtoMajor == 2:
		c.buf = append(c.buf, "100-continue"...)
	default:
		c.buf = c.buf[:start]
		return false
	}
	c.buf = append(c.buf, '\n')
	return true
}

// lookup returns the values of a header whose name is given in lower case. It
// does what http.CanonicalHeaderKey does, without its allocation.
func lookup(h http.Header, name string) []string {
	var key [64]byte
	if len(name) > len(key) {
		return h[http.CanonicalHeaderKey(name)]
	}
	upper := true
	for i := 0; i < len(name); i++ {
		b := name[i]
		if upper && 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		key[i] = b
		upper = b == '-'
	}
	return h[string(key[:len(name)])]
}
