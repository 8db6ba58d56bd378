package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"atoll/client"
	"atoll/internal/disk"
)

// where is what an argument DISK[.BRANCH[.CHECKPOINT]] names.
type where struct {
	disk       client.Disk // by the argument's first part
	branch     string      // "": the root branch
	checkpoint string
}

// address is what the server knows it by.
func (w *where) address() string {
	a := w.disk.ID
	if w.branch != "" {
		a += "." + w.branch
	}
	if w.checkpoint != "" {
		a += "." + w.checkpoint
	}
	return a
}

// onBranch is the branch, by name.
func (w *where) onBranch() string {
	if w.branch == "" {
		return client.RootBranch
	}
	return w.branch
}

// ref is the branch, or its checkpoint, without the disk.
func (w *where) ref() string {
	if w.checkpoint == "" {
		return w.onBranch()
	}
	return w.onBranch() + "." + w.checkpoint
}

// String is how people call it.
func (w *where) String() string {
	name := w.disk.Name
	if w.branch != "" {
		name += "." + w.branch
	}
	if w.checkpoint != "" {
		name += "." + w.checkpoint
	}
	return shown(name)
}

// find finds what an argument names: DISK is the name or the id of a disk, or
// a branch's own id.
func (c *connection) find(ctx context.Context, arg string) (*where, error) {
	head, rest, dotted := strings.Cut(arg, ".")
	w := &where{}
	if dotted {
		var checkpoint bool
		w.branch, w.checkpoint, checkpoint = strings.Cut(rest, ".")
		if w.branch == "" || checkpoint && w.checkpoint == "" {
			return nil, usageError(fmt.Errorf("%q is not DISK, DISK.BRANCH or DISK.BRANCH.CHECKPOINT", arg))
		}
	}
	d, err := c.lookUp(ctx, head)
	if err != nil {
		return nil, err
	}
	w.disk = d
	// A branch's own id stands for that branch.
	if name, branch, ok := strings.Cut(d.Name, "."); ok {
		w.disk.Name = name
		if w.branch == "" {
			w.branch = branch
		}
	}
	if w.branch == client.RootBranch && w.checkpoint == "" {
		w.branch = ""
	}
	return w, nil
}

// lookUp finds a disk by id or name. A name may look like an id, so ids are
// tried first.
func (c *connection) lookUp(ctx context.Context, arg string) (client.Disk, error) {
	if _, ok := disk.ParseID(arg); ok {
		d, err := c.Disk(ctx, arg)
		if client.StatusOf(err) != http.StatusNotFound {
			return d, c.explain(err)
		}
	}
	d, ok, err := c.DiskByName(ctx, arg)
	if err != nil {
		return d, c.explain(err)
	}
	if !ok {
		return d, &exitError{exitNotFound, fmt.Errorf("there is no disk %q; see: atoll disk ls", arg)}
	}
	return d, nil
}

// findDisk finds a whole disk.
func (c *connection) findDisk(ctx context.Context, arg string) (client.Disk, error) {
	w, err := c.find(ctx, arg)
	if err != nil {
		return client.Disk{}, err
	}
	if w.branch != "" || w.checkpoint != "" {
		return client.Disk{}, usageError(fmt.Errorf("%q is a branch or a checkpoint: a disk is needed", arg))
	}
	return w.disk, nil
}

// findBranch finds a branch, which may not be a checkpoint.
func (c *connection) findBranch(ctx context.Context, arg string) (*where, error) {
	w, err := c.find(ctx, arg)
	if err == nil && w.checkpoint != "" {
		err = usageError(fmt.Errorf("%q is a checkpoint: a branch is needed, such as DISK.BRANCH", arg))
	}
	return w, err
}

// findCheckpoint finds a checkpoint: DISK.BRANCH.CHECKPOINT.
func (c *connection) findCheckpoint(ctx context.Context, arg string) (*where, error) {
	w, err := c.find(ctx, arg)
	if err == nil && w.checkpoint == "" {
		err = usageError(fmt.Errorf("%q is not DISK.BRANCH.CHECKPOINT (the first branch is called root)", arg))
	}
	return w, err
}

// onDisk tells whether an argument is DISK:PATH, and takes it apart. A local
// file of such a name is written ./NAME.
func onDisk(arg string) (disk, path string, ok bool) {
	disk, path, ok = strings.Cut(arg, ":")
	if !ok || disk == "" || strings.ContainsRune(disk, '/') {
		return "", "", false
	}
	return disk, strings.TrimLeft(path, "/"), true
}

// findPath finds DISK:PATH.
func (c *connection) findPath(ctx context.Context, arg string) (w *where, path string, err error) {
	name, path, ok := onDisk(arg)
	if !ok {
		return nil, "", usageError(fmt.Errorf("%q is not DISK:/PATH", arg))
	}
	w, err = c.find(ctx, name)
	return w, path, err
}

var errNothingDone = errors.New("nothing was done")
