package fileserve

import (
	"math"
	"slices"
	"strings"

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
		r, valid := parseRange(spec, size)
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

// parseRange reads `a-b`, `a-` or `-n`, and clips it to the file; an empty
// range is beyond the file.
func parseRange(spec string, size int64) (r disk.Range, valid bool) {
	first, last, found := strings.Cut(spec, "-")
	if !found {
		return r, false
	}
	if first == "" {
		n, ok := parseDigits(last)
		n = min(n, size)
		return disk.Range{Off: size - n, Len: n}, ok
	}
	from, ok := parseDigits(first)
	if !ok {
		return r, false
	}
	to := int64(math.MaxInt64)
	if last != "" {
		if to, ok = parseDigits(last); !ok || to < from {
			return r, false
		}
	}
	if from >= size {
		return r, true
	}
	return disk.Range{Off: from, Len: min(to, size-1) - from + 1}, true
}

// parseDigits reads a decimal number; what overflows is the largest.
func parseDigits(s string) (n int64, ok bool) {
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
