package blob

import (
	"errors"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

// corruptible returns a sealed segment's bytes, which may be changed in
// place, with the extents in it.
func corruptible(t *testing.T, sizes ...int) (o Options, file []byte, all []extent) {
	fs := vfs.NewMem()
	o = testOptions(t, fs, "/b")
	s := mustOpen(t, o)
	rng := newRand()
	for i, n := range sizes {
		e := mustAppend(t, s, Owner{Disk: 1, Extent: uint64(i)}, randBytes(rng, n))
		s.Settle(e.loc)
		all = append(all, e)
	}
	mustClose(t, s)
	file, err := fs.UnsafeGetFileDataBuffer("/b/" + segName(all[0].loc.Segment))
	if err != nil {
		t.Fatal(err)
	}
	return o, file, all
}

// TestEveryFlip flips bytes of headers and payloads, and wants exactly the
// extent they belong to to be corrupt, for every way of reading.
func TestEveryFlip(t *testing.T) {
	o, file, all := corruptible(t, 1, 500, 3000, BlockSize+700)
	ro := o
	ro.ReadOnly = true
	for i, e := range all {
		head := recHeaderSize(e.loc.Length)
		begin := e.loc.Offset - head
		crcEnd := begin + recFixedSize + 4*blockCount(e.loc.Length) + 4
		for at := begin; at < e.loc.Offset+e.loc.Length; at++ {
			if at >= crcEnd && at < e.loc.Offset {
				continue // padding of the header
			}
			if at > e.loc.Offset+20 && at%997 != 0 && at != e.loc.Offset+e.loc.Length-1 {
				continue
			}
			file[at] ^= 1 << (at % 8)
			checkFlip(t, ro, all, i, at, at < e.loc.Offset)
			file[at] ^= 1 << (at % 8)
		}
	}
	s := mustOpen(t, ro)
	defer mustClose(t, s)
	wantAll(t, s, all)
	scanAll(t, s, all)
}

func checkFlip(t *testing.T, ro Options, all []extent, bad int, at int64, header bool) {
	s := mustOpen(t, ro)
	defer mustClose(t, s)
	var found int
	err := s.Check(bg, func(o Owner, l Loc, err error) error {
		if errs.Is(err, errs.Corrupt) {
			found++
		}
		return nil
	})
	if err != nil || found != 1 {
		t.Errorf("flip at %d: Check found %d faults, %v", at, found, err)
	}
	found = 0
	err = s.Scrub(bg, 0, func(_ Loc, err error) { found++; wantKind(t, err, errs.Corrupt) })
	if err != nil || found != 1 {
		t.Errorf("flip at %d: Scrub found %d faults, %v", at, found, err)
	}
	for i, e := range all {
		err := readBack(s, e)
		if i != bad && err != nil {
			t.Errorf("flip at %d hurt another extent: %v", at, err)
		}
		if i == bad {
			wantKind(t, err, errs.Corrupt)
			n, err := s.WriteRange(&failingWriter{}, e.loc, 0, e.loc.Length)
			wantKind(t, err, errs.Corrupt)
			if n != 0 {
				t.Errorf("flip at %d: %d bytes were written", at, n)
			}
		}
	}
	err = s.ScanSegment(bg, all[0].loc.Segment, func(Owner, Loc) error { return nil })
	if header {
		wantKind(t, err, errs.Corrupt)
	} else if err != nil {
		t.Errorf("flip at %d: scanning headers: %v", at, err)
	}
}

// TestFlippedFooter: a store whose footer is damaged opens by scanning.
func TestFlippedFooter(t *testing.T) {
	for at := range footerTailSize {
		o, file, all := corruptible(t, 100, 4000)
		file[len(file)-footerTailSize+at] ^= 0x10
		ro := o
		ro.ReadOnly = true
		for _, o := range []Options{ro, o} {
			s := mustOpen(t, o)
			if s.Recovery().Recovered != 1 {
				t.Errorf("flip at %d of the footer went unseen", at)
			}
			wantAll(t, s, all)
			mustClose(t, s)
		}
		s := mustOpen(t, o)
		if s.Recovery().Recovered != 0 {
			t.Error("the repaired footer is not accepted")
		}
		wantAll(t, s, all)
		scanAll(t, s, all)
		mustClose(t, s)
	}
}

// TestDamagedMiddle damages a record and the footer: the records behind the
// damage must survive the recovery.
func TestDamagedMiddle(t *testing.T) {
	o, file, all := corruptible(t, 900, 4000, 70000, 12)
	file[len(file)-1] ^= 1
	file[all[1].loc.Offset-40] ^= 1
	file[all[2].loc.Offset+5] ^= 1
	for range 2 {
		s := mustOpen(t, o)
		wantAll(t, s, []extent{all[0], all[3]})
		wantKind(t, readBack(s, all[1]), errs.Corrupt)
		wantKind(t, readBack(s, all[2]), errs.Corrupt)
		scanAll(t, s, []extent{all[0], all[3]})
		if info := s.Segments()[0]; info.Lost < 74000 || info.Records != 2 {
			t.Errorf("%+v", info)
		}
		mustClose(t, s)
	}
}

func TestTruncatedFile(t *testing.T) {
	o := testOptions(t, vfs.Default, t.TempDir()+"/b")
	s := mustOpen(t, o)
	a := mustAppend(t, s, Owner{}, randBytes(newRand(), 5000))
	b := mustAppend(t, s, Owner{}, randBytes(newRand(), 6000))
	s.Settle(a.loc, b.loc)
	mustClose(t, s)
	path := o.Dir + "/" + segName(a.loc.Segment)
	if err := os.Truncate(path, b.loc.Offset+100); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o)
	if r := s.Recovery(); r.Records != 1 || r.BytesCut == 0 {
		t.Errorf("%+v", r)
	}
	wantAll(t, s, []extent{a})
	wantKind(t, readBack(s, b), errs.Corrupt)
	// A file that shrinks while the store is open.
	c := mustAppend(t, s, Owner{}, randBytes(newRand(), 1<<20))
	s.Settle(c.loc)
	if err := os.Truncate(s.lookup(c.loc.Segment).path, c.loc.Offset+1000); err != nil {
		t.Fatal(err)
	}
	wantKind(t, readBack(s, c), errs.Corrupt)
	n, err := s.WriteRange(discardFrom{}, c.loc, 0, 1<<20)
	wantKind(t, err, errs.Corrupt)
	if n != 1000 {
		t.Errorf("%d bytes were written of 1000", n)
	}
	mustClose(t, s)
}

// TestNewerFormat wants a clear refusal of whatever a newer release wrote.
func TestNewerFormat(t *testing.T) {
	o, file, all := corruptible(t, 100)
	seed := headerSeed(storeID(t, o), all[0].loc.Segment)
	newer := func(what string) {
		_, err := Open(o)
		wantKind(t, err, errs.Unsupported)
		var v versionError
		if !errors.As(err, &v) || v.got != 2 {
			t.Errorf("%s: %v", what, err)
		}
	}
	good := append([]byte(nil), file...)
	tail := file[len(file)-footerTailSize:]
	tail[8] = 2
	fixFooter(file, seed)
	newer("footer")
	copy(file, good)
	file[len(file)-1] ^= 1 // not sealed
	file[8] = 2
	fixSegHeader(file)
	newer("segment header")
	copy(file, good)
	ident, err := o.FS.(*vfs.MemFS).UnsafeGetFileDataBuffer("/b/" + identName)
	if err != nil {
		t.Fatal(err)
	}
	ident[8] = 2
	fixIdent(ident)
	newer("identity")
}

// TestForeignSegment refuses a segment of another store or under another name.
func TestForeignSegment(t *testing.T) {
	o, _, _ := corruptible(t, 100)
	if err := o.FS.Rename("/b/"+segName(1), "/b/"+segName(2)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(o)
	wantKind(t, err, errs.Corrupt)
	if err := o.FS.Remove("/b/" + identName); err != nil {
		t.Fatal(err)
	}
	_, err = Open(o)
	wantKind(t, err, errs.Corrupt)
}
