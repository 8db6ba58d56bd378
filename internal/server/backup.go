package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"atoll/internal/errs"
)

// restoreFile tells in a backup what is needed to restore it.
const restoreFile = "RESTORE.txt"

const restoreText = `This is a backup of an Atoll store, made at %s.

THIS BACKUP IS USELESS WITHOUT THE MASTER KEY, WHICH IS NOT IN IT.

A server refuses to start from it without the master key that the store had at
that time: the file master.key of the data directory, or the value of
ATOLL_MASTER_KEY. Keep that key, in another place than this backup. A key that
was changed since (atoll key rotate) does not open it.

To restore: put master.key into this directory (or into a copy of it), or set
ATOLL_MASTER_KEY, and run

    atoll serve --data THIS_DIRECTORY
`

// backup copies the running store into dir, which must be missing or empty.
//
// The metadata is copied first and the contents after it, while no segment is
// removed: so whatever the copied metadata names is in the copied segments,
// which may hold more. FORMAT comes last; without it the copy is not taken
// for a data directory. The master key and the API key file stay behind, and
// a file in the copy says so to whoever finds it.
func (s *server) backup(ctx context.Context, dir string) error {
	if !s.backingUp.TryLock() {
		return errs.New("backup", dir, errs.Overloaded, "another backup is running")
	}
	defer s.backingUp.Unlock()
	dir = filepath.Clean(dir)
	if rel, err := filepath.Rel(s.dir.path, dir); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
		return errs.New("backup", dir, errs.Invalid, "a backup can't lie in the data directory that it copies")
	}
	made, err := makeEmpty(dir)
	if err != nil {
		return err
	}
	start := s.cfg.Now()
	if err := s.copyStore(ctx, dir); err != nil {
		return errors.Join(err, cleanUp(dir, made))
	}
	s.log.Info("backup made; it is useless without the master key, which is not in it", "dir", dir, "took", s.cfg.Now().Sub(start))
	return nil
}

func (s *server) copyStore(ctx context.Context, dir string) error {
	thaw := s.st.blob.Freeze()
	defer thaw()
	meta := filepath.Join(dir, metaDir)
	if err := s.st.kv.Checkpoint(meta); err != nil {
		return err
	}
	if err := os.Chmod(meta, 0o700); err != nil {
		return errs.E("backup", dir, errs.Other, err)
	}
	if err := ctx.Err(); err != nil {
		return errs.E("backup", dir, errs.Canceled, err)
	}
	if err := s.st.blob.Backup(ctx, filepath.Join(dir, blobDir)); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, restoreFile), fmt.Sprintf(restoreText, s.cfg.Now().UTC().Format(time.RFC3339)), 0o600); err != nil {
		return errs.E("backup", dir, errs.Other, err)
	}
	if err := writeFile(filepath.Join(dir, formatFile), formatText(), 0o600); err != nil {
		return errs.E("backup", dir, errs.Other, err)
	}
	return nil
}

// makeEmpty makes a directory, or accepts an empty one; made tells which.
func makeEmpty(dir string) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return false, errs.New("backup", dir, errs.NotEmpty, "the directory for the backup is not empty: "+dir)
	case err == nil:
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, errs.E("backup", dir, errs.Invalid, fmt.Errorf("the directory can't be used: %w", err))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, errs.E("backup", dir, errs.Invalid, fmt.Errorf("the directory can't be made: %w", err))
	}
	return true, nil
}

// cleanUp removes what a failed backup has written.
func cleanUp(dir string, made bool) error {
	if made {
		return os.RemoveAll(dir)
	}
	var err error
	for _, name := range []string{metaDir, blobDir, restoreFile, restoreFile + ".tmp", formatFile, formatFile + ".tmp"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
	}
	return err
}
