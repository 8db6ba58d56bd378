package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// deletion measures how long the deletion of a branch takes, and what giving
// back its space costs the foreground: operations a second of readers and
// writers on the fresh disk beside it, against the mean of those before and
// after, so that a machine that others use more and more does not count.
func (b *bench) deletion(ctx context.Context) error {
	const rounds = 3
	for round := range rounds {
		name := fmt.Sprintf("victim%d", round)
		if err := b.makeVictim(ctx, name); err != nil {
			return err
		}
		if err := b.disks.Wait(ctx); err != nil {
			return err
		}
		before, cpuBefore, err := b.load(ctx, round, nil)
		if err != nil {
			return err
		}
		used := b.tree.Usage().Bytes
		var took time.Duration
		start := time.Now()
		during, cpuDuring, err := b.load(ctx, round+rounds, func() error {
			t := time.Now()
			err := b.tree.DeleteBranch(ctx, name, disk.DeleteOptions{})
			took = time.Since(t)
			return err
		})
		if err != nil {
			return err
		}
		freed := used - b.tree.Usage().Bytes
		if err := b.disks.Wait(ctx); err != nil {
			return err
		}
		back, all := used-b.tree.Usage().Bytes, time.Since(start)
		after, cpuAfter, err := b.load(ctx, round+2*rounds, nil)
		if err != nil {
			return err
		}
		without, cpuWithout := (before+after)/2, (cpuBefore+cpuAfter)/2
		fmt.Fprintf(b.out, "%-34s %.2f ms; operations a second %.0f before, %.0f beside it, %.0f after (%+.1f%%); CPU each %.1f, %.1f, %.1f us (%+.1f%%); %d of %d MiB back under load, all %.1f s after\n",
			"delete a branch", float64(took)/1e6, before, during, after, (during/without-1)*100,
			us(cpuBefore), us(cpuDuring), us(cpuAfter), (ratio(cpuDuring, cpuWithout)-1)*100, freed>>20, back>>20, all.Seconds())
	}
	return nil
}

// makeVictim makes a branch with files whose contents are in the segment log,
// and as many that are stored inline.
func (b *bench) makeVictim(ctx context.Context, name string) error {
	if err := b.tree.Fork(ctx, disk.Ref{}, name); err != nil && !errs.Is(err, errs.Exists) {
		return err
	}
	v, err := b.tree.View(ctx, disk.Ref{Branch: name})
	if err != nil {
		return err
	}
	for i := range b.c.victim / perDir / 2 {
		if err := bulk(ctx, v, "inline"+dirName(i), perDir); err != nil {
			return err
		}
	}
	var next atomic.Int64
	return each(64, func(int) error {
		for {
			i := int(next.Add(1))
			if i > b.c.victim/2 {
				return nil
			}
			if err := put(ctx, v, fmt.Sprintf("log%s/f%d", dirName(i/perDir), i), 4096); err != nil {
				return err
			}
		}
	})
}

// load runs 8 readers and 8 writers for some seconds and returns their
// operations a second, and the CPU time of all that the process did by
// operation; what is called once they run.
func (b *bench) load(ctx context.Context, run int, what func() error) (rate float64, cpu time.Duration, err error) {
	v, err := b.fresh.View(ctx, disk.Ref{})
	if err != nil {
		return 0, 0, err
	}
	var ops atomic.Int64
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- each(16, func(k int) error {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return nil
				default:
				}
				n := b.scatter(i*16 + k)
				var err error
				if k < 8 {
					err = get(ctx, v, key(n))
				} else {
					err = put(ctx, v, fmt.Sprintf("%s/w%d-%d-%d", dirName(n/perDir), run, k, i), 4096)
				}
				if err != nil {
					return err
				}
				ops.Add(1)
			}
		})
	}()
	time.Sleep(time.Second)
	if what != nil {
		if err := what(); err != nil {
			close(stop)
			<-done
			return 0, 0, err
		}
	}
	from, start := ops.Load(), time.Now()
	cpu = cpuTime()
	select {
	case <-time.After(time.Duration(b.c.seconds) * time.Second):
	case <-ctx.Done():
	}
	n := ops.Load() - from
	rate = float64(n) / time.Since(start).Seconds()
	cpu = (cpuTime() - cpu) / time.Duration(max(n, 1))
	close(stop)
	return rate, cpu, <-done
}
