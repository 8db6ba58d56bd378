package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

var errNoSpace = fmt.Errorf("write: %w", syscall.ENOSPC)

func putKey(s *Store, k, v string) error {
	return s.Update(context.Background(), func(tx kv.Txn) error { return tx.Set([]byte(k), []byte(v)) })
}

func wantKey(t *testing.T, s *Store, k, want string) {
	t.Helper()
	err := s.View(context.Background(), func(r kv.Reader) error {
		if v, _, err := r.Get([]byte(k)); err != nil || string(v) != want {
			return fmt.Errorf("%s is %q, want %q; %w", k, v, want, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	openTest(t, Options{Dir: dir})
	for _, readOnly := range []bool{false, true} {
		_, err := Open(Options{Dir: dir, ReadOnly: readOnly})
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another server uses "+dir) {
			t.Errorf("second Open: %v", err)
		}
	}
}

func TestReopen(t *testing.T) {
	fs := vfs.NewMem()
	for i := range 3 {
		s, err := Open(Options{Dir: "db", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			wantKey(t, s, "k", fmt.Sprint(i-1))
		}
		if err := putKey(s, "k", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		closeTest(t, s)
		if err := s.Close(); err == nil {
			t.Error("closing twice went well")
		}
		if err := errors.Join(putKey(s, "k", "late")); err == nil {
			t.Error("Update of a closed store went well")
		}
	}
	if _, err := Open(Options{Dir: "none", FS: fs, ReadOnly: true}); !errs.Is(err, errs.NotFound) {
		t.Errorf("Open of no store for reading: %v", err)
	}
	s := openTest(t, Options{Dir: "db", FS: fs, ReadOnly: true})
	wantKey(t, s, "k", "2")
	if err := putKey(s, "k", "x"); !errs.Is(err, errs.ReadOnly) {
		t.Errorf("Update of a read-only store: %v", err)
	}
}

func TestCheckpoint(t *testing.T) {
	fs := vfs.NewMem()
	s := openTest(t, Options{Dir: "db", FS: fs})
	var acked atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	first := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := putKey(s, fmt.Sprintf("k%06d", i), "v"); err != nil {
				t.Error(err)
				return
			}
			acked.Store(int64(i))
			if i == 10 {
				close(first)
			}
		}
	}()
	<-first
	before := acked.Load()
	if err := s.Checkpoint("copy"); err != nil {
		t.Fatal(err)
	}
	if err := s.Checkpoint("copy"); err == nil {
		t.Error("a checkpoint over another went well")
	}
	close(stop)
	<-done
	c := openTest(t, Options{Dir: "copy", FS: fs})
	n := int64(0)
	err := c.View(context.Background(), func(r kv.Reader) error {
		it := r.Scan(nil, nil)
		defer it.Close()
		for it.Next() {
			n++
			if string(it.Key()) != fmt.Sprintf("k%06d", n) {
				return fmt.Errorf("%q is the %d-th key", it.Key(), n)
			}
		}
		return it.Err()
	})
	if err != nil || n < before {
		t.Errorf("the copy has %d of at least %d keys: %v", n, before, err)
	}
}

// TestExclusive: a transaction that loses every time gets its turn.
func TestExclusive(t *testing.T) {
	s := openTest(t, Options{Dir: "db", FS: vfs.NewMem()})
	runs := 0
	last := make(chan error, 1)
	err := s.Update(context.Background(), func(tx kv.Txn) error {
		runs++
		if _, _, err := tx.Get([]byte("hot")); err != nil {
			return err
		}
		if runs <= exclusiveAfter {
			done := make(chan error)
			go func() { done <- putKey(s, "hot", fmt.Sprint(runs)) }()
			if err := <-done; err != nil {
				return err
			}
		} else {
			ran := make(chan struct{})
			go func() {
				last <- s.Update(context.Background(), func(other kv.Txn) error {
					close(ran)
					return other.Set([]byte("hot"), []byte("last"))
				})
			}()
			<-ran // it is about to commit, and must be kept back
		}
		return tx.Set([]byte("mine"), []byte("done"))
	})
	if err := errors.Join(err, <-last); err != nil {
		t.Fatal(err)
	}
	if m := s.Metrics(); runs != exclusiveAfter+1 || m.Exclusive != 1 || m.Conflicts != exclusiveAfter {
		t.Errorf("%d runs, %d exclusive, %d conflicts", runs, m.Exclusive, m.Conflicts)
	}
	wantKey(t, s, "mine", "done")
	wantKey(t, s, "hot", "last")
}

func TestCorrupt(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open(Options{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(putKey(s, "k", strings.Repeat("v", 1000)), s.Compact(context.Background()), s.db.Flush()); err != nil {
		t.Fatal(err)
	}
	closeTest(t, s)
	names, err := fs.List("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			f, err := fs.OpenReadWrite(fs.PathJoin("db", name), vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt([]byte("garbage!"), 10)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	s = openTest(t, Options{Dir: "db", FS: fs})
	err = s.View(context.Background(), func(r kv.Reader) error {
		_, _, err := r.Get([]byte("k"))
		return err
	})
	if !errs.Is(err, errs.Corrupt) {
		t.Errorf("Get from a corrupt table: %v", err)
	}
	err = s.View(context.Background(), func(r kv.Reader) error {
		it := r.Scan(nil, nil)
		defer it.Close()
		for it.Next() {
			_ = it.Value()
		}
		return it.Err()
	})
	if !errs.Is(err, errs.Corrupt) {
		t.Errorf("Scan of a corrupt table: %v", err)
	}
}

// notify is a log handler that tells of one message.
type notify struct {
	slog.Handler
	text string
	c    chan struct{}
}

func (n notify) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, n.text) {
		select {
		case n.c <- struct{}{}:
		default:
		}
	}
	return nil
}

// TestDiskFullTables: a flush that finds the disk full is tried again; writers
// whose log still has room go on, and nothing is lost.
func TestDiskFullTables(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && strings.HasSuffix(op.Path, ".sst") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errNoSpace
		}
		return nil
	}))
	failed := make(chan struct{}, 1)
	s := openTest(t, Options{Dir: "db", FS: fs, Logger: slog.New(notify{
		slog.NewTextHandler(io.Discard, nil), "flush or compaction failed", failed})})
	if err := putKey(s, "a", "1"); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		t.Fatal(err)
	}
	<-failed
	if err := putKey(s, "b", "2"); err != nil {
		t.Errorf("Update while tables can't be written: %v", err)
	}
	full.Store(false)
	<-flushed
	wantKey(t, s, "a", "1")
	wantKey(t, s, "b", "2")
	if s.Metrics().BackgroundErrors == 0 || s.Size() == 0 {
		t.Error("metrics know of no background error, or of no files")
	}
}

// TestTracker compares the tracker with a list of all writes.
func TestTracker(t *testing.T) {
	hash := func(key []byte) uint64 { return uint64(key[0]) * 7 } // with collisions
	genKey := rapid.Map(rapid.IntRange(0, 40), func(n int) []byte { return []byte{byte('a' + n/6), 0, byte(n % 6)} })
	rapid.Check(t, func(t *rapid.T) {
		var c tracker
		c.init()
		var points [][][]byte
		var spans [][]span
		for seq := uint64(1); seq <= uint64(rapid.IntRange(1, 12).Draw(t, "commits")); seq++ {
			var o overlay
			for _, k := range rapid.SliceOfN(genKey, 0, 3).Draw(t, "keys") {
				o.put(write{key: k})
			}
			if rapid.IntRange(0, 3).Draw(t, "span") == 0 {
				lo := genKey.Draw(t, "lo")
				o.remove(span{lo, append(slices.Clone(lo), genKey.Draw(t, "more")...)})
				if hi := genKey.Draw(t, "hi"); string(hi) > string(lo) {
					o.remove(span{lo, hi})
				}
			}
			var keys [][]byte
			var hashes []keyHashes
			for _, w := range o.points {
				keys = append(keys, w.key)
				hashes = append(hashes, keyHashes{key: hash(w.key), prefix: hash(w.key[:2])})
			}
			c.add(seq, &o, hashes)
			points, spans = append(points, keys), append(spans, o.spans)
		}
		since := rapid.IntRange(0, len(points)).Draw(t, "since")
		var reads readSet
		k := genKey.Draw(t, "read")
		r := readRange{lo: k, hi: k, incl: true, prefix: -1}
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			reads.points = []readPoint{{key: k, hash: hash(k)}}
		case 1:
			r = readRange{lo: k, hi: []byte{k[0], 0, 9}, prefix: 2, hash: hash(k[:2])}
			reads.addRange(r)
		default:
			r.hi, r.incl = genKey.Draw(t, "to"), rapid.Bool().Draw(t, "incl")
			reads.addRange(r)
		}
		want := false
		for i := since; i < len(points); i++ {
			for _, p := range points[i] {
				want = want || string(p) >= string(r.lo) && !r.below(p)
			}
			for _, g := range spans[i] {
				for n := range 42 { // any key at all in both
					k := []byte{byte('a' + n/6), 0, byte(n % 6)}
					want = want || g.has(k) && string(k) >= string(r.lo) && !r.below(k)
				}
			}
		}
		// Of ranges that meet where no key of this test lies, the tracker
		// may think the worse.
		if got := c.conflicts(uint64(since), &reads); want && !got || got && !want && len(reads.points) == 1 {
			t.Fatalf("conflicts(%d) = %v, want %v", since, got, want)
		}
	})
}

// TestTrackerForgets: what the ring no longer holds is a conflict, unless the
// stripes can tell that it is none.
func TestTrackerForgets(t *testing.T) {
	var c tracker
	c.init()
	for seq := uint64(1); seq <= recentMax+10; seq++ {
		o := overlay{points: []write{{key: fmt.Appendf(nil, "k%d", seq)}}}
		c.add(seq, &o, []keyHashes{{key: 1, prefix: 1}})
	}
	if !c.conflicts(5, &readSet{ranges: []readRange{{lo: []byte("x"), prefix: -1}}}) {
		t.Error("a range read before what the ring holds was let through")
	}
	if c.conflicts(5, &readSet{points: []readPoint{{key: []byte("x"), hash: 2}}}) {
		t.Error("a key that no one wrote is in conflict")
	}
	if c.conflicts(recentMax, &readSet{ranges: []readRange{{lo: []byte("x"), prefix: -1}}}) {
		t.Error("a range that no recent commit wrote is in conflict")
	}
	big := overlay{points: []write{{key: make([]byte, recentBytes+1)}}}
	c.add(recentMax+11, &big, nil)
	if c.oldest != recentMax+11 || c.bytes != recentBytes+1 {
		t.Errorf("the ring holds %d bytes, from commit %d on", c.bytes, c.oldest)
	}
}

func TestOpenErrors(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: file}); err == nil {
		t.Error("a file was opened as a store")
	}
}
