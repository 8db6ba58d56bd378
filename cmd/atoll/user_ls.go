package main

import (
	"context"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newUserLs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "ls DISK",
		Aliases: []string{"list"},
		Short:   "List the users of a disk",
		Example: "  atoll user ls photos",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		users, err := conn.Users(ctx, d.ID)
		if err != nil {
			return err
		}
		return list(t, users, []string{"IDENTIFIER", "TYPE", "NICKNAME", "CREATED"}, func(u client.User) []string {
			return []string{u.Identifier, u.Type, shown(u.Nickname), when(u.CreatedAt)}
		})
	})
	return c
}
