package disk

import (
	"context"

	"atoll/internal/blob"
	"atoll/internal/errs"
)

// Append adds b, of at most ChunkSize bytes, to the end of the file at path,
// which is made if it is not there, in one step: appends at the same time come
// one after the other, none is torn. A file that is there keeps its mode,
// owner, Meta and inode. o counts as for Upload.Commit, and fails as it does,
// but that MD5 does not count. TooLarge: b is, or the file would be.
func (v *View) Append(ctx context.Context, path string, b []byte, o PutOptions) (Attr, error) {
	if err := v.refuseReadOnly("append", path); err != nil {
		return Attr{}, err
	}
	if len(b) > ChunkSize {
		return Attr{}, errs.New("append", path, errs.TooLarge, "one append adds at most 4 MiB")
	}
	o.HasMD5 = false
	if err := checkPut(path, &o); err != nil {
		return Attr{}, err
	}
	if err := v.disk.checkQuota("append", v.head, int64(len(b)), 0); err != nil {
		return Attr{}, err
	}
	if err := v.makeParents(ctx, path, &o); err != nil {
		return Attr{}, err
	}
	w := &appending{p: b, v: v}
	defer w.end()
	var err error
	if w.ids, err = v.disk.newIDs(ctx, idsPerFile); err == nil {
		err = w.run(ctx, path, &o)
	}
	if err != nil {
		return Attr{}, errs.E("append", path, errs.KindOf(err), err)
	}
	if w.refs == tidyAt { // just one append sees this number
		_ = v.mergeTail(context.WithoutCancel(ctx), w.attr.Ino, w.attr.Size-1)
	}
	return w.attr, nil
}

// tidyAt is the number of references to a chunk at which its last ones are
// merged, well before an append has to wait for that.
const tidyAt = MaxExtents * 3 / 4

// appending is an append under way.
type appending struct {
	v   *View
	p   []byte
	ids uint64 // first of the numbers taken: inode and data id, version

	// The extents that p stands in, in order; none: it goes inline. There
	// are two where a chunk ends within p: an extent belongs to one chunk.
	exts []upExtent

	need appendNeed // what an attempt found missing
	room int        // with needExtents: how much of p fits into the last chunk

	attr Attr // of the file, when it is done
	refs int  // references of the chunk that p begins in, when it is done
}

// appendNeed is what has to be done before an append can be.
type appendNeed uint8

const (
	needNothing appendNeed = iota
	needExtents            // other extents, or any
	needMerge              // fewer references in the last chunk
	needExtent             // the last chunk's inline bytes in an extent
	needTrim               // a part table that ends at the file's end
)

func (w *appending) run(ctx context.Context, path string, o *PutOptions) error {
	err := w.plan(ctx, path)
	for err == nil {
		op := &op{v: w.v}
		for _, x := range w.exts {
			op.locs = append(op.locs, x.loc)
		}
		op.fn = func(t *txn) (err error) {
			w.need, w.refs = needNothing, 0
			w.attr, err = t.appendTo(path, w, o)
			return err
		}
		if err = w.v.disk.submit(ctx, op); err != nil || w.need == needNothing {
			break
		}
		end := w.attr.Size
		switch w.need {
		case needExtents:
			err = w.append(w.room)
		case needMerge:
			err = w.v.mergeTail(ctx, w.attr.Ino, end-1)
		case needExtent:
			err = w.v.rewriteChunk(ctx, w.attr.Ino, end-1)
		case needTrim:
			err = w.v.trimParts(ctx, w.attr.Ino)
		}
	}
	if err == nil {
		w.settle()
	}
	return err
}

// plan makes the extents that p will need if nothing changes meanwhile.
func (w *appending) plan(ctx context.Context, path string) error {
	at, room := int64(0), int64(ChunkSize)
	_ = w.v.read(ctx, func(r *reader) error { // what fails here fails again
		p, err := r.find("append", path, true)
		if err != nil || p.attr.Type != File {
			return err
		}
		s, err := r.span(&p.attr, p.attr.Size)
		if err == nil {
			_, base := s.chunk(p.attr.Size)
			at, room = p.attr.Size-base, base+ChunkSize-p.attr.Size
		}
		return err
	})
	if at+int64(len(w.p)) <= int64(w.v.disk.store.opts.InlineMax) {
		return nil
	}
	return w.append(int(room))
}

// append makes p's extents; those that were made before are given up.
func (w *appending) append(room int) error {
	w.end()
	for from, to := 0, min(room, len(w.p)); from < len(w.p); from, to = to, len(w.p) {
		id, err := w.v.disk.newIDs(context.Background(), 1)
		if err != nil {
			return err
		}
		loc, err := w.v.disk.store.blob.Append(blob.Owner{Disk: uint64(w.v.disk.id), Extent: id}, w.p[from:to])
		if err != nil {
			return err
		}
		w.exts = append(w.exts, upExtent{id, loc})
	}
	return nil
}

// settle lets the extents go that rows name now.
func (w *appending) settle() {
	for _, x := range w.exts {
		w.v.disk.store.blob.Settle(x.loc)
	}
	w.exts = nil
}

// end gives up the extents that no row names.
func (w *appending) end() {
	for _, x := range w.exts {
		w.v.disk.store.blob.AddDead(x.loc)
	}
	w.settle()
}

// appendTo places an append, or tells what it needs; then nothing was changed.
func (t *txn) appendTo(path string, w *appending, o *PutOptions) (a Attr, err error) {
	p, err := t.walkPut("append", path)
	if err != nil {
		return a, err
	}
	if !p.exists {
		if len(w.exts) == 0 && len(w.p) > t.g.d.store.opts.InlineMax {
			w.need, w.room = needExtents, len(w.p)
			return a, nil
		}
		return t.putFile(path, w, o)
	}
	a = p.attr
	if o.Check != nil {
		if err := o.Check(&a); err != nil {
			return a, err
		}
	}
	if err := t.checkDelegated("append", path, p.dir, &a, o.Client); err != nil {
		return a, err
	}
	if len(w.p) == 0 {
		return a, nil
	}
	if a.Size+int64(len(w.p)) > MaxSize {
		return a, errs.New("append", path, errs.TooLarge, "no file may be that large")
	}
	if err := t.checkQuota("append", int64(len(w.p)), 0); err != nil {
		return a, err
	}
	return a, t.appendEnd(&a, w)
}

// appendEnd writes what is appended behind a file's last byte.
func (t *txn) appendEnd(a *Attr, w *appending) error {
	data := *a
	if data.Data == 0 {
		data.Data = DataID(w.ids)
	}
	s, err := t.span(&data, a.Size)
	if err != nil {
		return err
	}
	end := a.Size + int64(len(w.p))
	if end > s.to {
		w.need = needTrim
		return nil
	}
	n, base := s.chunk(a.Size)
	old, err := t.chunkAt(s.data, n)
	if err != nil {
		return err
	}
	c, rest := w.onto(&old, int(a.Size-base), t.g.d.store.opts.InlineMax)
	if w.need != needNothing {
		return nil
	}
	t.contentsChanged(a, w.ids+1)
	a.Data, a.Size = data.Data, end
	a.Bytes += c.covered() + rest.covered() - old.covered()
	if err := t.nameExtents(w.exts); err != nil {
		return err
	}
	if err := t.storeChunk(s.data, n, &old, &c); err != nil {
		return err
	}
	if rest.covered() > 0 {
		if err := t.storeChunk(s.data, n+1, &chunk{}, &rest); err != nil {
			return err
		}
	}
	w.refs = len(c.refs)
	return t.store(a)
}

// onto gives the last chunk of a file, whose bytes end at at, with what is
// appended, and the one behind it.
func (w *appending) onto(old *chunk, at, inlineMax int) (c, rest chunk) {
	room := ChunkSize - at
	switch {
	case len(w.exts) == 0 && len(old.refs) == 0 && at+len(w.p) <= inlineMax:
		c.inline = make([]byte, at+len(w.p))
		copy(c.inline, old.inline)
		copy(c.inline[at:], w.p)
		return c, rest
	case len(w.exts) == 0 || len(w.p) > room && w.exts[0].loc.Length != int64(room):
		w.need, w.room = needExtents, room
		return c, rest
	case len(old.inline) > 0:
		w.need = needExtent
		return c, rest
	}
	c.refs = append(c.refs, old.refs...)
	for _, x := range w.exts {
		ref := extentRef{off: uint32(at), len: uint32(x.loc.Length), id: x.id}
		if at < ChunkSize {
			c.refs = append(c.refs, ref)
		} else {
			ref.off -= ChunkSize
			rest.refs = append(rest.refs, ref)
		}
		at += int(ref.len)
	}
	if len(c.refs) > MaxExtents {
		w.need = needMerge
	}
	return c, rest
}

// nameExtents writes the rows of extents that the transaction names.
func (t *txn) nameExtents(exts []upExtent) error {
	for _, x := range exts {
		e := extent{loc: x.loc, layer: t.lay.id, birth: t.lay.epoch}
		if err := t.tx.Set(idKey(t.disk, tabExtent, x.id), e.row()); err != nil {
			return err
		}
		t.addUsage(t.lay.id, x.loc.Length, 0)
	}
	return nil
}

// An append to a file that is not there makes it.

func (w *appending) describe(a *Attr) {
	a.Ino, a.Version, a.Size, a.Bytes = Ino(w.ids), w.ids+1, int64(len(w.p)), int64(len(w.p))
	if a.Size > 0 {
		a.Data = DataID(w.ids)
	}
}

func (w *appending) unstaged() int64 { return int64(len(w.p)) }

func (w *appending) writeContents(t *txn) error {
	if len(w.p) == 0 {
		return nil
	}
	c, _ := w.onto(&chunk{}, 0, t.g.d.store.opts.InlineMax)
	if err := t.nameExtents(w.exts); err != nil {
		return err
	}
	t.addUsage(t.lay.id, int64(len(c.inline)), 0)
	return t.putFresh(dataBody(nil, DataID(w.ids), 0), c.append(nil))
}
