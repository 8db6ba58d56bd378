package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Local is a directory of this machine.
type Local struct {
	Root string
}

// Show implements Tree.
func (l Local) Show(path string) string {
	return filepath.Join(l.Root, filepath.FromSlash(strings.TrimSuffix(path, "/")))
}

// place is where a path is. A path that leads out of the tree is refused.
func (l Local) place(path string) (string, error) {
	rel := filepath.FromSlash(strings.TrimSuffix(path, "/"))
	if rel != "" && !filepath.IsLocal(rel) {
		return "", fmt.Errorf("the path %q leads out of the folder", path)
	}
	return filepath.Join(l.Root, rel), nil
}

// Stat implements Tree.
func (l Local) Stat(_ context.Context, path string) (Entry, error) {
	name, err := l.place(path)
	if err != nil {
		return Entry{}, err
	}
	fi, err := os.Stat(name)
	if err != nil {
		return Entry{}, err
	}
	if strings.HasSuffix(path, "/") && !fi.IsDir() {
		return Entry{}, &fs.PathError{Op: "open", Path: name, Err: errors.New("is not a directory")}
	}
	return entryOf(strings.TrimSuffix(path, "/"), fi), nil
}

func entryOf(path string, fi fs.FileInfo) Entry {
	e := Entry{Path: path, Size: fi.Size(), Modified: stamp(fi.ModTime()), Mode: modeBits(fi.Mode())}
	if fi.IsDir() {
		e.Path, e.Size = path+"/", 0
	}
	return e
}

// modeBits are a mode's bits as stat(2) has them.
func modeBits(m fs.FileMode) uint32 {
	out := uint32(m.Perm())
	for _, b := range []struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.mode != 0 {
			out |= b.bit
		}
	}
	return out
}

// stamp cuts a time to what listings of disks have.
func stamp(t time.Time) time.Time { return t.Truncate(time.Millisecond) }

// Walk implements Tree.
func (l Local) Walk(ctx context.Context, warn func(path, why string)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) { l.walk(ctx, "", warn, yield) }
}

// walk yields what is in the directory of a prefix; false ends it.
func (l Local) walk(ctx context.Context, prefix string, warn func(path, why string), yield func(Entry, error) bool) bool {
	if err := ctx.Err(); err != nil {
		return yield(Entry{}, err) && false
	}
	list, err := os.ReadDir(filepath.Join(l.Root, filepath.FromSlash(prefix)))
	if err != nil {
		return yield(Entry{}, err) && false
	}
	entries := make([]Entry, 0, len(list))
	for _, d := range list {
		path := prefix + d.Name()
		if isPartial(d.Name()) {
			continue
		}
		fi, err := os.Stat(filepath.Join(l.Root, filepath.FromSlash(path)))
		link := d.Type()&fs.ModeSymlink != 0
		switch {
		case errors.Is(err, fs.ErrNotExist) && !link:
			continue // it went meanwhile
		case link && (err != nil || fi.IsDir()):
			warn(path, "a symbolic link that leads to no file is passed over")
			continue
		case err != nil:
			return yield(Entry{}, err) && false
		case !fi.IsDir() && !fi.Mode().IsRegular():
			warn(path, "neither file nor directory: it is passed over")
			continue
		}
		entries = append(entries, entryOf(path, fi))
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	for _, e := range entries {
		if !yield(e, nil) || e.Dir() && !l.walk(ctx, e.Path, warn, yield) {
			return false
		}
	}
	return true
}

func (l Local) makeDir(_ context.Context, path string, mode uint32) error {
	name, err := l.place(path)
	if err != nil {
		return err
	}
	if mode == 0 {
		mode = 0o777
	}
	return os.MkdirAll(name, fs.FileMode(mode))
}

func (l Local) remove(ctx context.Context, entries []Entry, done func(Entry, error)) error {
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		done(e, l.removeOne(e))
	}
	return nil
}

func (l Local) removeOne(e Entry) error {
	name, err := l.place(e.Path)
	if err != nil {
		return err
	}
	if e.Dir() {
		partial, err := filepath.Glob(filepath.Join(globQuote(name), partialPattern))
		if err != nil {
			return err
		}
		for _, p := range partial {
			if err := os.Remove(p); err != nil {
				return err
			}
		}
	}
	err = os.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// globQuote writes a path so that filepath.Glob takes it as it is.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
