package controlapi

import (
	"cmp"
	"strings"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

const (
	defaultChanges = 100
	maxChanges     = 1000
)

// historyRoutes compare and bring back points of a disk's history.
func (a *api) historyRoutes() []route {
	return []route{
		{method: "GET", path: "/api/disks/{id}/diff", name: "diff", group: "History", summary: "what differs between two branches or checkpoints",
			text:  "Paths in the order of their bytes, a directory's with `/` at its end. It costs what has changed and nothing for what has not.",
			right: rightDiskRead, contents: true, do: gives(a.diff),
			params: []param{
				{name: "from", text: "`BRANCH` or `BRANCH.CHECKPOINT`", required: true},
				{name: "to", text: "the same; by default the one of the address, or root"},
				{name: "prefix", text: "only paths that begin with it"},
				{name: "limit", kind: "integer", text: "changes in the answer: 1 to 1000, by default 100; more than 1000 is taken as 1000"},
				{name: "cursor", text: "`nextCursor` of the page before; it is opaque"},
			}},
		{method: "POST", path: "/api/disks/{id}/restore", name: "restore", group: "History", summary: "bring back a file or a folder",
			text: "Makes a path of a branch what it is at a checkpoint or on another branch: a file with its contents and attributes, " +
				"or a folder with all that is below it. What is there now is replaced when the copy is whole.",
			right: rightDiskWrite, contents: true, action: "branch.restore", errors: []int{409, 507}, do: takes(a.restore)},
	}
}

type changeResponse struct {
	Path    string `json:"path" doc:"of a directory with / at its end"`
	Change  string `json:"change" enum:"added,changed,removed" doc:"added, changed or removed"`
	Type    string `json:"type" enum:"file,directory,symlink,fifo,device,socket" doc:"file, directory, symlink, fifo, device or socket; of what was removed, what it was"`
	OldSize *int64 `json:"oldSize,omitempty" doc:"bytes before, of files that were changed or removed"`
	NewSize *int64 `json:"newSize,omitempty" doc:"bytes after, of files that were added or changed"`
}

type diffResponse struct {
	Changes []changeResponse `json:"changes" doc:"what differs"`
}

// typeName is a file's type in words.
func typeName(t disk.Type) string {
	switch t {
	case disk.Dir:
		return "directory"
	case disk.Symlink:
		return "symlink"
	case disk.FIFO:
		return "fifo"
	case disk.CharDev, disk.BlkDev:
		return "device"
	case disk.Socket:
		return "socket"
	}
	return "file"
}

func wireChange(ch *disk.Change) changeResponse {
	res := changeResponse{Path: ch.Path, Change: ch.Kind.String()}
	if ch.Kind != disk.Added {
		res.Type = typeName(ch.Old.Type)
		if ch.Old.Type == disk.File {
			res.OldSize = &ch.Old.Size
		}
	}
	if ch.Kind != disk.Removed {
		res.Type = typeName(ch.New.Type)
		if ch.New.Type == disk.File {
			res.NewSize = &ch.New.Size
		}
	}
	return res
}

// parseRef reads BRANCH or BRANCH.CHECKPOINT.
func parseRef(s string) disk.Ref {
	branch, checkpoint, _ := strings.Cut(s, ".")
	return disk.Ref{Branch: branch, Checkpoint: checkpoint}
}

func (a *api) diff(c *call) (diffResponse, error) {
	var res diffResponse
	if c.query("from") == "" {
		return res, invalid("from is needed: BRANCH or BRANCH.CHECKPOINT")
	}
	from, to := parseRef(c.query("from")), c.ref
	if s := c.query("to"); s != "" {
		to = parseRef(s)
	}
	limit, after, err := c.pageOf(defaultChanges, maxChanges)
	if err != nil {
		return res, err
	}
	d, err := a.core(c)
	if err != nil {
		return res, err
	}
	for _, ref := range []disk.Ref{from, to} {
		if _, err := d.View(c.r.Context(), ref); err != nil {
			return res, missingRef(c.r.Context(), d, err, ref)
		}
	}
	changes, more, err := d.Diff(c.r.Context(), from, to, disk.DiffOptions{Prefix: c.query("prefix"), StartAfter: after, Limit: limit})
	if err != nil {
		return res, err
	}
	res.Changes = make([]changeResponse, 0, len(changes))
	for i := range changes {
		res.Changes = append(res.Changes, wireChange(&changes[i]))
	}
	if more {
		c.next = cursor(changes[len(changes)-1].Path)
	}
	return res, nil
}

type restoreRequest struct {
	Path           *string `json:"path" need:"true" doc:"file or folder; empty for the whole tree"`
	FromCheckpoint string  `json:"from_checkpoint" doc:"checkpoint to restore from; by default the branch's present state"`
	FromBranch     string  `json:"from_branch" doc:"branch to restore from, or that has the checkpoint; by default the branch that is changed"`
	Branch         string  `json:"branch" doc:"branch that is changed; by default the one of the address, or root"`
}

type restoreResponse struct {
	Files int64 `json:"files" doc:"files, links and directories that were brought back"`
	Bytes int64 `json:"bytes" doc:"bytes of their contents"`
}

func (a *api) restore(c *call, in *restoreRequest) (restoreResponse, error) {
	branch := cmp.Or(in.Branch, c.ref.Branch, disk.RootBranch)
	from := disk.Ref{Branch: cmp.Or(in.FromBranch, branch), Checkpoint: in.FromCheckpoint}
	path := strings.Trim(*in.Path, "/")
	c.target, c.details = branch, "/"+path+" from "+from.String()
	if from == (disk.Ref{Branch: branch}) {
		return restoreResponse{}, invalid("from_checkpoint or from_branch is needed: what to restore from")
	}
	ctx := c.r.Context()
	d, err := a.core(c)
	if err != nil {
		return restoreResponse{}, err
	}
	for _, ref := range []disk.Ref{from, {Branch: branch}} {
		if _, err := d.View(ctx, ref); err != nil {
			return restoreResponse{}, missingRef(ctx, d, err, ref)
		}
	}
	r, err := d.Restore(ctx, from, path, branch)
	if errs.Is(err, errs.NotFound) {
		err = errs.E("restore", path, errs.NotFound, errNoPath(from, path))
	}
	return restoreResponse(r), err
}
