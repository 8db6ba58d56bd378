package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// TestKill9 kills the server without warning while clients write and delete,
// starts it again, and looks for every acknowledged change, byte by byte.
func TestKill9(t *testing.T) {
	const writers, keysEach = 8, 12
	s := startServer(t, options{})
	d := s.createDisk("photos")
	var books []*ledger
	for i := range writers {
		books = append(books, newLedger(i, keysEach))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 6 * soak {
		loadAndKill(t, s, d.moved(s), books, int64(150+rng.IntN(350)))
		s.start()
		w := newWire(d.moved(s))
		var want []string
		for _, b := range books {
			want = append(want, b.verify(t, w, round)...)
		}
		slices.Sort(want)
		got, err := w.list(t.Context(), "", 50)
		must(t, "list", err)
		sameKeys(t, want, got)
		w.close()
		if t.Failed() {
			t.Fatalf("stopped after round %d", round)
		}
	}
	s.stop()
	if out, err := exec.Command(binary, "fsck", "--data", s.data).CombinedOutput(); err != nil {
		t.Errorf("fsck: %v\n%s", err, out)
	}
}

// loadAndKill lets all writers work until acks changes have been acknowledged
// and kills the server while they go on.
func loadAndKill(t *testing.T, s *server, d disk, books []*ledger, acks int64) {
	t.Helper()
	w := newWire(d)
	defer w.close()
	var left atomic.Int64
	left.Store(acks)
	enough := make(chan struct{})
	ack := func() {
		if left.Add(-1) == 0 {
			close(enough)
		}
	}
	var wg sync.WaitGroup
	ended := make(chan error, len(books))
	for _, b := range books {
		wg.Go(func() { ended <- b.work(context.Background(), w, ack) })
	}
	select {
	case <-enough:
	case err := <-ended: // before the kill no change may fail
		t.Errorf("a change failed while the server ran: %v\n%s", err, s.logTail())
	}
	s.kill()
	wg.Wait()
}

// version is one state of a key: the number of the change that made it and
// the size of its contents, -1 if the key is absent.
type version struct{ number, size int }

var absent = version{size: -1}

func (v version) bytes(key string) []byte { return contents(fmt.Sprint(key, " ", v.number), v.size) }

// ledger is what one writer knows about the keys that only it changes.
type ledger struct {
	rng     *rand.Rand
	keys    []string
	changes int
	known   map[string]version // acknowledged
	pending map[string]version // asked for, and never answered
}

func newLedger(writer, keys int) *ledger {
	b := &ledger{
		rng:   rand.New(rand.NewPCG(uint64(writer), 7)),
		known: map[string]version{}, pending: map[string]version{},
	}
	for i := range keys {
		key := fmt.Sprintf("writer %d/%d/key %d", writer, i%3, i)
		b.keys, b.known[key] = append(b.keys, key), absent
	}
	return b
}

// work changes keys until the server is gone, and returns what it answered
// last. It tries each change once.
func (b *ledger) work(ctx context.Context, w *wire, ack func()) error {
	sizes := []int{0, 100, 4000, 20_000, 150_000, 1 << 20}
	for {
		key := b.keys[b.rng.IntN(len(b.keys))]
		next := absent
		if b.rng.IntN(4) > 0 {
			next.size = sizes[b.rng.IntN(len(sizes))]
		}
		b.changes++
		next.number = b.changes
		var err error
		if next.size < 0 {
			err = w.remove(ctx, key)
		} else {
			err = w.put(ctx, key, next.bytes(key))
		}
		if err != nil {
			b.pending[key] = next
			return err
		}
		b.known[key] = next
		ack()
	}
}

// verify reads every key: it is as acknowledged, or as the change that was in
// flight wanted it. It returns the keys that exist.
func (b *ledger) verify(t *testing.T, w *wire, round int) (exist []string) {
	t.Helper()
	for _, key := range b.keys {
		got, err := w.get(t.Context(), key)
		var se *statusError
		missing := errors.As(err, &se) && se.status == 404
		if err != nil && !missing {
			t.Errorf("round %d: get %q: %v", round, key, err)
			continue
		}
		is := func(v version) bool {
			return missing && v.size < 0 || !missing && v.size >= 0 && bytes.Equal(got, v.bytes(key))
		}
		pending, unsure := b.pending[key]
		switch {
		case is(b.known[key]):
		case unsure && is(pending):
			b.known[key] = pending
		default:
			t.Errorf("round %d: %q has %d bytes, missing: %t; acknowledged is %+v, in flight (%t) was %+v",
				round, key, len(got), missing, b.known[key], unsure, pending)
		}
		if !missing {
			exist = append(exist, key)
		}
	}
	clear(b.pending)
	return exist
}
