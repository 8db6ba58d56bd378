package disk

import (
	"context"
	"time"

	"atoll/internal/errs"
)

// MultipartID names a multipart upload of a view: its number, never given
// out twice on a disk.
type MultipartID uint64

// MaxParts is how many parts a multipart upload has at most; they are
// numbered from 1.
const MaxParts = 10000

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
}

// CreateMultipart begins an upload in parts of what will be a file at path.
// Nobody sees it there until CompleteMultipart. o's mode, owner and metadata
// count when it is completed.
func (v *View) CreateMultipart(ctx context.Context, path string, o PutOptions) (MultipartID, error) {
	return 0, errs.New("create multipart upload", path, errs.Unsupported, "not offered yet")
}

// Multipart describes an upload of the view. NotFound: there is none with
// this id and path.
func (v *View) Multipart(ctx context.Context, path string, id MultipartID) (MultipartInfo, error) {
	return MultipartInfo{}, errs.New("multipart upload", path, errs.NotFound, "no such upload")
}

// ListMultipart lists the view's uploads by path and id, those after (path,
// id) that begin with prefix, at most limit.
func (v *View) ListMultipart(ctx context.Context, prefix, afterPath string, afterID MultipartID, limit int) (out []MultipartInfo, more bool, err error) {
	return nil, false, errs.New("list multipart uploads", "", errs.Unsupported, "not offered yet")
}

// NewPart begins a part. size is what will be written, -1 if unknown. The
// part takes the place of an earlier one of its number when it is committed.
func (v *View) NewPart(ctx context.Context, path string, id MultipartID, number int, size int64) (*PartUpload, error) {
	return nil, errs.New("upload part", path, errs.Unsupported, "not offered yet")
}

// PartUpload takes the bytes of a part.
type PartUpload struct{ Upload }

// Commit makes the part durable as one of its upload. meta is opaque to the
// core and kept with the part (at most 64 bytes).
func (u *PartUpload) Commit(ctx context.Context, md5 [16]byte, meta []byte) (Part, error) {
	return Part{}, errs.New("upload part", "", errs.Unsupported, "not offered yet")
}

// Parts lists the parts of an upload by number, those after a number, at most
// limit.
func (v *View) Parts(ctx context.Context, path string, id MultipartID, after, limit int) (out []Part, more bool, err error) {
	return nil, false, errs.New("list parts", path, errs.Unsupported, "not offered yet")
}

// CompleteMultipart makes the file at path of the given parts, whose numbers
// ascend, atomically and without copying their bytes. Of each the Number and
// the MD5 count, and have to be those of a part that is there when it is done:
// one that was uploaded again meanwhile is not the one meant. Parts that are
// not named are freed. o's Check, Client, ContentMeta, MD5 and HasMD5 count;
// the rest was given to CreateMultipart. NotFound: no such upload; Invalid: a
// part is not there, or not with this MD5.
func (v *View) CompleteMultipart(ctx context.Context, path string, id MultipartID, parts []Part, o PutOptions) (Attr, error) {
	return Attr{}, errs.New("complete multipart upload", path, errs.Unsupported, "not offered yet")
}

// AbortMultipart forgets an upload and frees its parts.
func (v *View) AbortMultipart(ctx context.Context, path string, id MultipartID) error {
	return errs.New("abort multipart upload", path, errs.Unsupported, "not offered yet")
}

// ExpireMultipart aborts the uploads of all branches that were begun before
// a time, and tells how many. The server calls it now and then.
func (s *Store) ExpireMultipart(ctx context.Context, before time.Time) (int, error) {
	return 0, nil
}

// Append adds b to the end of the file at path, which is made if it is not
// there, in one step: appends at the same time come one after the other, none
// is torn. o counts as for Upload.Commit; MD5 does not.
func (v *View) Append(ctx context.Context, path string, b []byte, o PutOptions) (Attr, error) {
	return Attr{}, errs.New("append", path, errs.Unsupported, "not offered yet")
}

// Copy puts a copy of a file of one view at a path of another, of the same
// disk or not, that shares nothing with it that can change. o counts as for
// Upload.Commit, but that contents keep their MD5 and, if o has no
// ContentMeta, theirs. check, if set, sees the source's attributes first.
func (v *View) Copy(ctx context.Context, path string, from *View, fromPath string, check func(src *Attr) error, o PutOptions) (Attr, error) {
	return Attr{}, errs.New("copy", path, errs.Unsupported, "not offered yet")
}
