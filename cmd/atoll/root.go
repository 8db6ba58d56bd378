package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
)

// app is what a command knows of the world.
type app struct {
	stdin     *os.File
	stdout    io.Writer
	stderr    io.Writer
	lookupEnv func(string) (string, bool)
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

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server answers.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(newServe(a), newDisk(a), newUser(a), newBackup(a), newKey(a), newFsck(a), newVersion(a))
	return root
}

// group makes a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short,
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
