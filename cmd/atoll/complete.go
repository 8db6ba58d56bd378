package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"atoll/client"
)

const (
	// completeTime is how long a shell waits for names at most.
	completeTime = 2 * time.Second
	// completeMost is how many names are offered at most.
	completeMost = 500
)

// completer offers values of one argument. before are the arguments that
// stand before it.
type completer func(ctx context.Context, c *connection, before []string, typed string) ([]string, cobra.ShellCompDirective)

const noFiles = cobra.ShellCompDirectiveNoFileComp

// complete makes a command's completion of its arguments, the last of which
// is used for all that follow. It asks the server, and is silent when it does
// not answer soon.
func (t *target) complete(args ...completer) cobra.CompletionFunc {
	return func(c *cobra.Command, before []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 || len(before) >= len(args) && c.Annotations["repeats"] == "" {
			return nil, noFiles
		}
		conn, err := t.dial(completeTime/2, -1)
		if err != nil {
			return nil, fallback(typed)
		}
		ctx := c.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completeTime)
		defer cancel()
		return args[min(len(before), len(args)-1)](ctx, conn, before, typed)
	}
}

// fallback is what a shell may offer of itself: files, if the word may be one.
func fallback(typed string) cobra.ShellCompDirective {
	if strings.ContainsAny(typed, "/") && !strings.Contains(typed, ":") {
		return cobra.ShellCompDirectiveDefault
	}
	return noFiles
}

// disks offers names of disks.
func disks(ctx context.Context, c *connection, _ []string, typed string) (out []string, _ cobra.ShellCompDirective) {
	for d, err := range c.Disks(ctx) {
		if err != nil || len(out) == completeMost {
			break
		}
		if strings.HasPrefix(d.Name, typed) {
			out = append(out, d.Name)
		} else if strings.HasPrefix(d.ID, typed) && strings.HasPrefix(typed, "dsk-") {
			out = append(out, d.ID)
		}
	}
	return out, noFiles
}

// branches offers disks, and after a dot their branches.
func branches(ctx context.Context, c *connection, before []string, typed string) (out []string, _ cobra.ShellCompDirective) {
	name, _, dotted := strings.Cut(typed, ".")
	if !dotted {
		return disks(ctx, c, before, typed)
	}
	w, err := c.find(ctx, name)
	if err != nil {
		return nil, noFiles
	}
	for b, err := range c.Branches(ctx, w.disk.ID) {
		if err != nil || len(out) == completeMost {
			break
		}
		if full := name + "." + b.Name; strings.HasPrefix(full, typed) {
			out = append(out, full)
		}
	}
	return out, noFiles
}

// refs offers disks, after a dot their branches, and after another those'
// checkpoints.
func refs(ctx context.Context, c *connection, before []string, typed string) (out []string, _ cobra.ShellCompDirective) {
	if strings.Count(typed, ".") < 2 {
		return branches(ctx, c, before, typed)
	}
	branch := typed[:strings.LastIndexByte(typed, '.')]
	return checkpointsOf(ctx, c, branch, branch+".", typed), noFiles
}

// ownCheckpoints offers the checkpoints of the branch that stands before.
func ownCheckpoints(ctx context.Context, c *connection, before []string, typed string) ([]string, cobra.ShellCompDirective) {
	return checkpointsOf(ctx, c, before[0], "", typed), noFiles
}

func checkpointsOf(ctx context.Context, c *connection, branch, prefix, typed string) (out []string) {
	w, err := c.find(ctx, branch)
	if err != nil {
		return nil
	}
	for p, err := range c.Checkpoints(ctx, w.disk.ID, w.onBranch()) {
		if err != nil || len(out) == completeMost {
			break
		}
		if full := prefix + p.Name; strings.HasPrefix(full, typed) {
			out = append(out, full)
		}
	}
	return out
}

// remotePaths offers DISK: and, behind the colon, what is in the folder.
func remotePaths(ctx context.Context, c *connection, before []string, typed string) (out []string, _ cobra.ShellCompDirective) {
	disk, path, ok := strings.Cut(typed, ":")
	if !ok {
		out, _ = refs(ctx, c, before, typed)
		for i := range out {
			out[i] += ":/"
		}
		return out, noFiles | cobra.ShellCompDirectiveNoSpace
	}
	w, err := c.find(ctx, disk)
	if err != nil {
		return nil, noFiles
	}
	b, err := c.Bucket(ctx, w.address())
	if err != nil {
		return nil, noFiles
	}
	directive := noFiles
	for e, err := range b.List(ctx, client.ListOptions{Prefix: strings.TrimLeft(path, "/"), Folders: true, PageSize: completeMost}) {
		if err != nil || len(out) == completeMost {
			break
		}
		if e.Folder {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		out = append(out, disk+":/"+e.Key)
	}
	return out, directive
}

// anyPaths offers files of this machine to words that look like them, else
// disks.
func anyPaths(ctx context.Context, c *connection, before []string, typed string) ([]string, cobra.ShellCompDirective) {
	if d, _, ok := strings.Cut(typed, ":"); strings.Contains(d, "/") || !ok && strings.HasPrefix(typed, ".") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	out, directive := remotePaths(ctx, c, before, typed)
	if len(out) == 0 && !strings.Contains(typed, ":") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return out, directive
}
