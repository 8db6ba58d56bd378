package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newDiskRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rm DISK",
		Aliases: []string{"delete"},
		Short:   "Delete a disk with everything on it",
		Long: `Delete a disk, named by its id or its name, with everything on it. There is no way
back. On a terminal it asks first, unless --yes is given.`,
		Example: "  atoll disk rm photos\n  atoll disk rm dsk-0123456789abcdef --yes",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	var yes bool
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.ValidArgsFunction = t.complete(disks)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		question := fmt.Sprintf("Delete disk %s (%s) with %d files, %s?", d.Name, d.ID, d.Files, size(d.TotalDataBytes))
		if !yes && !a.confirm(question) {
			return errNothingDone
		}
		if err := conn.DeleteDisk(ctx, d.ID); err != nil {
			return err
		}
		return t.done(map[string]string{"deleted": d.ID, "name": d.Name}, "Deleted disk %s (%s).", d.Name, d.ID)
	})
	return c
}

// confirm asks on a terminal. Where nobody can be asked, the command line
// itself is the decision.
func (a *app) confirm(question string) bool {
	if a.stdin == nil {
		return true
	}
	if _, err := unix.IoctlGetTermios(int(a.stdin.Fd()), unix.TCGETS); err != nil {
		return true
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	line, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil {
		return false
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
