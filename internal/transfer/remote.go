package transfer

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"atoll/client"
)

// Remote is a folder of a disk.
type Remote struct {
	Bucket *client.Bucket
	Prefix string // "" or ending in '/'
	Name   string // how the disk is called, for people
}

// Show implements Tree.
func (r Remote) Show(path string) string {
	return r.Name + ":/" + strings.TrimSuffix(r.Prefix+path, "/")
}

// Stat implements Tree.
func (r Remote) Stat(ctx context.Context, path string) (Entry, error) {
	key := r.Prefix + path
	if key == "" {
		return Entry{Path: "/"}, nil
	}
	if !strings.HasSuffix(key, "/") {
		// A listing, for its times are as exact as those that Walk gives.
		for e, err := range r.Bucket.List(ctx, client.ListOptions{Prefix: key, PageSize: 1}) {
			if err != nil {
				return Entry{}, err
			}
			if e.Key == key {
				return r.entry(e), nil
			}
			break
		}
		key += "/"
	}
	_, err := r.Bucket.Head(ctx, key)
	if client.IsNotFound(err) && client.CodeOf(err) != "NoSuchBucket" {
		return Entry{}, &fs.PathError{Op: "open", Path: r.Show(path), Err: fs.ErrNotExist}
	}
	return Entry{Path: strings.TrimSuffix(path, "/") + "/"}, err
}

func (r Remote) entry(e client.Entry) Entry {
	return Entry{Path: strings.TrimPrefix(e.Key, r.Prefix), Size: e.Size, Modified: stamp(e.Modified), ETag: e.ETag}
}

// Walk implements Tree. It asks for one listing a directory, since a listing
// of everything has no empty ones.
func (r Remote) Walk(ctx context.Context, _ func(path, why string)) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) { r.walk(ctx, r.Prefix, yield) }
}

func (r Remote) walk(ctx context.Context, prefix string, yield func(Entry, error) bool) bool {
	for e, err := range r.Bucket.List(ctx, client.ListOptions{Prefix: prefix, Folders: true}) {
		if err != nil {
			yield(Entry{}, err)
			return false
		}
		if !yield(r.entry(e), nil) || e.Folder && !r.walk(ctx, e.Key, yield) {
			return false
		}
	}
	return true
}

func (r Remote) makeDir(ctx context.Context, path string, mode uint32) error {
	key := r.Prefix + path
	if key == "" {
		return nil
	}
	var o client.PutOptions
	if mode != 0 {
		o.Mode = &mode
	}
	return r.Bucket.MakeDir(ctx, key, o)
}

func (r Remote) remove(ctx context.Context, entries []Entry, done func(Entry, error)) error {
	// A request's keys go in any order, so directories go one by one, when
	// what was in them is gone.
	var files []Entry
	for _, e := range entries {
		if !e.Dir() {
			files = append(files, e)
		}
	}
	keys := make([]string, len(files))
	for i, e := range files {
		keys[i] = r.Prefix + e.Path
	}
	failed, err := r.Bucket.DeleteMany(ctx, keys)
	if err != nil {
		return err
	}
	why := map[string]error{}
	for _, f := range failed {
		why[f.Key] = fmt.Errorf("%s (%s)", f.Message, f.Code)
	}
	for i, e := range files {
		done(e, why[keys[i]])
	}
	for _, e := range entries {
		if e.Dir() {
			done(e, r.Bucket.Delete(ctx, r.Prefix+e.Path))
		}
	}
	return nil
}
