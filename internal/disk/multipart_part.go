package disk

import (
	"context"
	"time"

	"atoll/internal/errs"
)

// PartUpload takes the bytes of a part.
type PartUpload struct {
	*Upload
	path   string
	id     MultipartID
	number int
}

// NewPart begins a part. size is what will be written, -1 if unknown. The
// part takes the place of an earlier one of its number when it is committed.
// NotFound: no such upload; Invalid: no part has this number; Quota, NoSpace.
func (v *View) NewPart(ctx context.Context, path string, id MultipartID, number int, size int64) (*PartUpload, error) {
	const what = "upload part"
	if err := v.refuseReadOnly(what, path); err != nil {
		return nil, err
	}
	if number < 1 || number > MaxParts {
		return nil, errs.New(what, path, errs.Invalid, "parts are numbered from 1 to 10000")
	}
	err := v.readMultipart(ctx, what, path, id, func(*reader, MultipartInfo) error { return nil })
	if err != nil {
		return nil, err
	}
	u, err := v.NewUpload(ctx, size)
	if err != nil {
		return nil, err
	}
	return &PartUpload{u, path, id, number}, nil
}

// Commit makes the part durable as one of its upload. meta is opaque to the
// core and kept with the part (at most MaxPartMeta bytes). NotFound: the
// upload was completed or aborted meanwhile. After an error the part is still
// to be aborted.
func (u *PartUpload) Commit(ctx context.Context, md5 [16]byte, meta []byte) (Part, error) {
	const what = "upload part"
	if u.done {
		return Part{}, errs.New(what, u.path, errs.Stale, "the upload has ended")
	}
	if len(meta) > MaxPartMeta {
		return Part{}, errs.New(what, u.path, errs.TooLarge, "the part's metadata is too large")
	}
	u.ctx = ctx
	if err := u.finish(); err != nil {
		return Part{}, err
	}
	p := Part{Number: u.number, Size: u.size, MD5: md5, Meta: meta, data: u.data()}
	o := &op{v: u.v, locs: u.held, alone: len(u.pending)+len(u.exts) > 8}
	o.fn = func(t *txn) error { return t.putPart(u, &p) }
	if err := u.submit(o); err != nil {
		return Part{}, errs.E(what, u.path, errs.KindOf(err), err)
	}
	u.staged = false
	u.end()
	return p, nil
}

// putPart writes a part's rows. Those that were staged in an earlier epoch
// stay there: no view of that epoch names them, and what is freed of them
// after the upload is completed waits for the pins in between.
func (t *txn) putPart(u *PartUpload, p *Part) error {
	const what = "upload part"
	if _, err := getMultipart(t.tx, what, t.disk, t.lay.id, u.path, u.id); err != nil {
		return err
	}
	if err := t.checkQuota(what, u.unstaged(), 0); err != nil {
		return err
	}
	k := partKey(t.disk, t.lay.id, u.id, p.Number)
	v, ok, err := t.tx.Get(k)
	if err != nil {
		return err
	}
	if ok {
		old, err := decodePart(k[len(k)-4:], v)
		if err != nil {
			return err
		}
		if err := t.reapLater(old.data, reapStaged); err != nil {
			return err
		}
	}
	if err := u.writeContents(t); err != nil {
		return err
	}
	p.Time = time.Unix(0, t.g.now.UnixNano())
	return t.tx.Set(k, p.row())
}

// Parts lists the parts of an upload by number, those after a number, at most
// limit; more tells that there are others behind them. NotFound: no such
// upload.
func (v *View) Parts(ctx context.Context, path string, id MultipartID, after, limit int) (out []Part, more bool, err error) {
	err = v.readMultipart(ctx, "list parts", path, id, func(r *reader, _ MultipartInfo) error {
		out, more = nil, false
		return r.eachPart(v.head.id, id, max(after, 0)+1, func(p *Part) bool {
			if more = len(out) >= limit; !more {
				out = append(out, *p)
			}
			return !more
		})
	})
	return out, more, err
}
