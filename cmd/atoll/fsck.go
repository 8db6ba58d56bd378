package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"atoll/internal/server"
)

func newFsck(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Check a store that no server uses",
		Long: `Check a whole store offline: every row, every reference, every checksum, and the
usage figures. It says what is wrong, a line a problem, and changes nothing.

With --repair it corrects what can be corrected without guessing: usage figures, id
counters, and contents that nothing names. It never deletes anything that has a
name. The exit code is 0 if no problem is left.`,
		Example: "  atoll fsck --data ./atoll-data\n  atoll fsck --data ./atoll-data --repair",
		Args:    exactly(),
	}
	var o server.FsckOptions
	var asJSON bool
	c.Flags().StringVar(&o.Data, "data", "", "data `DIR`ectory (or ATOLL_DATA)"+dataDirHelp(a))
	c.Flags().BoolVar(&o.Repair, "repair", false, "correct what can be corrected without guessing")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.Data == "" {
			o.Data = a.getenv(server.EnvPrefix + "DATA")
		}
		if o.Data == "" {
			o.Data = server.DefaultDataDir(a.getenv)
		}
		problems := []string{}
		o.Report = func(p string) {
			problems = append(problems, p)
			if !asJSON {
				fmt.Fprintln(a.stdout, shown(p))
			}
		}
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		return a.fsck(ctx, o, asJSON, &problems)
	}
	return c
}

// fsck runs the check and prints its result.
func (a *app) fsck(ctx context.Context, o server.FsckOptions, asJSON bool, problems *[]string) error {
	res, err := server.Fsck(ctx, o)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(a.stdout, struct {
			server.FsckResult
			Clean    bool     `json:"clean"`
			Problems []string `json:"problems"`
		}{res, res.Clean(), *problems})
	} else {
		_, err = fmt.Fprintf(a.stdout, "Checked %d disks with %d files, %d rows, %d extents, %d records, %d S3 users: %d errors, %d warnings, %d repaired.\n",
			res.Disks, res.Files, res.Rows, res.Extents, res.Records, res.Users, res.Errors, res.Warnings, res.Repaired)
	}
	if err != nil {
		return err
	}
	if !res.Clean() {
		return errors.New("the store has problems")
	}
	return nil
}
