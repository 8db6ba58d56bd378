package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newDiskLs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the disks",
		Example: "  atoll disk ls\n  atoll disk ls --json",
		Args:    exactly(),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete()
	t.work(c, func(ctx context.Context, conn *connection, _ []string) error {
		disks, err := client.Collect(conn.Disks(ctx))
		if err != nil {
			return err
		}
		return list(t, disks, []string{"NAME", "ID", "STATUS", "SIZE", "FILES", "REGION", "CREATED"}, func(d client.Disk) []string {
			return []string{shown(d.Name), d.ID, d.Status, size(d.TotalDataBytes), strconv.FormatInt(d.Files, 10), d.Region, when(d.CreatedAt)}
		})
	})
	return c
}
