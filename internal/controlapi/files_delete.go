package controlapi

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// deletedResponse counts what DELETE of a path removed.
type deletedResponse struct {
	Deleted int64 `json:"deleted" doc:"files, links and folders that are gone"`
}

// deleteFile removes what a path names.
func (a *api) deleteFile(c *call) (deletedResponse, error) {
	path, dir := c.filePath()
	recursive, err := c.flag("recursive")
	if err != nil {
		return deletedResponse{}, err
	}
	if path == "" {
		return deletedResponse{}, invalid("the root folder can't be deleted; delete what is in it, or the disk")
	}
	if err := checkChange(path); err != nil {
		return deletedResponse{}, err
	}
	v, err := a.view(c)
	if err != nil {
		return deletedResponse{}, err
	}
	ctx := c.r.Context()
	at, err := v.Stat(ctx, path, false)
	if err != nil {
		return deletedResponse{}, notThere(err)
	}
	if !at.IsDir() {
		if dir {
			return deletedResponse{}, notFolder("delete", path)
		}
		return removeFile(c, v, path)
	}
	if len(c.r.Header["If-Match"]) > 0 {
		return deletedResponse{}, invalid("If-Match is for files: folders have no ETag")
	}
	d := deletion{v: v}
	if recursive {
		err = d.empty(ctx, at.Ino)
	}
	if err == nil {
		dir, name, perr := (&fileChange{c: c, v: v}).parent(path)
		if err = perr; err == nil {
			err = d.folder(ctx, dir, name, at.Ino, recursive)
		}
	}
	done := d.done.Load()
	c.details = fmt.Sprintf("%d deleted", done)
	if err != nil {
		err = explain(err)
		if done > 0 {
			err = errs.E("delete", path, errs.KindOf(err), fmt.Errorf("%d entries were deleted, then: %s", done, errs.Text(err)))
		}
		return deletedResponse{}, err
	}
	return deletedResponse{done}, nil
}

// removeFile removes a file or a link.
func removeFile(c *call, v *disk.View, path string) (deletedResponse, error) {
	if len(c.r.Header["If-None-Match"]) > 0 {
		return deletedResponse{}, invalid("If-None-Match does not belong to a deletion")
	}
	absent := false
	check, err := c.writeConditions(&absent)
	if err != nil {
		return deletedResponse{}, err
	}
	removed, err := v.Remove(c.r.Context(), path, disk.RemoveOptions{Check: check})
	if err == nil && !removed {
		err = notThere(errs.E("delete", path, errs.NotFound, nil))
	}
	return deletedResponse{1}, err
}

const (
	deletePage    = 256 // entries read at a time
	deleteWorkers = 16  // whose changes the core commits together
	deleteRounds  = 16  // how often a folder that fills up again is emptied
)

// deletion removes a folder in small steps. It goes by inode numbers, so that
// no link and no renaming leads it elsewhere.
type deletion struct {
	v    *disk.View
	done atomic.Int64
}

// empty removes all that is in a folder.
func (d *deletion) empty(ctx context.Context, dir disk.Ino) error {
	for {
		page, err := d.v.ReadDir(ctx, dir, "", deletePage)
		if errs.Is(err, errs.Stale) { // somebody else deleted it
			return nil
		}
		if err != nil {
			return err
		}
		before := d.done.Load()
		if err := d.files(ctx, dir, page); err != nil {
			return err
		}
		folders := 0
		for i := range page {
			e := &page[i]
			if !e.Attr.IsDir() {
				continue
			}
			folders++
			if err := d.empty(ctx, e.Attr.Ino); err != nil {
				return err
			}
			if err := d.folder(ctx, dir, e.Name, e.Attr.Ino, true); err != nil {
				return err
			}
		}
		if len(page) < deletePage || folders == 0 && d.done.Load() == before {
			return nil
		}
	}
}

// files removes what in a page is no folder. Several at a time: the core
// commits them together.
func (d *deletion) files(ctx context.Context, dir disk.Ino, page []disk.DirEntry) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	failed := make([]error, deleteWorkers)
	for w := range deleteWorkers {
		wg.Go(func() {
			for failed[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(page) {
					return
				}
				if e := &page[i]; !e.Attr.IsDir() {
					failed[w] = d.count(d.v.Unlink(ctx, dir, e.Name, 0))
				}
			}
		})
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// folder removes a folder that should be empty by now. One that others put
// something into meanwhile is emptied again, if that was asked for.
func (d *deletion) folder(ctx context.Context, parent disk.Ino, name string, ino disk.Ino, recursive bool) error {
	for round := 1; ; round++ {
		err := d.count(d.v.Rmdir(ctx, parent, name, 0))
		if !errs.Is(err, errs.NotEmpty) {
			return err
		}
		if !recursive || round == deleteRounds {
			return errs.New("delete", name, errs.NotEmpty, notEmptyText(recursive))
		}
		if err := d.empty(ctx, ino); err != nil {
			return err
		}
	}
}

func notEmptyText(recursive bool) string {
	if recursive {
		return "the folder fills up faster than it is emptied"
	}
	return "the folder is not empty: ?recursive=true deletes it with all that is in it"
}

// count counts what was removed. What is gone already is what was wanted.
func (d *deletion) count(err error) error {
	if err == nil {
		d.done.Add(1)
	}
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}
