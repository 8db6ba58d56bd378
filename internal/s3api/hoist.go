package s3api

import (
	"net/http"
	"strings"
)

// hoist makes headers of the x-amz-* parameters of a presigned request. It
// comes after the check of the signature, which covers the query: a header
// that the signature names must be a header.
func (q *request) hoist() error {
	for i := range q.query {
		p := &q.query[i]
		if !isHoisted(p.name) {
			continue
		}
		for j := range q.query[:i] {
			if strings.EqualFold(q.query[j].name, p.name) {
				// As for names that are the same to the letter.
				return badArgument("The query parameter " + p.name + " is there more than once; give it once.")
			}
		}
		if !isToken(p.name) || !isFieldValue(p.value) {
			return badArgument("The query parameter " + p.name + " can't be a header.")
		}
		name := http.CanonicalHeaderKey(p.name)
		if _, ok := q.r.Header[name]; !ok {
			q.r.Header[name] = []string{p.value}
		}
	}
	return nil
}

// isToken tells whether s can be the name of a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// isFieldValue tells whether s can be the value of a header: no control
// characters but tabs.
func isFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
