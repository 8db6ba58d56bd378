package controlapi

import (
	"cmp"
	"context"
	"fmt"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// refError says which branch or checkpoint an error is about, in the words
// that clients of the service know.
func refError(err error, ref disk.Ref) error {
	what, name := "Branch", cmp.Or(ref.Branch, disk.RootBranch)
	if ref.Checkpoint != "" {
		what, name = "Checkpoint", ref.Checkpoint
	}
	switch {
	case errs.Is(err, errs.NoView):
		return errs.E("open", ref.String(), errs.NoView, fmt.Errorf("%s %q not found", what, name))
	case errs.Is(err, errs.Exists):
		return errs.E("make", ref.String(), errs.Exists, fmt.Errorf("%s %q already exists", what, name))
	case errs.Is(err, errs.NoDisk):
		return noDisk()
	}
	return err
}

// missingRef is refError for a checkpoint that is missing because its branch
// is.
func missingRef(ctx context.Context, d *disk.Disk, err error, ref disk.Ref) error {
	if errs.Is(err, errs.NoView) && ref.Checkpoint != "" {
		if _, berr := d.View(ctx, disk.Ref{Branch: ref.Branch}); errs.Is(berr, errs.NoView) {
			ref.Checkpoint = ""
		}
	}
	return refError(err, ref)
}
