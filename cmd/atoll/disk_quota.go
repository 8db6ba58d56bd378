package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"atoll/client"
	"atoll/internal/server"
)

// quotaValues are the flags of a quota.
type quotaValues struct {
	bytes server.Size
	files int64
	names [2]string
}

func (q *quotaValues) add(c *cobra.Command, bytes, files string) *quotaValues {
	q.names = [2]string{bytes, files}
	c.Flags().Var(&q.bytes, bytes, "`SIZE` that the disk may hold, with all branches and checkpoints, such as 500GiB; 0: no limit")
	c.Flags().Int64Var(&q.files, files, 0, "`N` files and directories that the disk may hold; 0: no limit")
	return q
}

func quotaFlags(c *cobra.Command) *quotaValues {
	return new(quotaValues).add(c, "quota-bytes", "quota-files")
}

// set tells whether one of the flags was given.
func (q *quotaValues) set(c *cobra.Command) bool {
	return c.Flags().Changed(q.names[0]) || c.Flags().Changed(q.names[1])
}

func newDiskQuota(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "quota DISK",
		Short: "Show or set what a disk may hold",
		Long: `Show a disk's quota and what is used of it, or set it. Bytes are those that the disk
stores, with all its branches and checkpoints. What is set by no flag stays as it is.`,
		Example: "  atoll disk quota photos --bytes 500GiB\n  atoll disk quota photos",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	q := new(quotaValues).add(c, "bytes", "files")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		d, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		now, err := conn.Quota(ctx, d.ID)
		if err != nil {
			return err
		}
		if q.set(c) {
			bytes, files := now.Bytes, now.Files
			if c.Flags().Changed("bytes") {
				bytes = int64(q.bytes)
			}
			if c.Flags().Changed("files") {
				files = q.files
			}
			if now, err = conn.SetQuota(ctx, d.ID, bytes, files); err != nil {
				return err
			}
		}
		return t.showQuota(d, now)
	})
	return c
}

func (t *target) showQuota(d client.Disk, q client.Quota) error {
	if t.json {
		return printJSON(t.a.stdout, q)
	}
	return printTable(t.a.stdout, [][]string{
		{shown(d.Name), "USED", "QUOTA"},
		{"bytes", size(q.UsedBytes), limit(q.Bytes, size)},
		{"files", strconv.FormatInt(q.UsedFiles, 10), limit(q.Files, func(n int64) string { return strconv.FormatInt(n, 10) })},
	})
}

// limit writes a limit, of which 0 is none.
func limit(n int64, write func(int64) string) string {
	if n == 0 {
		return "none"
	}
	return write(n)
}

func newDiskShow(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "show DISK",
		Short:   "Show one disk",
		Example: "  atoll disk show photos",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		found, err := conn.findDisk(ctx, args[0])
		if err != nil {
			return err
		}
		d, err := conn.Disk(ctx, found.ID)
		if err != nil {
			return err
		}
		if t.json {
			return printJSON(a.stdout, d)
		}
		return printTable(a.stdout, [][]string{
			{"name", shown(d.Name)}, {"id", d.ID}, {"status", d.Status}, {"region", d.Region},
			{"size", size(d.TotalDataBytes)}, {"files", strconv.FormatInt(d.Files, 10)},
			{"root", fmt.Sprintf("uid %d, gid %d, mode %04o", d.RootAttrs.UID, d.RootAttrs.GID, d.RootAttrs.Mode)},
			{"users", strconv.Itoa(len(d.Users))}, {"allowed IPs", cmp.Or(strings.Join(d.AllowedIPs, ", "), "all")}, {"created", when(d.CreatedAt)},
		})
	})
	return c
}
