package disk

import (
	"encoding/binary"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// level is one layer of a chain, read at an epoch.
type level struct {
	layer layer
	epoch epoch
	slot  *filterSlot // of what it holds; nil: it has none

	// Of the second level of a view's chain: lists of what it and those up to
	// the last one show. nil: there are none.
	frozen *frozenChain
}

// reader reads versioned rows through a chain of layers: its own first, then
// each parent at the epoch of the fork. One goroutine uses it, within one
// transaction of the store.
type reader struct {
	kv    kv.Reader
	disk  ID
	chain []level

	rows    *rowCache             // nil: not used
	filters *filterSet            // nil: not asked
	frozen  *frozenSet            // nil: not used
	at      uint64                // commit that the snapshot holds
	own     func(key []byte) bool // rows that the transaction has changed itself; may be nil

	probes, skips int64 // of filters, and how often they said "not here"

	body   []byte // scratch for bodies
	lo, hi []byte // scratch for bounds
	row    []byte // scratch for cache keys
}

func (r *reader) init(k kv.Reader, id ID, chain []level) {
	r.count()
	r.kv, r.disk, r.chain = k, id, chain
	r.rows, r.filters, r.frozen, r.own, r.at = nil, nil, nil, nil, 0
	if r.lo == nil {
		buf := make([]byte, 4*384)
		r.body, r.lo, r.hi, r.row = buf[:0:384], buf[384:384:768], buf[768:768:1152], buf[1152:1152:1536]
	}
}

// bounds sets lo and hi to the versions of body in l that are at or below its
// epoch, newest first.
func (r *reader) bounds(l level, body []byte) {
	b := append(r.lo[:0], 'd')
	b = binary.BigEndian.AppendUint64(b, uint64(r.disk))
	b = append(b, tabMeta)
	b = binary.BigEndian.AppendUint32(b, uint32(l.layer))
	b = append(b, body...)
	r.hi = append(append(r.hi[:0], b...), 0xff, 0xff, 0xff, 0xff)
	r.lo = binary.BigEndian.AppendUint32(b, ^uint32(l.epoch))
}

// get returns the visible value of body, or nil.
func (r *reader) get(body []byte) ([]byte, error) {
	if r.rows == nil {
		return r.seek(body)
	}
	r.row = rowKey(r.row[:0], r.disk, r.chain[0].layer, body)
	if r.own != nil && r.own(r.row) {
		return r.seek(body)
	}
	if v, ok := r.rows.get(r.row, r.at); ok {
		return v, nil
	}
	v, err := r.seek(body)
	if err == nil && v != nil {
		r.rows.fill(r.row, v, r.at)
	}
	return v, err
}

// rowKey names what a layer's chain shows of a row, in the cache.
func rowKey(b []byte, id ID, l layer, body []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(id))
	b = binary.BigEndian.AppendUint32(b, uint32(l))
	return append(b, body...)
}

// seek is get without the cache.
func (r *reader) seek(body []byte) ([]byte, error) {
	h, hashed := uint64(0), false
	for _, l := range r.chain {
		if l.slot != nil && r.filters != nil {
			if !hashed {
				h, hashed = r.filters.hash(body), true
			}
			if r.lacks(l.slot, h) {
				continue
			}
		}
		r.bounds(l, body)
		_, v, ok, err := r.kv.First(r.lo, r.hi)
		if err != nil {
			return nil, errs.E("read", "", errs.Other, err)
		}
		if ok {
			if len(v) == 0 {
				return nil, nil
			}
			return v, nil
		}
	}
	return nil, nil
}

// lacks tells whether a layer certainly has nothing of a hash.
func (r *reader) lacks(slot *filterSlot, h uint64) bool {
	f := slot.filter.Load()
	if f == nil {
		r.filters.miss(slot)
		return false
	}
	if !f.ready.Load() || r.at < f.from {
		return false
	}
	if !f.used.Load() {
		f.used.Store(true)
	}
	r.probes++
	if f.may(h) {
		return false
	}
	r.skips++
	return true
}

// count adds up what the filters did for the reader.
func (r *reader) count() {
	if r.probes > 0 && r.filters != nil {
		r.filters.probes.Add(r.probes)
		r.filters.skips.Add(r.skips)
		r.probes, r.skips = 0, 0
	}
}

// version is one version of a row in one layer.
type version struct {
	epoch    epoch
	whiteout bool
}

// newest returns the newest version of body in one layer that is at or below
// an epoch. A row may have as many versions as there are checkpoints; who
// changes it needs to see just one or two.
func (r *reader) newest(l layer, body []byte, at epoch) (v version, ok bool, err error) {
	if own := r.chain[0]; own.layer == l && own.slot != nil && r.filters != nil && r.lacks(own.slot, r.filters.hash(body)) {
		return v, false, nil
	}
	r.bounds(level{layer: l, epoch: at}, body)
	k, val, ok, err := r.kv.First(r.lo, r.hi)
	if err != nil || !ok {
		return v, false, err
	}
	return version{epoch(^binary.BigEndian.Uint32(k[len(k)-versionSz:])), len(val) == 0}, true, nil
}

// versions lists the versions of body in one layer, newest first.
func (r *reader) versions(l layer, body []byte) ([]version, error) {
	r.bounds(level{layer: l, epoch: maxEpoch}, body)
	it := r.kv.Scan(r.lo, r.hi)
	defer it.Close()
	var out []version
	for ok := it.Next(); ok; ok = it.Next() {
		k := it.Key()
		e := epoch(^binary.BigEndian.Uint32(k[len(k)-versionSz:]))
		out = append(out, version{e, len(it.Value()) == 0})
	}
	return out, it.Err()
}

// entry returns the entry of name in dir: its inode, type and, for files with
// one link and symlinks, attributes (ok is false if there is none).
func (r *reader) entry(dir Ino, name string, a *Attr) (ok bool, err error) {
	r.body = entryBody(r.body[:0], dir, name)
	v, err := r.get(r.body)
	if err != nil || v == nil {
		return false, err
	}
	return true, decodeEntry(v, a)
}

// decodeEntry reads an entry row. Of a bare one just Ino and Type are set.
func decodeEntry(v []byte, a *Attr) error {
	if v[0] == tagAttrs {
		return decodeAttr(v, a)
	}
	if v[0] != tagBare || len(v) < 3 {
		return corrupt("entry")
	}
	d := decoder{b: v[2:]}
	*a = Attr{Type: Type(v[1]), Ino: Ino(d.uint())}
	if d.bad {
		return corrupt("entry")
	}
	return nil
}

// bare tells whether an entry's attributes stand in the inode row.
func (a *Attr) bare() bool { return a.Nlink == 0 }

// fill completes the attributes of a bare entry from its inode row.
func (r *reader) fill(a *Attr) error {
	if !a.bare() {
		return nil
	}
	ino := a.Ino
	r.body = inodeBody(r.body[:0], ino)
	v, err := r.get(r.body)
	if err != nil {
		return err
	}
	if v == nil {
		return errs.New("look up", "", errs.Corrupt, "an entry names an inode that has no attributes")
	}
	return decodeAttr(v, a)
}

// lookup is entry and fill in one.
func (r *reader) lookup(dir Ino, name string, a *Attr) (ok bool, err error) {
	ok, err = r.entry(dir, name, a)
	if err == nil && ok {
		err = r.fill(a)
	}
	return ok, err
}

// inode reads the attributes of ino wherever they stand.
func (r *reader) inode(ino Ino, a *Attr) error {
	r.body = inodeBody(r.body[:0], ino)
	v, err := r.get(r.body)
	if err != nil {
		return err
	}
	if v == nil {
		return errs.New("inode", "", errs.Stale, "the inode is gone")
	}
	if v[0] == tagAttrs {
		return decodeAttr(v, a)
	}
	if v[0] != tagPointer {
		return corrupt("inode row")
	}
	dir, name, err := decodePointer(v)
	if err != nil {
		return err
	}
	ok, err := r.entry(dir, name, a)
	if err != nil {
		return err
	}
	if !ok || a.Ino != ino || a.bare() {
		return errs.New("inode", "", errs.Corrupt, "an inode's entry is missing")
	}
	return nil
}

// where returns the entry that a single-link inode's row points at; ok is
// false if the attributes stand in the inode row itself.
func (r *reader) where(ino Ino) (dir Ino, name string, ok bool, err error) {
	r.body = inodeBody(r.body[:0], ino)
	v, err := r.get(r.body)
	if err != nil {
		return 0, "", false, err
	}
	if v == nil {
		return 0, "", false, errs.New("inode", "", errs.Stale, "the inode is gone")
	}
	if v[0] != tagPointer {
		return 0, "", false, nil
	}
	dir, name, err = decodePointer(v)
	return dir, name, true, err
}

// chunkAt returns chunk n of a data id; a missing row is an empty chunk.
func (r *reader) chunkAt(data DataID, n uint32) (chunk, error) {
	r.body = dataBody(r.body[:0], data, n)
	v, err := r.get(r.body)
	if err != nil || v == nil {
		return chunk{}, err
	}
	return decodeChunk(v)
}

// extentAt returns the t row of an extent.
func (r *reader) extentAt(id uint64) (extent, error) {
	b := append(r.lo[:0], 'd')
	b = binary.BigEndian.AppendUint64(b, uint64(r.disk))
	b = append(b, tabExtent)
	r.lo = binary.BigEndian.AppendUint64(b, id)
	if r.rows != nil && r.own == nil {
		if v, ok := r.rows.get(r.lo, r.at); ok {
			return decodeExtent(v)
		}
	}
	v, ok, err := r.kv.Get(r.lo)
	if err != nil {
		return extent{}, errs.E("read", "", errs.Other, err)
	}
	if ok && r.rows != nil && r.own == nil {
		r.rows.fill(r.lo, v, r.at)
	}
	if !ok {
		return extent{}, errs.New("extent", "", errs.Corrupt, "a chunk names an extent that is not there")
	}
	return decodeExtent(v)
}
