package blob

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

func TestRoundTrip(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		rng := newRand()
		s := mustOpen(t, o)
		all := appendAll(t, s, rng)
		wantAll(t, s, all)
		mustSync(t, s, all...)
		mustClose(t, s)

		s = mustOpen(t, o)
		if r := s.Recovery(); r.Recovered != 0 || r.Removed != 0 || r.Segments == 0 {
			t.Errorf("a clean restart recovered: %+v", r)
		}
		wantAll(t, s, all)
		wantAll(t, s, all) // again, with every block known
		if m := s.Metrics(); m.VerifiedBytes != m.ReadBytes/2 {
			t.Errorf("verified %d of %d bytes read twice", m.VerifiedBytes, m.ReadBytes)
		}
		all = append(all, appendAll(t, s, rng)...)
		wantAll(t, s, all)
		mustClose(t, s)
	})
}

func TestRanges(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		s := mustOpen(t, o)
		e := mustAppend(t, s, Owner{1, 2}, randBytes(newRand(), 3*BlockSize+100))
		s.Settle(e.loc)
		mustClose(t, s)
		s = mustOpen(t, o)
		defer mustClose(t, s)
		for _, bad := range []Loc{{e.loc.Segment, e.loc.Offset + 8, 100}, {e.loc.Segment, e.loc.Offset, 50}, {e.loc.Segment, 1 << 40, 100}} {
			_, err := s.ReadAt(bg, bad, make([]byte, 10), 20)
			wantKind(t, err, errs.Corrupt)
		}
		for _, r := range [][2]int64{{0, 1}, {BlockSize - 1, 2}, {BlockSize, BlockSize}, {3 * BlockSize, 100}, {5, 2 * BlockSize}, {0, e.loc.Length}, {e.loc.Length, 0}} {
			p := make([]byte, r[1])
			if _, err := s.ReadAt(bg, e.loc, p, r[0]); err != nil || !bytes.Equal(p, e.data[r[0]:r[0]+r[1]]) {
				t.Errorf("ReadAt %v: %v or wrong bytes", r, err)
			}
			var w bytes.Buffer
			if n, err := s.WriteRange(plainWriter{&w}, e.loc, r[0], r[1]); n != r[1] || err != nil || !bytes.Equal(w.Bytes(), e.data[r[0]:r[0]+r[1]]) {
				t.Errorf("WriteRange %v: %d, %v or wrong bytes", r, n, err)
			}
		}
		for _, r := range [][2]int64{{-1, 1}, {0, e.loc.Length + 1}, {e.loc.Length, 1}, {1 << 62, 1}} {
			_, err := s.ReadAt(bg, e.loc, make([]byte, r[1]), r[0])
			wantKind(t, err, errs.Invalid)
		}
		_, err := s.ReadAt(bg, Loc{99, 1000, 10}, make([]byte, 1), 0)
		wantKind(t, err, errs.Stale)
	})
}

func TestAppendLimits(t *testing.T) {
	s := mustOpen(t, testOptions(t, vfs.NewMem(), "/b"))
	defer mustClose(t, s)
	for _, n := range []int{0, MaxExtent + 1} {
		_, err := s.Append(Owner{}, make([]byte, n))
		wantKind(t, err, errs.Invalid)
	}
	e := mustAppend(t, s, Owner{}, randBytes(newRand(), MaxExtent)) // larger than a segment
	wantAll(t, s, []extent{e})
}

func TestReserve(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(t, fs, "/b")
	o.ReserveBytes = 10 << 20
	s := mustOpen(t, o)
	defer mustClose(t, s)
	mustAppend(t, s, Owner{}, make([]byte, 100)) // free space unknown
	s.space.left.Store(0)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10<<20 + 5000})
	mustAppend(t, s, Owner{}, make([]byte, 4000))
	_, err := s.Append(Owner{}, make([]byte, 8000))
	wantKind(t, err, errs.NoSpace)
	if _, err := s.AppendReserved(Owner{}, make([]byte, 8000)); err != nil {
		t.Error(err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 20 << 20})
	mustAppend(t, s, Owner{}, make([]byte, 8000))
}

func TestLockedAndMissing(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		ro := o
		ro.ReadOnly = true
		_, err := Open(ro)
		if err == nil {
			t.Error("a missing store opened read-only")
		}
		s := mustOpen(t, o)
		if _, err := Open(o); err == nil {
			t.Error("a store in use opened again")
		}
		mustClose(t, s)
		if _, err := s.Append(Owner{}, []byte("x")); err == nil {
			t.Error("Append after Close")
		}
		s = mustOpen(t, ro)
		_, err = s.Append(Owner{}, []byte("x"))
		wantKind(t, err, errs.ReadOnly)
		mustClose(t, s)
	})
}

type plainWriter struct{ w *bytes.Buffer }

func (p plainWriter) Write(b []byte) (int, error) { return p.w.Write(b) }

type failingWriter struct{ after int }

var errClientGone = errors.New("client gone")

func (f *failingWriter) Write(b []byte) (int, error) {
	if f.after -= len(b); f.after < 0 {
		return 0, errClientGone
	}
	return len(b), nil
}

func TestWriteRangeWriterError(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		s := mustOpen(t, o)
		defer mustClose(t, s)
		e := mustAppend(t, s, Owner{}, randBytes(newRand(), 1<<20))
		n, err := s.WriteRange(&failingWriter{after: 200 << 10}, e.loc, 0, 1<<20)
		if !errors.Is(err, errClientGone) || n != copyBufSize {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

// TestCheckRoom checks that writers beside the log share its reserve.
func TestCheckRoom(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{Dir: "b", FS: roomFS{fs, 64 << 20}, PreallocateBytes: -1, ReserveBytes: 10 << 20}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CheckRoom(8 << 10); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckRoom(60 << 20); !errs.Is(err, errs.NoSpace) {
		t.Fatalf("got %v, want NoSpace", err)
	}
}

// TestRoomTakenByOthers lets another program fill the file system: a look at
// the free space does not count for long.
func TestRoomTakenByOthers(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	fs := &roomFS{vfs.NewMem(), 64 << 20}
	s, err := Open(Options{Dir: "b", FS: fs, PreallocateBytes: -1, ReserveBytes: 10 << 20, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CheckRoom(8 << 10); err != nil {
		t.Fatal(err)
	}
	fs.free = 0
	now = now.Add(spaceStale)
	if err := s.CheckRoom(8 << 10); !errs.Is(err, errs.NoSpace) {
		t.Fatalf("on a full file system: %v, want NoSpace", err)
	}
	fs.free = 64 << 20
	if err := s.CheckRoom(8 << 10); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

// roomFS is a file system with as much free space as it says.
type roomFS struct {
	vfs.FS
	free uint64
}

func (f roomFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: f.free, TotalBytes: f.free}, nil
}
