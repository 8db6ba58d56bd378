package disk

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"atoll/internal/errs"
)

// TestFilterHasAll adds rows and asks for them: none may be missed, others may
// be found now and then only, and each row costs two or three bytes.
func TestFilterHasAll(t *testing.T) {
	fs := newFilterSet(nil, 1<<30)
	f := &layerFilter{}
	slot := &filterSlot{}
	fs.install(slot, f)
	const n = 100_000
	for i := range n {
		fs.addRow(slot, f, entryBody(nil, Ino(i/100), fmt.Sprint("file", i)))
		if i%1000 == 0 && !f.may(hashNumber(uint64(i/100))) {
			t.Fatal("a number that was just added is missing")
		}
	}
	wrong := 0
	for i := range n {
		if !f.may(fs.hash(entryBody(nil, Ino(i/100), fmt.Sprint("file", i)))) || !f.may(hashNumber(uint64(i/100))) {
			t.Fatalf("row %d is missing", i)
		}
		for _, h := range []uint64{fs.hash(entryBody(nil, Ino(i/100), fmt.Sprint("none", i))), hashNumber(uint64(n + i))} {
			if f.may(h) {
				wrong++
			}
		}
	}
	if wrong > 2*n/100 {
		t.Errorf("%d of %d others are found too", wrong, 2*n)
	}
	if size := f.size.Load(); size > 6*n || fs.bytes != size+filterOverhead {
		t.Errorf("%d rows take %d bytes; counted are %d", n, size, fs.bytes)
	}
	t.Logf("%d bytes, %d of %d others found", f.size.Load(), wrong, 2*n)
}

// TestFilterBudget fills filters beyond the budget: it is kept, what is used
// stays longer, and a layer too large for it is given up.
func TestFilterBudget(t *testing.T) {
	const budget = 64 << 10
	fs := newFilterSet(nil, budget)
	var slots []*filterSlot
	for i := range 400 {
		slot, f := &filterSlot{}, &layerFilter{}
		slots = append(slots, slot)
		fs.install(slot, f)
		if hot := slots[0].filter.Load(); hot != nil {
			hot.used.Store(true)
		}
		for j := range 20 {
			fs.addRow(slot, f, inodeBody(nil, Ino(i*100+j)))
		}
		if fs.bytes > budget {
			t.Fatalf("%d bytes, more than %d", fs.bytes, budget)
		}
	}
	sum := int64(0)
	for slot, f := range fs.slots {
		if slot.filter.Load() != f || f.gone {
			t.Fatal("a filter that was dropped is still counted")
		}
		sum += f.size.Load() + filterOverhead
	}
	if sum != fs.bytes || sum < budget/4 || fs.dropped.Load() == 0 {
		t.Errorf("%d bytes are counted, there are %d; %d dropped", fs.bytes, sum, fs.dropped.Load())
	}
	if slots[0].filter.Load() == nil {
		t.Error("the filter in use was dropped")
	}
	slot, f := &filterSlot{}, &layerFilter{}
	fs.install(slot, f)
	for j := range budget {
		fs.addRow(slot, f, inodeBody(nil, Ino(j)))
	}
	if !slot.tooBig.Load() || slot.filter.Load() != nil {
		t.Error("a filter larger than half of the budget was kept")
	}
}

// deepChain forks n branches one from the other, each with a file of its own
// and one of the root branch's written anew, and returns the last one's name.
func (e *env) deepChain(n int) string {
	e.t.Helper()
	d := e.root().disk
	from := RootBranch
	for i := range n {
		name := fmt.Sprintf("deep%03d", i)
		if err := d.Fork(ctx, Ref{Branch: from}, name); err != nil {
			e.t.Fatal(err)
		}
		v := e.view(Ref{Branch: name})
		put(e.t, v, fmt.Sprintf("d0/own%03d", i), []byte(name))
		put(e.t, v, fmt.Sprintf("d1/f%03d", i), []byte(name))
		from = name
	}
	return from
}

// TestFilterNoStaleRead changes files of a branch whose filters are dropped and
// built all the time: nobody may see what is beneath a change that was
// acknowledged, nor an older state.
func TestFilterNoStaleRead(t *testing.T) {
	e := newEnv(t, nil, Options{GatherMax: -1, CacheBytes: 1, FilterBytes: 1 << 20})
	const files, rounds = 2, 150
	for f := range files {
		put(t, e.root(), fmt.Sprintf("d1/x%d", f), []byte("-1"))
	}
	v := e.view(Ref{Branch: e.deepChain(3)})
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	running := func(g *sync.WaitGroup, fn func()) {
		g.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					fn()
				}
			}
		})
	}
	running(&readers, func() {
		for _, l := range v.levels() {
			e.s.filters.drop(l.slot)
		}
		e.s.filters.wait()
	})
	for f := range files {
		var begun, acked atomic.Int64 // odd: removed, even: has this number
		begun.Store(-2)
		acked.Store(-2)
		path := fmt.Sprintf("d1/x%d", f)
		writers.Go(func() {
			for i := range int64(rounds) {
				begun.Store(i)
				var err error
				if i%2 == 0 {
					_, err = tryPut(v, path, fmt.Append(nil, i), PutOptions{})
				} else {
					_, err = v.Remove(ctx, path, RemoveOptions{})
				}
				if err != nil {
					t.Error(err)
					return
				}
				acked.Store(i)
			}
		})
		for range 2 {
			running(&readers, func() {
				least := acked.Load()
				b, _, err := get(v, path)
				most := begun.Load()
				got := int64(-1)
				switch {
				case errs.Is(err, errs.NotFound):
					if least == most && most%2 == 0 {
						t.Errorf("%s is missing in state %d", path, least)
					}
					return
				case err != nil:
					t.Error(err)
					return
				}
				if _, err := fmt.Sscan(string(b), &got); err != nil || least >= 0 && (got < least || got > most) {
					t.Errorf("read %q, the state was between %d and %d (%v)", b, least, most, err)
				}
			})
		}
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if e.s.filters.built.Load() == 0 || e.s.filters.skips.Load() == 0 {
		t.Errorf("%d filters were built, %d reads saved", e.s.filters.built.Load(), e.s.filters.skips.Load())
	}
}
