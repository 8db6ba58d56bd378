package controlapi

import (
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/fileserve"
)

// maxEntries is how many entries a page of a folder has at most.
const maxEntries = 1000

// readFile answers GET and HEAD of a path: contents, or JSON if the query
// asks for it.
func (a *api) readFile(c *call) (any, error) {
	path, dir := c.filePath()
	stat, err := c.flag("stat")
	if err != nil {
		return nil, err
	}
	list, err := c.flag("list")
	if err != nil {
		return nil, err
	}
	if stat && list {
		return nil, invalid("stat and list exclude each other")
	}
	v, err := a.view(c)
	if err != nil {
		return nil, err
	}
	switch {
	case stat:
		return statFile(c, v, path, dir)
	case list:
		return listFolder(c, v, path)
	case path == "" || dir:
		return nil, errs.New("read", path, errs.IsDir, "this is a folder: ask for it with ?list=true")
	}
	if err := checkRead(path); err != nil {
		return nil, err
	}
	err = fileserve.Serve(c.w, c.r, v, path, fileserve.Options{})
	if errs.Is(err, errs.NotFound) {
		err = noContents(c, v, path)
	}
	return none{}, serveError(err)
}

// noContents tells why a path has no contents.
func noContents(c *call, v *disk.View, path string) error {
	a, err := v.Stat(c.r.Context(), path, true)
	switch {
	case err != nil:
		return notThere(err)
	case a.IsDir():
		return errs.New("read", path, errs.IsDir, "this is a folder: ask for it with ?list=true")
	}
	return errs.New("read", path, errs.NotFound, "this is a device, socket or pipe: it has no contents")
}

func statFile(c *call, v *disk.View, path string, dir bool) (any, error) {
	if err := checkRead(path); err != nil {
		return nil, err
	}
	at, err := v.Stat(c.r.Context(), path, dir)
	if err == nil && dir && !at.IsDir() {
		err = errs.E("stat", path, errs.NotDir, nil)
	}
	if err != nil {
		return nil, notThere(err)
	}
	return wireFile(path, &at), nil
}

// checkRead refuses paths that nothing can have; as there is nothing, they are
// not found. The empty path is the root folder.
func checkRead(path string) error {
	if path != "" && disk.CheckPath(path) != nil {
		return notThere(errs.E("find", path, errs.NotFound, nil))
	}
	return nil
}

// listFolder answers one page of a folder, by name. Each entry is as stat
// shows it.
func listFolder(c *call, v *disk.View, path string) (any, error) {
	limit, after, err := c.pageOf(maxEntries, maxEntries)
	if err != nil {
		return nil, err
	}
	if err := checkRead(path); err != nil {
		return nil, err
	}
	ctx := c.r.Context()
	dir, err := v.Stat(ctx, path, true)
	if err != nil {
		return nil, notThere(err)
	}
	if !dir.IsDir() {
		return nil, errs.New("list", path, errs.NotDir, "this is not a folder")
	}
	// One more tells whether others follow, and one may be the system's.
	entries, err := v.ReadDir(ctx, dir.Ino, after, limit+2)
	if err != nil {
		return nil, notThere(err)
	}
	prefix := ""
	if path != "" {
		prefix = path + "/"
	}
	res := wireFile(path, &dir)
	res.Entries = make([]fileResponse, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if dir.Ino == disk.RootIno && e.Name == disk.ReservedDir {
			continue
		}
		if len(res.Entries) == limit {
			c.next = cursor(res.Entries[limit-1].Name)
			break
		}
		res.Entries = append(res.Entries, wireFile(prefix+e.Name, &e.Attr))
	}
	return res, nil
}
