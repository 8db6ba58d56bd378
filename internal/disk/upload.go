package disk

import (
	"context"
	"sync"

	"atoll/internal/blob"
	"atoll/internal/errs"
)

// Upload takes the contents of a file that nobody can see until Commit. It
// holds one buffer whatever the size: full ones become extents at once, and
// the chunk rows of a large file are staged in transactions of their own
// under a data id that nothing names. One goroutine uses it.
type Upload struct {
	v     *View
	ctx   context.Context
	ids   uint64 // first of the numbers taken: inode and data id, version
	size  int64
	holes int64 // bytes of size that were left out

	small []byte            // buffer while the contents may be small
	pool  *sync.Pool        // where small goes back to
	buf   *[extentSize]byte // buffer of a large upload
	n     int               // bytes in buf

	cur     chunk          // the chunk being filled
	pending []pendingChunk // full chunks that are not staged yet
	exts    []upExtent     // extents of cur and pending
	held    []blob.Loc     // extents that are not settled

	staged      bool
	stagedEpoch epoch
	done        bool
}

type pendingChunk struct {
	n uint32
	c chunk
}

type upExtent struct {
	id  uint64
	loc blob.Loc
}

const (
	smallBuffer = 64 << 10 // uploads up to this size don't take a large buffer
	tinyBuffer  = 8 << 10
	// maxPending is how many rows may wait for the last transaction.
	maxPending = 30
	idsPerFile = 2
)

// Two sizes of small buffers, so that many tiny uploads at once stay cheap.
var (
	tinyBuffers  = sync.Pool{New: func() any { b := make([]byte, 0, tinyBuffer); return &b }}
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, 0, smallBuffer); return &b }}
)

// NewUpload begins an upload. size is what will be written, -1 if unknown;
// it is only used to refuse early (Quota, NoSpace) and to size buffers.
func (v *View) NewUpload(ctx context.Context, size int64) (*Upload, error) {
	if v.readOnly {
		return nil, errs.New("upload", v.Ref().String(), errs.ReadOnly, "a checkpoint can't be changed")
	}
	if size > MaxSize {
		return nil, errs.New("upload", "", errs.TooLarge, "no file may be that large")
	}
	if err := v.disk.checkQuota("upload", v.head, size, 0); err != nil {
		return nil, err
	}
	ids, err := v.disk.newIDs(ctx, idsPerFile)
	if err != nil {
		return nil, err
	}
	u := &Upload{v: v, ctx: ctx, ids: ids}
	switch {
	case size < 0 || size > smallBuffer:
	case size <= tinyBuffer:
		u.pool = &tinyBuffers
	default:
		u.pool = &smallBuffers
	}
	if u.pool != nil {
		u.small = (*u.pool.Get().(*[]byte))[:0]
	}
	return u, nil
}

// Write takes the next bytes of the contents.
func (u *Upload) Write(p []byte) (int, error) {
	if u.done {
		return 0, errs.New("upload", "", errs.Stale, "the upload has ended")
	}
	if u.size+int64(len(p)) > MaxSize {
		return 0, errs.New("upload", "", errs.TooLarge, "no file may be that large")
	}
	total := len(p)
	if u.small != nil {
		if len(u.small)+len(p) <= cap(u.small) {
			u.small = append(u.small, p...)
			u.size += int64(total)
			return total, nil
		}
		if err := u.grow(); err != nil {
			return 0, err
		}
	}
	for len(p) > 0 {
		if u.n == 0 && len(p) >= extentSize { // no need to gather
			u.size += extentSize
			if err := u.flush(p[:extentSize]); err != nil {
				return total - len(p), err
			}
			p = p[extentSize:]
			continue
		}
		if u.buf == nil {
			b, err := u.v.disk.store.buffers.get(u.ctx)
			if err != nil {
				return total - len(p), err
			}
			u.buf = b
		}
		m := copy(u.buf[u.n:], p)
		u.n, u.size, p = u.n+m, u.size+int64(m), p[m:]
		if u.n == extentSize {
			if err := u.flush(u.buf[:]); err != nil {
				return total - len(p), err
			}
			u.n = 0
		}
	}
	return total, nil
}

// grow moves from the small buffer to a large one.
func (u *Upload) grow() error {
	b, err := u.v.disk.store.buffers.get(u.ctx)
	if err != nil {
		return err
	}
	u.buf, u.n = b, copy(b[:], u.small)
	u.dropSmall()
	return nil
}

func (u *Upload) dropSmall() {
	if u.small != nil {
		b := u.small[:0]
		u.pool.Put(&b)
		u.small = nil
	}
}

// flush makes an extent of p, which ends at u.size.
func (u *Upload) flush(p []byte) error {
	id, err := u.v.disk.newIDs(u.ctx, 1)
	if err != nil {
		return err
	}
	loc, err := u.v.disk.store.blob.Append(blob.Owner{Disk: uint64(u.v.disk.id), Extent: id}, p)
	if err != nil {
		return errs.E("upload", "", errs.KindOf(err), err)
	}
	u.held = append(u.held, loc)
	u.exts = append(u.exts, upExtent{id, loc})
	start := u.size - int64(len(p))
	u.cur.refs = append(u.cur.refs, extentRef{off: uint32(start % ChunkSize), len: uint32(len(p)), id: id})
	if u.size%ChunkSize == 0 {
		u.endChunk(start)
		if len(u.pending)+len(u.exts) > maxPending {
			return u.stage()
		}
	}
	return nil
}

func (u *Upload) endChunk(pos int64) {
	if len(u.cur.refs) > 0 || u.cur.inline != nil {
		u.pending = append(u.pending, pendingChunk{uint32(pos / ChunkSize), u.cur})
		u.cur = chunk{}
	}
}

// data is the data id of the new file: its inode number.
func (u *Upload) data() DataID { return DataID(u.ids) }

// stage writes the pending rows in a transaction of their own.
func (u *Upload) stage() error {
	locs := u.held
	o := &op{v: u.v, locs: locs, alone: true, fn: func(t *txn) error {
		if u.staged && t.lay.epoch != u.stagedEpoch {
			return errRestage
		}
		if err := t.checkQuota("upload", u.unstaged(), 0); err != nil {
			return err
		}
		if !u.staged {
			if err := t.tx.Set(idKey(t.disk, tabStaged, uint64(u.data())), row(uint64(t.lay.id))); err != nil {
				return err
			}
		}
		e := t.lay.epoch
		t.onCommit(func() { u.staged, u.stagedEpoch = true, e })
		return t.writeChunks(u)
	}}
	if err := u.submit(o); err != nil {
		return err
	}
	u.v.disk.store.blob.Settle(locs...)
	u.held, u.pending, u.exts = nil, nil, nil
	return nil
}

// unstaged is how many bytes the usage does not count yet.
func (u *Upload) unstaged() (n int64) {
	for i := range u.exts {
		n += u.exts[i].loc.Length
	}
	for i := range u.pending {
		n += int64(len(u.pending[i].c.inline))
	}
	return n
}

// writeChunks writes the rows of an upload's pending chunks and extents.
func (t *txn) writeChunks(u *Upload) error {
	var bytes int64
	for _, x := range u.exts {
		e := extent{loc: x.loc, layer: t.lay.id, birth: t.lay.epoch}
		if err := t.tx.Set(idKey(t.disk, tabExtent, x.id), e.row()); err != nil {
			return err
		}
		bytes += x.loc.Length
	}
	for i := range u.pending {
		p := &u.pending[i]
		t.body = dataBody(t.body[:0], u.data(), p.n)
		t.val = p.c.append(t.val[:0])
		if err := t.putFresh(t.body, t.val); err != nil {
			return err
		}
		bytes += int64(len(p.c.inline))
	}
	t.addUsage(t.lay.id, bytes, 0)
	return nil
}

// onCommit has fn called when the group has committed.
func (t *txn) onCommit(fn func()) {
	t.g.after = append(t.g.after, fn)
	t.g.changes++
}

// submit runs an operation; if a checkpoint came between the staging of rows
// and now, their epoch is moved on first, so that no staged extent looks
// older than the commit that names it.
func (u *Upload) submit(o *op) error {
	for {
		err := u.v.disk.submit(context.WithoutCancel(u.ctx), o)
		if !isRestage(err) {
			return err
		}
		if err := u.restage(); err != nil {
			return err
		}
		*o = op{v: o.v, locs: o.locs, alone: o.alone, fn: o.fn}
	}
}

// Abort gives the upload up; its space comes back. After a successful Commit
// it does nothing.
func (u *Upload) Abort() {
	if u.done {
		return
	}
	held := u.held
	u.end()
	u.v.disk.store.addDead(held)
	if u.staged {
		u.v.disk.store.discardStaged(u.v, u.data())
	}
}

// addDead notes that nothing will name extents that were appended.
func (s *Store) addDead(locs []blob.Loc) {
	for _, l := range locs {
		s.blob.AddDead(l)
	}
}

// end lets buffers and segments go.
func (u *Upload) end() {
	u.done = true
	u.dropSmall()
	if u.buf != nil {
		u.v.disk.store.buffers.put(u.buf)
		u.buf = nil
	}
	u.v.disk.store.blob.Settle(u.held...)
	u.held = nil
}
