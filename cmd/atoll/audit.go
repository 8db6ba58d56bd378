package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newAudit(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit [DISK]",
		Short: "Show who changed what through the control API",
		Long: `Show the audit log, newest first: every change that was made, or refused, through the
control API; of one disk, or of all. Nothing is ever removed from it.`,
		Example: "  atoll audit photos --limit 20\n  atoll audit --json",
		Args:    between(0, "DISK"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	limit := c.Flags().Int("limit", 50, "`N` entries at most; 0: all")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		disk := ""
		if len(args) == 1 {
			d, err := conn.findDisk(ctx, args[0])
			if err != nil {
				return err
			}
			disk = d.ID
		}
		entries := []client.AuditEntry{}
		for e, err := range conn.Audit(ctx, disk) {
			if err != nil {
				return err
			}
			if entries = append(entries, e); len(entries) == *limit {
				break
			}
		}
		return list(t, entries, []string{"TIME", "KEY", "FROM", "ACTION", "DISK", "TARGET", "STATUS", "DETAILS"}, func(e client.AuditEntry) []string {
			return []string{e.Time.Local().Format("2006-01-02 15:04:05"), shown(e.KeyName), shown(e.Remote), e.Action, e.Disk,
				shown(e.Target), strconv.Itoa(e.Status), shown(e.Details)}
		})
	})
	return c
}
