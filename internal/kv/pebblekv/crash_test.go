package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"atoll/internal/crashfs"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

func readNumber(r kv.Reader, key string) (int, error) {
	v, ok, err := r.Get([]byte(key))
	if err != nil || !ok {
		return 0, err
	}
	n, _, _ := strings.Cut(string(v), " ")
	return strconv.Atoi(n)
}

// raise keeps the largest value.
func raise(a *atomic.Int64, n int) {
	for old := a.Load(); int64(n) > old; old = a.Load() {
		if a.CompareAndSwap(old, int64(n)) {
			return
		}
	}
}

// TestCrash cuts the power at random points while writers count up, each on a
// pair of keys and all on one: whatever was acknowledged, or seen by anybody,
// before the cut must be there after it, and pairs must match.
func TestCrash(t *testing.T) {
	const writers, cuts = 4, 12
	rng := rand.New(rand.NewPCG(1, 2))
	fs := crashfs.New()
	s := openTest(t, Options{Dir: "db", FS: fs, MemTableBytes: 1, Split: testSplit})
	var known [writers + 1]atomic.Int64 // the last is the shared counter
	key := func(w int) string { return fmt.Sprintf("w%d\x00a", w) }
	pad := strings.Repeat(" padding", 512)
	progress, stop := make(chan struct{}, 1), make(chan struct{})
	var wg sync.WaitGroup
	loop := func(step func(i int) error) {
		wg.Go(func() {
			for i := 1; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := step(i); err != nil {
					t.Error(err)
					return
				}
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	ctx := context.Background()
	for w := range writers {
		loop(func(i int) error {
			shared := 0
			err := s.Update(ctx, func(tx kv.Txn) (err error) {
				if shared, err = readNumber(tx, key(writers)); err != nil {
					return err
				}
				shared++
				v := []byte(strconv.Itoa(i) + pad)
				return errors.Join(tx.Set([]byte(key(w)), v), tx.Set([]byte(key(w)+"2"), v),
					tx.Set([]byte(key(writers)), strconv.AppendInt(nil, int64(shared), 10)))
			})
			raise(&known[w], i)
			raise(&known[writers], shared)
			return err
		})
	}
	see := func(r kv.Reader, seen *[writers + 1]int) (err error) {
		for w := range seen {
			n, rerr := readNumber(r, key(w))
			seen[w], err = n, errors.Join(err, rerr)
		}
		return err
	}
	loop(func(i int) error { // a reader, in turn by all ways
		var seen [writers + 1]int
		var err error
		if i%2 == 0 {
			err = s.View(ctx, func(r kv.Reader) error { return see(r, &seen) })
		} else {
			err = s.Update(ctx, func(tx kv.Txn) error {
				if err := see(tx, &seen); err != nil || i%4 == 1 {
					return err
				}
				return errTest
			})
			if errors.Is(err, errTest) {
				err = nil
			}
		}
		for w, n := range seen {
			raise(&known[w], n)
		}
		return err
	})
	for cut := range cuts {
		for range 20 + rng.IntN(100) {
			<-progress
		}
		var before [writers + 1]int
		for w := range before {
			before[w] = int(known[w].Load())
		}
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 100}[cut%3], RNG: rng})
		checkClone(t, clone, func(r kv.Reader) error {
			var after [writers + 1]int
			if err := see(r, &after); err != nil {
				return err
			}
			for w, n := range after {
				if n < before[w] {
					t.Errorf("cut %d: %q is %d after the crash, and was %d", cut, key(w), n, before[w])
				}
				if second, err := readNumber(r, key(w)+"2"); w < writers && (err != nil || second != n) {
					t.Errorf("cut %d: a pair is torn: %d and %d, %v", cut, n, second, err)
				}
			}
			return nil
		})
	}
	close(stop)
	wg.Wait()
}

var errTest = errors.New("test")

// checkClone opens a file system after a crash, first for reading only.
func checkClone(t *testing.T, fs vfs.FS, check func(kv.Reader) error) {
	t.Helper()
	for _, readOnly := range []bool{true, false} {
		s, err := Open(Options{Dir: "db", FS: fs, Split: testSplit, ReadOnly: readOnly,
			OnFatal: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.View(context.Background(), check); err != nil {
			t.Error(err)
		}
		closeTest(t, s)
	}
}

func isWAL(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".log") }

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
}

// TestVisibleIsDurable holds the log's sync back: until it ends, nobody may
// learn of the commit.
func TestVisibleIsDurable(t *testing.T) {
	mem := crashfs.New()
	var hold atomic.Bool
	held, release := make(chan struct{}, 16), make(chan struct{})
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if hold.Load() && isWAL(op) && isSync(op) {
			held <- struct{}{}
			<-release
		}
		return nil
	}))
	s := openTest(t, Options{Dir: "db", FS: fs})
	ctx := context.Background()
	put := func(v string) error {
		return s.Update(ctx, func(tx kv.Txn) error { return tx.Set([]byte("k"), []byte(v)) })
	}
	look := func(want string) {
		t.Helper()
		err := s.View(ctx, func(r kv.Reader) error {
			if v, _, err := r.Get([]byte("k")); err != nil || string(v) != want {
				return fmt.Errorf("k is %q, want %q; %w", v, want, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := put("old"); err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	errc := make(chan error, 1)
	go func() { errc <- put("new") }()
	<-held
	look("old")
	// An Update reads what is published, but can't tell before the sync ends.
	// (The sync may begin a moment before the commit is published.)
	saw := "old"
	var err error
	for saw == "old" && err == nil {
		read, cancel := context.WithCancel(ctx)
		err = s.Update(read, func(tx kv.Txn) error {
			v, _, err := tx.Get([]byte("k"))
			if saw = string(v); saw == "new" {
				cancel()
			}
			return err
		})
		cancel()
	}
	if saw != "new" || !errs.Is(err, errs.Canceled) {
		t.Errorf("an Update saw %q and returned %v before the sync", saw, err)
	}
	checkClone(t, mem.CrashClone(vfs.CrashCloneCfg{}), func(r kv.Reader) error {
		if v, _, err := r.Get([]byte("k")); err != nil || string(v) != "old" {
			t.Errorf("after a crash k is %q, %v", v, err)
		}
		return nil
	})
	look("old")
	hold.Store(false)
	close(release)
	if err := <-errc; err != nil {
		t.Error(err)
	}
	look("new")
}

// TestFailedLog makes the log's writes or syncs fail: the process is told to
// end, nothing more is acknowledged, and what was is there after a restart.
func TestFailedLog(t *testing.T) {
	for _, tc := range []struct {
		name string
		kind errs.Kind
		err  error
		hit  func(errorfs.Op) bool
	}{
		{"sync", errs.Other, errors.New("input/output error"), func(op errorfs.Op) bool { return isWAL(op) && isSync(op) }},
		{"write, disk full", errs.NoSpace, errNoSpace, func(op errorfs.Op) bool { return isWAL(op) && op.Kind == errorfs.OpFileWrite }},
		{"sync, disk full", errs.NoSpace, errNoSpace, func(op errorfs.Op) bool { return isWAL(op) && isSync(op) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			mem := crashfs.New()
			var broken atomic.Bool
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if broken.Load() && tc.hit(op) {
					return tc.err
				}
				return nil
			}))
			var fatal atomic.Int64
			s, err := Open(Options{Dir: "db", FS: fs, OnFatal: func(error) { fatal.Add(1) }})
			if err != nil {
				t.Fatal(err)
			}
			put := func(k string) error {
				return s.Update(context.Background(), func(tx kv.Txn) error { return tx.Set([]byte(k), []byte("v")) })
			}
			if err := put("good"); err != nil {
				t.Fatal(err)
			}
			broken.Store(true)
			for range 3 {
				if err := put("bad"); !errs.Is(err, tc.kind) {
					t.Errorf("Update on a broken log: %v", err)
				}
			}
			if n := fatal.Load(); n != 1 {
				t.Errorf("OnFatal ran %d times", n)
			}
			check := func(r kv.Reader) error {
				_, good, err := r.Get([]byte("good"))
				_, bad, err2 := r.Get([]byte("bad"))
				if !good || bad {
					t.Errorf("good: %v, bad: %v", good, bad)
				}
				return errors.Join(err, err2)
			}
			if err := s.View(context.Background(), check); err != nil {
				t.Error(err)
			}
			checkClone(t, mem.CrashClone(vfs.CrashCloneCfg{}), check)
			if err := s.Close(); err == nil {
				t.Error("Close said nothing of the failed log")
			}
		})
	}
}
