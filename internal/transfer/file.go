package transfer

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"atoll/client"
)

// Item is what is to be copied: a file of From to a path in To, or From with
// all that is below it, if Entry is the directory that is its root (its Path
// is "/"), to the root of To.
type Item struct {
	From  Tree
	Entry Entry
	To    Tree
	Path  string
}

// copy copies one file.
func (r *run) copy(ctx context.Context, it *Item) error {
	switch from := it.From.(type) {
	case Local:
		to, ok := it.To.(Remote)
		if !ok {
			return errors.New("one side must be a disk")
		}
		return r.upload(ctx, from, &it.Entry, to, it.Path)
	case Remote:
		if to, ok := it.To.(Local); ok {
			return r.download(ctx, from, &it.Entry, to, it.Path)
		}
		return r.across(ctx, from, &it.Entry, it.To.(Remote), it.Path)
	}
	return fmt.Errorf("no way to copy from a %T", it.From)
}

// upload copies a file of this machine to a disk.
func (r *run) upload(ctx context.Context, from Local, e *Entry, to Remote, path string) error {
	name, err := from.place(e.Path)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return err
	}
	mode := modeBits(before.Mode())
	_, err = to.Bucket.PutAt(ctx, to.Prefix+path, f, before.Size(), client.PutOptions{
		Mode: &mode, PartSize: r.o.PartSize, Resume: true, Progress: r.o.Meter.Add})
	if err != nil {
		return err
	}
	after, err := f.Stat()
	if err == nil && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime())) {
		err = fmt.Errorf("%w: copy it again", client.ErrChanged)
	}
	return err
}

// across copies a file from a disk to a disk, by the server if it can.
func (r *run) across(ctx context.Context, from Remote, e *Entry, to Remote, path string) error {
	_, err := to.Bucket.Copy(ctx, to.Prefix+path, from.Bucket, from.Prefix+e.Path)
	switch client.StatusOf(err) {
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
	default:
		if err == nil {
			r.o.Meter.Add(e.Size)
		}
		return err
	}
	src, err := from.Bucket.Get(ctx, from.Prefix+e.Path, client.GetOptions{IfMatch: e.ETag})
	if err != nil {
		return err
	}
	defer src.Close()
	_, err = to.Bucket.Put(ctx, to.Prefix+path, src, client.PutOptions{PartSize: r.o.PartSize, Progress: r.o.Meter.Add})
	return err
}

// same tells whether a file needs no copying.
func (r *run) same(src, dst *Entry, from, to Tree) (bool, error) {
	if src.Size != dst.Size {
		return false, nil
	}
	if !r.o.Checksum {
		return !dst.Modified.Before(src.Modified), nil
	}
	local, ok := from.(Local)
	entry, etag := src, dst.ETag
	if !ok {
		if local, ok = to.(Local); !ok {
			return src.ETag == dst.ETag, nil
		}
		entry, etag = dst, src.ETag
	}
	return r.matches(local, entry, etag)
}

// matches tells whether a file of this machine has the contents that an ETag
// stands for. Of one that it does not understand it says no.
func (r *run) matches(l Local, e *Entry, etag string) (bool, error) {
	name, err := l.place(e.Path)
	if err != nil {
		return false, err
	}
	if _, ok := client.MD5ETag(etag); ok {
		sums, err := fileSums(name, max(e.Size, 1))
		return err == nil && len(sums) == 1 && hex.EncodeToString(sums[0][:]) == etag, err
	}
	sums, err := fileSums(name, client.PartSizeFor(e.Size, r.o.PartSize))
	return err == nil && client.PartsETag(sums) == etag, err
}

// fileSums are the MD5s of a file's parts; an empty file has one.
func fileSums(name string, part int64) (sums [][md5.Size]byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		h := md5.New()
		n, err := io.CopyN(h, f, part)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if n > 0 || len(sums) == 0 {
			sums = append(sums, [md5.Size]byte(h.Sum(nil)))
		}
		if n < part {
			return sums, nil
		}
	}
}
