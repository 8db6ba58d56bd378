package sigv4

import (
	"net/http"
	"net/url"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// unreserved are the bytes that AWS leaves as they are in a path or a query.
var unreserved = func() (t [256]bool) {
	for c := range t {
		t[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", byte(c)) >= 0
	}
	return t
}()

// AppendPath appends the canonical encoding of a decoded path: every byte but
// the unreserved ones and '/' becomes %XX.
func AppendPath(dst []byte, path string) []byte {
	for i := 0; i < len(path); i++ {
		if c := path[i]; unreserved[c] || c == '/' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// appendQueryPart appends the canonical encoding of a raw name or value of a
// query, which may hold escapes and '+' for a space; false if an escape is bad.
func appendQueryPart(dst []byte, raw string) ([]byte, bool) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case unreserved[c]:
			dst = append(dst, c)
			continue
		case c == '+':
			c = ' '
		case c == '%':
			if i+2 >= len(raw) {
				return dst, false
			}
			hi, lo := unhex(raw[i+1]), unhex(raw[i+2])
			if hi < 0 || lo < 0 {
				return dst, false
			}
			c = byte(hi<<4 | lo)
			i += 2
			if unreserved[c] {
				dst = append(dst, c)
				continue
			}
		}
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
	}
	return dst, true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// appendFolded appends a header value without spaces at its ends and with runs
// of spaces folded to one. With tabs, tabs count as spaces.
func appendFolded(dst []byte, v string, tabs bool) []byte {
	if strings.IndexByte(v, ' ') < 0 && strings.IndexByte(v, '\t') < 0 {
		return append(dst, v...) // most values
	}
	v = strings.Trim(v, " \t")
	space := false
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == ' ' || tabs && c == '\t' {
			space = true
			continue
		}
		if space {
			dst = append(dst, ' ')
			space = false
		}
		dst = append(dst, c)
	}
	return dst
}

// rawPath returns the path of a server's request as the client sent it, if it
// is an encoding of r.URL.Path (anything else would let a signature of one
// path open another); else "".
func rawPath(r *http.Request) string {
	raw := r.RequestURI
	if raw == "" {
		return ""
	}
	raw, _, _ = strings.Cut(raw, "?")
	if raw != "" && raw[0] != '/' {
		// Absolute form, as sent to proxies: http://host/path.
		_, rest, ok := strings.Cut(raw, "://")
		i := strings.IndexByte(rest, '/')
		if !ok || i < 0 {
			return ""
		}
		raw = rest[i:]
	}
	if p, err := url.PathUnescape(raw); err != nil || p != r.URL.Path {
		return ""
	}
	return raw
}
