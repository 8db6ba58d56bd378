package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// Change is one path that differs between two points of a disk's history.
type Change struct {
	Path    string `json:"path"`   // of a directory it ends in '/'
	Change  string `json:"change"` // "added", "changed" or "removed"
	Type    string `json:"type"`
	OldSize *int64 `json:"oldSize,omitempty"`
	NewSize *int64 `json:"newSize,omitempty"`
}

type diffPage struct {
	Changes []Change `json:"changes"`
}

// Diff walks what differs between two points, each BRANCH or
// BRANCH.CHECKPOINT, in the order of keys; only paths that begin with prefix.
func (c *Client) Diff(ctx context.Context, disk, from, to, prefix string) iter.Seq2[Change, error] {
	q := url.Values{"from": {from}, "to": {to}, "limit": {"1000"}}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	return listed(ctx, c, diskPath(disk)+"/diff", q, func(p *diffPage) []Change { return p.Changes })
}

// RestoreFrom says what Restore brings back, and onto what.
type RestoreFrom struct {
	FromBranch     string `json:"from_branch,omitempty"`     // "": root
	FromCheckpoint string `json:"from_checkpoint,omitempty"` // "": the branch's present state
	Path           string `json:"path"`                      // a file or a folder
	Branch         string `json:"branch,omitempty"`          // onto this one; "": root
}

// Restored counts what a Restore brought back.
type Restored struct {
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Restore makes a file or folder of a branch what it is at another point of
// the disk's history.
func (c *Client) Restore(ctx context.Context, disk string, r RestoreFrom) (Restored, error) {
	var res Restored
	err := c.once(ctx, http.MethodPost, diskPath(disk)+"/restore", nil, r, &res)
	return res, err
}
