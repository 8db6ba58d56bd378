package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// duration is a time that may be written in days and weeks. It is a
// pflag.Value.
type duration time.Duration

// Set reads 90s, 8h, 7d, 2w or seconds.
func (d *duration) Set(text string) error {
	number, unit := text, time.Second
	for suffix, u := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = n, u
		}
	}
	if n, err := strconv.ParseFloat(number, 64); err == nil && n > 0 && n*float64(unit) < 1<<62 {
		*d = duration(n * float64(unit))
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is not a time such as 90m, 8h, 7d or 2w", text)
	}
	*d = duration(v)
	return nil
}

// String writes it as time.Duration does, without zeros at its end.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	s := time.Duration(*d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// Type names it in help.
func (d *duration) Type() string { return "time" }

func newShare(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "share DISK[.BRANCH] PATH | DISK[.BRANCH]:/PATH",
		Short: "Make a URL that shows one file to whoever has it",
		Long: `Make a URL that shows one file, as it is when it is looked at, to whoever has the URL.
It needs no credentials, and is void after a time of at most 7 days, or when it is revoked.`,
		Example: `  atoll share photos 2026/beach.jpg --expires 8h
  atoll share photos:/2026/beach.jpg
  atoll share photos --revoke 5f1c0a4e
  atoll share photos --revoke-all`,
		Args: between(1, "DISK", "PATH"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(remotePaths)
	expires := duration(24 * time.Hour)
	c.Flags().Var(&expires, "expires", "`TIME` after which it is void: up to 7d")
	revoke := c.Flags().String("revoke", "", "make the URL with this `ID` void")
	all := c.Flags().Bool("revoke-all", false, "make all URLs of the disk void that were made so far")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		if *revoke != "" || *all {
			return t.revoke(ctx, conn, args, *revoke, *all)
		}
		w, path, err := conn.sharePath(ctx, args)
		if err != nil {
			return err
		}
		s, err := conn.Share(ctx, w.address(), path, time.Duration(expires))
		if err != nil {
			return err
		}
		if t.json {
			return printJSON(a.stdout, s)
		}
		fmt.Fprintf(a.stderr, "Void after %s; revoke it before with: atoll share %s --revoke %s\n", when(s.ExpiresAt), shown(w.disk.Name), s.ID)
		_, err = fmt.Fprintln(a.stdout, s.URL)
		return err
	})
	return c
}

// sharePath reads DISK PATH or DISK:/PATH.
func (c *connection) sharePath(ctx context.Context, args []string) (w *where, path string, err error) {
	if len(args) == 2 {
		w, err = c.find(ctx, args[0])
		path = strings.TrimLeft(args[1], "/")
	} else {
		w, path, err = c.findPath(ctx, args[0])
	}
	if err == nil && path == "" {
		err = usageError(errors.New("the path of a file is needed"))
	}
	return w, path, err
}

func (t *target) revoke(ctx context.Context, conn *connection, args []string, id string, all bool) error {
	if len(args) != 1 || all && id != "" {
		return usageError(errors.New("--revoke ID and --revoke-all take a DISK only"))
	}
	name, _, _ := strings.Cut(args[0], ":")
	w, err := conn.find(ctx, name)
	if err != nil {
		return err
	}
	if all {
		err = conn.RevokeShares(ctx, w.disk.ID)
		id = "all"
	} else {
		err = conn.RevokeShare(ctx, w.disk.ID, id)
	}
	if err != nil {
		return err
	}
	return t.done(map[string]string{"revoked": id, "diskId": w.disk.ID}, "Revoked (%s).", shown(id))
}
