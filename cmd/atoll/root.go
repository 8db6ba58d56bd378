package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"atoll/internal/errs"
	"atoll/internal/server"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2 // the command line or the configuration is wrong
	exitUnreachable = 3 // no server answers
	exitNotFound    = 4 // what was named is not there
	exitConflict    = 5 // it exists already, or something depends on it or holds it
)

// app is what a command knows of the world.
type app struct {
	stdin     *os.File
	stdout    io.Writer
	stderr    io.Writer
	lookupEnv func(string) (string, bool)
	now       func() time.Time // nil: time.Now
}

func (a *app) getenv(name string) string {
	v, _ := a.lookupEnv(name)
	return v
}

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error { return &exitError{exitUsage, err} }

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, a app) int {
	root := newRoot(&a)
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(a.stderr, "atoll: %s\n", message(err))
	var ee *exitError
	switch {
	case errors.As(err, &ee):
	case strings.HasPrefix(err.Error(), "unknown command"):
		ee = &exitError{exitUsage, err}
	default:
		return exitFailed
	}
	if ee.code == exitUsage {
		fmt.Fprintf(a.stderr, "See: %s --help\n", cmd.CommandPath())
	}
	return ee.code
}

// message is what a person is told of an error. The core's errors begin with
// operation, path and kind, which repeat what their texts say; of a fault of
// unknown kind everything is of use.
func message(err error) string {
	switch errs.KindOf(err) {
	case errs.Other, errs.Corrupt:
		return err.Error()
	}
	return errs.Text(err)
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "atoll",
		Short: "Elastic disks that are S3 buckets",
		Long: `Atoll serves elastic disks, each of which is an S3 bucket.

Start a server, make a disk, and use it with any S3 client:

  atoll serve --data ./atoll-data
  atoll disk create photos --data ./atoll-data

The commands other than serve and fsck talk to a running server. They find it by
--url or ATOLL_URL with the key in ATOLL_API_KEY, or, on the server's machine,
by the data directory (--data, ATOLL_DATA, or the default one).

A DISK is named by its name or its id; DISK.BRANCH and DISK.BRANCH.CHECKPOINT name
a branch and a checkpoint, and DISK:/PATH a file or folder.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server answers, 4 not found,
5 conflict (it exists already, or something depends on it or holds it).`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddGroup(&cobra.Group{ID: "files", Title: "Files:"}, &cobra.Group{ID: "history", Title: "Branches and checkpoints:"},
		&cobra.Group{ID: "disks", Title: "Disks and access:"}, &cobra.Group{ID: "server", Title: "The server:"})
	for id, cmds := range map[string][]*cobra.Command{
		"files":   {newCp(a), newSync(a), newLs(a), newCat(a), newRm(a), newShare(a)},
		"history": {newBranch(a), newCheckpoint(a), newDiff(a), newRestore(a)},
		"disks":   {newDisk(a), newUser(a), newIPs(a), newCORS(a), newAPIKey(a), newAudit(a)},
		"server":  {newServe(a), newBackup(a), newKey(a), newFsck(a), newVersion(a)},
	} {
		for _, c := range cmds {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	return root
}

// work makes what a command does of what it does with a server.
func (t *target) work(c *cobra.Command, fn func(ctx context.Context, conn *connection, args []string) error) {
	c.RunE = func(c *cobra.Command, args []string) error {
		conn, err := t.connect()
		if err != nil {
			return err
		}
		return conn.explain(fn(c.Context(), conn, args))
	}
}

// done prints a value as JSON, or else a line.
func (t *target) done(v any, format string, args ...any) error {
	if t.json {
		return printJSON(t.a.stdout, v)
	}
	_, err := fmt.Fprintf(t.a.stdout, format+"\n", args...)
	return err
}

// list prints values as JSON, or else as a table.
func list[T any](t *target, values []T, head []string, row func(T) []string) error {
	if t.json {
		return printJSON(t.a.stdout, values)
	}
	rows := [][]string{head}
	for _, v := range values {
		rows = append(rows, row(v))
	}
	return printTable(t.a.stdout, rows)
}

// atLeast demands min arguments or more.
func atLeast(min int, usage string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= min {
			return nil
		}
		return usageError(fmt.Errorf("%s takes %s", c.CommandPath(), usage))
	}
}

// between demands from min to as many arguments as there are names.
func between(min int, names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= min && len(args) <= len(names) {
			return nil
		}
		return usageError(fmt.Errorf("%s takes %d to %d arguments: %s", c.CommandPath(), min, len(names), strings.Join(names, " ")))
	}
}

// group makes a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	var examples []string // the first of each
	for _, s := range subs {
		first, _, _ := strings.Cut(s.Example, "\n")
		examples = append(examples, first)
	}
	c := &cobra.Command{
		Use: use, Short: short, Example: strings.Join(examples, "\n"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath()))
			}
			return c.Help()
		},
	}
	c.AddCommand(subs...)
	return c
}

// exactly demands as many arguments as there are names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return usageError(fmt.Errorf("%s takes no arguments", c.CommandPath()))
		}
		return usageError(fmt.Errorf("%s takes %d argument(s): %s", c.CommandPath(), len(names), strings.Join(names, " ")))
	}
}

// dataDirHelp documents the default data directory on --help.
func dataDirHelp(a *app) string {
	if d := server.DefaultDataDir(a.getenv); d != "" {
		return " (default " + d + ")"
	}
	return ""
}

func (a *app) clock() time.Time {
	if a.now == nil {
		return time.Now()
	}
	return a.now()
}
