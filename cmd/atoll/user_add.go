package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newUserAdd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "add DISK",
		Short: "Add a user to a disk",
		Long: `Add a user to a disk, named by its id or its name: an access key for S3 clients, or with
--type token a disk token, for mounts. The secret is shown this once.`,
		Example: "  atoll user add photos --nickname laptop\n  atoll user add photos --type token",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	var nickname string
	c.Flags().StringVar(&nickname, "nickname", "", "what to remember the user by")
	c.ValidArgsFunction = t.complete(disks)
	typ := typeFlag(c)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		if *typ != client.UserS3 {
			u, err := conn.AddUser(ctx, d.ID, *typ, nickname)
			if err != nil {
				return err
			}
			return t.done(u, "New user of disk %s (%s, %s), whose token is shown only now:\n\n  %s", d.Name, u.Type, u.Identifier, u.Token)
		}
		access, err := newAccess(ctx, conn, d.ID, d.Name, nickname)
		if err != nil {
			return err
		}
		if t.json {
			return printJSON(a.stdout, access)
		}
		fmt.Fprintf(a.stdout, "New S3 user of disk %s.\n\n", d.Name)
		return access.print(a.stdout)
	})
	return c
}

// typeFlag is the type of a user.
func typeFlag(c *cobra.Command) *string {
	typ := c.Flags().String("type", client.UserS3, "`TYPE` of the user: s3 or token")
	_ = c.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{client.UserS3, client.UserToken}, noFiles)) // the flag is there
	return typ
}
