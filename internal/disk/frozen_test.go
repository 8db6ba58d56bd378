package disk

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"atoll/internal/errs"
)

// unlisted is View.List without lists of frozen levels.
func (v *View) unlisted(o ListOptions) (out []ListEntry, err error) {
	err = v.read(ctx, func(r *reader) error {
		r.frozen = nil
		l := lister{r: r, o: &o}
		defer l.close()
		err := l.run()
		out = l.out
		return err
	})
	return out, err
}

// checkLists compares listings with those that do without lists, and the set's
// figures with what it holds.
func (e *env) checkLists(v *View, o ListOptions) {
	e.t.Helper()
	want, err := v.unlisted(o)
	if err != nil {
		e.t.Fatal(err)
	}
	for i := range 3 {
		got, _, err := v.List(ctx, o)
		if err != nil {
			e.t.Fatal(err)
		}
		if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			e.t.Fatalf("%v: time %d: listed %v, there is %v", v.Ref(), i, got, want)
		}
	}
	s, sum := e.s.frozen, int64(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := s.used.Front(); at != nil; at = at.Next() {
		d := at.Value.(*frozenDir)
		if sum += d.size; d.chain.dirs[d.dir] != d || d.rows != nil && d.size != frozenOverhead+d.rows.size() || d.building {
			e.t.Fatalf("%+v is counted and not kept", d)
		}
	}
	if sum != s.bytes || sum > s.budget {
		e.t.Fatalf("%d bytes are counted, there are %d of %d", s.bytes, sum, s.budget)
	}
}

// TestFrozenListings changes, forks, rolls back and deletes branches many forks
// deep, and demands that what is kept of directories changes no listing.
func TestFrozenListings(t *testing.T) {
	for name, budget := range map[string]int64{"ample": 1 << 20, "tiny": 6 << 10} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, nil, Options{NoCompaction: true, GatherMax: -1, ListingBytes: budget, listAll: name == "tiny"})
			rng := rand.New(rand.NewPCG(5, 6))
			d := e.root().disk
			change := func(v *View) {
				for range 4 {
					path := fmt.Sprintf("d%d/%c%d", rng.IntN(2), 'a'+rng.IntN(2), rng.IntN(8))
					if rng.IntN(3) == 0 {
						if _, err := v.Remove(ctx, path, RemoveOptions{}); err != nil && !errs.Is(err, errs.NotFound) {
							t.Fatal(err)
						}
					} else {
						put(t, v, path, []byte(path))
					}
				}
			}
			names := []string{RootBranch}
			for i := range 60 {
				from := names[max(0, len(names)-1-rng.IntN(3))]
				change(e.view(Ref{Branch: from}))
				name := fmt.Sprintf("b%d", i)
				if err := d.Fork(ctx, Ref{Branch: from}, name); err != nil {
					t.Fatal(err)
				}
				names = append(names, name)
				v := e.view(Ref{Branch: name})
				change(v)
				switch rng.IntN(8) {
				case 0: // what is left behind goes: a hidden layer in the chain
					if err := d.Checkpoint(ctx, name, "k"); err != nil {
						t.Fatal(err)
					}
					change(v)
					left, err := d.Rollback(ctx, name, "k", MoveOptions{Keep: name + "-left"})
					if err != nil {
						t.Fatal(err)
					}
					if err := d.DeleteBranch(ctx, left.Name, DeleteOptions{Cascade: rng.IntN(2) == 0}); err != nil && !errs.Is(err, errs.NotEmpty) {
						t.Fatal(err)
					}
				case 1:
					if err := d.DeleteBranch(ctx, name, DeleteOptions{}); err != nil {
						t.Fatal(err)
					}
					names = names[:len(names)-1]
				case 2:
					if err := e.s.Wait(ctx); err != nil {
						t.Fatal(err)
					}
				}
				for _, n := range names[max(0, len(names)-4):] {
					v := e.view(Ref{Branch: n})
					e.checkLists(v, ListOptions{Limit: 1000})
					change(v)
					e.checkLists(v, ListOptions{Limit: 5, Prefix: fmt.Sprintf("d%d/", rng.IntN(2)), StartAfter: fmt.Sprintf("d%d/a%d", rng.IntN(2), rng.IntN(9))})
					e.checkLists(v, ListOptions{Limit: 1000, Prefix: "d0/b"})
				}
			}
			if s := e.s.frozen; s.hits.Load() == 0 || s.built.Load() == 0 || name == "tiny" && s.dropped.Load() == 0 {
				t.Errorf("%d lists were made, %d dropped, %d times one was used", s.built.Load(), s.dropped.Load(), s.hits.Load())
			}
			e.audit(t, testDisk)
		})
	}
}

// TestFrozenShared demands that siblings share what their common past shows,
// that what has too many rows is left alone, and that lists go with the pin.
func TestFrozenShared(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true, GatherMax: -1})
	last, deeper := e.deepChain(5), ""
	v := e.view(Ref{Branch: last})
	wide := make([]string, maxFrozenRows)
	for i := range wide {
		wide[i] = fmt.Sprintf("f%05d", i)
	}
	fill(t, v, "wide", wide)
	d := v.disk
	if err := d.Checkpoint(ctx, last, "k"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		name := fmt.Sprintf("s%d", i)
		if err := d.Fork(ctx, Ref{last, "k"}, name); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			put(t, e.view(Ref{Branch: name}), "wide/more", nil)
			deeper = name
		}
	}
	list := func(branch, dir string) {
		t.Helper()
		if _, _, err := e.view(Ref{Branch: branch}).List(ctx, ListOptions{Prefix: dir, Limit: 10}); err != nil {
			t.Fatal(err)
		}
	}
	s := e.s.frozen
	for i := range 10 {
		list(fmt.Sprintf("s%d", 1+i%2), "d0/")
	}
	if s.built.Load() != 1 || s.hits.Load() != 8 {
		t.Errorf("%d lists of one directory were made, one was used %d times", s.built.Load(), s.hits.Load())
	}
	if err := d.Fork(ctx, Ref{Branch: deeper}, "deeper"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		list("deeper", "wide/")
	}
	if s.built.Load() != 1 {
		t.Error("a list was made of too many rows")
	}
	for _, name := range []string{"deeper", "s0", "s1", "s2"} {
		if err := d.DeleteBranch(ctx, name, DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.DeleteCheckpoint(ctx, last, "k", DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if s.bytes != 0 || s.used.Len() != 0 {
		t.Errorf("%d bytes of %d directories are kept, and no branch is left", s.bytes, s.used.Len())
	}
}

// TestFrozenRace lists from many sides while the budget drops what they use and
// the branch changes.
func TestFrozenRace(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true, GatherMax: -1, ListingBytes: 6 << 10})
	e.deepChain(8)
	var wg sync.WaitGroup
	var listed atomic.Int64
	for n := range 4 {
		v := e.view(Ref{Branch: fmt.Sprintf("deep%03d", 4+n)})
		want := 4 + n + 1
		wg.Go(func() {
			for i := range 60 {
				if n == 0 {
					if _, err := tryPut(v, fmt.Sprintf("d1/f%03d", i%3), []byte{byte(i)}, PutOptions{}); err != nil {
						t.Error(err)
					}
				}
				for dir := range 2 {
					l, _, err := v.List(ctx, ListOptions{Prefix: fmt.Sprintf("d%d/", dir), Limit: 100})
					if err != nil || len(l) != want {
						t.Errorf("%d keys of %d: %v", len(l), want, err)
						return
					}
					listed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if s := e.s.frozen; listed.Load() != 480 || s.hits.Load() == 0 {
		t.Errorf("%d listings, %d with a list", listed.Load(), s.hits.Load())
	}
}
