package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"atoll/internal/disk"
)

// forks measures forks and checkpoints of the root branch: times, and what
// they write to the store's log.
func (b *bench) forks(ctx context.Context) error {
	n := min(b.c.ops, 200)
	stamp := time.Now().UnixNano()
	for _, what := range []struct {
		name string
		do   func(i int) error
		undo func(i int) error
	}{
		{"fork", func(i int) error { return b.tree.Fork(ctx, disk.Ref{}, fmt.Sprintf("x%d-%d", stamp, i)) },
			func(i int) error {
				return b.tree.DeleteBranch(ctx, fmt.Sprintf("x%d-%d", stamp, i), disk.DeleteOptions{})
			}},
		{"checkpoint", func(i int) error { return b.tree.Checkpoint(ctx, "", fmt.Sprintf("c%d-%d", stamp, i)) },
			func(i int) error {
				return b.tree.DeleteCheckpoint(ctx, "", fmt.Sprintf("c%d-%d", stamp, i), disk.DeleteOptions{})
			}},
	} {
		var all []time.Duration
		bytes := b.kv.Metrics().WALBytesIn
		for i := range n {
			t := time.Now()
			if err := what.do(i); err != nil {
				return err
			}
			all = append(all, time.Since(t))
		}
		bytes = b.kv.Metrics().WALBytesIn - bytes
		mid := median(all, func(d time.Duration) time.Duration { return d })
		fmt.Fprintf(b.out, "%-34s median %.2f ms, slowest of %d %.2f ms, %d bytes written each\n", what.name,
			float64(mid)/1e6, n, float64(all[n-1])/1e6, bytes/uint64(n))
		for i := range n {
			if err := what.undo(i); err != nil {
				return err
			}
		}
	}
	return b.disks.Wait(ctx)
}

// depths are those that the rows compare with the fresh disk.
func (b *bench) depths(ctx context.Context) (names []string, views []*disk.View, err error) {
	v, err := b.fresh.View(ctx, disk.Ref{})
	if err != nil {
		return nil, nil, err
	}
	names, views = []string{"fresh disk"}, []*disk.View{v}
	for _, d := range []int{8, b.c.depth} {
		v, err := b.tree.View(ctx, disk.Ref{Branch: chainName(min(d, b.c.depth))})
		if err != nil {
			return nil, nil, err
		}
		names, views = append(names, fmt.Sprintf("%d deep", d)), append(views, v)
	}
	return names, views, nil
}

// deep measures reads, writes and listings of branches some forks deep.
func (b *bench) deep(ctx context.Context) error {
	names, views, err := b.depths(ctx)
	if err != nil {
		return err
	}
	rows := []struct {
		name string
		ops  int
		op   func(v *disk.View, i int) error
	}{
		{"GET 100 B, cold", b.c.ops, func(v *disk.View, i int) error { return get(ctx, v, key(b.scatter(i))) }},
		{"GET 100 B, hot", b.c.ops * 10, func(v *disk.View, i int) error { return get(ctx, v, key(i%100)) }},
		{"GET missing, cold", b.c.ops, func(v *disk.View, i int) error {
			if err := get(ctx, v, key(b.scatter(i))+"x"); err == nil {
				return fmt.Errorf("there is one")
			}
			return nil
		}},
		{"LIST 1000, folder of the base", b.c.ops / 16, func(v *disk.View, i int) error {
			return list(ctx, v, dirName(1+b.scatter(i)%(b.c.files/perDir-1))+"/", 1000)
		}},
		{"LIST 1000, folder all forks wrote", b.c.ops / 16, func(v *disk.View, i int) error { return list(ctx, v, dirName(0)+"/", 1000) }},
		{"LIST 100, folder all forks wrote", b.c.ops / 4, func(v *disk.View, i int) error { return list(ctx, v, dirName(0)+"/", 100) }},
		{"LIST 1000, flat over the tree", b.c.ops / 16, func(v *disk.View, i int) error {
			return listAfter(ctx, v, key(b.scatter(i)%(b.c.files-1000)), 1000)
		}},
		{"PUT 4 KiB, new, 16 clients", b.c.ops / 16, func(v *disk.View, i int) error {
			return each(16, func(k int) error {
				return put(ctx, v, fmt.Sprintf("%s/n%d-%d", dirName(1+b.scatter(i*16+k)%(b.c.files/perDir-1)), i, k), 4096)
			})
		}},
		{"PUT 4 KiB, over, 16 clients", b.c.ops / 16, func(v *disk.View, i int) error {
			return each(16, func(k int) error { return put(ctx, v, key(b.scatter(i*16+k)), 4096) })
		}},
		{"PUT 4 KiB, new, 1 client", b.c.ops / 8, func(v *disk.View, i int) error {
			return put(ctx, v, fmt.Sprintf("%s/m%d", dirName(1+b.scatter(i)%(b.c.files/perDir-1)), i), 4096)
		}},
	}
	for _, r := range rows {
		var sides []side
		for i, v := range views {
			sides = append(sides, side{names[i], func(i int) error { return r.op(v, i) }})
		}
		if err := b.compare(ctx, r.name, max(r.ops, 1), sides...); err != nil {
			return err
		}
	}
	return nil
}

// scatter turns a running number into one of the files, so that the same one
// does not come again soon.
func (b *bench) scatter(i int) int {
	return int(uint64(i+1) * 0x9e3779b97f4a7c15 >> 1 % uint64(b.c.files))
}

// each runs fn n times side by side.
func each(n int, fn func(k int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for k := range n {
		wg.Go(func() { errs[k] = fn(k) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func get(ctx context.Context, v *disk.View, path string) error {
	o, err := v.Open(ctx, path, func(a *disk.Attr) []disk.Range { return []disk.Range{{Off: 0, Len: a.Size}} })
	if err != nil {
		return err
	}
	defer o.Close()
	_, err = o.WriteRange(io.Discard, disk.Range{Off: 0, Len: o.Attr.Size})
	return err
}

func list(ctx context.Context, v *disk.View, prefix string, want int) error {
	out, _, err := v.List(ctx, disk.ListOptions{Prefix: prefix, Delimiter: true, Limit: want})
	if err == nil && len(out) < want {
		err = fmt.Errorf("%d keys of %d", len(out), want)
	}
	return err
}

func listAfter(ctx context.Context, v *disk.View, after string, want int) error {
	out, _, err := v.List(ctx, disk.ListOptions{StartAfter: after, Limit: want})
	if err == nil && len(out) < want {
		err = fmt.Errorf("%d keys of %d", len(out), want)
	}
	return err
}
