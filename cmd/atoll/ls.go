package main

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"atoll/client"
)

func newLs(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "ls DISK[:/PATH]",
		Short: "List the files of a disk",
		Long: `List what is in a folder of a disk, a branch or a checkpoint: size, time and name; with -r
all files below it. A path that names a file lists that.`,
		Example: "  atoll ls photos:/2026\n  atoll ls -r photos.root.monday --json",
		Args:    exactly("DISK[:/PATH]"),
	}
	t := targetFlags(c, a)
	c.ValidArgsFunction = t.complete(remotePaths)
	recursive := c.Flags().BoolP("recursive", "r", false, "list all files below the folder")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		arg := args[0]
		if _, _, ok := onDisk(arg); !ok {
			arg += ":/"
		}
		w, path, err := conn.findPath(ctx, arg)
		if err != nil {
			return err
		}
		b, err := conn.Bucket(ctx, w.address())
		if err != nil {
			return err
		}
		return t.ls(ctx, b, arg, path, *recursive)
	})
	return c
}

// listing is one entry of ls.
type listing struct {
	client.Entry
	Name string `json:"name"` // below the folder
}

func (t *target) ls(ctx context.Context, b *client.Bucket, arg, path string, recursive bool) error {
	folder := strings.Trim(path, "/")
	if folder != "" {
		folder += "/"
	}
	var all []listing
	print := func(e client.Entry, name string) error {
		if t.json {
			all = append(all, listing{e, name})
			return nil
		}
		n, at := "-", ""
		if !e.Folder {
			n, at = size(e.Size), when(e.Modified)
		}
		_, err := fmt.Fprintf(t.a.stdout, "%10s  %-16s  %s\n", n, at, shown(name))
		return err
	}
	empty := true
	for e, err := range b.List(ctx, client.ListOptions{Prefix: folder, Folders: !recursive}) {
		if err != nil {
			return err
		}
		empty = false
		if err := print(e, strings.TrimPrefix(e.Key, folder)); err != nil {
			return err
		}
	}
	if empty && folder != "" {
		if err := lsFile(ctx, b, arg, path, print); err != nil {
			return err
		}
	}
	if t.json {
		return printJSON(t.a.stdout, append([]listing{}, all...))
	}
	return nil
}

// lsFile shows what no key is below: a file, or an empty folder.
func lsFile(ctx context.Context, b *client.Bucket, arg, path string, print func(client.Entry, string) error) error {
	if !strings.HasSuffix(path, "/") {
		for e, err := range b.List(ctx, client.ListOptions{Prefix: path, PageSize: 1}) {
			if err != nil {
				return err
			}
			if e.Key == path {
				return print(e, path[strings.LastIndexByte(path, '/')+1:])
			}
			break
		}
	}
	_, err := b.Head(ctx, strings.Trim(path, "/")+"/")
	if client.IsNotFound(err) {
		err = &fs.PathError{Op: "list", Path: arg, Err: fs.ErrNotExist}
	}
	return err
}

func newCat(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "cat DISK:/PATH...",
		Short:   "Write files of a disk to standard output",
		Long:    "Write files of a disk to standard output; with --json, what is known of them instead of their contents.",
		Example: "  atoll cat photos:/list.txt\n  atoll cat photos:/list.txt --json",
		Args:    atLeast(1, "DISK:/PATH..."),
	}
	t := targetFlags(c, a)
	c.Annotations = map[string]string{"repeats": "yes"}
	c.ValidArgsFunction = t.complete(remotePaths)
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		var known []client.Object
		for _, arg := range args {
			if !t.json {
				if err := conn.cat(ctx, arg, a.stdout); err != nil {
					return err
				}
				continue
			}
			w, path, err := conn.findPath(ctx, arg)
			if err != nil {
				return err
			}
			b, err := conn.Bucket(ctx, w.address())
			if err != nil {
				return err
			}
			o, err := b.Head(ctx, path)
			if client.IsNotFound(err) {
				err = &fs.PathError{Op: "open", Path: arg, Err: fs.ErrNotExist}
			}
			if err != nil {
				return err
			}
			known = append(known, o)
		}
		if t.json {
			return printJSON(a.stdout, known)
		}
		return nil
	})
	return c
}

func newRm(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "rm DISK:/PATH...",
		Short: "Delete files of a disk",
		Long: `Delete files, links and empty folders of a disk; with -r folders with all that is in
them. On a terminal -r asks first, unless --yes is given.`,
		Example: "  atoll rm photos:/2026/blurred.jpg\n  atoll rm -r photos.draft:/2025 --yes",
		Args:    atLeast(1, "DISK:/PATH..."),
	}
	t := targetFlags(c, a)
	c.Annotations = map[string]string{"repeats": "yes"}
	c.ValidArgsFunction = t.complete(remotePaths)
	recursive := c.Flags().BoolP("recursive", "r", false, "delete folders with all that is in them")
	yes := c.Flags().BoolP("yes", "y", false, "do not ask")
	t.work(c, func(ctx context.Context, conn *connection, args []string) error {
		if *recursive && !*yes && !a.confirm(fmt.Sprintf("Delete %s with all that is in it?", strings.Join(args, ", "))) {
			return errNothingDone
		}
		for _, arg := range args {
			w, path, err := conn.findPath(ctx, arg)
			if err != nil {
				return err
			}
			if strings.Trim(path, "/") == "" {
				return usageError(fmt.Errorf("%s is a whole disk or branch: see atoll disk rm and atoll branch rm", arg))
			}
			if err := conn.RemoveFile(ctx, w.address(), path, *recursive); err != nil {
				return fmt.Errorf("%s: %w", arg, err)
			}
		}
		return t.done(map[string][]string{"deleted": args}, "Deleted %s.", shown(strings.Join(args, ", ")))
	})
	return c
}
