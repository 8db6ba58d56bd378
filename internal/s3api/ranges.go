package s3api

import (
	"math"
	"strings"

	"atoll/internal/disk"
)

// rangeResult says what a Range header asks for.
type rangeResult uint8

const (
	rangeWhole         rangeResult = iota // none, malformed, several: the whole object
	rangePart                             // one part
	rangeUnsatisfiable                    // well-formed, and beyond the object
)

// parseRange reads a Range header for an object of size bytes.
func parseRange(header string, size int64) (disk.Range, rangeResult) {
	whole := disk.Range{Len: size}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return whole, rangeWhole
	}
	first, last, ok := strings.Cut(strings.Trim(spec, " \t"), "-")
	if !ok {
		return whole, rangeWhole
	}
	if first == "" {
		n, ok := parseDigits(last)
		switch {
		case !ok:
			return whole, rangeWhole
		case n == 0 || size == 0:
			return whole, rangeUnsatisfiable
		}
		n = min(n, size)
		return disk.Range{Off: size - n, Len: n}, rangePart
	}
	from, ok := parseDigits(first)
	if !ok {
		return whole, rangeWhole
	}
	to := int64(math.MaxInt64)
	if last != "" {
		if to, ok = parseDigits(last); !ok || to < from {
			return whole, rangeWhole
		}
	}
	if from >= size {
		return whole, rangeUnsatisfiable
	}
	return disk.Range{Off: from, Len: min(to, size-1) - from + 1}, rangePart
}

// parseDigits reads a decimal number; what overflows is the largest.
func parseDigits(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	var n int64
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
	return n, true
}
