package disk

import (
	"context"

	"atoll/internal/errs"
)

// ChangeKind says how a path differs between two points of a disk's history.
type ChangeKind uint8

// The kinds of changes.
const (
	Added ChangeKind = iota + 1
	Changed
	Removed
)

// String gives the word that users see.
func (k ChangeKind) String() string {
	return [...]string{"", "added", "changed", "removed"}[k]
}

// Change is one path that differs. Directories' paths end in '/'.
type Change struct {
	Path string
	Kind ChangeKind
	Old  Attr // of Changed and Removed
	New  Attr // of Added and Changed
}

// DiffOptions ask for one page of a diff.
type DiffOptions struct {
	Prefix     string // only paths that begin with it
	StartAfter string // only paths after it
	Limit      int    // changes at most; 0: 1000
}

// Diff tells what differs between two points of the disk's history, in the
// order of View.List. It costs what has changed between them and nothing for
// what has not. more tells whether changes follow the page.
func (d *Disk) Diff(ctx context.Context, a, b Ref, o DiffOptions) (changes []Change, more bool, err error) {
	return nil, false, errs.New("diff", a.String(), errs.Unsupported, "not offered yet")
}

// Restored counts what Restore brought back.
type Restored struct {
	Files int64 `json:"files"` // files, links and directories
	Bytes int64 `json:"bytes"` // of contents
}

// Restore makes path on a branch what it is at another point of the disk's
// history (a checkpoint, or a branch): a file with its contents and
// attributes, or a folder with all that is below it. What is there now on the
// branch is replaced when the copy is whole; "" restores the whole tree.
// NotFound: from has no such path.
func (d *Disk) Restore(ctx context.Context, from Ref, path, branch string) (Restored, error) {
	return Restored{}, errs.New("restore", path, errs.Unsupported, "not offered yet")
}
