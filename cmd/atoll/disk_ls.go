package main

import (
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
	c.RunE = func(c *cobra.Command, _ []string) error {
		conn, err := t.connect()
		if err != nil {
			return err
		}
		disks := []client.Disk{}
		for d, err := range conn.Disks(c.Context()) {
			if err != nil {
				return conn.explain(err)
			}
			disks = append(disks, d)
		}
		if t.json {
			return printJSON(a.stdout, disks)
		}
		rows := [][]string{{"NAME", "ID", "STATUS", "SIZE", "FILES", "REGION", "CREATED"}}
		for _, d := range disks {
			rows = append(rows, []string{shown(d.Name), d.ID, d.Status, size(d.TotalDataBytes),
				strconv.FormatInt(d.Files, 10), d.Region, when(d.CreatedAt)})
		}
		return printTable(a.stdout, rows)
	}
	return c
}
