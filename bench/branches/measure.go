package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// side is one of the things that a row compares; op is operation i of it.
type side struct {
	name string
	op   func(i int) error
}

// figure is what a round of a side took, for each operation.
type figure struct{ wall, cpu time.Duration }

// compare runs rounds of all sides by turns, so that what else happens on the
// machine meets all alike, and prints medians and their ratio to the first.
func (b *bench) compare(ctx context.Context, row string, ops int, sides ...side) error {
	got := make([][]figure, len(sides))
	n := 0
	for round := range b.c.rounds {
		runtime.GC()
		for i := range sides {
			s := (i + round) % len(sides)
			t, cpu := time.Now(), cpuTime()
			for j := range ops {
				if err := sides[s].op(n + j); err != nil {
					return fmt.Errorf("%s, %s: %w", row, sides[s].name, err)
				}
			}
			got[s] = append(got[s], figure{time.Since(t) / time.Duration(ops), (cpuTime() - cpu) / time.Duration(ops)})
		}
		n += ops
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	var base figure
	for i, s := range sides {
		f := figure{median(got[i], func(f figure) time.Duration { return f.wall }),
			median(got[i], func(f figure) time.Duration { return f.cpu })}
		if i == 0 {
			base = f
		}
		fmt.Fprintf(b.out, "%-34s %-14s %9.1f us  %9.1f us CPU   %5.2fx  %5.2fx CPU\n", row, s.name,
			us(f.wall), us(f.cpu), ratio(f.wall, base.wall), ratio(f.cpu, base.cpu))
	}
	return nil
}

func us(d time.Duration) float64 { return float64(d) / 1e3 }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

func median[T any](all []T, of func(T) time.Duration) time.Duration {
	v := make([]time.Duration, len(all))
	for i := range all {
		v[i] = of(all[i])
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// cpuTime is what the process has used so far.
func cpuTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
