package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"atoll/client"
	"atoll/internal/transfer"
)

func newCp(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "cp SOURCE... DESTINATION",
		Short: "Copy files to, from and between disks",
		Long: `Copy files between this machine and disks, or between disks. A path on a disk is
DISK:/PATH, DISK.BRANCH:/PATH or, to read, DISK.BRANCH.CHECKPOINT:/PATH; - is standard input
or output. A local file with a colon in its name is written ./NAME.

A destination that ends in / or is a directory gets the sources by their names; with -r
directories too, with all that is in them (of one that is written with a / at its end only what
is in it). Files that are there are replaced, each at once and whole.

The same command again continues what was interrupted: parts of an upload that are the same
are not sent again, and a download goes on at the byte where it stopped, unless the file is
another one now. Contents are verified by checksums on both ways.

Links of this machine are followed to files; those to directories are passed over. New files
on a disk get the permissions of the local ones.`,
		Example: `  atoll cp beach.jpg photos:/2026/
  atoll cp -r pics photos:/
  atoll cp photos.root.monday:/2026/beach.jpg .
  tar c . | atoll cp - photos:/backup.tar`,
		Args: atLeast(2, "SOURCE... and DESTINATION"),
	}
	f := addTransferFlags(c, a)
	c.Annotations = map[string]string{"repeats": "yes"}
	c.ValidArgsFunction = f.complete(anyPaths)
	recursive := c.Flags().BoolP("recursive", "r", false, "copy directories with all that is in them")
	f.work(c, func(ctx context.Context, conn *connection, args []string) error {
		sources, dst := args[:len(args)-1], args[len(args)-1]
		if len(sources) == 1 && (sources[0] == "-" || dst == "-") {
			return f.stream(ctx, conn, sources[0], dst)
		}
		return f.do(ctx, func(ctx context.Context, o transfer.Options) (transfer.Result, error) {
			items, err := conn.items(ctx, sources, dst, *recursive)
			if err != nil {
				return transfer.Result{}, err
			}
			return transfer.Copy(ctx, items, o)
		})
	})
	return c
}

// stream copies from standard input or to standard output.
func (f *transferFlags) stream(ctx context.Context, conn *connection, src, dst string) error {
	if src == "-" {
		w, key, err := conn.findPath(ctx, dst)
		if err != nil {
			return err
		}
		if key == "" || strings.HasSuffix(key, "/") {
			return usageError(errors.New("standard input has no name: the destination must be a file"))
		}
		b, err := conn.Bucket(ctx, w.address())
		if err != nil {
			return err
		}
		_, err = b.Put(ctx, key, f.a.stdin, client.PutOptions{PartSize: int64(f.part)})
		return err
	}
	return conn.cat(ctx, src, f.a.stdout)
}

// cat writes a file of a disk.
func (c *connection) cat(ctx context.Context, arg string, out io.Writer) error {
	w, key, err := c.findPath(ctx, arg)
	if err != nil {
		return err
	}
	b, err := c.Bucket(ctx, w.address())
	if err != nil {
		return err
	}
	r, err := b.Get(ctx, key, client.GetOptions{})
	if client.IsNotFound(err) {
		return &fs.PathError{Op: "open", Path: arg, Err: fs.ErrNotExist}
	}
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(out, r)
	return err
}

// spot is a place that an argument names, and what is there.
type spot struct {
	tree  transfer.Tree
	path  string // in the tree
	entry transfer.Entry
	there bool
	slash bool   // it was written with a slash at its end
	name  string // what it is called in a directory; "" of a root
}

// spot looks at an argument: a local path or DISK:/PATH. The tree is the
// directory that it is in.
func (c *connection) spot(ctx context.Context, arg string) (s spot, err error) {
	name, key, ok := onDisk(arg)
	if ok {
		w, err := c.find(ctx, name)
		if err != nil {
			return s, err
		}
		b, err := c.Bucket(ctx, w.address())
		if err != nil {
			return s, err
		}
		s.slash = key == "" || strings.HasSuffix(key, "/")
		key = strings.Trim(key, "/")
		s.name = path.Base(key)
		if key == "" {
			s.name = ""
		}
		s.path = s.name
		s.tree = transfer.Remote{Bucket: b, Prefix: strings.TrimSuffix(key, s.name), Name: w.String()}
	} else {
		s.slash = strings.HasSuffix(arg, "/")
		dir, base := filepath.Split(filepath.Clean(arg))
		if base == "." || base == ".." || base == "" {
			dir, base = filepath.Clean(arg), ""
		}
		s.tree, s.path, s.name = transfer.Local{Root: filepath.Clean(dir + ".")}, base, base
		if base == "" {
			s.tree = transfer.Local{Root: dir}
		}
	}
	s.entry, err = s.tree.Stat(ctx, s.path)
	if s.there = err == nil; errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}

// folder is the spot, or what is below it, as a tree of its own.
func (s *spot) folder(below string) transfer.Tree {
	rel := path.Join(s.path, below)
	switch t := s.tree.(type) {
	case transfer.Remote:
		if rel != "" {
			t.Prefix += rel + "/"
		}
		return t
	case transfer.Local:
		t.Root = filepath.Join(t.Root, filepath.FromSlash(rel))
		return t
	}
	return s.tree
}

// items are what the sources of a cp are copied from and to.
func (c *connection) items(ctx context.Context, sources []string, dst string, recursive bool) ([]transfer.Item, error) {
	to, err := c.spot(ctx, dst)
	if err != nil {
		return nil, err
	}
	into := to.slash || to.there && to.entry.Dir()
	if len(sources) > 1 && !into {
		return nil, usageError(fmt.Errorf("%s is not a directory (write it with a / at its end to make one)", dst))
	}
	var items []transfer.Item
	for _, arg := range sources {
		from, err := c.spot(ctx, arg)
		if err != nil {
			return nil, err
		}
		it, err := item(arg, &from, &to, into, recursive)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// item says where one source goes.
func item(arg string, from, to *spot, into, recursive bool) (it transfer.Item, err error) {
	_, local := from.tree.(transfer.Local)
	if _, alsoLocal := to.tree.(transfer.Local); local && alsoLocal {
		return it, usageError(fmt.Errorf("neither %s nor the destination is on a disk (DISK:/PATH): for local files there is cp", arg))
	}
	if !from.there {
		return it, &exitError{exitNotFound, fmt.Errorf("%s: no such file or directory", arg)}
	}
	if !from.entry.Dir() {
		if from.slash {
			return it, usageError(fmt.Errorf("%s is not a directory", arg))
		}
		it = transfer.Item{From: from.tree, Entry: from.entry, To: to.tree, Path: to.path}
		if into {
			it.To, it.Path = to.folder(""), from.name
		}
		return it, nil
	}
	if !recursive {
		return it, usageError(fmt.Errorf("%s is a directory: -r copies it with all that is in it", arg))
	}
	if to.there && !to.entry.Dir() {
		return it, fmt.Errorf("the destination is a file: directory %s can't go there", arg)
	}
	it = transfer.Item{From: from.folder(""), Entry: from.entry, To: to.folder("")}
	if into && !from.slash {
		it.To = to.folder(from.name)
	}
	it.Entry.Path = "/"
	return it, nil
}
