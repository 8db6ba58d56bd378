package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Checkpoint is a named, read-only point of a branch's history.
type Checkpoint struct {
	BranchID  string    `json:"filesystem_id"` // of its branch
	Branch    string    `json:"branch_name"`
	Name      string    `json:"checkpoint_name"`
	Status    string    `json:"status"` // "committed"
	Auto      bool      `json:"auto"`   // made for a fork, or by a schedule
	Files     int64     `json:"files"`
	CreatedAt time.Time `json:"created_at"`
}

func branchQuery(branch string) url.Values {
	if branch == "" {
		return url.Values{}
	}
	return url.Values{"branch": {branch}}
}

func checkpointPath(disk, name string) string {
	return diskPath(disk) + "/checkpoints/" + url.PathEscape(name)
}

// CreateCheckpoint names the present state of a branch ("": the one that the
// address names).
func (c *Client) CreateCheckpoint(ctx context.Context, disk, branch, name string) (Checkpoint, error) {
	in := map[string]string{"checkpoint_name": name}
	if branch != "" {
		in["branch"] = branch
	}
	var res Checkpoint
	err := c.once(ctx, http.MethodPost, diskPath(disk)+"/checkpoints", nil, in, &res)
	return res, err
}

// Checkpoints walks a branch's checkpoints ("": of all that the address
// names).
func (c *Client) Checkpoints(ctx context.Context, disk, branch string) iter.Seq2[Checkpoint, error] {
	return listed(ctx, c, diskPath(disk)+"/checkpoints", branchQuery(branch), whole[Checkpoint])
}

// Checkpoint returns one checkpoint.
func (c *Client) Checkpoint(ctx context.Context, disk, branch, name string) (Checkpoint, error) {
	var res Checkpoint
	err := c.get(ctx, checkpointPath(disk, name), branchQuery(branch), &res)
	return res, err
}

// RenameCheckpoint gives a checkpoint another name.
func (c *Client) RenameCheckpoint(ctx context.Context, disk, branch, old, name string) (Checkpoint, error) {
	var res Checkpoint
	err := c.once(ctx, http.MethodPatch, checkpointPath(disk, old), branchQuery(branch), map[string]string{"checkpoint_name": name}, &res)
	return res, err
}

// DeleteCheckpoint deletes a checkpoint; cascade: and the branches that were
// forked from it, which else make it fail with status 409.
func (c *Client) DeleteCheckpoint(ctx context.Context, disk, branch, name string, cascade bool) error {
	q := branchQuery(branch)
	if cascade {
		q.Set("cascade", "true")
	}
	return c.once(ctx, http.MethodDelete, checkpointPath(disk, name), q, nil, nil)
}
