package blob

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

func TestRemoveWaitsForReaders(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		s := mustOpen(t, o)
		e := mustAppend(t, s, Owner{}, randBytes(newRand(), 200<<10))
		id := e.loc.Segment
		wantKind(t, s.Remove(bg, id), errs.Invalid) // active
		if err := s.Seal(bg); err != nil {
			t.Fatal(err)
		}
		wantKind(t, s.Remove(bg, id), errs.Invalid) // an upload uses it
		s.Settle(e.loc)
		if !s.Acquire(id) {
			t.Fatal("Acquire failed")
		}
		gone, cancel := context.WithCancel(bg)
		cancel()
		wantKind(t, s.Remove(gone, id), errs.Canceled)
		if s.Acquire(id) {
			t.Error("a doomed segment was acquired")
		}
		if info := s.Segments()[0]; !info.Doomed || info.Readers != 1 {
			t.Errorf("%+v", info)
		}
		wantAll(t, s, []extent{e}) // the reader goes on
		thaw := s.Freeze()
		wantKind(t, s.Remove(bg, id), errs.Overloaded)
		thaw()
		removed := make(chan error, 2)
		for range 2 {
			go func() { removed <- s.Remove(bg, id) }()
		}
		wantAll(t, s, []extent{e})
		s.Release(id)
		for range 2 { // the later of them may find it gone
			if err := <-removed; err != nil && !errs.Is(err, errs.NotFound) {
				t.Error(err)
			}
		}
		wantKind(t, readBack(s, e), errs.Stale)
		wantKind(t, s.Remove(bg, id), errs.NotFound)
		if names, _ := o.FS.List(o.Dir); len(names) != 2 {
			t.Errorf("left over: %v", names)
		}
		mustClose(t, s)
	})
}

func TestInfoAndHints(t *testing.T) {
	s := mustOpen(t, testOptions(t, vfs.NewMem(), "/b"))
	defer mustClose(t, s)
	a := mustAppend(t, s, Owner{}, make([]byte, 1000))
	b := mustAppend(t, s, Owner{}, make([]byte, 500))
	s.AddDead(a.loc)
	s.Settle(a.loc, b.loc)
	if err := s.Seal(bg); err != nil {
		t.Fatal(err)
	}
	info := s.Segments()[0]
	if info.Live != 500 || info.Payload != 1500 || info.Records != 2 || !info.Sealed || info.Uploads != 0 {
		t.Errorf("%+v", info)
	}
	s.SetLive(info.ID, 42)
	if m := s.Metrics(); m.LiveBytes != 42 || m.Segments != 1 || m.AppendedBytes != 1500 || m.Appends != 2 {
		t.Errorf("%+v", m)
	}
}

func TestScanSegmentStops(t *testing.T) {
	s := mustOpen(t, testOptions(t, vfs.NewMem(), "/b"))
	defer mustClose(t, s)
	e := mustAppend(t, s, Owner{}, make([]byte, 1000))
	wantKind(t, s.ScanSegment(bg, e.loc.Segment, nil), errs.Invalid) // active
	wantKind(t, s.ScanSegment(bg, 99, nil), errs.NotFound)
	if err := s.Seal(bg); err != nil {
		t.Fatal(err)
	}
	if err := s.ScanSegment(bg, e.loc.Segment, func(Owner, Loc) error { return errClientGone }); err != errClientGone {
		t.Error(err)
	}
	s.lookup(e.loc.Segment).records.Store(2) // the footer promises more than there is
	wantKind(t, s.ScanSegment(bg, e.loc.Segment, func(Owner, Loc) error { return nil }), errs.Corrupt)
}

func TestOpenFilesAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		o.SegmentBytes, o.MaxOpenFiles = 64<<10, 3
		s := mustOpen(t, o)
		rng := newRand()
		var all []extent
		for range 40 {
			e := mustAppend(t, s, Owner{}, randBytes(rng, 40<<10))
			s.Settle(e.loc)
			all = append(all, e)
		}
		if err := s.Seal(bg); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			wantAll(t, s, all)
			for _, e := range all {
				if _, err := s.WriteRange(discardFrom{}, e.loc, 0, 40<<10); err != nil {
					t.Error(err)
				}
			}
		}
		open := 0
		for _, seg := range *s.segs.Load() {
			if seg.handle.Load() != nil {
				open++
			}
		}
		if open > 3 || len(s.pool.idle) > 3 {
			t.Errorf("%d files and %d senders are open", open, len(s.pool.idle))
		}
		mustClose(t, s)
	})
}

func TestBackup(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		rng := newRand()
		s := mustOpen(t, o)
		all := appendAll(t, s, rng)
		if err := s.Seal(bg); err != nil {
			t.Fatal(err)
		}
		all = append(all, appendAll(t, s, rng)...)
		mustSync(t, s, all...)
		o2 := o
		o2.Dir = o.Dir + "-backup"
		if err := s.Backup(bg, o2.Dir); err != nil {
			t.Fatal(err)
		}
		if err := s.Backup(bg, o2.Dir); !errs.Is(err, errs.NotEmpty) {
			t.Errorf("a backup over a backup: %v", err)
		}
		// The source goes on and loses everything old.
		for _, info := range s.Segments() {
			if info.Sealed {
				if err := s.Remove(bg, info.ID); err != nil {
					t.Error(err)
				}
			}
		}
		appendAll(t, s, rng)
		c := mustOpen(t, o2)
		wantAll(t, c, all)
		scanAll(t, c, all)
		appendAll(t, c, rng)
		mustClose(t, c)
		mustClose(t, s)
	})
}

func TestScrub(t *testing.T) {
	o, file, all := corruptible(t, 100, 4000, 70000, 300000)
	s := mustOpen(t, o)
	defer mustClose(t, s)
	for range 2 {
		if err := s.Scrub(bg, 0, func(l Loc, err error) { t.Error(l, err) }); err != nil {
			t.Error(err)
		}
		if m := s.Metrics(); m.VerifiedBytes != 374100 {
			t.Errorf("verified %d bytes", m.VerifiedBytes)
		}
	}
	// What was verified is not read again.
	file[all[1].loc.Offset] ^= 1
	if err := s.Scrub(bg, 0, func(l Loc, err error) { t.Error(l, err) }); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(bg)
	cancel()
	wantKind(t, s.Scrub(ctx, 1, func(Loc, error) {}), errs.Canceled)
}

// TestTogether appends, reads, moves, removes, scrubs and backs up at once.
func TestTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, o Options) {
		o.SegmentBytes, o.MaxOpenFiles = 256<<10, 4
		s := mustOpen(t, o)
		w := &world{t: t, s: s, live: map[uint64]extent{}}
		var writers, others sync.WaitGroup
		stop := make(chan struct{})
		for g := range 4 {
			writers.Add(1)
			go func() { defer writers.Done(); w.write(uint64(g)) }()
		}
		loop := func(fn func(i int)) {
			others.Add(1)
			go func() {
				defer others.Done()
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						fn(i)
					}
				}
			}()
		}
		rng := rand.New(rand.NewPCG(9, 9))
		loop(func(int) { w.read(rng.Uint64N(4 * 60)) })
		loop(func(int) { w.compact() })
		loop(func(i int) {
			if err := s.Scrub(bg, 0, func(l Loc, err error) { t.Error(l, err) }); err != nil {
				t.Error(err)
			}
			if i < 3 {
				if err := s.Backup(bg, fmt.Sprintf("%s-%d", o.Dir, i)); err != nil {
					t.Error(err)
				}
			}
		})
		writers.Wait()
		close(stop)
		others.Wait()
		for id := range w.live {
			w.read(id)
		}
		mustClose(t, s)
		s = mustOpen(t, o)
		defer mustClose(t, s)
		w.s = s
		for id := range w.live {
			w.read(id)
		}
	})
}

// world plays the metadata over a store.
type world struct {
	t  *testing.T
	s  *Store
	mu sync.Mutex
	// live has the extents that are named.
	live map[uint64]extent
}

func (w *world) write(g uint64) {
	rng := rand.New(rand.NewPCG(g, 3))
	for i := range uint64(60) {
		size := 1 + rng.IntN(20<<10)
		if rng.IntN(8) == 0 {
			size = SmallLimit + rng.IntN(1000)
		}
		id := g*60 + i
		e := mustAppend(w.t, w.s, Owner{Disk: g, Extent: id}, randBytes(rng, size))
		if err := w.s.Sync(bg, e.loc); err != nil {
			w.t.Error(err)
		}
		w.mu.Lock()
		w.live[id] = e
		if i >= 20 { // overwritten
			w.s.AddDead(w.live[id-20].loc)
			delete(w.live, id-20)
		}
		w.mu.Unlock()
		w.s.Settle(e.loc)
	}
}

func (w *world) read(id uint64) {
	for {
		w.mu.Lock()
		e, ok := w.live[id]
		held := ok && w.s.Acquire(e.loc.Segment)
		w.mu.Unlock()
		if !ok {
			return
		}
		if !held {
			continue // moved: look again
		}
		if err := readBack(w.s, e); err != nil {
			w.t.Error(err)
		}
		w.s.Release(e.loc.Segment)
		return
	}
}

// compact moves the living out of the emptiest sealed segment and removes it.
func (w *world) compact() {
	var pick Info
	for _, info := range w.s.Segments() {
		if info.Sealed && info.Uploads == 0 && !info.Doomed && (pick.ID == 0 || info.Live < pick.Live) {
			pick = info
		}
	}
	if pick.ID == 0 {
		return
	}
	err := w.s.ScanSegment(bg, pick.ID, func(o Owner, l Loc) error {
		w.mu.Lock()
		e, ok := w.live[o.Extent]
		w.mu.Unlock()
		if !ok || e.loc != l {
			return nil
		}
		p := make([]byte, l.Length)
		if _, err := w.s.ReadAt(bg, l, p, 0); err != nil {
			return err
		}
		to, err := w.s.AppendReserved(o, p)
		if err != nil {
			return err
		}
		defer w.s.Settle(to)
		if err := w.s.Sync(bg, to); err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if now, ok := w.live[o.Extent]; ok && now.loc == l {
			now.loc = to
			w.live[o.Extent] = now
		}
		return nil
	})
	if err == nil {
		err = w.s.Remove(bg, pick.ID)
	}
	if err != nil {
		w.t.Error(err)
	}
}
