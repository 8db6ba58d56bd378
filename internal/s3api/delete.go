package s3api

import (
	"context"
	"net/http"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// deleteObject removes a file, a symbolic link (itself) or, for a key that
// ends in '/', an empty directory. It is idempotent.
func (h *Handler) deleteObject(q *request) error {
	if err := q.checkPutHeaders(); err != nil {
		return err
	}
	cond, err := q.writeConditions()
	if err != nil {
		return err
	}
	if err := remove(q.ctx, q.view, q.key, &cond); err != nil {
		return err
	}
	q.writeHeader(http.StatusNoContent)
	return nil
}

// remove deletes what a key names. What is not there needs no deleting, unless
// a condition wants it to be there.
func remove(ctx context.Context, v *disk.View, key string, cond *writeConditions) error {
	path, dir, err := keyPath(key)
	if err != nil {
		return err
	}
	var o disk.RemoveOptions
	if cond.any() {
		if o.Check, err = removeCheck(ctx, v, path, dir, cond); err != nil {
			return err
		}
	}
	if dir {
		_, err = v.RemoveDir(ctx, path, o)
	} else {
		_, err = v.Remove(ctx, path, o)
	}
	switch errs.KindOf(err) {
	case errs.NotFound, errs.NotDir, errs.IsDir, errs.NotEmpty, errs.Loop, errs.LeavesDisk:
		// There is no such object.
		return nil
	}
	return err
}

// removeCheck makes the check of a conditional delete. The ETag of a link is
// the one of the file that it leads to, as GET and listings have it; that is
// looked up before, and holds only while the link is the same.
func removeCheck(ctx context.Context, v *disk.View, path string, dir bool, cond *writeConditions) (func(*disk.Attr) error, error) {
	shown, err := v.Stat(ctx, path, true)
	switch errs.KindOf(err) {
	case errs.NotFound, errs.NotDir, errs.Loop, errs.LeavesDisk:
		return nil, errNoKey
	}
	if err != nil {
		return nil, err
	}
	if shown.IsDir() != dir {
		return nil, errNoKey
	}
	return func(old *disk.Attr) error {
		if old != nil && old.Type == disk.Symlink {
			return cond.check(&shown)
		}
		return cond.check(old)
	}, nil
}
