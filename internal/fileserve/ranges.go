package fileserve

import (
	"slices"
	"strings"

	"atoll/internal/byterange"
	"atoll/internal/disk"
)

// maxRanges is how many ranges one answer has at most. Who asks for more, or
// for more bytes than the file has, gets the whole file, as RFC 9110, 14.2,
// allows.
const maxRanges = 32

// parseRanges reads a Range header for a file of size bytes. ok is false if
// it is well-formed and no part of it is within the file. No ranges, and ok:
// the whole file is to be served.
func parseRanges(header string, size int64) (out []disk.Range, ok bool) {
	unit, specs, found := strings.Cut(header, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return nil, true
	}
	total, some := int64(0), false
	for spec := range strings.SplitSeq(specs, ",") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue
		}
		r, valid := byterange.Parse(spec, size)
		if !valid {
			return nil, true
		}
		some = true
		if r.Len == 0 {
			continue
		}
		if len(out) == maxRanges || total > size-r.Len {
			return nil, true
		}
		out, total = append(out, r), total+r.Len
	}
	return out, !some || len(out) > 0
}

// union sorts ranges and merges those that overlap or touch: what the core is
// asked for must ascend.
func union(ranges []disk.Range) []disk.Range {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b disk.Range) int {
		switch {
		case a.Off < b.Off:
			return -1
		case a.Off > b.Off:
			return 1
		}
		return 0
	})
	var out []disk.Range
	for _, r := range sorted {
		if n := len(out); n > 0 && r.Off <= out[n-1].Off+out[n-1].Len {
			out[n-1].Len = max(out[n-1].Len, r.Off+r.Len-out[n-1].Off)
			continue
		}
		out = append(out, r)
	}
	return out
}
