package disk

import (
	"bytes"
	"encoding/binary"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// mover moves rows of a hidden layer into its only child, whose transaction
// this is.
type mover struct {
	*txn
	from  *layerState
	first epoch // the oldest at which the child is read
}

// moveBudget leaves room for what one more row or extent needs.
const moveBudget = 80

// room tells whether the transaction has room for a row.
func (m *mover) room() bool {
	return m.tx.Mutations() < moveBudget-10 && m.tx.Bytes() < kv.MaxTxnBytes/2
}

// contentsMove is how far the contents of a file have moved.
type contentsMove struct {
	ids  []DataID
	at   int
	from uint32 // the chunk of ids[at] that comes next
}

// file moves the contents that attributes name, if v has such; whole is false
// if there is more than the transaction has room for.
func (m *mover) file(f *contentsMove, v []byte) (whole bool, err error) {
	a, ok, err := attrsIn(v)
	if err != nil || !ok || a.Data == 0 {
		return err == nil, err
	}
	if f.ids == nil {
		if a.parts {
			r := reader{} // of the parent: the child may have cut the table
			r.init(m.tx, m.disk, m.chain[1:])
			if f.ids, _, err = r.partsOf(a.Data); err != nil {
				return false, err
			}
		}
		f.ids = append(f.ids, a.Data) // the part table comes last
	}
	named, live := false, false
	if !lost(&a) {
		named, live, err = m.named(owner{a.Ino, a.Data})
	}
	for looks := 0; err == nil && f.at < len(f.ids); looks++ {
		if looks == scanRows || !m.room() {
			return false, nil
		}
		if whole, err = m.contents(f.ids[f.at], &f.from, named, live); err != nil || !whole {
			return false, err
		}
		f.at, f.from = f.at+1, 0
	}
	return err == nil && m.room(), err
}

// named tells whether the child names contents in anything that it shows, and
// whether in its present state. What it does not name at its oldest epoch, it
// never does again.
func (m *mover) named(o owner) (named, live bool, err error) {
	if o.ino == 0 {
		return false, false, nil
	}
	if live, err = m.names(maxEpoch, o); err != nil || live || len(m.lay.pins) == 0 {
		return live, live, err
	}
	named, err = m.names(m.first, o)
	return named, false, err
}

// childAt reads the child as it is at an epoch.
func (m *mover) childAt(e epoch) *reader {
	r := &reader{}
	chain := append([]level(nil), m.chain...)
	chain[0].epoch = e
	r.init(m.tx, m.disk, chain)
	r.at, r.filters = m.at, m.filters
	return r
}

func (m *mover) names(at epoch, o owner) (bool, error) {
	r := m.childAt(at)
	var a Attr
	err := r.inode(o.ino, &a)
	if errs.Is(err, errs.Stale) {
		return false, nil
	}
	return a.Data == o.data, err
}

// contents moves the rows of a data id.
func (m *mover) contents(data DataID, from *uint32, named, live bool) (whole bool, err error) {
	h := metaHeader(m.disk, m.from.id)
	lo := append(h[:len(h):len(h)], dataBody(nil, data, *from)...)
	hi := append(h[:len(h):len(h)], afterPrefix(dataPrefix(nil, data))...)
	var bodies [][]byte
	it := m.tx.Scan(lo, hi)
	for len(bodies) < stepRows && it.Next() {
		bodies = append(bodies, append([]byte(nil), it.Key()[len(h):len(it.Key())-versionSz]...))
	}
	err = it.Err()
	_ = it.Close()
	if err != nil || len(bodies) == 0 {
		return err == nil, err
	}
	table := chunkNumber(bodies[0]) >= partTable
	if table && m.tx.Mutations() > 20 { // it moves as a whole
		return false, nil
	}
	if named && !live { // a job drops them again, from the child's head
		if err := m.reapLater(data, reapNamed); err != nil {
			return false, err
		}
	}
	if table && !named { // the job that frees the parts asks the table for them
		if _, named, err = m.tx.Get(reapKey(m.disk, m.lay.id, data)); err != nil {
			return false, err
		}
	}
	for _, b := range bodies {
		if n := chunkNumber(b); !table && n >= partTable || !table && !m.room() {
			*from = n
			return false, nil
		}
		if whole, err := m.chunk(b, named); err != nil || !whole {
			*from = chunkNumber(b)
			return false, err
		}
	}
	*from = chunkNumber(bodies[len(bodies)-1]) + 1
	return table || len(bodies) < stepRows, nil
}

// rowVersion is a version of a row with its value.
type rowVersion struct {
	epoch epoch
	value []byte
}

// values lists the versions of a row in a layer, newest first.
func (m *mover) values(l layer, body []byte) (out []rowVersion, err error) {
	m.bounds(level{layer: l, epoch: maxEpoch}, body)
	it := m.tx.Scan(m.lo, m.hi)
	defer it.Close()
	for it.Next() {
		k := it.Key()
		out = append(out, rowVersion{epoch(^binary.BigEndian.Uint32(k[len(k)-versionSz:])), bytes.Clone(it.Value())})
	}
	return out, it.Err()
}

// lost tells whether an inode had no name when the child was forked: those that
// had it open then are not in the child.
func lost(a *Attr) bool { return a.Type != Dir && a.Nlink == 0 }

// row moves a row other than a chunk; v is its value in the parent. What
// belongs to no inode of the child is left out.
func (m *mover) row(body, v []byte) error {
	named := true
	switch body[0] {
	case kindInode:
		a, ok, err := attrsIn(v)
		if err != nil {
			return err
		}
		named = !ok || !lost(&a)
	case kindXattr:
		r := m.childAt(m.first)
		i, err := r.get(inodeBody(nil, Ino(binary.BigEndian.Uint64(body[1:]))))
		if err != nil {
			return err
		}
		named = i != nil
	}
	_, err := m.chunk(body, named)
	return err
}

// chunk moves a row, or drops it if nobody sees it in the child; named tells
// that it can be seen at all. Extents that a version in the child names become
// the child's, the others are freed. whole is false if there was no room for
// all of them: then a row that names the rest stays, unseen.
func (m *mover) chunk(body []byte, named bool) (whole bool, err error) {
	old, err := m.ownVersion(body)
	if err != nil || old == nil {
		return err == nil, err
	}
	if !named && body[0] == kindInode { // above, it may have had a name
		old.value, named = nil, true
	}
	vs, err := m.values(m.lay.id, body)
	if err != nil {
		return false, err
	}
	m.g.note(m.lay.id, body)
	var c chunk
	if len(old.value) > 0 && body[0] == kindData && chunkNumber(body) < partTable {
		if c, err = decodeChunk(old.value); err != nil {
			return false, err
		}
	}
	m.addUsage(m.from.id, -int64(len(c.inline)), 0)
	if named && (len(vs) == 0 || vs[len(vs)-1].epoch > m.first) {
		if vs, err = m.place(body, old.value, vs, len(c.inline)); err != nil {
			return false, err
		}
	}
	rest, err := m.extents(&c, vs)
	if err != nil {
		return false, err
	}
	k := m.keyIn(m.from.id, body, old.epoch)
	if len(rest.refs) > 0 {
		return false, m.tx.Set(k, rest.append(nil))
	}
	if err := m.tx.Delete(k); err != nil {
		return false, err
	}
	if n := len(vs); n > 0 && len(vs[n-1].value) == 0 {
		if show, err := m.above(body); err != nil || show {
			return err == nil, err
		}
		return true, m.dropOld(body, vs[n-1].epoch)
	}
	return true, nil
}

// ownVersion returns the version of a row that the child sees of the parent.
// Others, which nothing sees, go.
func (m *mover) ownVersion(body []byte) (old *rowVersion, err error) {
	all, err := m.values(m.from.id, body)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if v := &all[i]; old == nil && v.epoch <= m.lay.parentEpoch {
			old = v
			continue
		} else if body[0] == kindData && len(v.value) > 0 && v.value[0] == tagInline {
			m.addUsage(m.from.id, -int64(len(v.value)-1), 0)
		}
		if err := m.tx.Delete(m.keyIn(m.from.id, body, all[i].epoch)); err != nil {
			return nil, err
		}
	}
	return old, nil
}

// place writes a row into the child, as its oldest version. A whiteout is
// left out if it hides nothing, and takes the place of one.
func (m *mover) place(body, value []byte, vs []rowVersion, inline int) ([]rowVersion, error) {
	n := len(vs)
	if len(value) == 0 {
		if show, err := m.above(body); err != nil || !show {
			return vs, err
		}
		if n > 0 && len(vs[n-1].value) == 0 {
			if err := m.dropOld(body, vs[n-1].epoch); err != nil {
				return nil, err
			}
			vs = vs[:n-1]
		}
	}
	if err := m.tx.Set(m.keyIn(m.lay.id, body, 1), value); err != nil {
		return nil, err
	}
	m.addUsage(m.lay.id, int64(inline), 0)
	if len(vs) > 0 {
		m.addRetained(int64(inline))
	}
	return append(vs, rowVersion{1, value}), nil
}

// above tells whether what is above the parent shows a row.
func (m *mover) above(body []byte) (bool, error) {
	if len(m.chain) < 3 {
		return false, nil
	}
	up := reader{}
	up.init(m.tx, m.disk, m.chain[2:])
	up.at, up.filters = m.at, m.filters
	v, err := up.get(body)
	return v != nil, err
}

// extents gives the parent's extents that a chunk names to the child, if a
// version there names them, and frees the others. What the child's head does
// not show any more goes on its dead list. rest names those for which there
// was no room.
func (m *mover) extents(c *chunk, vs []rowVersion) (rest chunk, err error) {
	if len(c.refs) == 0 {
		return rest, nil
	}
	names := make([]map[uint64]bool, len(vs))
	for i, v := range vs {
		names[i] = map[uint64]bool{}
		if len(v.value) == 0 {
			continue
		}
		w, err := decodeChunk(v.value)
		if err != nil {
			return rest, err
		}
		for _, ref := range w.refs {
			names[i][ref.id] = true
		}
	}
	done := map[uint64]bool{}
	full := false
	for _, ref := range c.refs {
		if done[ref.id] {
			continue
		}
		if full = full || len(done) > 0 && m.tx.Mutations() >= moveBudget; full {
			rest.refs = append(rest.refs, ref)
			continue
		}
		done[ref.id] = true
		if err := m.extent(ref.id, names, vs); err != nil {
			return rest, err
		}
	}
	return rest, nil
}

// extent does that for one of them.
func (m *mover) extent(id uint64, names []map[uint64]bool, vs []rowVersion) error {
	x, err := m.extentAt(id)
	if err != nil || x.layer != m.from.id {
		return err
	}
	at := 0
	for at < len(vs) && !names[at][id] {
		at++
	}
	if at == len(vs) {
		return m.freeExtent(id, &x)
	}
	m.addUsage(x.layer, -x.loc.Length, 0)
	m.addUsage(m.lay.id, x.loc.Length, 0)
	x.layer, x.birth = m.lay.id, 1
	k := idKey(m.disk, tabExtent, id)
	m.g.noteKey(k)
	if err := m.tx.Set(k, x.row()); err != nil || at == 0 {
		return err
	}
	m.addRetained(x.loc.Length)
	return m.tx.Set(deadKey(m.disk, m.lay.id, vs[at-1].epoch, id), row(1))
}

// keyIn is the key of a version in a layer.
func (m *mover) keyIn(l layer, body []byte, e epoch) []byte {
	return binary.BigEndian.AppendUint32(append(metaHeader(m.disk, l), body...), ^uint32(e))
}
