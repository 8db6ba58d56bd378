// Package byterange reads the ranges of HTTP's Range header (RFC 9110, 14.1.2),
// for all doors that serve files.
package byterange

import (
	"math"
	"strings"

	"atoll/internal/disk"
)

// Parse reads one range, `a-b`, `a-` or `-n`, and clips it to a file of size
// bytes; an empty range is beyond the file. It is not valid if it is none of
// these.
func Parse(spec string, size int64) (r disk.Range, valid bool) {
	first, last, found := strings.Cut(spec, "-")
	if !found {
		return r, false
	}
	if first == "" {
		n, ok := Digits(last)
		n = min(n, size)
		return disk.Range{Off: size - n, Len: n}, ok
	}
	from, ok := Digits(first)
	if !ok {
		return r, false
	}
	to := int64(math.MaxInt64)
	if last != "" {
		if to, ok = Digits(last); !ok || to < from {
			return r, false
		}
	}
	if from >= size {
		return r, true
	}
	return disk.Range{Off: from, Len: min(to, size-1) - from + 1}, true
}

// Digits reads a decimal number; what overflows is the largest.
func Digits(s string) (n int64, ok bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, s != ""
}
