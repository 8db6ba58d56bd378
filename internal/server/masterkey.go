package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"atoll/internal/catalog"
	"atoll/internal/errs"
)

// masterKeys are the master key of a store and, while it is being changed,
// the one that takes its place. Which of the two the store has is the store's
// to say.
type masterKeys struct {
	now   catalog.MasterKey
	other *catalog.MasterKey
}

// masterKeys finds the master key, or makes one for a new store.
func (d *dataDir) masterKeys(given string, r io.Reader) (masterKeys, error) {
	var k masterKeys
	if given != "" {
		return parseMasterKeys(given)
	}
	now, found, err := d.readMasterKey(masterFile)
	if err != nil {
		return k, err
	}
	next, changing, err := d.readMasterKey(nextFile)
	if err != nil {
		return k, err
	}
	switch {
	case found && changing:
		return masterKeys{now: now, other: &next}, nil
	case found:
		return masterKeys{now: now}, nil
	case changing: // the old key's file was lost
		return masterKeys{now: next, other: &next}, nil
	case !d.fresh:
		return k, fmt.Errorf("the store's master key is missing: bring back %s or set ATOLL_MASTER_KEY", d.file(masterFile))
	}
	if k.now, err = newMasterKey(r); err != nil {
		return k, err
	}
	return k, d.write(masterFile, k.now.Hex()+"\n")
}

// parseMasterKeys reads ATOLL_MASTER_KEY: a key, or two with a comma between
// them while the operator changes it.
func parseMasterKeys(given string) (k masterKeys, err error) {
	first, second, two := strings.Cut(given, ",")
	if k.now, err = catalog.ParseMasterKey(first); err == nil && two {
		k.other = new(catalog.MasterKey)
		*k.other, err = catalog.ParseMasterKey(second)
	}
	if err != nil {
		return k, fmt.Errorf("ATOLL_MASTER_KEY: %s", errs.Text(err))
	}
	return k, nil
}

func (d *dataDir) readMasterKey(name string) (k catalog.MasterKey, found bool, err error) {
	b, err := os.ReadFile(d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return k, false, nil
	}
	if err != nil {
		return k, false, fmt.Errorf("read the master key: %w", err)
	}
	if k, err = catalog.ParseMasterKey(string(b)); err != nil {
		return k, false, fmt.Errorf("%s: %s", d.file(name), errs.Text(err))
	}
	return k, true, nil
}

func newMasterKey(r io.Reader) (catalog.MasterKey, error) {
	if r == nil {
		r = rand.Reader
	}
	return catalog.NewMasterKey(r)
}

// rotateKey seals the store under another master key while it serves: the one
// given, or a new one. It returns the file that holds the key, "" if the
// operator keeps it in the environment.
//
// The new key is durable in a file of its own before anything is sealed under
// it, and takes the old one's place when nothing is sealed under that any
// more. So whenever the server stops, the key that the store has is in one of
// two files, and the next start finishes.
func (s *server) rotateKey(ctx context.Context, given string) (keyFile string, err error) {
	if !s.rotating.TryLock() {
		return "", errs.New("rotate master key", "", errs.Overloaded, "another rotation of the master key is running")
	}
	defer s.rotating.Unlock()
	var to catalog.MasterKey
	switch {
	case given != "":
		to, err = catalog.ParseMasterKey(given)
	case s.keyGiven:
		err = errs.New("rotate master key", "", errs.Invalid,
			"this server has its master key from ATOLL_MASTER_KEY: give the new key (masterKey), and set ATOLL_MASTER_KEY to it before the next start")
	default:
		to, err = newMasterKey(s.cfg.Rand)
	}
	if err != nil {
		return "", err
	}
	ctx = context.WithoutCancel(ctx) // half a rotation helps nobody
	if s.keyGiven {
		err := s.st.catalog.RotateMasterKey(ctx, to)
		if err == nil {
			s.log.Warn("the master key was changed: set ATOLL_MASTER_KEY to the new one before the next start, which is refused with the old one")
		}
		return "", err
	}
	if err := s.rotateFile(ctx, to); err != nil {
		return "", err
	}
	s.log.Warn("the master key was changed: copy the new file to where the old one was kept; backups made before need the old one", "file", s.dir.file(masterFile))
	return s.dir.file(masterFile), nil
}

func (s *server) rotateFile(ctx context.Context, to catalog.MasterKey) error {
	// A rotation that failed may have left the store's key in the new file.
	if last, there, err := s.dir.readMasterKey(nextFile); err != nil {
		return err
	} else if there {
		if has, err := s.st.catalog.HasMasterKey(ctx, last); err != nil {
			return err
		} else if has {
			if err := s.dir.adoptKey(); err != nil {
				return err
			}
		}
	}
	if has, err := s.st.catalog.HasMasterKey(ctx, to); err != nil || has {
		if has {
			err = errs.New("rotate master key", "", errs.Invalid, "the store has this master key already")
		}
		return err
	}
	if err := s.dir.write(nextFile, to.Hex()+"\n"); err != nil {
		return errs.E("rotate master key", "", errs.Other, err)
	}
	failed := s.st.catalog.RotateMasterKey(ctx, to)
	if failed == nil {
		return s.dir.adoptKey()
	}
	has, err := s.st.catalog.HasMasterKey(ctx, to)
	switch {
	case err != nil: // both files stay, for the next start
		return errors.Join(failed, err)
	case has: // what is left of the old key goes with the next start
		return errors.Join(failed, s.dir.adoptKey())
	}
	return errors.Join(failed, s.dir.remove(nextFile))
}

// adoptKey makes the new key's file the master key's.
func (d *dataDir) adoptKey() error {
	if err := renameFile(d.file(nextFile), d.file(masterFile)); err != nil {
		return errs.E("rotate master key", "", errs.Other, fmt.Errorf(
			"the store has the new master key, and it is in %s: the next start tries again to rename it (%w)", d.file(nextFile), err))
	}
	return nil
}

// finishRotation goes on with the change of the master key that the last
// server did not finish.
func (s *server) finishRotation(ctx context.Context, keys masterKeys) error {
	if s.keyGiven || keys.other == nil {
		return nil
	}
	has, err := s.st.catalog.HasMasterKey(ctx, *keys.other)
	if err != nil {
		return err
	}
	if !has {
		if err := s.st.catalog.RotateMasterKey(ctx, *keys.other); err != nil {
			return err
		}
	}
	s.log.Warn("the change of the master key, which the last server had begun, is finished", "file", s.dir.file(masterFile))
	return s.dir.adoptKey()
}
