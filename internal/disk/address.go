package disk

import (
	"context"
	"strings"
)

// Address is what a bucket name, a mount's argument or an API path names: a
// disk, or a branch by an id of its own, and a point of its history.
type Address struct {
	ID  ID  // of a disk or of a branch
	Ref Ref // what follows the id: .BRANCH or .BRANCH.CHECKPOINT
}

// String writes an address as ParseAddress reads it.
func (a Address) String() string {
	if a.Ref == (Ref{}) {
		return a.ID.String()
	}
	return a.ID.String() + "." + a.Ref.String()
}

// ParseAddress reads `dsk-…`, `dsk-….BRANCH` or `dsk-….BRANCH.CHECKPOINT`.
// ok is false for anything else; whether what it names exists is not asked.
func ParseAddress(s string) (a Address, ok bool) {
	id, rest, dotted := strings.Cut(s, ".")
	if a.ID, ok = ParseID(id); !ok || !dotted {
		return a, ok
	}
	branch, checkpoint, dotted := strings.Cut(rest, ".")
	if CheckRefName(branch) != nil || dotted && CheckRefName(checkpoint) != nil {
		return Address{}, false
	}
	a.Ref = Ref{Branch: branch, Checkpoint: checkpoint}
	return a, true
}

// Locate finds the disk that an address belongs to and the point of its
// history. A disk's id means its root branch, a branch's id that branch; a
// branch that is named after the id is one of the same disk. NoDisk: nothing
// has this id. Whether the branch and checkpoint of the ref exist is not
// checked. It answers from memory but for the first time an id is asked for.
func (s *Store) Locate(ctx context.Context, a Address) (ID, Ref, error) {
	d, err := s.Disk(ctx, a.ID)
	if err != nil {
		return 0, Ref{}, err
	}
	return d.id, a.Ref, nil
}
