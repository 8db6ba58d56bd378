package disk

import (
	"context"

	"atoll/internal/errs"
)

// MoveOptions are those of Rollback and Promote.
type MoveOptions struct {
	// Keep names the branch that the state left behind stays reachable as;
	// "": a name is made from the branch's and the time.
	Keep string
	// Force goes ahead although clients hold delegations or open files of
	// the branch: their delegations are revoked, their handles turn stale.
	Force bool
}

// Rollback makes a branch what it was at one of its checkpoints, at the same
// cost whatever it holds. What it was until now becomes a branch of its own,
// which is returned; checkpoints up to the target stay with the branch, later
// ones go with that. Delegated: clients work on the branch, and no Force.
func (d *Disk) Rollback(ctx context.Context, branch, checkpoint string, o MoveOptions) (BranchInfo, error) {
	return BranchInfo{}, errs.New("roll back", branch, errs.Unsupported, "not offered yet")
}

// Promote makes the present state of a branch the root branch's. What the
// root branch was until now becomes a branch of its own, which is returned;
// the promoted branch stays as it is. Delegated: clients work on the root
// branch, and no Force.
func (d *Disk) Promote(ctx context.Context, branch string, o MoveOptions) (BranchInfo, error) {
	return BranchInfo{}, errs.New("promote", branch, errs.Unsupported, "not offered yet")
}
