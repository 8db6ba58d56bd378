package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"atoll/internal/disk"
)

// list measures pages at the start, the middle and the end of the listing,
// and what opening the store and one pass over all of it cost.
func (c *config) list(ctx context.Context, stdout io.Writer) error {
	start := time.Now()
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	v, err := s.view(ctx, c.disk)
	if err != nil {
		return fmt.Errorf("%w (%v)", err, s.close())
	}
	fmt.Fprintf(stdout, "open: %v, resident %d MiB\n", time.Since(start).Round(time.Millisecond), resident()>>20)
	for _, delimiter := range []bool{false, true} {
		if delimiter && c.keys.tree {
			continue // pages would be short
		}
		if err := c.measure(ctx, v, delimiter, stdout); err != nil {
			return fmt.Errorf("%w (%v)", err, s.close())
		}
	}
	if err := c.pass(ctx, v, stdout); err != nil {
		return fmt.Errorf("%w (%v)", err, s.close())
	}
	fmt.Fprintf(stdout, "resident %d MiB\n", resident()>>20)
	return s.close()
}

func (c *config) measure(ctx context.Context, v *disk.View, delimiter bool, stdout io.Writer) error {
	span := c.page * c.runs
	last := max(c.keys.files-span-1, 0)
	for _, p := range []struct {
		name  string
		place int
	}{{"start", -1}, {"middle", c.keys.files / 2}, {"end", last}} {
		o := disk.ListOptions{Limit: c.page, Delimiter: delimiter}
		if delimiter {
			o.Prefix = "flat/"
		}
		if p.place >= 0 {
			o.StartAfter = c.keys.at(p.place)
		}
		var times []time.Duration
		cpu := cpuTime()
		for range c.runs {
			t := time.Now()
			out, more, err := v.List(ctx, o)
			if err != nil {
				return err
			}
			times = append(times, time.Since(t))
			if !more {
				break
			}
			o.StartAfter = out[len(out)-1].Key
		}
		cpu = (cpuTime() - cpu) / time.Duration(len(times))
		slices.Sort(times)
		fmt.Fprintf(stdout, "%-6s delimiter %-5v %d pages of %d: median %v, CPU %v a page\n", p.name, delimiter, len(times), c.page,
			times[len(times)/2].Round(time.Microsecond), cpu.Round(time.Microsecond))
	}
	return nil
}

// pass lists everything, and makes sure that it is all there and in order.
func (c *config) pass(ctx context.Context, v *disk.View, stdout io.Writer) error {
	o := disk.ListOptions{Limit: c.page}
	n, start, cpu := 0, time.Now(), cpuTime()
	for more := true; more; {
		var out []disk.ListEntry
		var err error
		if out, more, err = v.List(ctx, o); err != nil {
			return err
		}
		for i := range out {
			if out[i].Key <= o.StartAfter {
				return fmt.Errorf("key %q comes after %q", out[i].Key, o.StartAfter)
			}
			o.StartAfter = out[i].Key
		}
		n += len(out)
	}
	if n != c.keys.files {
		return fmt.Errorf("%d keys were listed, not %d", n, c.keys.files)
	}
	_, err := fmt.Fprintf(stdout, "all %d keys in %.1f s, CPU %.1f s\n", n, time.Since(start).Seconds(), (cpuTime() - cpu).Seconds())
	return err
}

// cpuTime is the processor time that this process has used.
func cpuTime() time.Duration {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// resident is the resident memory of this process in bytes, 0 if unknown.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
