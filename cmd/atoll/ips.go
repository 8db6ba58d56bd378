package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

func newIPs(a *app) *cobra.Command {
	return group("ips", "Limit a disk to clients of some addresses",
		newIPsLs(a), newIPsChange(a, "set", "Replace the addresses that may use a disk",
			"Replace the list. Without addresses, every address may use the disk again.",
			"  atoll ips set photos 192.0.2.0/24 2001:db8::/32\n  atoll ips set photos",
			func(_, given []string) []string { return given }),
		newIPsChange(a, "add", "Add addresses to those that may use a disk",
			"Add to the list. The first entry shuts out every other address.",
			"  atoll ips add photos 192.0.2.7",
			func(now, given []string) []string { return append(now, given...) }),
		newIPsChange(a, "rm", "Remove addresses from those that may use a disk",
			"Remove from the list. When the last entry goes, every address may use the disk again.",
			"  atoll ips rm photos 192.0.2.7",
			func(now, given []string) []string {
				return slices.DeleteFunc(now, func(s string) bool { return slices.Contains(given, s) })
			}))
}

func newIPsLs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "ls DISK",
		Aliases: []string{"list"},
		Short:   "List the addresses that may use a disk",
		Example: "  atoll ips ls photos",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		allowed, err := conn.AllowedIPs(ctx, d.ID)
		if err != nil {
			return err
		}
		return t.showIPs(d.Name, allowed)
	})
	return c
}

func (t *target) showIPs(name string, allowed []string) error {
	if t.json {
		return printJSON(t.a.stdout, append([]string{}, allowed...))
	}
	if len(allowed) == 0 {
		_, err := fmt.Fprintf(t.a.stdout, "Every address may use disk %s.\n", shown(name))
		return err
	}
	for _, ip := range allowed {
		if _, err := fmt.Fprintln(t.a.stdout, ip); err != nil {
			return err
		}
	}
	return nil
}

// newIPsChange makes a command that sends another list.
func newIPsChange(a *app, use, short, long, example string, change func(now, given []string) []string) *cobra.Command {
	c := &cobra.Command{
		Use: use + " DISK [ADDRESS|NETWORK]...", Short: short,
		Long: long + `

An address or network (CIDR) is of IPv4 or IPv6. It is checked on every door, whatever the
credential; the control API of the disk stays open, so that a mistake can be mended.`,
		Example: example,
		Args:    atLeast(map[string]int{"set": 1, "add": 2, "rm": 2}[use], "a DISK and addresses or networks"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		var now []string
		if use != "set" {
			if now, err = conn.AllowedIPs(ctx, d.ID); err != nil {
				return err
			}
		}
		next := change(slices.Clone(now), args[1:])
		if use == "rm" && len(next) == len(now) {
			return &exitError{exitNotFound, fmt.Errorf("none of them is in the list; see: atoll ips ls %s", args[0])}
		}
		allowed, err := conn.SetAllowedIPs(ctx, d.ID, next)
		if err != nil {
			return err
		}
		return t.showIPs(d.Name, allowed)
	})
	return c
}
