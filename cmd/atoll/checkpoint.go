package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newCheckpoint(a *app) *cobra.Command {
	return group("checkpoint", "Make, list, rename and delete checkpoints",
		newCheckpointCreate(a), newCheckpointLs(a), newCheckpointRename(a), newCheckpointRm(a))
}

func newCheckpointCreate(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "create DISK[.BRANCH] NAME",
		Short: "Name the present state of a branch",
		Long: `Give the present state of a branch (the root branch, if none is named) a name. It takes
milliseconds and no space. DISK.BRANCH.NAME is read-only ever after (the root branch is
called root): read it, fork it, compare it, roll back to it.`,
		Example: "  atoll checkpoint create photos monday\n  atoll checkpoint create photos.draft before-lunch",
		Args:    exactly("DISK[.BRANCH]", "NAME"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(branches)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		p, err := conn.CreateCheckpoint(ctx, w.disk.ID, w.onBranch(), args[1])
		if err != nil {
			return err
		}
		return t.done(p, "Checkpoint %s.%s.%s is made.", shown(w.disk.Name), w.onBranch(), p.Name)
	})
	return c
}

func newCheckpointLs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "ls DISK[.BRANCH]",
		Aliases: []string{"list"},
		Short:   "List the checkpoints of a branch",
		Long:    "List the checkpoints of a branch (the root branch, if none is named).",
		Example: "  atoll checkpoint ls photos\n  atoll checkpoint ls photos.draft --json",
		Args:    exactly("DISK[.BRANCH]"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(branches)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findBranch(ctx, args[0])
		if err != nil {
			return err
		}
		all, err := client.Collect(conn.Checkpoints(ctx, w.disk.ID, w.onBranch()))
		if err != nil {
			return err
		}
		return list(t, all, []string{"NAME", "BRANCH", "FILES", "MADE FOR", "CREATED"}, func(p client.Checkpoint) []string {
			purpose := "-"
			if p.Auto {
				purpose = "a fork"
			}
			return []string{p.Name, p.Branch, strconv.FormatInt(p.Files, 10), purpose, when(p.CreatedAt)}
		})
	})
	return c
}

func newCheckpointRename(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rename DISK.BRANCH.CHECKPOINT NAME",
		Short:   "Give a checkpoint another name",
		Example: "  atoll checkpoint rename photos.root.monday before-the-move",
		Args:    exactly("DISK.BRANCH.CHECKPOINT", "NAME"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(refs)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findCheckpoint(ctx, args[0])
		if err != nil {
			return err
		}
		p, err := conn.RenameCheckpoint(ctx, w.disk.ID, w.onBranch(), w.checkpoint, args[1])
		if err != nil {
			return err
		}
		return t.done(p, "Checkpoint %s is now %s.%s.%s.", w, shown(w.disk.Name), w.onBranch(), p.Name)
	})
	return c
}

func newCheckpointRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "rm DISK.BRANCH.CHECKPOINT",
		Aliases: []string{"delete"},
		Short:   "Delete a checkpoint",
		Long: `Delete a checkpoint. If branches were forked from it, that is refused with their names
(exit code 5), unless --cascade deletes them too. On a terminal it asks first, unless --yes
is given.`,
		Example: "  atoll checkpoint rm photos.root.monday",
		Args:    exactly("DISK.BRANCH.CHECKPOINT"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(refs)
	yes, cascade := removeFlags(c)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, err := conn.findCheckpoint(ctx, args[0])
		if err != nil {
			return err
		}
		if !*yes && !a.confirm("Delete checkpoint "+w.String()+andDependents(*cascade)+"?") {
			return errNothingDone
		}
		if err := conn.DeleteCheckpoint(ctx, w.disk.ID, w.onBranch(), w.checkpoint, *cascade); err != nil {
			return err
		}
		return t.done(map[string]string{"deleted": w.ref(), "diskId": w.disk.ID}, "Deleted checkpoint %s.", w)
	})
	return c
}

func newDiff(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "Show what differs between two branches or checkpoints of a disk",
		Long: `Show what was added, changed and removed from A to B, each of which is DISK,
DISK.BRANCH or DISK.BRANCH.CHECKPOINT of the same disk. It costs what has changed, not
what the disk holds.`,
		Example: "  atoll diff photos.root.monday photos\n  atoll diff photos photos.draft --prefix 2026/",
		Args:    exactly("A", "B"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(refs, refs)
	prefix := c.Flags().String("prefix", "", "only paths that begin with `PREFIX`")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		from, err := conn.find(ctx, args[0])
		if err != nil {
			return err
		}
		to, err := conn.find(ctx, args[1])
		if err != nil {
			return err
		}
		if from.disk.Name != to.disk.Name {
			return usageError(fmt.Errorf("%s and %s are not of one disk", from, to))
		}
		var all []client.Change
		for ch, err := range conn.Diff(ctx, from.disk.ID, from.ref(), to.ref(), *prefix) {
			if err != nil {
				return err
			}
			if t.json {
				all = append(all, ch)
				continue
			}
			sign := map[string]string{"added": "+", "changed": "~", "removed": "-"}[ch.Change]
			if _, err := fmt.Fprintf(a.stdout, "%s %s%s\n", sign, shown(ch.Path), sizes(ch)); err != nil {
				return err
			}
		}
		if t.json {
			return printJSON(a.stdout, append([]client.Change{}, all...))
		}
		return nil
	})
	return c
}

// sizes tells how a change's size went.
func sizes(ch client.Change) string {
	switch {
	case ch.Type != "file":
		return ""
	case ch.OldSize != nil && ch.NewSize != nil:
		return fmt.Sprintf("  (%s -> %s)", size(*ch.OldSize), size(*ch.NewSize))
	case ch.NewSize != nil:
		return fmt.Sprintf("  (%s)", size(*ch.NewSize))
	}
	return ""
}

func newRestore(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "restore DISK.BRANCH.CHECKPOINT:/PATH",
		Short: "Bring a file or folder of a checkpoint back onto a branch",
		Long: `Make a file or folder of a branch what it is in a checkpoint, or on another branch. What
is there now is replaced when the copy is whole. It goes onto the branch of the checkpoint,
unless --onto names another.`,
		Example: "  atoll restore photos.root.monday:/2026/holiday\n  atoll restore photos.draft:/list.txt --onto root",
		Args:    exactly("DISK.BRANCH.CHECKPOINT:/PATH"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(remotePaths)
	onto := c.Flags().String("onto", "", "`BRANCH` that gets it")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		w, path, err := conn.findPath(ctx, args[0])
		if err != nil {
			return err
		}
		branch := *onto
		if branch == "" {
			branch = w.onBranch()
		}
		if w.checkpoint == "" && branch == w.onBranch() {
			return usageError(fmt.Errorf("%s is the branch itself: name a checkpoint, or another branch with --onto", w))
		}
		res, err := conn.Restore(ctx, w.disk.ID, client.RestoreFrom{FromBranch: w.onBranch(), FromCheckpoint: w.checkpoint, Path: path, Branch: branch})
		if err != nil {
			return err
		}
		return t.done(res, "Restored /%s of %s onto %s.%s: %d files, %s.", shown(path), w, shown(w.disk.Name), branch, res.Files, size(res.Bytes))
	})
	return c
}
