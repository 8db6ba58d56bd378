package controlapi

import (
	"cmp"
	"net/http"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// checkpointRoutes are those of checkpoints.
func (a *api) checkpointRoutes() []route {
	const path = "/api/disks/{id}/checkpoints"
	branch := []param{{name: "branch", text: "its branch; by default the one of the address, or root"}}
	return []route{
		{method: "GET", path: path, name: "listCheckpoints", group: "Checkpoints", summary: "list a branch's checkpoints",
			text:  "All of them, by name; page by page if `limit` is given.",
			right: rightDiskRead, contents: true, do: gives(a.listCheckpoints), params: append(pagingOnDemand(), branch...)},
		{method: "POST", path: path, name: "createCheckpoint", group: "Checkpoints", summary: "give a branch's present state a name",
			text:  "It takes the same time whatever the branch holds, and is consistent to one instant.",
			right: rightDiskWrite, contents: true, action: "checkpoint.create", success: []int{201}, errors: []int{409}, do: takes(a.createCheckpoint)},
		{method: "GET", path: path + "/{name}", name: "getCheckpoint", group: "Checkpoints", summary: "one checkpoint",
			right: rightDiskRead, contents: true, do: gives(a.getCheckpoint), params: branch},
		{method: "PATCH", path: path + "/{name}", name: "renameCheckpoint", group: "Checkpoints", summary: "rename a checkpoint",
			right: rightDiskWrite, contents: true, action: "checkpoint.rename", errors: []int{409}, do: takes(a.renameCheckpoint), params: branch},
		{method: "DELETE", path: path + "/{name}", name: "deleteCheckpoint", group: "Checkpoints", summary: "delete a checkpoint",
			text:  "If branches were forked from it, it is 409, which names them.",
			right: rightDiskWrite, contents: true, action: "checkpoint.delete", errors: []int{409}, do: gives(a.deleteCheckpoint),
			params: append(cascading(), branch...)},
	}
}

type checkpointResponse struct {
	ID         string `json:"filesystem_id" doc:"id of its branch"`
	BranchName string `json:"branch_name" doc:"its branch"`
	Name       string `json:"checkpoint_name" doc:"unique in its branch"`
	Status     string `json:"status" enum:"committed" doc:"always committed"`
	Auto       bool   `json:"auto" doc:"it was made for a fork of a branch's present state, and goes when that fork is deleted"`
	Files      int64  `json:"files" doc:"files and directories, without the root directory"`
	CreatedAt  string `json:"created_at" doc:"time"`
}

func wireCheckpoint(branch disk.ID, p disk.CheckpointInfo) checkpointResponse {
	return checkpointResponse{
		ID: branch.String(), BranchName: p.Branch, Name: p.Name, Status: "committed",
		Auto: p.Auto, Files: p.Files, CreatedAt: timestamp(p.Created),
	}
}

// branchOf finds the branch that a checkpoint's request is about.
func (a *api) branchOf(c *call, name string) (*disk.Disk, disk.BranchInfo, error) {
	name = cmp.Or(name, c.ref.Branch, disk.RootBranch)
	d, err := a.core(c)
	if err != nil {
		return nil, disk.BranchInfo{}, err
	}
	b, err := d.Branch(c.r.Context(), name)
	return d, b, refError(err, disk.Ref{Branch: name})
}

func (a *api) listCheckpoints(c *call) ([]checkpointResponse, error) {
	d, b, err := a.branchOf(c, c.query("branch"))
	if err != nil {
		return nil, err
	}
	ps, err := d.Checkpoints(c.r.Context(), b.Name)
	if err != nil {
		return nil, refError(err, disk.Ref{Branch: b.Name})
	}
	list := make([]checkpointResponse, 0, len(ps))
	for _, p := range ps {
		list = append(list, wireCheckpoint(b.ID, p))
	}
	return onDemand(c, list, func(p *checkpointResponse) string { return p.Name })
}

type createCheckpointRequest struct {
	Name   string `json:"checkpoint_name" need:"true" doc:"1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"`
	Branch string `json:"branch" doc:"by default the one of the address, or root"`
}

func (a *api) createCheckpoint(c *call, in *createCheckpointRequest) (checkpointResponse, error) {
	c.target = in.Name
	d, b, err := a.branchOf(c, in.Branch)
	if err != nil {
		return checkpointResponse{}, err
	}
	ref := disk.Ref{Branch: b.Name, Checkpoint: in.Name}
	c.target = ref.String()
	if err := d.Checkpoint(c.r.Context(), b.Name, in.Name); err != nil {
		return checkpointResponse{}, missingRef(c.r.Context(), d, err, ref)
	}
	c.status = http.StatusCreated
	p, err := d.GetCheckpoint(c.r.Context(), b.Name, in.Name)
	return wireCheckpoint(b.ID, p), refError(err, ref)
}

func (a *api) getCheckpoint(c *call) (checkpointResponse, error) {
	d, b, err := a.branchOf(c, c.query("branch"))
	if err != nil {
		return checkpointResponse{}, err
	}
	name := c.r.PathValue("name")
	p, err := d.GetCheckpoint(c.r.Context(), b.Name, name)
	return wireCheckpoint(b.ID, p), refError(err, disk.Ref{Branch: b.Name, Checkpoint: name})
}

type renameCheckpointRequest struct {
	Name string `json:"checkpoint_name" need:"true" doc:"the new name"`
}

func (a *api) renameCheckpoint(c *call, in *renameCheckpointRequest) (checkpointResponse, error) {
	c.target, c.details = c.r.PathValue("name"), "to "+in.Name
	d, b, err := a.branchOf(c, c.query("branch"))
	if err != nil {
		return checkpointResponse{}, err
	}
	ref := disk.Ref{Branch: b.Name, Checkpoint: c.target}
	c.target = ref.String()
	if err := d.RenameCheckpoint(c.r.Context(), b.Name, ref.Checkpoint, in.Name); err != nil {
		if errs.Is(err, errs.Exists) {
			ref.Checkpoint = in.Name
		}
		return checkpointResponse{}, refError(err, ref)
	}
	p, err := d.GetCheckpoint(c.r.Context(), b.Name, in.Name)
	return wireCheckpoint(b.ID, p), refError(err, ref)
}

func (a *api) deleteCheckpoint(c *call) (message, error) {
	c.target = c.r.PathValue("name")
	o, err := c.deleteOptions()
	if err != nil {
		return message{}, err
	}
	d, b, err := a.branchOf(c, c.query("branch"))
	if err != nil {
		return message{}, err
	}
	ref := disk.Ref{Branch: b.Name, Checkpoint: c.target}
	c.target = ref.String()
	if err := d.DeleteCheckpoint(c.r.Context(), b.Name, ref.Checkpoint, o); err != nil {
		return message{}, refError(err, ref)
	}
	return message{"Checkpoint deleted"}, nil
}
