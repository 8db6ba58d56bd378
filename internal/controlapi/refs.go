package controlapi

import (
	"cmp"
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
