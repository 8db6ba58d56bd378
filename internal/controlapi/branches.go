package controlapi

import (
	"cmp"
	"context"
	"net/http"
	"strconv"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// branchRoutes are those of branches. An address of a branch in place of the
// disk's says where a new one comes from, unless the request says it.
func (a *api) branchRoutes() []route {
	const path = "/api/disks/{id}/branches"
	return []route{
		{method: "GET", path: path, name: "listBranches", group: "Branches", summary: "list a disk's branches",
			text:  "All of them, the root branch included, by name; page by page if `limit` is given.",
			right: rightDiskRead, contents: true, do: gives(a.listBranches), params: pagingOnDemand()},
		{method: "POST", path: path, name: "createBranch", group: "Branches", summary: "fork a branch or a checkpoint",
			text: "It takes the same time whatever the size of what is forked. A fork of a branch's present state makes the checkpoint that it needs. " +
				"A request that is repeated with its Idempotency-Key within 24 hours is answered as it was the first time.",
			right: rightDiskWrite, contents: true, action: "branch.create", success: []int{201}, errors: []int{409, 422}, do: takes(a.createBranch),
			params: []param{{in: "header", name: "Idempotency-Key", text: "1 to 255 printable ASCII characters, such as a UUID; with another request it is 422"}}},
		{method: "GET", path: path + "/{name}", name: "getBranch", group: "Branches", summary: "one branch",
			right: rightDiskRead, contents: true, do: gives(a.getBranch)},
		{method: "PATCH", path: path + "/{name}", name: "renameBranch", group: "Branches", summary: "rename a branch",
			text:  "Its id stays.",
			right: rightDiskWrite, contents: true, action: "branch.rename", errors: []int{409}, do: takes(a.renameBranch)},
		{method: "DELETE", path: path + "/{name}", name: "deleteBranch", group: "Branches", summary: "delete a branch",
			text:  "With its checkpoints. If other branches were forked from it, it is 409, which names them.",
			right: rightDiskWrite, contents: true, action: "branch.delete", errors: []int{409}, do: gives(a.deleteBranch), params: cascading()},
		{method: "POST", path: path + "/{name}/rollback", name: "rollbackBranch", group: "Branches", summary: "make a branch what one of its checkpoints is",
			text: "It takes the same time whatever the branch holds. What it was until then becomes a branch of its own, and so do the later checkpoints. " +
				"With mounts at work on the branch it is 409, unless `force` is true.",
			right: rightDiskWrite, contents: true, action: "branch.rollback", errors: []int{409}, do: takes(a.rollback)},
		{method: "POST", path: path + "/{name}/promote", name: "promoteBranch", group: "Branches", summary: "make a branch's state the root branch's",
			text: "The branch stays as it is; what the root branch was until then becomes a branch of its own. " +
				"With mounts at work on the root branch it is 409, unless `force` is true.",
			right: rightDiskWrite, contents: true, action: "branch.promote", errors: []int{409}, do: mayTake(a.promote)},
	}
}

func cascading() []param {
	return []param{{name: "cascade", kind: "boolean", text: "delete also what was forked from it"}}
}

// branchResponse is a branch on the wire; unlike other objects it is written
// with underscores.
type branchResponse struct {
	RootID     string `json:"root_filesystem_id" doc:"id of the disk"`
	Name       string `json:"branch_name" doc:"unique on the disk; root is the one that it was made with"`
	ID         string `json:"filesystem_id" doc:"the branch's own id, which works wherever a disk's does; of the root branch the disk's"`
	FromBranch string `json:"from_branch,omitempty" doc:"branch that it was forked from; the root branch has none"`
	FromName   string `json:"from_checkpoint_name,omitempty" doc:"checkpoint that it was forked from"`
	FromID     string `json:"from_checkpoint_filesystem_id,omitempty" doc:"id of the branch that has this checkpoint"`
	CreatedAt  string `json:"created_at" doc:"time"`
	Bytes      int64  `json:"bytes" doc:"stored contents that were born in the branch and that it still shows"`
	Retained   int64  `json:"retained_bytes" doc:"those that were born in it and that only checkpoints and other branches keep"`
	Files      int64  `json:"files" doc:"files and directories, without the root directory"`
}

func wireBranch(id disk.ID, b disk.BranchInfo, ids map[string]disk.ID) branchResponse {
	res := branchResponse{
		RootID: id.String(), Name: b.Name, ID: b.ID.String(), FromBranch: b.From.Branch, FromName: b.From.Checkpoint,
		CreatedAt: timestamp(b.Created), Bytes: b.Bytes, Retained: b.Retained, Files: b.Files,
	}
	if from, ok := ids[b.From.Branch]; ok && b.From != (disk.Ref{}) {
		res.FromID = from.String()
	}
	return res
}

// wireBranches lists the branches of a disk, or those of them that are named.
func wireBranches(ctx context.Context, d *disk.Disk, names ...string) ([]branchResponse, error) {
	all, err := d.Branches(ctx)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]disk.ID, len(all))
	byName := make(map[string]disk.BranchInfo, len(all))
	for _, b := range all {
		ids[b.Name], byName[b.Name] = b.ID, b
	}
	list := make([]branchResponse, 0, len(all))
	if names == nil {
		for _, b := range all {
			list = append(list, wireBranch(d.ID(), b, ids))
		}
	}
	for _, name := range names {
		b, ok := byName[name]
		if !ok {
			return nil, refError(errs.New("get branch", name, errs.NoView, ""), disk.Ref{Branch: name})
		}
		list = append(list, wireBranch(d.ID(), b, ids))
	}
	return list, nil
}

func (a *api) listBranches(c *call) ([]branchResponse, error) {
	d, err := a.core(c)
	if err != nil {
		return nil, err
	}
	list, err := wireBranches(c.r.Context(), d)
	if err != nil {
		return nil, err
	}
	return onDemand(c, list, func(b *branchResponse) string { return b.Name })
}

func (a *api) getBranch(c *call) (branchResponse, error) {
	d, err := a.core(c)
	if err != nil {
		return branchResponse{}, err
	}
	return oneBranch(c.r.Context(), d, c.r.PathValue("name"))
}

func oneBranch(ctx context.Context, d *disk.Disk, name string) (branchResponse, error) {
	list, err := wireBranches(ctx, d, name)
	if err != nil {
		return branchResponse{}, err
	}
	return list[0], nil
}

type createBranchRequest struct {
	Name           string `json:"branch_name" need:"true" doc:"1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"`
	FromCheckpoint string `json:"from_checkpoint_name" doc:"checkpoint to fork; by default the branch's present state"`
	FromBranch     string `json:"from_branch" doc:"branch that has the checkpoint, or that is forked; by default the one of the address"`
}

func (a *api) createBranch(c *call, in *createBranchRequest) (branchResponse, error) {
	c.target = in.Name
	from := disk.Ref{Branch: in.FromBranch, Checkpoint: in.FromCheckpoint}
	if from == (disk.Ref{}) {
		from = c.ref
	}
	from.Branch = cmp.Or(from.Branch, c.ref.Branch, disk.RootBranch)
	c.details = "from " + from.String()
	d, err := a.core(c)
	if err != nil {
		return branchResponse{}, err
	}
	type request struct {
		From disk.Ref
		Name string
	}
	return once(a, c, http.StatusCreated, request{from, in.Name}, func() (branchResponse, error) {
		ctx := c.r.Context()
		if _, err := d.View(ctx, from); err != nil {
			return branchResponse{}, missingRef(ctx, d, err, from)
		}
		if err := d.Fork(ctx, from, in.Name); err != nil {
			return branchResponse{}, forkError(ctx, d, err, from, in.Name)
		}
		return oneBranch(ctx, d, in.Name)
	})
}

// forkError says which of the two branches an error is about.
func forkError(ctx context.Context, d *disk.Disk, err error, from disk.Ref, name string) error {
	if errs.Is(err, errs.Exists) {
		return refError(err, disk.Ref{Branch: name})
	}
	return missingRef(ctx, d, err, from)
}

type renameBranchRequest struct {
	Name string `json:"branch_name" need:"true" doc:"the new name"`
}

func (a *api) renameBranch(c *call, in *renameBranchRequest) (branchResponse, error) {
	old := c.r.PathValue("name")
	c.target, c.details = old, "to "+in.Name
	d, err := a.core(c)
	if err != nil {
		return branchResponse{}, err
	}
	if err := d.RenameBranch(c.r.Context(), old, in.Name); err != nil {
		if errs.Is(err, errs.Exists) {
			old = in.Name
		}
		return branchResponse{}, refError(err, disk.Ref{Branch: old})
	}
	return oneBranch(c.r.Context(), d, in.Name)
}

func (a *api) deleteBranch(c *call) (message, error) {
	c.target = c.r.PathValue("name")
	o, err := c.deleteOptions()
	if err != nil {
		return message{}, err
	}
	d, err := a.core(c)
	if err != nil {
		return message{}, err
	}
	if err := d.DeleteBranch(c.r.Context(), c.target, o); err != nil {
		return message{}, refError(err, disk.Ref{Branch: c.target})
	}
	return message{"Branch deleted"}, nil
}

// deleteOptions reads the parameter cascade.
func (c *call) deleteOptions() (o disk.DeleteOptions, err error) {
	if o.Cascade, err = c.flag("cascade"); o.Cascade {
		c.details = "cascade"
	}
	return o, err
}

// flag reads a parameter that is true or false.
func (c *call) flag(name string) (bool, error) {
	s := c.query(name)
	if s == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		return false, invalid("%s is true or false", name)
	}
	return v, nil
}

type rollbackRequest struct {
	Checkpoint string `json:"checkpoint_name" need:"true" doc:"checkpoint of the branch"`
	KeepAs     string `json:"keep_as" doc:"name of the branch that keeps what is left behind; by default one is made of the branch's name and the time"`
	Force      bool   `json:"force" doc:"go ahead although mounts work on the branch: their delegations are revoked, their open files turn stale"`
}

type promoteRequest struct {
	KeepAs string `json:"keep_as" doc:"name of the branch that keeps what the root branch was; by default one is made of the time"`
	Force  bool   `json:"force" doc:"go ahead although mounts work on the root branch: their delegations are revoked, their open files turn stale"`
}

// moveResponse answers rollback and promote.
type moveResponse struct {
	Branch     branchResponse `json:"branch" doc:"the branch whose state has changed"`
	LeftBehind branchResponse `json:"left_behind" doc:"the branch that keeps what it was"`
}

func (a *api) rollback(c *call, in *rollbackRequest) (moveResponse, error) {
	name := c.r.PathValue("name")
	c.target, c.details = name, "to "+in.Checkpoint
	d, err := a.core(c)
	if err != nil {
		return moveResponse{}, err
	}
	left, err := d.Rollback(c.r.Context(), name, in.Checkpoint, disk.MoveOptions{Keep: in.KeepAs, Force: in.Force})
	if err != nil {
		return moveResponse{}, forkError(c.r.Context(), d, err, disk.Ref{Branch: name, Checkpoint: in.Checkpoint}, in.KeepAs)
	}
	return moved(c.r.Context(), d, name, left)
}

func (a *api) promote(c *call, in *promoteRequest) (moveResponse, error) {
	name := c.r.PathValue("name")
	c.target = name
	d, err := a.core(c)
	if err != nil {
		return moveResponse{}, err
	}
	left, err := d.Promote(c.r.Context(), name, disk.MoveOptions{Keep: in.KeepAs, Force: in.Force})
	if err != nil {
		return moveResponse{}, forkError(c.r.Context(), d, err, disk.Ref{Branch: name}, in.KeepAs)
	}
	return moved(c.r.Context(), d, disk.RootBranch, left)
}

func moved(ctx context.Context, d *disk.Disk, name string, left disk.BranchInfo) (moveResponse, error) {
	list, err := wireBranches(ctx, d, name, left.Name)
	if err != nil {
		return moveResponse{}, err
	}
	return moveResponse{Branch: list[0], LeftBehind: list[1]}, nil
}
