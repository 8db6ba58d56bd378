package disk

import (
	"strconv"
	"strings"

	"atoll/internal/errs"
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
	if !canBeRefName(branch) || dotted && !canBeRefName(checkpoint) {
		return Address{}, false
	}
	a.Ref = Ref{Branch: branch, Checkpoint: checkpoint}
	return a, true
}

// maxRefName is how long names of branches and checkpoints may be.
const maxRefName = 63

// CheckRefName tells whether a new branch or checkpoint may have a name: 1 to
// 63 of a-z, 0-9 and '-', of which the first and the last are not '-'. Those
// of format 1 may have other names, which can still be looked up.
func CheckRefName(name string) error {
	ok := canBeRefName(name) && name[0] != '-' && name[len(name)-1] != '-' &&
		strings.IndexFunc(name, func(c rune) bool { return 'A' <= c && c <= 'Z' || c == '_' }) < 0
	if !ok {
		return errs.New("name", name, errs.Invalid,
			"names of branches and checkpoints are 1 to 63 of a-z, 0-9 and '-', and begin and end with a letter or digit")
	}
	return nil
}

// canBeRefName tells whether a branch or a checkpoint of any format may have
// a name: format 1 allowed a-z, A-Z, 0-9, '-' and '_' anywhere.
func canBeRefName(name string) bool {
	if name == "" || len(name) > maxRefName {
		return false
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// refNameFrom makes a new name of prefix, a name that there is, and a suffix,
// which together may be too long or against the rule of new names; n tells
// apart those that would be the same.
func refNameFrom(prefix, name, suffix string, n int) string {
	if n > 1 {
		suffix += "-" + strconv.Itoa(n)
	}
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	name = prefix + name
	if room := maxRefName - len(suffix); len(name) > room {
		name = name[:room]
	}
	name = strings.TrimLeft(name, "-")
	if suffix == "" {
		name = strings.TrimRight(name, "-")
	}
	if name == "" {
		name = "x"
	}
	return name + suffix
}
