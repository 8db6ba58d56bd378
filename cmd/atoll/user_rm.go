package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newUserRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rm DISK ACCESSKEY",
		Aliases: []string{"delete"},
		Short:   "Remove an S3 user from a disk, at once",
		Example: "  atoll user rm photos ATLXXXXXXXXXXXXXXXXX",
		Args:    exactly("DISK", "ACCESSKEY"),
	}
	t := targetFlags(c, a)
	c.RunE = func(c *cobra.Command, args []string) error {
		conn, err := t.connect()
		if err != nil {
			return err
		}
		d, err := conn.findDisk(c.Context(), args[0])
		if err != nil {
			return err
		}
		if err := conn.RemoveS3User(c.Context(), d.ID, args[1]); err != nil {
			return conn.explain(err)
		}
		if t.json {
			return printJSON(a.stdout, map[string]string{"removed": args[1], "diskId": d.ID})
		}
		_, err = fmt.Fprintf(a.stdout, "Removed S3 user %s of disk %s.\n", shown(args[1]), d.Name)
		return err
	}
	return c
}
