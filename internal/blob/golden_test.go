package blob

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// goldenStore writes the store that testdata/v1 holds.
func goldenStore(t *testing.T, fs vfs.FS) (o Options, all []extent) {
	o = testOptions(t, fs, "/v1")
	o.Random = bytes.NewReader([]byte("0123456789abcdef"))
	s := mustOpen(t, o)
	for i, n := range []int{1, 700, 5000, BlockSize + 1} {
		data := bytes.Repeat([]byte{byte('a' + i), byte(i)}, n)[:n]
		e := mustAppend(t, s, Owner{Disk: 0x1234, Extent: uint64(i) + 1}, data)
		s.Settle(e.loc)
		all = append(all, e)
	}
	mustClose(t, s)
	return o, all
}

// TestFormatV1 opens a store written by the first release and compares it with
// what is written now, byte by byte. A change of the format needs a new
// version and a new directory under testdata, beside the old.
func TestFormatV1(t *testing.T) {
	now := vfs.NewMem()
	o, all := goldenStore(t, now)
	old := vfs.NewMem()
	if err := old.MkdirAll("/v1", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{identName, segName(1)} {
		want, err := os.ReadFile(filepath.Join("testdata", "v1", name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readFile(now, "/v1/"+name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from the one in testdata (%v)", name, err)
		}
		if err := writeFile(old, "/v1/"+name, want); err != nil {
			t.Fatal(err)
		}
	}
	o.FS = old
	s := mustOpen(t, o)
	defer mustClose(t, s)
	wantAll(t, s, all)
	scanAll(t, s, all)
}
