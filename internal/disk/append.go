package disk

import (
	"context"

	"atoll/internal/errs"
)

// Append adds b to the end of the file at path, which is made if it is not
// there, in one step: appends at the same time come one after the other, none
// is torn. o counts as for Upload.Commit; MD5 does not.
func (v *View) Append(ctx context.Context, path string, b []byte, o PutOptions) (Attr, error) {
	return Attr{}, errs.New("append", path, errs.Unsupported, "not offered yet")
}

// Copy puts a copy of a file of one view at a path of another, of the same
// disk or not, that shares nothing with it that can change. o counts as for
// Upload.Commit, but that contents keep their MD5 and, if o has no
// ContentMeta, theirs. check, if set, sees the source's attributes first.
func (v *View) Copy(ctx context.Context, path string, from *View, fromPath string, check func(src *Attr) error, o PutOptions) (Attr, error) {
	return Attr{}, errs.New("copy", path, errs.Unsupported, "not offered yet")
}
