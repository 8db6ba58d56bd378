package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

func newUserRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rm DISK IDENTIFIER",
		Aliases: []string{"delete"},
		Short:   "Remove a user from a disk, at once",
		Example: "  atoll user rm photos ATLXXXXXXXXXXXXXXXXX\n  atoll user rm photos IDENTIFIER --type token",
		Args:    exactly("DISK", "IDENTIFIER"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks, users)
	typ := typeFlag(c)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		if err := conn.RemoveUser(ctx, d.ID, *typ, args[1]); err != nil {
			return err
		}
		return t.done(map[string]string{"removed": args[1], "diskId": d.ID}, "Removed user %s of disk %s.", shown(args[1]), d.Name)
	})
	return c
}

// users offers the users of the disk that stands before.
func users(ctx context.Context, c *connection, before []string, typed string) (out []string, _ cobra.ShellCompDirective) {
	d, err := c.findDisk(ctx, before[0])
	if err != nil {
		return nil, noFiles
	}
	list, err := c.Users(ctx, d.ID)
	if err != nil {
		return nil, noFiles
	}
	for _, u := range list {
		if strings.HasPrefix(u.Identifier, typed) {
			out = append(out, u.Identifier)
		}
	}
	return out, noFiles
}
