package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"atoll/internal/transfer"
)

func newSync(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "sync SOURCE DESTINATION",
		Short: "Make a folder the same as another",
		Long: `Make what is in a folder the same as what is in another, by copying what is missing or
has changed: between this machine and a disk, or between disks. Either is a local directory or
DISK[.BRANCH[.CHECKPOINT]]:/PATH.

A file is taken for the same if both have its size and the destination's is at least as new;
with --checksum, if their contents are the same. Empty directories are copied too. With
--delete, what the source has not is deleted, after all was copied without a failure.

Interrupted, the same command again goes on where it stopped. For links and permissions see
atoll cp --help.`,
		Example: `  atoll sync pics photos:/pics
  atoll sync photos.root.monday:/ ./monday --delete --dry-run
  atoll sync photos:/ photos.draft:/ --checksum`,
		Args: exactly("SOURCE", "DESTINATION"),
	}
	f := addTransferFlags(c, a)
	c.ValidArgsFunction = f.complete(anyPaths, anyPaths)
	c.Flags().BoolVar(&f.o.Checksum, "checksum", false, "compare contents instead of times")
	c.Flags().BoolVar(&f.o.Delete, "delete", false, "delete what the source has not")
	c.Flags().BoolVarP(&f.o.DryRun, "dry-run", "n", false, "tell what would be done, and do nothing")
	f.work(c, func(ctx context.Context, conn *connection, args []string) error {
		from, err := conn.spot(ctx, args[0])
		if err != nil {
			return err
		}
		to, err := conn.spot(ctx, args[1])
		if err != nil {
			return err
		}
		_, local := from.tree.(transfer.Local)
		if _, alsoLocal := to.tree.(transfer.Local); local && alsoLocal {
			return usageError(errors.New("one side must be on a disk: DISK:/PATH"))
		}
		if !from.there {
			return &exitError{exitNotFound, fmt.Errorf("%s: no such directory", args[0])}
		}
		if !from.entry.Dir() {
			return usageError(fmt.Errorf("%s is not a directory: for files there is atoll cp", args[0]))
		}
		return f.do(ctx, func(ctx context.Context, o transfer.Options) (transfer.Result, error) {
			return transfer.Sync(ctx, from.folder(""), to.folder(""), o)
		})
	})
	return c
}
