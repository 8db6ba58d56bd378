package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newDiskCreate(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a disk, and an S3 user for it",
		Long: `Make a disk, and an S3 user for it, and print how to use it.

The disk's id is its bucket's name. The secret is shown this once; atoll user add
makes further users.`,
		Example: "  atoll disk create photos\n  atoll disk create photos --json",
		Args:    exactly("NAME"),
	}
	t := targetFlags(c, a)
	var nickname string
	c.Flags().StringVar(&nickname, "nickname", "created with the disk", "nickname of the S3 user")
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, name := c.Context(), args[0]
		conn, err := t.connect()
		if err != nil {
			return err
		}
		id, created, err := conn.CreateDisk(ctx, client.NewDisk{Name: name})
		if err != nil {
			return conn.explain(err)
		}
		if !created {
			return fmt.Errorf("disk %s exists already (%s); new credentials for it: atoll user add %s", name, id, name)
		}
		access, err := newAccess(ctx, conn, id, name, nickname)
		if err != nil {
			return fmt.Errorf("the disk was made (%s), but no S3 user (try: atoll user add %s): %w", id, name, err)
		}
		if t.json {
			return printJSON(a.stdout, access)
		}
		fmt.Fprintf(a.stdout, "Disk %s is ready.\n\n", name)
		return access.print(a.stdout)
	}
	return c
}
