package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
)

func newBackup(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy the running store into a new directory",
		Long: `Make the running server copy its whole store, consistently and without a pause, into
a new or empty directory on the server's machine. The copy is a data directory:
atoll serve --data DIR starts from it.

THE MASTER KEY IS NOT IN THE BACKUP. Keep the data directory's master.key (or
ATOLL_MASTER_KEY) in another place: without it a server refuses to start from the
backup. Contents that have not changed are hard links where the file system has
them, so copy the backup to another disk to be safe from the loss of this one.`,
		Example: "  atoll backup /backups/atoll-2026-01-31",
		Args:    exactly("DIR"),
	}
	t := targetFlags(c, a)
	c.RunE = func(c *cobra.Command, args []string) error {
		conn, err := t.connect()
		if err != nil {
			return err
		}
		dir, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		message, err := conn.Backup(c.Context(), dir)
		if err != nil {
			return conn.explain(err)
		}
		if t.json {
			return printJSON(a.stdout, map[string]string{"dir": dir, "message": message})
		}
		_, err = fmt.Fprintf(a.stdout, "Backup made in %s.\n\nIMPORTANT: %s.\n", dir, message)
		return err
	}
	return c
}
