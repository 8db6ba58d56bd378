package transfer

import (
	"context"
	"iter"
	"strings"
	"time"
)

// Entry is a file or directory of a tree.
type Entry struct {
	Path     string // relative, with slashes; of a directory it ends in one
	Size     int64
	Modified time.Time
	ETag     string // of a disk's files
	Mode     uint32 // permission bits, of this machine's
}

// Dir tells whether it is a directory.
func (e *Entry) Dir() bool { return strings.HasSuffix(e.Path, "/") }

// Tree is a directory of this machine or a folder of a disk.
type Tree interface {
	// Walk yields all that is below the tree's root in the order of paths;
	// warn hears of what is passed over.
	Walk(ctx context.Context, warn func(path, why string)) iter.Seq2[Entry, error]
	// Stat finds one path: a file, or a directory if it has or is given a
	// slash at its end; "" is the root. fs.ErrNotExist: there is none.
	Stat(ctx context.Context, path string) (Entry, error)
	// Show writes a path for people.
	Show(path string) string

	makeDir(ctx context.Context, path string, mode uint32) error
	// remove deletes entries in their order; what is not there is no error.
	remove(ctx context.Context, entries []Entry, done func(Entry, error)) error
}
