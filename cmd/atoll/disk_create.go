package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newDiskCreate(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a disk, and an S3 user for it",
		Long: `Make a disk, and an S3 user for it, and print how to use it.

The disk's id is its bucket's name. The secret is shown this once; atoll user add
makes further users, and tokens for mounts.`,
		Example: "  atoll disk create photos\n  atoll disk create builds --quota-bytes 500GiB --root-uid 1000 --root-mode 750 --json",
		Args:    exactly("NAME"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete()
	var nickname string
	c.Flags().StringVar(&nickname, "nickname", "created with the disk", "nickname of the S3 user")
	quota := quotaFlags(c)
	root := rootFlags(c)
	ips := c.Flags().StringArray("allow-ip", nil, "`ADDRESS` or network that may use it; may be repeated; none: all")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		name := args[0]
		spec, err := root(client.NewDisk{Name: name, AllowedIPs: *ips, NoToken: true})
		if err != nil {
			return err
		}
		d, err := conn.MakeDisk(ctx, spec)
		if err != nil {
			return err
		}
		id := d.ID
		if !d.Created {
			return &exitError{exitConflict, fmt.Errorf("disk %s exists already (%s); new credentials for it: atoll user add %s", name, id, name)}
		}
		if quota.set(c) {
			if _, err := conn.SetQuota(ctx, id, int64(quota.bytes), quota.files); err != nil {
				return fmt.Errorf("the disk was made (%s), but its quota not set (try: atoll disk quota %s --bytes ...): %w", id, name, conn.explain(err))
			}
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
	})
	return c
}

// rootFlags are the attributes of a new disk's root directory.
func rootFlags(c *cobra.Command) func(client.NewDisk) (client.NewDisk, error) {
	uid := c.Flags().Uint32("root-uid", 0, "`UID` that owns the root directory")
	gid := c.Flags().Uint32("root-gid", 0, "`GID` that owns the root directory")
	mode := c.Flags().String("root-mode", "", "octal `MODE` of the root directory (default 755)")
	return func(d client.NewDisk) (client.NewDisk, error) {
		if *uid == 0 && *gid == 0 && *mode == "" {
			return d, nil
		}
		d.RootAttrs = &client.RootAttrs{UID: *uid, GID: *gid}
		if *mode != "" {
			n, err := strconv.ParseUint(*mode, 8, 32)
			if err != nil || n > 0o777 {
				return d, usageError(fmt.Errorf("--root-mode %q is not an octal mode such as 750", *mode))
			}
			d.RootAttrs.Mode = uint32(n)
		}
		return d, nil
	}
}
