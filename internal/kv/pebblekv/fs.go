package pebblekv

import (
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// watchFS tells the store of failed writes and syncs of the files that Pebble
// makes, at once and whatever Pebble does about them, and times the syncs of
// the write-ahead log.
//
// A full disk is an exception: Pebble tries flushes and compactions again
// later, from what the log and the older tables hold, so for tables only
// a failed write of the log counts.
type watchFS struct {
	vfs.FS
	fail    func(error)
	latency func(time.Duration)
}

func (f *watchFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.wrap(name, file, err)
}

func (f *watchFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(oldname, newname, c)
	return f.wrap(newname, file, err)
}

func (f *watchFS) Unwrap() vfs.FS { return f.FS }

func (f *watchFS) wrap(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &watchFile{File: file, fs: f, wal: strings.HasSuffix(name, ".log")}, nil
}

type watchFile struct {
	vfs.File
	fs  *watchFS
	wal bool
}

func (f *watchFile) check(err error) error {
	if err != nil && (f.wal || !vfs.IsNoSpaceError(err)) {
		f.fs.fail(err)
	}
	return err
}

func (f *watchFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.check(err)
}

func (f *watchFile) Sync() error { return f.timed(f.File.Sync) }

func (f *watchFile) SyncData() error { return f.timed(f.File.SyncData) }

func (f *watchFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.check(err)
}

func (f *watchFile) timed(sync func() error) error {
	if !f.wal {
		return f.check(sync())
	}
	start := time.Now()
	err := sync()
	f.fs.latency(time.Since(start))
	return f.check(err)
}
