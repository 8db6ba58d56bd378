package blob

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

var bg = context.Background()

// onBoth runs a test on the in-memory and on the real file system.
func onBoth(t *testing.T, fn func(t *testing.T, o Options)) {
	t.Run("mem", func(t *testing.T) { fn(t, testOptions(t, vfs.NewMem(), "/store/blobs")) })
	t.Run("disk", func(t *testing.T) { fn(t, testOptions(t, vfs.Default, t.TempDir()+"/store/blobs")) })
}

func testOptions(t testing.TB, fs vfs.FS, dir string) Options {
	return Options{
		Dir: dir, FS: fs, SegmentBytes: 1 << 20, PreallocateBytes: 256 << 10,
		OnFatal: func(err error) { t.Errorf("unexpected failed sync: %v", err) },
	}
}

func mustOpen(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// extent is what a test remembers of an Append.
type extent struct {
	owner Owner
	loc   Loc
	data  []byte
}

func randBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		v := rng.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	for i := n &^ 7; i < n; i++ {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// sizes cover the borders of the format.
var sizes = []int{1, 7, 8, 463, 464, 465, 511, 512, 4096, BlockSize - 1, BlockSize, BlockSize + 1, SmallLimit - 1, SmallLimit, 3*BlockSize + 5, 1 << 20, 1<<20 + 1}

func mustAppend(t testing.TB, s *Store, owner Owner, data []byte) extent {
	t.Helper()
	loc, err := s.Append(owner, data)
	if err != nil {
		t.Fatal(err)
	}
	return extent{owner, loc, data}
}

// appendAll appends one extent of each size and settles it.
func appendAll(t testing.TB, s *Store, rng *rand.Rand) []extent {
	t.Helper()
	var all []extent
	for i, n := range sizes {
		e := mustAppend(t, s, Owner{Disk: 7, Extent: uint64(i)}, randBytes(rng, n))
		s.Settle(e.loc)
		all = append(all, e)
	}
	return all
}

func mustSync(t testing.TB, s *Store, all ...extent) {
	t.Helper()
	locs := make([]Loc, len(all))
	for i, e := range all {
		locs[i] = e.loc
	}
	if err := s.Sync(bg, locs...); err != nil {
		t.Fatal(err)
	}
}

// readBack compares an extent with what was appended.
func readBack(s *Store, e extent) error {
	p := make([]byte, e.loc.Length)
	if _, err := s.ReadAt(bg, e.loc, p, 0); err != nil {
		return err
	}
	if !bytes.Equal(p, e.data) {
		return fmt.Errorf("%+v reads back wrong", e.loc)
	}
	return nil
}

func wantAll(t testing.TB, s *Store, all []extent) {
	t.Helper()
	for _, e := range all {
		if err := readBack(s, e); err != nil {
			t.Errorf("extent of %d bytes: %v", len(e.data), err)
		}
	}
}

func wantKind(t testing.TB, err error, kind errs.Kind) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Errorf("got %v, want an error of kind %v", err, kind)
	}
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func storeID(t testing.TB, o Options) uuid {
	b, err := readFile(o.FS, o.FS.PathJoin(o.Dir, identName))
	if err != nil {
		t.Fatal(err)
	}
	id, err := parseIdent(b)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// fixFooter, fixSegHeader and fixIdent make checksums right after a change.
func fixFooter(file []byte, seed uint32) {
	tail := file[len(file)-footerTailSize:]
	binary.LittleEndian.PutUint32(tail[60:], crc32.Update(seed, castagnoli, tail[:60]))
}

func fixSegHeader(file []byte) {
	binary.LittleEndian.PutUint32(file[40:], crc32.Checksum(file[:40], castagnoli))
}

func fixIdent(b []byte) {
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// discardFrom swallows what it is given, as an io.ReaderFrom.
type discardFrom struct{}

func (discardFrom) Write(p []byte) (int, error) { return len(p), nil }
func (discardFrom) ReadFrom(r io.Reader) (n int64, err error) {
	return io.Copy(struct{ io.Writer }{io.Discard}, r)
}
