package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// RootBranch names the branch that a disk is born with.
const RootBranch = "root"

// Branch is a branch of a disk.
type Branch struct {
	RootID           string    `json:"root_filesystem_id"` // the disk's
	Name             string    `json:"branch_name"`
	ID               string    `json:"filesystem_id"` // its own, an address like a disk's
	FromBranch       string    `json:"from_branch"`
	FromCheckpoint   string    `json:"from_checkpoint_name"`
	FromCheckpointID string    `json:"from_checkpoint_filesystem_id"` // of the branch that has the checkpoint
	CreatedAt        time.Time `json:"created_at"`
	Bytes            int64     `json:"bytes"`          // contents born in it that it shows
	RetainedBytes    int64     `json:"retained_bytes"` // contents born in it that only others keep
	Files            int64     `json:"files"`
}

// NewBranch is what a branch is made from.
type NewBranch struct {
	Name           string `json:"branch_name"`
	FromBranch     string `json:"from_branch,omitempty"`          // "": the one the address names
	FromCheckpoint string `json:"from_checkpoint_name,omitempty"` // "": the branch's present state
}

func branchPath(disk, name string) string {
	return diskPath(disk) + "/branches/" + url.PathEscape(name)
}

// CreateBranch forks a branch.
func (c *Client) CreateBranch(ctx context.Context, disk string, b NewBranch) (Branch, error) {
	var res Branch
	_, err := c.do(ctx, call{method: http.MethodPost, path: diskPath(disk) + "/branches", in: b, out: &res,
		header: http.Header{"Idempotency-Key": {c.o.NewID()}}})
	return res, err
}

// Branches walks a disk's branches.
func (c *Client) Branches(ctx context.Context, disk string) iter.Seq2[Branch, error] {
	return listed(ctx, c, diskPath(disk)+"/branches", nil, whole[Branch])
}

// Branch returns one branch.
func (c *Client) Branch(ctx context.Context, disk, name string) (Branch, error) {
	var res Branch
	err := c.get(ctx, branchPath(disk, name), nil, &res)
	return res, err
}

// RenameBranch gives a branch another name; its id stays.
func (c *Client) RenameBranch(ctx context.Context, disk, old, name string) (Branch, error) {
	var res Branch
	err := c.once(ctx, http.MethodPatch, branchPath(disk, old), nil, map[string]string{"branch_name": name}, &res)
	return res, err
}

// DeleteBranch deletes a branch with its checkpoints; cascade: and the
// branches that depend on it, which else make it fail with status 409.
func (c *Client) DeleteBranch(ctx context.Context, disk, name string, cascade bool) error {
	return c.once(ctx, http.MethodDelete, branchPath(disk, name), cascadeQuery(cascade), nil, nil)
}

func cascadeQuery(cascade bool) url.Values {
	if cascade {
		return url.Values{"cascade": {"true"}}
	}
	return url.Values{}
}

// Move are the options of Rollback and Promote.
type Move struct {
	KeepAs string `json:"keep_as,omitempty"` // name of the branch that keeps what is left behind; "": one is made up
	Force  bool   `json:"force,omitempty"`   // even if clients hold the branch
}

// Moved is what a Rollback or Promote did.
type Moved struct {
	Branch     Branch `json:"branch"`
	LeftBehind Branch `json:"left_behind"` // keeps what the branch was before
}

// Rollback makes a branch what it was at one of its checkpoints.
func (c *Client) Rollback(ctx context.Context, disk, branch, checkpoint string, m Move) (Moved, error) {
	var res Moved
	in := struct {
		Checkpoint string `json:"checkpoint_name"`
		Move
	}{checkpoint, m}
	err := c.once(ctx, http.MethodPost, branchPath(disk, branch)+"/rollback", nil, in, &res)
	return res, err
}

// Promote makes a branch's state the root branch's.
func (c *Client) Promote(ctx context.Context, disk, branch string, m Move) (Moved, error) {
	var res Moved
	err := c.once(ctx, http.MethodPost, branchPath(disk, branch)+"/promote", nil, m, &res)
	return res, err
}

// Schedule says how many scheduled checkpoints of a branch are kept; 0 of a
// kind: none are made.
type Schedule struct {
	Hourly int `json:"hourly"`
	Daily  int `json:"daily"`
	Weekly int `json:"weekly"`
}

// Schedule returns a branch's schedule.
func (c *Client) Schedule(ctx context.Context, disk, branch string) (Schedule, error) {
	var s Schedule
	err := c.get(ctx, branchPath(disk, branch)+"/schedule", nil, &s)
	return s, err
}

// SetSchedule sets a branch's schedule.
func (c *Client) SetSchedule(ctx context.Context, disk, branch string, s Schedule) error {
	return c.put(ctx, branchPath(disk, branch)+"/schedule", s, nil)
}

// RemoveSchedule removes a branch's schedule.
func (c *Client) RemoveSchedule(ctx context.Context, disk, branch string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: branchPath(disk, branch) + "/schedule"})
	return err
}
