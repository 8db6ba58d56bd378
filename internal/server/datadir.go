package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"atoll/internal/errs"
)

// Names in the data directory.
const (
	formatFile   = "FORMAT"
	lockFile     = "LOCK"
	masterFile   = "master.key"
	nextFile     = "master.key.new" // while the master key is changed
	apiKeyFile   = "api.key"
	endpointFile = "endpoint.json"
	metaDir      = "meta"
	blobDir      = "blob"
)

const (
	formatName    = "atoll"
	formatVersion = 1
)

// dataDir is a data directory that this process has locked.
type dataDir struct {
	path    string
	lock    *os.File
	fresh   bool // nothing had been stored in it
	unclean bool // the last server did not stop in order
}

// openDataDir locks a data directory for work on it without a server, such
// as a check. It must hold a store of a known format.
func openDataDir(path string) (*dataDir, error) {
	if _, err := os.Stat(filepath.Join(path, formatFile)); err != nil {
		return nil, errs.E("open data directory", path, errs.NotFound, fmt.Errorf("%s holds no Atoll store", path))
	}
	d, err := lockDataDir(path)
	if err != nil {
		return nil, err
	}
	if err := d.checkFormat(); err != nil {
		return nil, errors.Join(err, d.release(!d.unclean))
	}
	return d, nil
}

// takeDataDir makes the directory if need be, locks it and checks its format.
func takeDataDir(path string) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	d, err := lockDataDir(path)
	if err != nil {
		return nil, err
	}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, d.release(!d.unclean))
	}
	return d, nil
}

// lockDataDir takes the flock before anything is looked at, so that of two
// servers the second leaves everything alone. The file's contents are for
// people, and say on the next start whether the last stop was clean.
func lockDataDir(path string) (*dataDir, error) {
	f, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	b, readErr := io.ReadAll(f)
	holder := strings.TrimSpace(string(b))
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = errs.E("lock data directory", path, errs.Delegated, fmt.Errorf(
			"another atoll (pid %s) uses the data directory %s: stop it first, or use another directory", holder, path))
		return nil, errors.Join(err, f.Close())
	}
	if readErr != nil {
		return nil, errors.Join(readErr, f.Close())
	}
	d := &dataDir{path: path, lock: f, unclean: holder != ""}
	if err := d.sign(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

// sign writes what LOCK says.
func (d *dataDir) sign(text string) error {
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err := d.lock.WriteAt([]byte(text), 0)
	return err
}

// release gives the directory free; clean says that all stores were closed.
func (d *dataDir) release(clean bool) error {
	var err error
	if clean {
		err = d.sign("")
	}
	return errors.Join(err, d.lock.Close())
}

func (d *dataDir) meta() string               { return filepath.Join(d.path, metaDir) }
func (d *dataDir) blob() string               { return filepath.Join(d.path, blobDir) }
func (d *dataDir) file(name string) string    { return filepath.Join(d.path, name) }
func (d *dataDir) has(name string) bool       { _, err := os.Lstat(d.file(name)); return err == nil }
func (d *dataDir) remove(name string) error   { return ignoreMissing(os.Remove(d.file(name))) }
func (d *dataDir) write(n, text string) error { return writeFile(d.file(n), text, 0o600) }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// prepare writes FORMAT into a new directory, before anything else is, and
// checks it in one that was used.
func (d *dataDir) prepare() error {
	d.fresh = !d.has(metaDir)
	if d.has(formatFile) {
		return d.checkFormat()
	}
	if d.has(metaDir) || d.has(blobDir) {
		return errs.New("open data directory", d.path, errs.Corrupt,
			"it holds a store but no FORMAT file: is it really a data directory of Atoll?")
	}
	return d.write(formatFile, formatText())
}

func formatText() string { return fmt.Sprintf("%s %d\n", formatName, formatVersion) }

func (d *dataDir) checkFormat() error {
	b, err := os.ReadFile(d.file(formatFile))
	if err != nil {
		return fmt.Errorf("read the store's format: %w", err)
	}
	var version int
	if n, err := fmt.Sscanf(string(b), formatName+" %d", &version); n != 1 || err != nil || version < 1 {
		return errs.New("open data directory", d.path, errs.Corrupt, "its FORMAT file does not read as one of Atoll's")
	}
	if version > formatVersion {
		return errs.E("open data directory", d.path, errs.Unsupported, fmt.Errorf(
			"the store has format %d and this program knows formats up to %d: use a newer atoll", version, formatVersion))
	}
	return nil
}

// writeFile replaces a file whole and durably, or not at all.
func writeFile(path, text string, mode fs.FileMode) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return renameFile(tmp, path)
}

// renameFile renames durably.
func renameFile(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// writeEndpoints tells the command line where the server listens.
func (d *dataDir) writeEndpoints(e Endpoints) error {
	e.FirstAPIKey = ""
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return d.write(endpointFile, string(b)+"\n")
}

// ReadEndpoints reads what a server on this data directory has written.
func ReadEndpoints(dir string) (Endpoints, error) {
	var e Endpoints
	b, err := os.ReadFile(filepath.Join(dir, endpointFile))
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(b, &e)
}

// ReadAPIKey reads the key that the first start has left in a data directory.
func ReadAPIKey(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, apiKeyFile))
	return strings.TrimSpace(string(b)), err
}

// absolute makes a path hold for processes with another working directory.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
