package blob

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"atoll/internal/crashfs"
	"atoll/internal/errs"
)

// TestGroupSync holds the first sync until many others have appended; one
// more sync must do for all of them.
func TestGroupSync(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		o.FS = errorfs.Wrap(o.FS, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSyncData {
				once.Do(func() { close(begun); <-goOn })
			}
			return nil
		}))
		s := mustOpen(t, o)
		defer mustClose(t, s)
		first := mustAppend(t, s, Owner{}, []byte("first"))
		done := make(chan error, 33)
		go func() { done <- s.Sync(bg, first.loc) }()
		<-begun
		for i := range 32 {
			e := mustAppend(t, s, Owner{Extent: uint64(i)}, []byte("more"))
			go func() { done <- s.Sync(bg, e.loc) }()
		}
		waiting, cancel := context.WithCancel(bg)
		cancel()
		wantKind(t, s.Sync(waiting, mustAppend(t, s, Owner{}, []byte("x")).loc), errs.Canceled)
		close(goOn)
		for range 33 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := s.Metrics().Syncs; n != 2 {
			t.Errorf("%d syncs for 33 calls, want 2", n)
		}
		mustSync(t, s, first)
		if n := s.Metrics().Syncs; n != 2 {
			t.Error("a sync of durable bytes did I/O")
		}
		_, err := s.Append(Owner{}, []byte("x"))
		if err != nil {
			t.Error(err)
		}
		wantKind(t, s.Sync(bg, Loc{first.loc.Segment, 1 << 30, 1}), errs.Invalid)
	})
}

func TestSyncSeveralSegments(t *testing.T) {
	fs := crashfs.New()
	s := mustOpen(t, testOptions(t, fs, "/b"))
	defer mustClose(t, s)
	all := appendAll(t, s, newRand())
	mustSync(t, s, all...)
	c := mustOpen(t, testOptions(t, fs.CrashClone(vfs.CrashCloneCfg{}), "/b"))
	defer mustClose(t, c)
	wantAll(t, c, all)
}

// failingStore returns a store on whose files the operations that match fail
// while the switch is on.
func failingStore(t *testing.T, o Options, errno error, kinds ...errorfs.OpKind) (*Store, *atomic.Bool, *atomic.Int32) {
	var on atomic.Bool
	var fatal atomic.Int32
	o.OnFatal = func(error) { fatal.Add(1) }
	o.FS = errorfs.Wrap(o.FS, errorfs.InjectorFunc(func(op errorfs.Op) error {
		for _, k := range kinds {
			if on.Load() && op.Kind == k {
				return errno
			}
		}
		return nil
	}))
	return mustOpen(t, o), &on, &fatal
}

func TestFailedSyncIsFatal(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileSyncData, errorfs.OpFileSync} {
		onBoth(t, func(t *testing.T, o Options) {
			s, on, fatal := failingStore(t, o, errors.New("I/O error"), kind)
			e := mustAppend(t, s, Owner{}, []byte("lost?"))
			on.Store(true)
			if s.Sync(bg, e.loc) == nil {
				t.Error("Sync succeeded")
			}
			on.Store(false)
			if s.Sync(bg, e.loc) == nil {
				t.Error("a second Sync succeeded")
			}
			if _, err := s.Append(Owner{}, []byte("x")); err == nil {
				t.Error("Append succeeded")
			}
			if s.Seal(bg) == nil {
				t.Error("Seal succeeded")
			}
			if n := fatal.Load(); n != 1 {
				t.Errorf("OnFatal was called %d times", n)
			}
			mustClose(t, s)
		})
	}
}

// TestFailedWrites fails every third write or so: what failed is reported,
// what did not is there, now and after a restart.
func TestFailedWrites(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		rng := newRand()
		s, on, _ := failingStore(t, o, syscall.ENOSPC, errorfs.OpFileWriteAt, errorfs.OpOpen)
		var all []extent
		for i := range 300 {
			on.Store(rng.IntN(3) == 0)
			data := randBytes(rng, 1+rng.IntN(200<<10))
			loc, err := s.Append(Owner{Extent: uint64(i)}, data)
			if on.Load() {
				wantKind(t, err, errs.NoSpace)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Settle(loc)
			all = append(all, extent{Owner{Extent: uint64(i)}, loc, data})
		}
		on.Store(true)
		if s.Seal(bg) == nil {
			t.Error("sealing succeeded without writing")
		}
		on.Store(false)
		if err := s.Seal(bg); err != nil {
			t.Error(err)
		}
		wantAll(t, s, all)
		mustClose(t, s)
		s = mustOpen(t, o)
		defer mustClose(t, s)
		if r := s.Recovery(); r.Recovered != 0 {
			t.Errorf("not all sealed: %+v", r)
		}
		wantAll(t, s, all)
		scanAll(t, s, all)
	})
}

// scanAll expects ScanSegment to show exactly the extents of all.
func scanAll(t testing.TB, s *Store, all []extent) {
	t.Helper()
	want := map[Loc]Owner{}
	for _, e := range all {
		want[e.loc] = e.owner
	}
	for _, info := range s.Segments() {
		if !info.Sealed {
			continue
		}
		err := s.ScanSegment(bg, info.ID, func(o Owner, l Loc) error {
			if w, ok := want[l]; !ok || w != o {
				t.Errorf("unexpected extent %+v of %+v", l, o)
			}
			delete(want, l)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if len(want) > 0 {
		t.Errorf("%d extents not found by scanning", len(want))
	}
}
