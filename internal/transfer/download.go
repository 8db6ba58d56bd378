package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"atoll/client"
)

// Names of partial files: what is downloaded, and of which version.
const (
	partialPrefix  = ".atoll-"
	partialSuffix  = ".part"
	partialPattern = partialPrefix + "*" + partialSuffix
)

func isPartial(name string) bool {
	return strings.HasPrefix(name, partialPrefix) && strings.HasSuffix(name, partialSuffix)
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// partialName is where a version of a file grows before it gets its name.
func partialName(dst, source, etag string) string {
	return filepath.Join(filepath.Dir(dst), partialPrefix+shortHash(filepath.Base(dst))+"-"+shortHash(source+"\x00"+etag)+partialSuffix)
}

// download copies a file of a disk to this machine.
func (r *run) download(ctx context.Context, from Remote, e *Entry, to Local, path string) error {
	dst, err := to.place(path)
	if err != nil {
		return err
	}
	if target, err := filepath.EvalSymlinks(dst); err == nil {
		dst = target
	}
	old, err := os.Stat(dst)
	if err == nil && old.IsDir() {
		return &fs.PathError{Op: "write", Path: dst, Err: errIsDir}
	}
	if err := os.MkdirAll(filepath.Dir(dst), 0o777); err != nil {
		return err
	}
	tmp := partialName(dst, from.Bucket.Name()+"/"+from.Prefix+e.Path, e.ETag)
	if err := r.fetch(ctx, from, e, tmp); err != nil {
		return err
	}
	if old != nil && old.Mode().IsRegular() {
		if err := os.Chmod(tmp, old.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := os.Chtimes(tmp, e.Modified, e.Modified); err != nil {
		return err
	}
	if err := os.Rename(tmp, dst); err != nil {
		return err
	}
	return forget(dst)
}

var errIsDir = errors.New("is a directory")

// fetch brings a partial file to its full length.
func (r *run) fetch(ctx context.Context, from Remote, e *Entry, tmp string) error {
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	// Two that append to one file would spoil it.
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = errors.New("another download of this file is at work")
	} else {
		err = r.fill(ctx, from, e, f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if errors.Is(err, client.ErrChecksum) || errors.Is(err, client.ErrChanged) {
		_ = os.Remove(tmp) // it is of no use; the error tells enough
	}
	return err
}

func (r *run) fill(ctx context.Context, from Remote, e *Entry, f *os.File) error {
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if have >= e.Size && e.Size > 0 {
		// Whole, or more than that: the last byte again makes it be verified.
		have = e.Size - 1
		if err := f.Truncate(have); err != nil {
			return err
		}
		if _, err := f.Seek(have, io.SeekStart); err != nil {
			return err
		}
	}
	r.o.Meter.Add(have)
	n, err := r.receive(ctx, from, e, f, have)
	if err != nil {
		r.o.Meter.Add(-have - n)
		return err
	}
	if have+n != e.Size {
		return fmt.Errorf("%w: copy it again", client.ErrChanged)
	}
	return nil
}

// receive appends what is missing to a partial file.
func (r *run) receive(ctx context.Context, from Remote, e *Entry, f *os.File, have int64) (n int64, err error) {
	o := client.GetOptions{Offset: have, IfMatch: e.ETag, Have: io.NewSectionReader(f, 0, have)}
	src, err := from.Bucket.Get(ctx, from.Prefix+e.Path, o)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	return io.Copy(f, &metered{src, r.o.Meter})
}

// metered tells a meter what was read.
type metered struct {
	r io.Reader
	m Meter
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.m.Add(int64(n))
	return n, err
}

// forget removes partial files of other versions of dst.
func forget(dst string) error {
	left, err := filepath.Glob(filepath.Join(globQuote(filepath.Dir(dst)), partialPrefix+shortHash(filepath.Base(dst))+"-*"+partialSuffix))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
