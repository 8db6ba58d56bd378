package disk

import (
	"context"
	"errors"
	"strings"

	"atoll/internal/errs"
)

// Restored counts what Restore brought back.
type Restored struct {
	Files int64 `json:"files"` // files, links and directories that were made or replaced
	Bytes int64 `json:"bytes"` // of contents
}

// Restore makes path on a branch what it is at another point of the disk's
// history (a checkpoint, or a branch): a file with its contents and
// attributes, or a folder with all that is below it; "" restores the whole
// tree. It reads the diff of the two and changes only what differs, so it
// costs that and no more; what came up since and is not in from is removed.
// Each file is replaced in one step when its copy is whole; a folder is not
// restored in one step, and an error leaves it partly restored: the next
// Restore goes on from there. NotFound: from has no such path; Exists: a
// parent is a link or a file on the branch.
func (d *Disk) Restore(ctx context.Context, from Ref, path, branch string) (Restored, error) {
	r := restorer{d: d, from: from, to: Ref{Branch: branch}, path: path}
	err := r.run(ctx)
	if err != nil {
		err = errs.E("restore", path, errs.KindOf(err), err)
	}
	return r.done, err
}

type restorer struct {
	d        *Disk
	from, to Ref
	path     string
	src, dst *View
	done     Restored
	links    map[Ino]Ino // inodes with several links in src that are restored, to those of dst
}

func (r *restorer) run(ctx context.Context) (err error) {
	r.path = strings.TrimSuffix(r.path, "/")
	if r.path != "" {
		if err := CheckPath(r.path); err != nil {
			return err
		}
		if IsReserved(r.path) {
			return errs.New("restore", r.path, errs.Reserved, ReservedDir+"/ belongs to the system")
		}
	}
	if r.src, err = r.d.View(ctx, r.from); err != nil {
		return err
	}
	if r.dst, err = r.d.View(ctx, r.to); err != nil {
		return err
	}
	if r.dst.readOnly {
		return errs.New("restore", r.to.String(), errs.ReadOnly, "a checkpoint can't be changed")
	}
	r.links = map[Ino]Ino{}
	if err := r.parents(ctx); err != nil {
		return err
	}
	if err := r.remove(ctx); err != nil {
		return err
	}
	return r.each(ctx, func(c *Change) error {
		if c.Kind == Removed {
			return nil
		}
		return r.bring(ctx, c)
	})
}

// parents checks the way to the path on both sides and makes the directories
// that are missing on the branch.
func (r *restorer) parents(ctx context.Context) error {
	for i := 0; ; i++ {
		j := strings.IndexByte(r.path[min(i, len(r.path)):], '/')
		last := j < 0
		p := r.path
		if !last {
			i += j
			p = r.path[:i]
		}
		was, err := r.src.Stat(ctx, p, false)
		if err != nil || last {
			return err
		}
		if was.Type != Dir {
			return errs.New("stat", p, errs.NotFound, "a parent of the path was no directory then")
		}
		is, err := r.dst.Stat(ctx, p, false)
		switch {
		case errs.Is(err, errs.NotFound):
			if err := r.directory(ctx, p, &was); err != nil {
				return err
			}
		case err != nil:
			return err
		case is.Type != Dir:
			return errs.New("restore", p, errs.Exists, "it is a link or a file on the branch, and a directory where it is restored from: move it away first")
		}
	}
}

// each calls fn for all changes from the branch to the source below the path.
func (r *restorer) each(ctx context.Context, fn func(*Change) error) error {
	o := DiffOptions{Prefix: r.path}
	for {
		changes, more, err := r.d.Diff(ctx, r.to, r.from, o)
		if err != nil {
			return err
		}
		for i := range changes {
			c := &changes[i]
			o.StartAfter = c.Path
			if rest := c.Path[len(r.path):]; r.path != "" && rest != "" && rest[0] != '/' {
				continue // another name that begins alike
			}
			if err := errors.Join(ctx.Err(), fn(c)); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// remove takes away what the source does not have: files first, then the
// directories that are empty thereby, the deepest first.
func (r *restorer) remove(ctx context.Context) error {
	var dirs []string
	err := r.each(ctx, func(c *Change) error {
		if c.Kind != Removed {
			return nil
		}
		if dir, ok := strings.CutSuffix(c.Path, "/"); ok {
			dirs = append(dirs, dir)
			return nil
		}
		_, err := r.dst.Remove(ctx, c.Path, RemoveOptions{})
		return err
	})
	for i := len(dirs) - 1; i >= 0 && err == nil; i-- {
		_, err = r.dst.RemoveDir(ctx, dirs[i], RemoveOptions{})
	}
	return err
}

// bring makes one path what it is in the source.
func (r *restorer) bring(ctx context.Context, c *Change) error {
	path, isDir := strings.CutSuffix(c.Path, "/")
	if isDir {
		return r.directory(ctx, path, &c.New)
	}
	if c.Kind == Changed && (c.Old.Type != File || c.New.Type != File || c.New.Nlink > 1) {
		if _, err := r.dst.Remove(ctx, path, RemoveOptions{}); err != nil {
			return err
		}
	}
	if ino, ok := r.links[c.New.Ino]; ok {
		dir, name, err := r.parent(ctx, path)
		if err != nil {
			return err
		}
		if _, err := r.dst.Link(ctx, ino, dir, name, 0); !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.Stale) {
			r.done.Files++
			return err
		}
	}
	a, err := r.file(ctx, path, &c.New)
	if err != nil {
		return err
	}
	if c.New.Nlink > 1 {
		r.links[c.New.Ino] = a.Ino
	}
	r.done.Files++
	return r.attributes(ctx, a.Ino, &c.New)
}

func (r *restorer) directory(ctx context.Context, path string, was *Attr) error {
	_, err := r.dst.MakeDir(ctx, path, MakeDirOptions{Mode: was.Mode, HasMode: true, UID: was.UID, GID: was.GID})
	if err != nil {
		return err
	}
	a, err := r.dst.Stat(ctx, path, false)
	if err != nil {
		return err
	}
	r.done.Files++
	return r.attributes(ctx, a.Ino, was)
}

// parent finds the directory that path's last segment is a name in.
func (r *restorer) parent(ctx context.Context, path string) (dir Ino, name string, err error) {
	i := strings.LastIndexByte(path, '/')
	a, err := r.dst.Stat(ctx, path[:max(i, 0)], false)
	return a.Ino, path[i+1:], err
}

// file makes what is no directory: with its contents, without its attributes.
func (r *restorer) file(ctx context.Context, path string, was *Attr) (Attr, error) {
	if was.Type == File {
		return r.contents(ctx, path, was)
	}
	dir, name, err := r.parent(ctx, path)
	if err != nil {
		return Attr{}, err
	}
	return r.dst.Create(ctx, dir, name, NewNode{Type: was.Type, Mode: was.Mode, UID: was.UID, GID: was.GID,
		Rdev: was.Rdev, Target: was.Target})
}

func (r *restorer) contents(ctx context.Context, path string, was *Attr) (a Attr, err error) {
	o, err := r.src.OpenInode(ctx, was.Ino, func(a *Attr) []Range { return []Range{{0, a.Size}} })
	if err != nil {
		return a, err
	}
	defer o.Close()
	was = &o.Attr
	u, err := r.dst.NewUpload(ctx, was.Size)
	if err != nil {
		return a, err
	}
	defer u.Abort()
	if err := (&copying{ctx: ctx, u: u}).all(o); err != nil {
		return a, err
	}
	a, err = u.Commit(ctx, path, PutOptions{Mode: was.Mode, HasMode: true, UID: was.UID, GID: was.GID,
		MD5: was.MD5, HasMD5: was.HasMD5, Meta: was.Meta, ContentMeta: was.ContentMeta})
	if err == nil {
		r.done.Bytes += was.Size
	}
	return a, err
}

// attributes gives a restored inode the owner, mode, time and extended
// attributes that it had.
func (r *restorer) attributes(ctx context.Context, ino Ino, was *Attr) error {
	if err := r.xattrs(ctx, ino, was); err != nil {
		return err
	}
	s := SetAttr{Mode: &was.Mode, UID: &was.UID, GID: &was.GID, Mtime: &was.Mtime, Meta: &was.Meta}
	_, err := r.dst.SetAttr(ctx, ino, s)
	return err
}

func (r *restorer) xattrs(ctx context.Context, ino Ino, was *Attr) error {
	names, err := r.src.ListXattr(ctx, was.Ino)
	if err != nil {
		return err
	}
	have, err := r.dst.ListXattr(ctx, ino)
	if err != nil {
		return err
	}
	for _, n := range have {
		if err := r.dst.RemoveXattr(ctx, ino, n, 0); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	for _, n := range names {
		v, err := r.src.GetXattr(ctx, was.Ino, n)
		if err != nil {
			return err
		}
		if err := r.dst.SetXattr(ctx, ino, n, v, 0, 0); err != nil {
			return err
		}
	}
	return nil
}
