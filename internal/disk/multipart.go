package disk

import (
	"context"
	"strings"
	"time"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// MultipartID names a multipart upload of a view: its number, never given
// out twice on a disk.
type MultipartID uint64

// Limits of multipart uploads.
const (
	// MaxParts is how many parts an upload has at most; they are numbered
	// from 1.
	MaxParts = 10000
	// MaxMultipartPath is the longest path that a file may be uploaded to in
	// parts, in bytes.
	MaxMultipartPath = 1024
	// MaxPartMeta is how much a part keeps of Part.Meta, in bytes.
	MaxPartMeta = 64
)

// MultipartInfo describes a multipart upload that was neither completed nor
// aborted.
type MultipartInfo struct {
	ID      MultipartID
	Path    string
	Started time.Time
	Options PutOptions // as given to CreateMultipart; Check and Client are not kept
}

// Part is one part of a multipart upload.
type Part struct {
	Number int // 1 to MaxParts
	Size   int64
	MD5    [16]byte
	Time   time.Time
	Meta   []byte // opaque to the core: as given to PartUpload.Commit

	data DataID // whose chunks are its bytes
}

func noUpload(op, path string) error {
	return errs.New(op, path, errs.NotFound, "there is no such multipart upload; it may have been completed, aborted or expired")
}

func (v *View) refuseReadOnly(op, path string) error {
	if v.readOnly {
		return errs.New(op, path, errs.ReadOnly, "a checkpoint can't be changed")
	}
	return nil
}

// CreateMultipart begins an upload in parts of what will be a file at path.
// Nobody sees it there until CompleteMultipart. o's mode, owner and metadata
// count when it is completed; Check and Client do not. It refuses what a put
// to path would be refused for now: Invalid, NameTooLong (over
// MaxMultipartPath bytes, too), IsDir, NotDir, Exists, Reserved; ReadOnly,
// NoSpace.
func (v *View) CreateMultipart(ctx context.Context, path string, o PutOptions) (MultipartID, error) {
	const op = "create multipart upload"
	if err := checkPut(path, &o); err != nil {
		return 0, err
	}
	if len(path) > MaxMultipartPath {
		return 0, errs.New(op, path, errs.NameTooLong, "the path is longer than 1024 bytes")
	}
	var id uint64
	err := v.update(ctx, func(t *txn) (err error) {
		if _, err := t.walkPut(op, path); err != nil {
			return err
		}
		if err := t.checkQuota(op, 0, 1); err != nil {
			return err
		}
		if id, err = t.newID(); err != nil {
			return err
		}
		in := MultipartInfo{Started: t.g.now, Options: o}
		return t.tx.Set(multipartKey(t.disk, t.lay.id, path, MultipartID(id)), in.row())
	})
	if err != nil {
		return 0, errs.E(op, path, errs.KindOf(err), err)
	}
	return MultipartID(id), nil
}

// Multipart describes an upload of the view. NotFound: there is none with
// this id and path.
func (v *View) Multipart(ctx context.Context, path string, id MultipartID) (in MultipartInfo, err error) {
	err = v.readMultipart(ctx, "get multipart upload", path, id, func(r *reader, found MultipartInfo) error {
		in = found
		return nil
	})
	return in, err
}

// readMultipart runs fn on a snapshot that has an upload.
func (v *View) readMultipart(ctx context.Context, op, path string, id MultipartID, fn func(*reader, MultipartInfo) error) error {
	if v.readOnly {
		return noUpload(op, path)
	}
	return v.read(ctx, func(r *reader) error {
		in, err := getMultipart(r.kv, op, r.disk, v.head.id, path, id)
		if err != nil {
			return err
		}
		return fn(r, in)
	})
}

func getMultipart(r kv.Reader, op string, disk ID, l layer, path string, id MultipartID) (in MultipartInfo, err error) {
	if strings.IndexByte(path, 0) >= 0 || len(path) > MaxMultipartPath {
		return in, noUpload(op, path)
	}
	val, ok, err := r.Get(multipartKey(disk, l, path, id))
	if err != nil {
		return in, err
	}
	if !ok {
		return in, noUpload(op, path)
	}
	in, err = decodeMultipart(val)
	in.Path, in.ID = path, id
	return in, err
}

// ListMultipart lists the view's uploads by path and id, those after (path,
// id) that begin with prefix, at most limit; more tells that there are others
// behind them.
func (v *View) ListMultipart(ctx context.Context, prefix, afterPath string, afterID MultipartID, limit int) (out []MultipartInfo, more bool, err error) {
	if v.readOnly {
		return nil, false, nil
	}
	err = v.read(ctx, func(r *reader) error {
		out, more = nil, false
		table := layerKey(r.disk, tabUpload, v.head.id)
		lo := append(table[:len(table):len(table)], prefix...)
		hi := afterPrefix(lo)
		if afterPath != "" {
			after := append(multipartKey(r.disk, v.head.id, afterPath, afterID), 0)
			if string(after) > string(lo) {
				lo = after
			}
		}
		it := r.kv.Scan(lo, hi)
		defer it.Close()
		for string(lo) < string(hi) && it.Next() {
			if len(out) >= limit {
				more = true
				break
			}
			in, err := decodeMultipartRow(it.Key()[len(table):], it.Value())
			if err != nil {
				return err
			}
			out = append(out, in)
		}
		return it.Err()
	})
	return out, more, err
}

// AbortMultipart forgets an upload and frees its parts. NotFound: there is
// none with this id and path.
func (v *View) AbortMultipart(ctx context.Context, path string, id MultipartID) error {
	const op = "abort multipart upload"
	if err := v.refuseReadOnly(op, path); err != nil {
		return err
	}
	return v.alone(ctx, func(t *txn) error { return t.abortMultipart(op, path, id) })
}

func (t *txn) abortMultipart(op, path string, id MultipartID) error {
	if _, err := getMultipart(t.tx, op, t.disk, t.lay.id, path, id); err != nil {
		return err
	}
	var free []DataID
	err := t.eachPart(id, 1, func(p *Part) bool {
		free = append(free, p.data)
		return true
	})
	if err != nil {
		return err
	}
	return t.endMultipart(path, id, free)
}

// endMultipart removes an upload's rows, and leaves those of its parts whose
// data ids are given to a job to be freed.
func (t *txn) endMultipart(path string, id MultipartID, free []DataID) error {
	if err := t.tx.Delete(multipartKey(t.disk, t.lay.id, path, id)); err != nil {
		return err
	}
	lo := partsPrefix(t.disk, t.lay.id, id)
	if err := t.tx.DeleteRange(lo, afterPrefix(lo)); err != nil {
		return err
	}
	for len(free) > 0 {
		n := min(len(free), reapListIDs)
		ids := make([]uint64, n)
		for i, data := range free[:n] {
			ids[i] = uint64(data)
		}
		if err := t.reapLater(free[0], reapList, ids...); err != nil {
			return err
		}
		free = free[n:]
	}
	return nil
}

// reapListIDs is how many data ids one reap row names.
const reapListIDs = 2048

// ExpireMultipart aborts the uploads of all branches that were begun before
// a time, and those of deleted branches, and tells how many. The server calls
// it now and then.
func (s *Store) ExpireMultipart(ctx context.Context, before time.Time) (int, error) {
	n := 0
	err := s.List(ctx, func(id ID) error {
		m, err := s.expireDisk(ctx, id, before)
		n += m
		if errs.Is(err, errs.NoDisk) {
			return nil
		}
		return err
	})
	return n, err
}

// expireDisk goes over the uploads of one disk, which is opened only if there
// are any.
func (s *Store) expireDisk(ctx context.Context, id ID, before time.Time) (n int, err error) {
	lo, hi := tableRange(id, tabUpload)
	head := len(lo) + 4
	for {
		keys, values, err := (&Disk{id: id, store: s}).firstRows(ctx, lo, hi, stepRows)
		if err != nil || len(keys) == 0 {
			return n, err
		}
		d, err := s.Disk(ctx, id)
		if err != nil {
			return n, err
		}
		for i, k := range keys {
			in, err := decodeMultipartRow(k[head:], values[i])
			if err != nil {
				return n, err
			}
			l := layerOf(k)
			if d.layerGone(l) || !in.Started.Before(before) && !d.layerHidden(l) {
				continue
			}
			err = d.onLayer(ctx, l, func(t *txn) error { return t.abortMultipart("expire multipart upload", in.Path, in.ID) })
			if errs.Is(err, errs.NotFound) {
				continue
			}
			if err != nil {
				return n, err
			}
			n++
		}
		lo = append(keys[len(keys)-1], 0)
	}
}

// layerHidden tells whether a layer's branch was deleted.
func (d *Disk) layerHidden(l layer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.layers[l]
	return s != nil && s.hidden
}
