package controlapi

import (
	"errors"
	"net/http"
	"strings"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// changeRequest is the body of POST of a path. Fields that belong to another
// op than the one asked for are refused.
type changeRequest struct {
	Op        string  `json:"op" need:"true" enum:"mkdir,rename,symlink,chmod" doc:"mkdir, rename, symlink or chmod"`
	Parents   bool    `json:"parents" doc:"mkdir: make missing parents too, and be content if the folder is there"`
	To        string  `json:"to" doc:"rename: the new path"`
	NoReplace bool    `json:"noReplace" doc:"rename: fail if the new path is taken; else a file takes a file's place, a folder that of an empty folder"`
	Target    string  `json:"target" doc:"symlink: where the link at the path leads"`
	Mode      *uint32 `json:"mode" doc:"mkdir, chmod: permission bits; a decimal number: 493 is 0755"`
	UID       *uint32 `json:"uid" doc:"mkdir, symlink, chmod: owner"`
	GID       *uint32 `json:"gid" doc:"mkdir, symlink, chmod: group"`
}

// changeFile does what has no method of its own in HTTP.
func (a *api) changeFile(c *call, in *changeRequest) (fileResponse, error) {
	path, slash := c.filePath()
	c.details = in.Op
	do := map[string]func(*fileChange) (fileResponse, error){
		"mkdir": (*fileChange).mkdir, "rename": (*fileChange).rename,
		"symlink": (*fileChange).symlink, "chmod": (*fileChange).chmod,
	}[in.Op]
	if do == nil {
		return fileResponse{}, invalid("op is mkdir, rename, symlink or chmod")
	}
	if err := in.check(); err != nil {
		return fileResponse{}, err
	}
	if in.Op != "chmod" || path != "" {
		if err := checkChange(path); err != nil {
			return fileResponse{}, err
		}
	}
	v, err := a.view(c)
	if err != nil {
		return fileResponse{}, err
	}
	if slash && in.Op != "mkdir" {
		at, err := v.Stat(c.r.Context(), path, in.Op == "chmod")
		if in.Op == "symlink" || err == nil && !at.IsDir() {
			return fileResponse{}, notFolder(in.Op, path)
		}
	}
	return do(&fileChange{c: c, v: v, in: in, path: path})
}

// check refuses fields that mean nothing for the op.
func (in *changeRequest) check() error {
	for _, f := range []struct {
		given bool
		name  string
		ops   string
	}{
		{in.Parents, "parents", "mkdir"}, {in.To != "", "to", "rename"}, {in.NoReplace, "noReplace", "rename"},
		{in.Target != "", "target", "symlink"}, {in.Mode != nil, "mode", "mkdir chmod"},
		{in.UID != nil, "uid", "mkdir symlink chmod"}, {in.GID != nil, "gid", "mkdir symlink chmod"},
	} {
		if f.given && !strings.Contains(f.ops, in.Op) {
			return invalid("%s does not belong to %s", f.name, in.Op)
		}
	}
	return nil
}

// checkChange refuses paths that nothing can have, and the system's.
func checkChange(path string) error {
	if err := disk.CheckPath(path); err != nil {
		return err
	}
	if disk.IsReserved(path) {
		return errs.New("change", path, errs.Reserved, "the path leads into "+disk.ReservedDir+"/, which belongs to the system")
	}
	return nil
}

// fileChange is a change on its way.
type fileChange struct {
	c    *call
	v    *disk.View
	in   *changeRequest
	path string
}

// parent finds the directory of a path, following links, and gives the name
// in it.
func (f *fileChange) parent(path string) (disk.Ino, string, error) {
	i := strings.LastIndexByte(path, '/')
	at, err := f.v.Stat(f.c.r.Context(), path[:max(i, 0)], true)
	if err == nil && !at.IsDir() {
		err = errs.New("find", path, errs.NotDir, "a parent of this path is a file")
	}
	if errs.Is(err, errs.NotFound) {
		err = errs.New("find", path, errs.NotFound, "the folder of this path is not there")
	}
	return at.Ino, path[i+1:], err
}

// made answers with what is at a path now.
func (f *fileChange) made(path string, status int) (fileResponse, error) {
	at, err := f.v.Stat(f.c.r.Context(), path, false)
	if err != nil {
		return fileResponse{}, err
	}
	f.c.status = status
	return wireFile(path, &at), nil
}

func deref(p *uint32) uint32 {
	if p == nil {
		return 0
	}
	return *p
}

func (f *fileChange) mkdir() (fileResponse, error) {
	in, ctx := f.in, f.c.r.Context()
	o := disk.MakeDirOptions{Mode: 0o755, HasMode: true, UID: deref(in.UID), GID: deref(in.GID)}
	if in.Mode != nil {
		var err error
		if o.Mode, err = checkMode(uint64(*in.Mode)); err != nil {
			return fileResponse{}, err
		}
	}
	if in.Parents {
		created, err := f.v.MakeDir(ctx, f.path, o)
		if err != nil {
			return fileResponse{}, err
		}
		if !created {
			return f.made(f.path, http.StatusOK)
		}
		return f.made(f.path, http.StatusCreated)
	}
	dir, name, err := f.parent(f.path)
	if err != nil {
		return fileResponse{}, err
	}
	at, err := f.v.Mkdir(ctx, dir, name, disk.NewNode{Mode: o.Mode, UID: o.UID, GID: o.GID})
	if err != nil {
		return fileResponse{}, explain(err)
	}
	f.c.status = http.StatusCreated
	return wireFile(f.path, &at), nil
}

func (f *fileChange) rename() (fileResponse, error) {
	to := strings.TrimSuffix(f.in.To, "/")
	f.c.details = "rename to " + to
	if err := checkChange(to); err != nil {
		return fileResponse{}, err
	}
	dir, name, err := f.parent(f.path)
	if err != nil {
		return fileResponse{}, err
	}
	newDir, newName, err := f.parent(to)
	if err != nil {
		return fileResponse{}, err
	}
	var flags disk.RenameFlags
	if f.in.NoReplace {
		flags = disk.RenameNoReplace
	}
	if err := f.v.Rename(f.c.r.Context(), dir, name, newDir, newName, flags, 0); err != nil {
		return fileResponse{}, explain(err)
	}
	return f.made(to, http.StatusOK)
}

func (f *fileChange) symlink() (fileResponse, error) {
	dir, name, err := f.parent(f.path)
	if err != nil {
		return fileResponse{}, err
	}
	at, err := f.v.Create(f.c.r.Context(), dir, name, disk.NewNode{Type: disk.Symlink, Mode: 0o777,
		Target: f.in.Target, UID: deref(f.in.UID), GID: deref(f.in.GID)})
	if err != nil {
		return fileResponse{}, explain(err)
	}
	f.c.status = http.StatusCreated
	return wireFile(f.path, &at), nil
}

func (f *fileChange) chmod() (fileResponse, error) {
	s := disk.SetAttr{UID: f.in.UID, GID: f.in.GID}
	if f.in.Mode != nil {
		mode, err := checkMode(uint64(*f.in.Mode))
		if err != nil {
			return fileResponse{}, err
		}
		s.Mode = &mode
	}
	if s.Mode == nil && s.UID == nil && s.GID == nil {
		return fileResponse{}, invalid("chmod wants mode, uid or gid")
	}
	ctx := f.c.r.Context()
	at, err := f.v.Stat(ctx, f.path, true)
	if err != nil {
		return fileResponse{}, notThere(err)
	}
	if at, err = f.v.SetAttr(ctx, at.Ino, s); err != nil {
		return fileResponse{}, explain(err)
	}
	return wireFile(f.path, &at), nil
}

// explain puts words to errors of the core that have none: it is asked by
// inode and does not know what the caller does.
func explain(err error) error {
	var e *errs.Error
	if !errors.As(err, &e) || e.Err != nil {
		return err
	}
	text := map[errs.Kind]string{
		errs.Exists:   "the path is taken",
		errs.NotFound: "there is no such file or folder",
		errs.NotEmpty: "the folder is not empty",
		errs.IsDir:    "the path is a folder",
		errs.NotDir:   "the path is not a folder",
		errs.Stale:    "a folder of the path was removed meanwhile",
	}[e.Kind]
	if text == "" {
		return err
	}
	return errs.New(e.Op, e.Path, e.Kind, text)
}
