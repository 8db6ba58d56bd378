package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newUserAdd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "add DISK",
		Short:   "Add an S3 user to a disk",
		Long:    "Add an S3 user to a disk, named by its id or its name. The secret is shown this once.",
		Example: "  atoll user add photos --nickname laptop",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	var nickname string
	c.Flags().StringVar(&nickname, "nickname", "", "what to remember the user by")
	c.RunE = func(c *cobra.Command, args []string) error {
		conn, err := t.connect()
		if err != nil {
			return err
		}
		d, err := conn.findDisk(c.Context(), args[0])
		if err != nil {
			return err
		}
		access, err := newAccess(c.Context(), conn, d.ID, d.Name, nickname)
		if err != nil {
			return err
		}
		if t.json {
			return printJSON(a.stdout, access)
		}
		fmt.Fprintf(a.stdout, "New S3 user of disk %s.\n\n", d.Name)
		return access.print(a.stdout)
	}
	return c
}
