package pebblekv

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// testSplit: a prefix ends with the first NUL; a key without one has no
// version. This is the shape of a directory entry's key.
func testSplit(key []byte) int {
	if i := bytes.IndexByte(key, 0); i >= 0 {
		return i + 1
	}
	return len(key)
}

func TestComparer(t *testing.T) {
	prefixes := [][]byte{[]byte("\x00"), []byte("a\x00"), []byte("ab\x00"), []byte("a/b\x00"), []byte("\xff\xff\x00"), []byte("é\x00")}
	suffixes := [][]byte{{0}, {0, 0}, {1}, {0xff}, []byte("\x00\x01\x02\x03\x04\x05\x06\x07"), bytes.Repeat([]byte{0xff}, 8)}
	if err := pebble.CheckComparer(newComparer(testSplit), prefixes, suffixes); err != nil {
		t.Fatal(err)
	}
	whole := newComparer(Options{}.withDefaults().Split)
	if err := pebble.CheckComparer(whole, [][]byte{[]byte("a"), []byte("ab"), []byte("b\x00")}, nil); err != nil {
		t.Fatal(err)
	}
}
