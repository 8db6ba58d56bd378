package fileserve

import (
	"mime"
	"strings"
	"unicode/utf8"
)

// Runs tells whether a browser that shows a file of this Content-Type would
// run what is in it, or may: pages, XML in all its forms, scripts, and types
// that are made of others. A type that does not parse counts as one.
func Runs(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	major, minor, ok := strings.Cut(t, "/")
	switch {
	case err != nil || !ok:
		return true
	case strings.Contains(minor, "html"), strings.Contains(minor, "script"), strings.Contains(minor, "xml"),
		strings.Contains(minor, "xsl"), strings.Contains(minor, "flash"), strings.Contains(minor, "svg"):
		// OOXML documents are zip files; no browser opens them.
		return !strings.HasPrefix(minor, "vnd.openxmlformats-officedocument.") && minor != "postscript"
	case major == "multipart", major == "message", minor == "rdf", minor == "wasm":
		return true
	}
	return false
}

// Disposition is a Content-Disposition that shows a file in the browser and
// names it if it is saved: for old clients in ASCII, for others as it is (RFC
// 6266, RFC 8187). Control characters and bytes that are no UTF-8 become '_'.
func Disposition(name string) string {
	var plain, full strings.Builder
	exact := true
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		part := name[i : i+n]
		i += n
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == utf8.RuneError && n == 1 || isBidi(r) {
			r, part, exact = '_', "_", false
		}
		switch {
		case r == '"' || r == '\\' || r == '%':
			// Some clients take a backslash for part of the name, others
			// decode a percent sign here.
			plain.WriteByte('_')
			exact = false
		case r < 0x7f:
			plain.WriteByte(byte(r))
		default:
			plain.WriteByte('_')
			exact = false
		}
		for _, c := range []byte(part) {
			if isAttrChar(c) {
				full.WriteByte(c)
				continue
			}
			full.WriteByte('%')
			full.WriteByte(upperHex[c>>4])
			full.WriteByte(upperHex[c&15])
		}
	}
	s := `inline; filename="` + plain.String() + `"`
	if !exact {
		s += "; filename*=UTF-8''" + full.String()
	}
	return s
}

const upperHex = "0123456789ABCDEF"

// isBidi tells of the characters that turn the direction of writing: with
// them a name ends in another extension than it seems to.
func isBidi(r rune) bool {
	return r == 0x200e || r == 0x200f || r == 0x061c || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// isAttrChar is attr-char of RFC 8187.
func isAttrChar(c byte) bool {
	switch {
	case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		return true
	}
	return strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}
