package main

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/disk"
)

// batch is how many files are handed to the core at a time.
const batch = perDir

// fill makes the files.
func (c *config) fill(ctx context.Context, stdout io.Writer) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := c.fillDisk(ctx, s, stdout); err != nil {
		return fmt.Errorf("%w (%v)", err, s.close())
	}
	if err := s.close(); err != nil {
		return err
	}
	unix.Sync() // in place of the syncs that were left out
	took := time.Since(start)
	_, err = fmt.Fprintf(stdout, "%d files in %.1f s, %.0f a second\n", c.keys.files, took.Seconds(), float64(c.keys.files)/took.Seconds())
	return err
}

func (c *config) fillDisk(ctx context.Context, s *stores, stdout io.Writer) error {
	v, err := s.view(ctx, c.disk)
	if err != nil {
		return err
	}
	data := make([]byte, c.size)
	sum := md5.Sum(data)
	dir, parent := "", disk.Ino(0)
	files := make([]disk.BulkFile, 0, batch)
	for i := 0; i < c.keys.files; i += batch {
		if d := c.keys.dir(i); d != dir {
			dir = d
			if parent, err = makeDir(ctx, v, strings.TrimSuffix(d, "/")); err != nil {
				return err
			}
		}
		files = files[:0]
		for j := i; j < min(i+batch, c.keys.files); j++ {
			files = append(files, disk.BulkFile{Name: c.keys.name(j), Data: data, Mode: 0o644, MD5: sum, HasMD5: true})
		}
		if err := v.BulkCreate(ctx, parent, files); err != nil {
			return err
		}
		if done := i + len(files); done%1_000_000 == 0 {
			fmt.Fprintf(stdout, "%d files\n", done)
		}
	}
	return nil
}

func makeDir(ctx context.Context, v *disk.View, path string) (disk.Ino, error) {
	if _, err := v.MakeDir(ctx, path, disk.MakeDirOptions{}); err != nil {
		return 0, err
	}
	a, err := v.Stat(ctx, path, false)
	return a.Ino, err
}

// noSync is a file system whose files are not made durable one by one: a
// crash during a fill costs the fill.
type noSync struct{ vfs.FS }

type noSyncFile struct{ vfs.File }

func (noSyncFile) Sync() error                       { return nil }
func (noSyncFile) SyncData() error                   { return nil }
func (noSyncFile) SyncTo(int64) (full bool, _ error) { return false, nil }

func wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return noSyncFile{f}, nil
}

func (n noSync) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return wrap(n.FS.Create(name, c))
}

func (n noSync) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return wrap(n.FS.OpenReadWrite(name, c, o...))
}

func (n noSync) OpenDir(name string) (vfs.File, error) { return wrap(n.FS.OpenDir(name)) }

func (n noSync) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return wrap(n.FS.ReuseForWrite(from, to, c))
}

// Unwrap keeps helpers of vfs from seeing an unwrapped operating system.
func (n noSync) Unwrap() vfs.FS { return n.FS }
