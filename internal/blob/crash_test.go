package blob

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"atoll/internal/crashfs"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// crasher cuts the power at many points: before each operation that changes
// the file system it may take a copy as after a crash, and checks it.
type crasher struct {
	t   *testing.T
	mem *crashfs.MemFS

	mu     sync.Mutex
	rng    *rand.Rand
	acked  []extent
	checks int
}

func (c *crasher) MaybeError(op errorfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && c.rng.IntN(3) == 0 {
		c.check()
	}
	return nil
}

func (c *crasher) String() string { return "power cut" }

// check opens a crashed copy, twice, and wants all acknowledged extents.
func (c *crasher) check() {
	c.checks++
	pct := []int{0, 10, 50, 90, 100}[c.rng.IntN(5)]
	crashed := c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: pct, RNG: c.rng})
	acked := slices.Clone(c.acked)
	o := testOptions(c.t, crashed, "/data/blobs")
	s := mustOpen(c.t, o)
	wantAll(c.t, s, acked)
	for _, info := range s.Segments() {
		if !info.Sealed {
			c.t.Errorf("segment %d is not sealed", info.ID)
		}
	}
	e := mustAppend(c.t, s, Owner{}, randBytes(c.rng, 5000))
	mustSync(c.t, s, e)
	acked = append(acked, e)
	// And a crash soon after the recovery.
	o.FS = crashed.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: pct, RNG: c.rng})
	again := mustOpen(c.t, o)
	wantAll(c.t, again, acked)
	err := again.Check(bg, func(_ Owner, l Loc, err error) error {
		if err != nil {
			c.t.Errorf("after recovery %+v: %v", l, err)
		}
		return nil
	})
	if err != nil {
		c.t.Error(err)
	}
	mustClose(c.t, again)
	mustClose(c.t, s)
}

func TestPowerCuts(t *testing.T) {
	for seed := range uint64(6) {
		mem := crashfs.New()
		c := &crasher{t: t, mem: mem, rng: rand.New(rand.NewPCG(seed, 1))}
		rng := rand.New(rand.NewPCG(seed, 2))
		o := testOptions(t, errorfs.Wrap(mem, c), "/data/blobs")
		o.SegmentBytes = 64 << 10
		s := mustOpen(t, o)
		var pending []extent
		for range 60 {
			if n := len(pending); n > 0 && rng.IntN(3) == 0 {
				mustSync(t, s, pending...)
				c.mu.Lock()
				c.acked = append(c.acked, pending...)
				c.mu.Unlock()
				pending = nil
				continue
			}
			size := 1 + rng.IntN(12<<10)
			if rng.IntN(12) == 0 {
				size = SmallLimit + rng.IntN(100<<10)
			}
			e := mustAppend(t, s, Owner{Disk: 1, Extent: rng.Uint64()}, randBytes(rng, size))
			s.Settle(e.loc)
			pending = append(pending, e)
		}
		mustClose(t, s)
		if c.checks < 20 {
			t.Errorf("only %d power cuts", c.checks)
		}
	}
}

// TestRecoveryOnFullDisk opens a crashed store where nothing can be written.
func TestRecoveryOnFullDisk(t *testing.T) {
	mem := crashfs.New()
	o := testOptions(t, mem, "/b")
	s := mustOpen(t, o)
	all := appendAll(t, s, newRand())
	mustSync(t, s, all...)
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, s)
	var full atomic.Bool
	full.Store(true)
	o.FS = errorfs.Wrap(crashed, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpFileWriteAt {
			return syscall.ENOSPC
		}
		return nil
	}))
	for range 2 {
		s = mustOpen(t, o)
		wantAll(t, s, all)
		scanAll(t, s, all)
		if s.Recovery().Recovered == 0 {
			t.Error("nothing was recovered")
		}
		full.Store(false)
		mustClose(t, s)
	}
	s = mustOpen(t, o)
	defer mustClose(t, s)
	if s.Recovery().Recovered != 0 {
		t.Error("the segments were not sealed once there was space")
	}
}

// TestRemovalAndPowerCut removes a segment and cuts the power: it must not
// come back, and its neighbours must stay.
func TestRemovalAndPowerCut(t *testing.T) {
	mem := crashfs.New()
	o := testOptions(t, mem, "/b")
	s := mustOpen(t, o)
	gone := mustAppend(t, s, Owner{}, []byte("gone"))
	s.Settle(gone.loc)
	if err := s.Seal(bg); err != nil {
		t.Fatal(err)
	}
	stays := mustAppend(t, s, Owner{}, []byte("stays"))
	mustSync(t, s, stays)
	if err := s.Remove(bg, gone.loc.Segment); err != nil {
		t.Fatal(err)
	}
	o.FS = mem.CrashClone(vfs.CrashCloneCfg{})
	c := mustOpen(t, o)
	wantAll(t, c, []extent{stays})
	if c.Acquire(gone.loc.Segment) {
		t.Error("the removed segment is back")
	}
	mustClose(t, c)
	mustClose(t, s)
}
