package disk

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"atoll/internal/kv"
)

// countingKV counts what reads cost the store below: keys asked for, and
// moves of iterators, the placing of one included.
type countingKV struct {
	kv.Store
	steps *atomic.Int64
}

func (c countingKV) View(ctx context.Context, fn func(kv.Reader) error) error {
	return c.Store.View(ctx, func(r kv.Reader) error { return fn(countingReader{r, c.steps}) })
}

func (c countingKV) Update(ctx context.Context, fn func(kv.Txn) error) error {
	return c.Store.Update(ctx, func(t kv.Txn) error { return fn(countingTxn{t, countingReader{t, c.steps}}) })
}

// countingTxn counts what a transaction reads; its writes are a step each too.
type countingTxn struct {
	kv.Txn
	r countingReader
}

func (c countingTxn) Get(key []byte) ([]byte, bool, error)              { return c.r.Get(key) }
func (c countingTxn) MultiGet(keys [][]byte) ([][]byte, error)          { return c.r.MultiGet(keys) }
func (c countingTxn) Scan(lo, hi []byte) kv.Iterator                    { return c.r.Scan(lo, hi) }
func (c countingTxn) Set(key, value []byte) error                       { c.r.steps.Add(1); return c.Txn.Set(key, value) }
func (c countingTxn) Delete(key []byte) error                           { c.r.steps.Add(1); return c.Txn.Delete(key) }
func (c countingTxn) First(lo, hi []byte) ([]byte, []byte, bool, error) { return c.r.First(lo, hi) }

type countingReader struct {
	kv.Reader
	steps *atomic.Int64
}

func (c countingReader) Get(key []byte) ([]byte, bool, error) {
	c.steps.Add(1)
	return c.Reader.Get(key)
}

func (c countingReader) MultiGet(keys [][]byte) ([][]byte, error) {
	c.steps.Add(int64(len(keys)))
	return c.Reader.MultiGet(keys)
}

func (c countingReader) First(lo, hi []byte) ([]byte, []byte, bool, error) {
	c.steps.Add(1)
	return c.Reader.First(lo, hi)
}

func (c countingReader) Scan(lo, hi []byte) kv.Iterator {
	c.steps.Add(1)
	return countingIterator{c.Reader.Scan(lo, hi), c.steps}
}

type countingIterator struct {
	kv.Iterator
	steps *atomic.Int64
}

func (c countingIterator) Next() bool {
	c.steps.Add(1)
	return c.Iterator.Next()
}

func (c countingIterator) SeekGE(key []byte) bool {
	c.steps.Add(1)
	return c.Iterator.SeekGE(key)
}

// counted opens the environment's stores anew, without jobs beside the test,
// and returns its root view and the count of what it reads.
func (e *env) counted() (*View, *atomic.Int64) {
	e.t.Helper()
	if err := e.s.Close(); err != nil {
		e.t.Fatal(err)
	}
	steps := new(atomic.Int64)
	o := e.opts
	o.KV, o.Blob = countingKV{e.kv, steps}, e.blob
	var err error
	if e.s, err = Open(ctx, o); err != nil {
		e.t.Fatal(err)
	}
	v := e.view(Ref{})
	if _, err := v.Stat(ctx, "", false); err != nil || steps.Load() == 0 {
		e.t.Fatal("nothing is counted: ", err)
	}
	return v, steps
}

// fill makes empty files, the names of each directory in the order given.
func fill(t testing.TB, v *View, dir string, names []string) {
	t.Helper()
	at := RootIno
	if dir != "" {
		if _, err := v.MakeDir(ctx, dir, MakeDirOptions{}); err != nil {
			t.Fatal(err)
		}
		a, err := v.Stat(ctx, dir, false)
		if err != nil {
			t.Fatal(err)
		}
		at = a.Ino
	}
	files := make([]BulkFile, len(names))
	for i, name := range names {
		files[i].Name = name
	}
	if err := v.BulkCreate(ctx, at, files); err != nil {
		t.Fatal(err)
	}
}

// TestPageCost demands that a page costs what it returns, wherever it starts:
// in reads of the store, so by no clock.
func TestPageCost(t *testing.T) {
	const files = 20_000
	random := make([]string, files)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range random {
		random[i] = fmt.Sprintf("%08x%04x", rng.Uint32(), i)
	}
	ordered := make([]string, files)
	for i := range ordered {
		ordered[i] = fmt.Sprintf("file-%07d", i)
	}
	for name, build := range map[string]func(v *View) (keys []string){
		"flat, in order": func(v *View) []string { fill(t, v, "", ordered); return ordered },
		"flat, random":   func(v *View) []string { fill(t, v, "", random); return random },
		"below a prefix": func(v *View) (keys []string) {
			fill(t, v, "some/place", random)
			for _, n := range random {
				keys = append(keys, "some/place/"+n)
			}
			return keys
		},
		"tree": func(v *View) (keys []string) { // 40 times 25 directories of 20 files
			for d := range files / 20 {
				dir := fmt.Sprintf("%s/%s", random[d/25][:6], random[d][6:])
				names := random[d*20 : d*20+20]
				fill(t, v, dir, names)
				for _, n := range names {
					keys = append(keys, dir+"/"+n)
				}
			}
			return keys
		},
		"wide tree": func(v *View) (keys []string) { // more directories than a page has room for
			for d := range files / 40 {
				fill(t, v, random[d], random[d*40:d*40+40])
				for _, n := range random[d*40 : d*40+40] {
					keys = append(keys, random[d]+"/"+n)
				}
			}
			return keys
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, nil, Options{NoCompaction: true})
			keys := slices.Sorted(slices.Values(build(e.root())))
			v, steps := e.counted()
			o := ListOptions{}
			if name == "below a prefix" {
				o.Prefix = "some/place/"
			}
			pagesCost(t, v, steps, keys, o)
			o.Delimiter = true
			pagesCost(t, v, steps, commonPrefixes(keys, o.Prefix), o)
		})
	}
}

// pagesCost reads pages of 100 at several places among the keys.
func pagesCost(t *testing.T, v *View, steps *atomic.Int64, keys []string, o ListOptions) {
	t.Helper()
	o.Limit = min(100, len(keys)/4)
	cost := map[int]int64{}
	for _, from := range []int{0, 1, len(keys) / 3, len(keys) / 2, len(keys) - o.Limit - 1, len(keys) - o.Limit} {
		if o.StartAfter = ""; from > 0 {
			o.StartAfter = keys[from-1]
		}
		before := steps.Load()
		out, more, err := v.List(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		cost[from] = steps.Load() - before
		if len(out) != o.Limit || out[0].Key != keys[from] || out[o.Limit-1].Key != keys[from+o.Limit-1] || more != (from+o.Limit < len(keys)) {
			t.Fatalf("page after %q: %d entries, more %v", o.StartAfter, len(out), more)
		}
		// An entry is one step; a directory entered is a few more. A page that
		// does not begin at the start asks for each prefix of the name.
		if limit := int64(2*o.Limit + 40); cost[from] > limit {
			t.Errorf("page of %d from %d of %d (delimiter %v): %d reads, more than %d", o.Limit, from, len(keys), o.Delimiter, cost[from], limit)
		}
	}
	costs := slices.Collect(maps.Values(cost))
	if slices.Max(costs) > 2*slices.Min(costs) {
		t.Errorf("the cost depends on where a page starts: %v (delimiter %v)", cost, o.Delimiter)
	}
	t.Logf("delimiter %v: reads by the page's start: %v", o.Delimiter, cost)
}
