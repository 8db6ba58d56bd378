package s3api

import (
	"strings"

	"atoll/internal/byterange"
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
	r, ok := byterange.Parse(strings.Trim(spec, " \t"), size)
	switch {
	case !ok:
		return whole, rangeWhole
	case r.Len == 0:
		return whole, rangeUnsatisfiable
	}
	return r, rangePart
}
