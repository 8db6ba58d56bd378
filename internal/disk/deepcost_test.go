package disk

import (
	"fmt"
	"testing"
)

// TestDeepCost demands that what reads, writes and listings ask of the store
// hardly grows with the number of forks that a branch is deep: in steps of the
// store, so by no clock.
func TestDeepCost(t *testing.T) {
	const dirs, perDir, depth = 20, 120, 100
	e := newEnv(t, nil, Options{NoCompaction: true, GatherMax: -1, CacheBytes: 1, FilterBytes: 1 << 20, ListingBytes: 1 << 20})
	names := make([]string, perDir)
	for i := range names {
		names[i] = fmt.Sprintf("f%03d", i)
	}
	for i := range dirs {
		fill(t, e.root(), fmt.Sprintf("d%d", i), names)
	}
	d := e.root().disk
	if err := d.Fork(ctx, Ref{}, "fresh"); err != nil {
		t.Fatal(err)
	}
	last := e.deepChain(depth)
	_, steps := e.counted()
	var inodes [2]Ino
	views := []*View{e.view(Ref{}), e.view(Ref{Branch: "deep007"}), e.view(Ref{Branch: last})}
	for _, v := range views { // what is missed is built
		if _, err := v.Stat(ctx, "d5/f005", true); err != nil {
			t.Fatal(err)
		}
		e.s.filters.wait()
		for dir := range inodes {
			for range 2 { // the second makes a list of what the forks wrote
				if _, _, err := v.List(ctx, ListOptions{Prefix: fmt.Sprintf("d%d/", dir), Limit: 1}); err != nil {
					t.Fatal(err)
				}
			}
			a, err := v.Stat(ctx, fmt.Sprintf("d%d", dir), true)
			if err != nil {
				t.Fatal(err)
			}
			inodes[dir] = a.Ino
		}
	}
	if n := e.s.frozen.built.Load(); n != 4 {
		t.Fatalf("%d lists were made of two directories on two branches", n)
	}
	if n := e.s.filters.built.Load(); n != depth {
		t.Fatalf("%d filters were built for %d layers", n, depth)
	}
	for _, row := range []struct {
		name        string
		slack       int64 // hundredths of a step that any depth may cost more: what the row cache keeps is drawn
		factor      float64
		factor100   float64
		op          func(v *View, i int) error
		repetitions int
	}{
		{"get", 50, 1.1, 1.3, func(v *View, i int) error {
			_, _, err := get(v, fmt.Sprintf("d%d/f%03d", i%dirs, i%perDir))
			return err
		}, 100},
		{"missing", 50, 1.1, 1.3, func(v *View, i int) error {
			if _, err := v.Stat(ctx, fmt.Sprintf("d%d/none%d", i%dirs, i), true); err == nil {
				return fmt.Errorf("it is there")
			}
			return nil
		}, 100},
		{"list", 0, 1.1, 1.3, func(v *View, i int) error {
			l, _, err := v.List(ctx, ListOptions{Prefix: fmt.Sprintf("d%d/", 2+i%(dirs-2)), Limit: 100})
			if err == nil && len(l) != 100 {
				err = fmt.Errorf("%d keys", len(l))
			}
			return err
		}, 20},
		{"list what all wrote", 0, 1.1, 1.3, func(v *View, i int) error {
			l, more, err := v.List(ctx, ListOptions{Prefix: fmt.Sprintf("d%d/", i%2), Limit: 100})
			if err == nil && (len(l) != 100 || !more) {
				err = fmt.Errorf("%d keys", len(l))
			}
			return err
		}, 20},
		{"read directory that all wrote", 0, 1.1, 1.3, func(v *View, i int) error {
			l, err := v.ReadDir(ctx, inodes[i%2], "", 100)
			if err == nil && len(l) != 100 {
				err = fmt.Errorf("%d entries", len(l))
			}
			return err
		}, 20},
		{"put", 100, 1.3, 1.3, func(v *View, i int) error {
			_, err := tryPut(v, fmt.Sprintf("d%d/new%d", 2+i%(dirs-2), i), []byte("new"), PutOptions{})
			return err
		}, 50},
		{"put over", 100, 1.3, 1.3, func(v *View, i int) error {
			_, err := tryPut(v, fmt.Sprintf("d%d/f%03d", 2+i%(dirs-2), i), []byte("over"), PutOptions{})
			return err
		}, 50},
	} {
		var cost [3]int64
		for i, v := range views {
			before := steps.Load()
			for k := range row.repetitions {
				if err := row.op(v, k); err != nil {
					t.Fatalf("%s: %v", row.name, err)
				}
			}
			cost[i] = (steps.Load() - before) * 100 / int64(row.repetitions)
		}
		t.Logf("%s: %d hundredths of a step on the root branch, %d on one 8 deep, %d on one %d deep", row.name, cost[0], cost[1], cost[2], depth)
		for i, factor := range []float64{row.factor, row.factor100} {
			if limit := float64(cost[0])*factor + float64(row.slack); float64(cost[i+1]) > limit {
				t.Errorf("%s: %d steps, more than %.0f (in hundredths)", row.name, cost[i+1], limit)
			}
		}
	}
}
