package byterange

import (
	"testing"

	"atoll/internal/disk"
)

func TestParse(t *testing.T) {
	const size = 10
	for spec, want := range map[string]disk.Range{
		"0-0": {Off: 0, Len: 1}, "2-5": {Off: 2, Len: 4}, "2-": {Off: 2, Len: 8}, "9-": {Off: 9, Len: 1}, "-3": {Off: 7, Len: 3},
		"-10": {Off: 0, Len: 10}, "-11": {Off: 0, Len: 10}, "5-99999999999999999999999": {Off: 5, Len: 5},
		"-99999999999999999999999": {Off: 0, Len: 10}, "10-": {}, "99999999999999999999999-": {}, "-0": {Off: 10},
	} {
		if r, ok := Parse(spec, size); !ok || r != want {
			t.Errorf("%q: %+v, %v, want %+v", spec, r, ok, want)
		}
	}
	for _, spec := range []string{"", "-", "1", "5-4", "a-b", "1-b", "+1-2", "1--2", "1-2-3", " 1-2", "1-2,3-4", "-x"} {
		if r, ok := Parse(spec, size); ok {
			t.Errorf("%q: %+v", spec, r)
		}
	}
	if r, ok := Parse("-5", 0); !ok || r.Len != 0 {
		t.Errorf("of an empty file: %+v, %v", r, ok)
	}
}
