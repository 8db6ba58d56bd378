package blob

import (
	"bytes"
	"hash/crc32"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fuzzSegment is a valid sealed segment of a store with the zero identity.
func fuzzSegment() (file []byte, all []extent) {
	rng := newRand()
	file = segHeader(uuid{}, 1)
	seed := headerSeed(uuid{}, 1)
	var ft footer
	for i, n := range []int{5, 600, 3000, 100} {
		data, off := randBytes(rng, n), int64(len(file))
		rec := make([]byte, recSize(int64(n)))
		putBlockSums(rec, data)
		putRecHeader(rec, seed, Owner{1, uint64(i)}, off, int64(n))
		copy(rec[recHeaderSize(int64(n)):], data)
		file = append(file, rec...)
		loc := Loc{1, off + recHeaderSize(int64(n)), int64(n)}
		all = append(all, extent{Owner{1, uint64(i)}, loc, data})
		ft.records, ft.payload = ft.records+1, ft.payload+int64(n)
	}
	ft.off = int64(len(file))
	return append(file, ft.encode(seed, 1)...), all
}

// FuzzOpen damages a segment at several places and opens the store: it must
// not panic, and whatever extent reads back must be as it was written.
func FuzzOpen(f *testing.F) {
	good, all := fuzzSegment()
	f.Add(uint32(600), uint32(0), []byte{1}, uint32(0))
	f.Add(uint32(len(good)-5), uint32(1200), []byte{7, 0, 0, 9}, uint32(0))
	f.Add(uint32(0), uint32(0), []byte("ATOLLSEG\x02"), uint32(900))
	f.Add(uint32(2000), uint32(len(good)-footerTailSize), bytes.Repeat([]byte{0xff}, 70), uint32(0))
	f.Add(uint32(512), uint32(2000), good[512:1400], uint32(1))
	f.Fuzz(func(t *testing.T, at1, at2 uint32, patch []byte, cut uint32) {
		file := bytes.Clone(good)
		copy(file[at1%uint32(len(file)):], patch)
		copy(file[at2%uint32(len(file)):], patch)
		if cut > 0 {
			file = file[:cut%uint32(len(file))]
		}
		fs := vfs.NewMem()
		o := testOptions(t, fs, "/b")
		if err := fs.MkdirAll("/b", 0o700); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{identName: encodeIdent(uuid{}), segName(1): file} {
			if err := writeFile(fs, "/b/"+name, b); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(o)
		if err != nil {
			return
		}
		defer mustClose(t, s)
		known := map[Loc]extent{}
		for _, e := range all {
			known[e.loc] = e
			p := make([]byte, e.loc.Length)
			if _, err := s.ReadAt(bg, e.loc, p, 0); err == nil && !bytes.Equal(p, e.data) {
				t.Errorf("%+v reads wrong bytes", e.loc)
			}
		}
		err = s.Check(bg, func(o Owner, l Loc, err error) error {
			if e, ok := known[l]; err == nil && (!ok || e.owner != o) {
				t.Errorf("%+v of %+v was never written", l, o)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// FuzzScan recovers arbitrary bytes and checks what it accepts again.
func FuzzScan(f *testing.F) {
	good, _ := fuzzSegment()
	f.Add(good[segHeaderSize:])
	f.Add(good[segHeaderSize:700])
	f.Add(good[520:])
	f.Add([]byte("ATLR\x01\x00\x01\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := append(segHeader(uuid{}, 1), b...)
		seed := headerSeed(uuid{}, 1)
		at := int64(segHeaderSize)
		res, err := scanUnsealed(bytes.NewReader(file), seed, int64(len(file)), func(r *record) {
			if r.off < at || r.payloadEnd() > int64(len(file)) {
				t.Fatalf("record at %d overlaps or leaves the file", r.off)
			}
			at = r.end()
			payload := file[r.payloadOff():r.payloadEnd()]
			for i := range r.blocks() {
				block := payload[i*BlockSize : min((i+1)*BlockSize, r.length)]
				if crc32.Checksum(block, castagnoli) != r.sum(i) {
					t.Fatal("a bad block was accepted")
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		ft := footer{off: res.end, records: res.records, payload: res.payload, gaps: res.gaps}
		enc := ft.encode(seed, 1)
		if _, err := parseFooter(enc, seed, 1, res.end+ft.size()); err != nil {
			t.Fatalf("the footer of a scan does not parse: %v", err)
		}
	})
}

// FuzzFooter parses arbitrary bytes as the end of a file.
func FuzzFooter(f *testing.F) {
	good, _ := fuzzSegment()
	f.Add(good[len(good)-footerTailSize:])
	withGap := footer{off: 2048, records: 1, payload: 1, gaps: []span{{512, 1024}, {1032, 2048}}}
	f.Add(withGap.encode(headerSeed(uuid{}, 1), 1))
	f.Fuzz(func(t *testing.T, tail []byte) {
		file := append(segHeader(uuid{}, 1), tail...)
		ft, err := readFooter(bytes.NewReader(file), headerSeed(uuid{}, 1), 1, int64(len(file)))
		if err == nil && (ft.off < segHeaderSize || ft.off+ft.size() != int64(len(file))) {
			t.Fatalf("%+v accepted", ft)
		}
	})
}

// TestBlockStride checks what the verified bitmap rests on: that no two blocks
// of a segment begin within the same 512 bytes.
func TestBlockStride(t *testing.T) {
	for _, n := range sizes {
		for _, next := range sizes {
			n, next := int64(n), int64(next)
			last := recHeaderSize(n) + (blockCount(n)-1)*BlockSize
			if d := recSize(n) + recHeaderSize(next) - last; d < minBlockStride {
				t.Errorf("after %d bytes the next block of %d begins %d bytes behind the last", n, next, d)
			}
			if recSize(n)%8 != 0 || recHeaderSize(n)%8 != 0 || recHeaderSize(n) > maxRecHeader {
				t.Errorf("sizes for %d bytes", n)
			}
		}
	}
}
