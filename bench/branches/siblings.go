package main

import (
	"context"
	"fmt"

	"atoll/internal/disk"
)

// siblings measures a folder of its own files in each of many sibling
// branches, and a file that all of them have rewritten, against as many files
// of the fresh disk.
func (b *bench) siblings(ctx context.Context) error {
	if b.c.siblings == 0 {
		return nil
	}
	fresh, err := b.fresh.View(ctx, disk.Ref{})
	if err != nil {
		return err
	}
	views := make([]*disk.View, b.c.siblings)
	for i := range views {
		if views[i], err = b.tree.View(ctx, disk.Ref{Branch: siblingName(i)}); err != nil {
			return err
		}
	}
	n := len(views)
	rows := []struct {
		name        string
		fresh, tree func(i int) error
	}{
		{"LIST the own folder, all by turns",
			func(i int) error { return list(ctx, fresh, fmt.Sprintf("own%05d/", i%n), b.c.own) },
			func(i int) error { return list(ctx, views[i%n], "own/", b.c.own) }},
		{"LIST the own folder, the same one",
			func(i int) error { return list(ctx, fresh, "own00000/", b.c.own) },
			func(i int) error { return list(ctx, views[0], "own/", b.c.own) }},
		{"GET what all have rewritten",
			func(i int) error { return get(ctx, fresh, fmt.Sprintf("own%05d/%s", i%n, fileName(0))) },
			func(i int) error { return get(ctx, views[i%n], "hot") }},
		{"GET an own file, cold",
			func(i int) error { return get(ctx, fresh, fmt.Sprintf("own%05d/%s", i%n, fileName(i/n%b.c.own))) },
			func(i int) error { return get(ctx, views[i%n], "own/"+fileName(i/n%b.c.own)) }},
	}
	for _, r := range rows {
		err := b.compare(ctx, r.name, b.c.ops, side{"fresh disk", r.fresh}, side{"siblings", r.tree})
		if err != nil {
			return err
		}
	}
	return nil
}
