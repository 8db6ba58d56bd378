package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newBranch(a *app) *cobra.Command {
	return group("branch", "Fork, list, roll back and promote branches",
		newBranchCreate(a), newBranchLs(a), newBranchShow(a), newBranchRename(a), newBranchRm(a),
		newBranchRollback(a), newBranchPromote(a), newBranchSchedule(a))
}

func newBranchCreate(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "create DISK[.BRANCH[.CHECKPOINT]] NAME",
		Short: "Fork a branch",
		Long: `Fork a branch from the present state of a branch (of the root branch, if none is
named), or from a checkpoint. It takes milliseconds and no space, whatever the disk
holds. The new branch is a full disk: DISK.NAME works wherever a disk does.`,
		Example: "  atoll branch create photos draft\n  atoll branch create photos.root.monday redo",
		Args:    exactly("DISK[.BRANCH[.CHECKPOINT]]", "NAME"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(refs)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.find(ctx, args[0])
		if err != nil {
			return err
		}
		b, err := conn.CreateBranch(ctx, w.disk.ID, client.NewBranch{Name: args[1], FromBranch: w.onBranch(), FromCheckpoint: w.checkpoint})
		if err != nil {
			return err
		}
		return t.done(b, "Branch %s.%s is ready (%s), forked from %s.", shown(w.disk.Name), b.Name, b.ID, w)
	})
	return c
}

func newBranchLs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "ls DISK",
		Aliases: []string{"list"},
		Short:   "List a disk's branches",
		Long: `List a disk's branches: where each was forked from, the bytes that were born in it
and that it shows, and those that only its checkpoints and other branches keep.`,
		Example: "  atoll branch ls photos",
		Args:    exactly("DISK"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(disks)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		all, err := client.Collect(conn.Branches(ctx, w.disk.ID))
		if err != nil {
			return err
		}
		return list(t, all, []string{"NAME", "ID", "FROM", "SIZE", "RETAINED", "FILES", "CREATED"}, func(b client.Branch) []string {
			return []string{b.Name, b.ID, from(b), size(b.Bytes), size(b.RetainedBytes), strconv.FormatInt(b.Files, 10), when(b.CreatedAt)}
		})
	})
	return c
}

// from is what a branch was forked from.
func from(b client.Branch) string {
	switch {
	case b.FromBranch == "" && b.FromCheckpoint == "":
		return "-"
	case b.FromCheckpoint == "":
		return b.FromBranch
	}
	return b.FromBranch + "." + b.FromCheckpoint
}

func newBranchShow(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "show DISK.BRANCH",
		Short:   "Show one branch",
		Example: "  atoll branch show photos.draft",
		Args:    exactly("DISK.BRANCH"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(branches)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		b, err := conn.Branch(ctx, w.disk.ID, w.onBranch())
		if err != nil {
			return err
		}
		if t.json {
			return printJSON(a.stdout, b)
		}
		return printTable(a.stdout, [][]string{
			{"name", b.Name}, {"id", b.ID}, {"disk", shown(w.disk.Name) + " (" + b.RootID + ")"}, {"forked from", from(b)},
			{"size", size(b.Bytes)}, {"retained", size(b.RetainedBytes)}, {"files", strconv.FormatInt(b.Files, 10)}, {"created", when(b.CreatedAt)},
		})
	})
	return c
}

func newBranchRename(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rename DISK.BRANCH NAME",
		Short:   "Give a branch another name; its id stays",
		Example: "  atoll branch rename photos.draft final",
		Args:    exactly("DISK.BRANCH", "NAME"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(branches)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		b, err := conn.RenameBranch(ctx, w.disk.ID, w.onBranch(), args[1])
		if err != nil {
			return err
		}
		return t.done(b, "Branch %s is now %s.%s.", w, shown(w.disk.Name), b.Name)
	})
	return c
}

func newBranchRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rm DISK.BRANCH",
		Aliases: []string{"delete"},
		Short:   "Delete a branch with its checkpoints",
		Long: `Delete a branch with its checkpoints. If branches were forked from it, that is
refused with their names (exit code 5), unless --cascade deletes them too. On a terminal it
asks first, unless --yes is given.`,
		Example: "  atoll branch rm photos.draft\n  atoll branch rm photos.draft --cascade --yes",
		Args:    exactly("DISK.BRANCH"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(branches)
	yes, cascade := removeFlags(c)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		if !*yes && !a.confirm("Delete branch "+w.String()+" with its checkpoints"+andDependents(*cascade)+"?") {
			return errNothingDone
		}
		if err := conn.DeleteBranch(ctx, w.disk.ID, w.onBranch(), *cascade); err != nil {
			return err
		}
		return t.done(map[string]string{"deleted": w.onBranch(), "diskId": w.disk.ID}, "Deleted branch %s.", w)
	})
	return c
}

func removeFlags(c *cobra.Command) (yes, cascade *bool) {
	return c.Flags().BoolP("yes", "y", false, "do not ask"),
		c.Flags().Bool("cascade", false, "delete also the branches that depend on it")
}

func andDependents(cascade bool) string {
	if cascade {
		return ", and all branches that depend on it"
	}
	return ""
}

// moveFlags are those of rollback and promote.
func moveFlags(c *cobra.Command) *client.Move {
	m := &client.Move{}
	c.Flags().StringVar(&m.KeepAs, "keep-as", "", "`NAME` of the branch that keeps what is left behind")
	c.Flags().BoolVar(&m.Force, "force", false, "even if clients hold files of the branch")
	return m
}

func newBranchRollback(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "rollback DISK[.BRANCH] CHECKPOINT",
		Short: "Make a branch what it was at one of its checkpoints",
		Long: `Make a branch (the root branch, if none is named) what it was at one of its
checkpoints, at once. Nothing is lost: what it was until now becomes a branch of its own, which
keeps later checkpoints too, until you delete it.`,
		Example: "  atoll branch rollback photos monday\n  atoll branch rollback photos.draft monday --keep-as mistake",
		Args:    exactly("DISK[.BRANCH]", "CHECKPOINT"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(branches, ownCheckpoints)
	m := moveFlags(c)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		res, err := conn.Rollback(ctx, w.disk.ID, w.onBranch(), args[1], *m)
		if err != nil {
			return err
		}
		return t.done(res, "Branch %s is as it was at %s. What it was until now: %s.%s", w, shown(args[1]), shown(w.disk.Name), res.LeftBehind.Name)
	})
	return c
}

func newBranchPromote(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "promote DISK.BRANCH",
		Short: "Make a branch's state the root branch's",
		Long: `Make a branch's present state the root branch's, at once. The branch stays; what the
root branch was until now becomes a branch of its own.`,
		Example: "  atoll branch promote photos.draft\n  atoll branch promote photos.draft --keep-as before-draft",
		Args:    exactly("DISK.BRANCH"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(branches)
	m := moveFlags(c)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		if w.branch == "" {
			return usageError(fmt.Errorf("%s is the root branch already", w))
		}
		res, err := conn.Promote(ctx, w.disk.ID, w.branch, *m)
		if err != nil {
			return err
		}
		return t.done(res, "Disk %[1]s is now what %[2]s is. What it was until now: %[1]s.%[3]s", shown(w.disk.Name), w, res.LeftBehind.Name)
	})
	return c
}

func newBranchSchedule(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "schedule DISK[.BRANCH]",
		Short: "Show or set a branch's scheduled checkpoints",
		Long: `Show a branch's schedule, or set it: how many hourly, daily and weekly checkpoints are
kept. The server makes them, and deletes the oldest of a kind when there are more.`,
		Example: "  atoll branch schedule photos --hourly 24 --daily 7 --weekly 4\n  atoll branch schedule photos\n  atoll branch schedule photos --off",
		Args:    exactly("DISK[.BRANCH]"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(branches)
	var s client.Schedule
	c.Flags().IntVar(&s.Hourly, "hourly", 0, "`N` checkpoints that are kept, one an hour")
	c.Flags().IntVar(&s.Daily, "daily", 0, "`N` checkpoints that are kept, one a day")
	c.Flags().IntVar(&s.Weekly, "weekly", 0, "`N` checkpoints that are kept, one a week")
	off := c.Flags().Bool("off", false, "make no more checkpoints")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		set := false
		for _, f := range []string{"hourly", "daily", "weekly"} {
			set = set || c.Flags().Changed(f)
		}
		switch {
		case set && *off:
			return usageError(fmt.Errorf("--off and counts can't be given together"))
		case *off:
			s = client.Schedule{}
			err = conn.RemoveSchedule(ctx, w.disk.ID, w.onBranch())
		case set:
			err = conn.SetSchedule(ctx, w.disk.ID, w.onBranch(), s)
		default:
			s, err = conn.Schedule(ctx, w.disk.ID, w.onBranch())
		}
		if err != nil {
			return err
		}
		if s == (client.Schedule{}) {
			return t.done(s, "Branch %s has no scheduled checkpoints.", w)
		}
		return t.done(s, "Branch %s keeps checkpoints: %d hourly, %d daily, %d weekly.", w, s.Hourly, s.Daily, s.Weekly)
	})
	return c
}
