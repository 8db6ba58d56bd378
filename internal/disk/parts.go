package disk

import (
	"encoding/binary"
	"math"
	"sort"

	"atoll/internal/errs"
)

// Contents in parts: a file that was uploaded in parts has a data id of its
// own whose rows are a part table, and each part's chunks stay under the data
// id that they were uploaded to. The table is written once, with the entry,
// and never changes: the last part has no end, so writes and truncations only
// touch chunks, at an address that span gives.

const (
	// partTable is the chunk number of a part table's first row; no file
	// has so many chunks.
	partTable = uint32(1) << 31
	// partsPerRow is how many parts one row of a table names: few rows
	// for one transaction, each small enough to be searched as it is.
	partsPerRow = 500
	partRefSize = 16
)

// partRef says that the bytes of a file from start on, up to the next part's
// start, are those of a data id from 0 on.
type partRef struct {
	start int64
	data  DataID
}

// partRow is a row of a part table. The first row has the starts of the rows
// behind it, so that a look-up reads two rows at most.
type partRow struct {
	starts []byte // 8 bytes each
	refs   []byte // partRefSize bytes each: start, data id
}

func (p partRow) rows() int  { return len(p.starts) / 8 }
func (p partRow) parts() int { return len(p.refs) / partRefSize }
func (p partRow) rowStart(i int) int64 {
	return int64(binary.BigEndian.Uint64(p.starts[8*i:]))
}

func (p partRow) ref(i int) partRef {
	b := p.refs[partRefSize*i:]
	return partRef{int64(binary.BigEndian.Uint64(b)), DataID(binary.BigEndian.Uint64(b[8:]))}
}

func appendPartRow(b []byte, starts []int64, refs []partRef) []byte {
	b = append(b, tagParts, byte(len(starts)))
	for _, s := range starts {
		b = binary.BigEndian.AppendUint64(b, uint64(s))
	}
	for _, r := range refs {
		b = binary.BigEndian.AppendUint64(b, uint64(r.start))
		b = binary.BigEndian.AppendUint64(b, uint64(r.data))
	}
	return b
}

// decodePartRow reads a row of a part table; the result aliases v. valid
// looks at what it says.
func decodePartRow(v []byte) (p partRow, err error) {
	if len(v) < 2 || v[0] != tagParts {
		return p, corrupt("part table")
	}
	n := 2 + 8*int(v[1])
	if len(v) < n+partRefSize || (len(v)-n)%partRefSize != 0 {
		return p, corrupt("part table")
	}
	return partRow{v[2:n:n], v[n:]}, nil
}

// valid tells whether the starts ascend and every part has a data id.
func (p partRow) valid() bool {
	last := int64(-1)
	ascends := func(start int64) bool {
		ok := start > last && start < MaxSize
		last = start
		return ok
	}
	for i := range p.parts() {
		if r := p.ref(i); !ascends(r.start) || r.data == 0 {
			return false
		}
	}
	for i := range p.rows() {
		if !ascends(p.rowStart(i)) {
			return false
		}
	}
	return p.parts() <= partsPerRow
}

// find returns the part that has an offset, -1 if it comes before the first.
func (p partRow) find(off int64) int {
	return sort.Search(p.parts(), func(i int) bool { return p.ref(i).start > off }) - 1
}

// span says that bytes [from, to) of a file are those of a data id, from its
// byte 0 on.
type span struct {
	data     DataID
	from, to int64
}

// chunk returns the number of the chunk that has a file's byte off, and the
// offset at which the chunk begins in the file.
func (s span) chunk(off int64) (n uint32, base int64) {
	n = uint32((off - s.from) / ChunkSize)
	return n, s.from + int64(n)*ChunkSize
}

// room is how many bytes from off on belong to one chunk.
func (s span) room(off int64) int64 {
	_, base := s.chunk(off)
	return min(base+ChunkSize, s.to) - off
}

// span returns where the contents of a file have an offset.
func (r *reader) span(a *Attr, off int64) (span, error) {
	if !a.parts {
		return span{a.Data, 0, math.MaxInt64}, nil
	}
	row, err := r.partRow(a.Data, 0)
	if err != nil {
		return span{}, err
	}
	to := int64(math.MaxInt64)
	k := sort.Search(row.rows(), func(i int) bool { return row.rowStart(i) > off })
	if k < row.rows() {
		to = row.rowStart(k)
	}
	if k > 0 {
		if row, err = r.partRow(a.Data, uint32(k)); err != nil {
			return span{}, err
		}
	}
	i := row.find(off)
	if i < 0 {
		return span{}, corrupt("part table")
	}
	if i+1 < row.parts() {
		to = row.ref(i + 1).start
	}
	p := row.ref(i)
	return span{p.data, p.start, to}, nil
}

// partRow reads one row of a part table.
func (r *reader) partRow(data DataID, i uint32) (partRow, error) {
	r.body = dataBody(r.body[:0], data, partTable+i)
	v, err := r.get(r.body)
	if err != nil {
		return partRow{}, err
	}
	if v == nil {
		return partRow{}, errs.New("part table", "", errs.Corrupt, "a file's part table is missing")
	}
	return decodePartRow(v)
}

// partsOf lists the data ids in a part table; rows is how many it has, 0 if
// there is none.
func (r *reader) partsOf(data DataID) (ids []DataID, rows int, err error) {
	v, err := r.get(dataBody(nil, data, partTable))
	if err != nil || v == nil {
		return nil, 0, err
	}
	for i, n := 0, 1; i < n; i++ {
		row, err := r.partRow(data, uint32(i))
		if err != nil {
			return nil, 0, err
		}
		if i == 0 {
			n += row.rows()
		}
		for j := range row.parts() {
			ids = append(ids, row.ref(j).data)
		}
		rows = n
	}
	return ids, rows, nil
}

// writeParts writes the part table of a data id.
func (t *txn) writeParts(data DataID, refs []partRef) error {
	var starts []int64
	for i := partsPerRow; i < len(refs); i += partsPerRow {
		starts = append(starts, refs[i].start)
	}
	for i := uint32(0); len(refs) > 0; i++ {
		n := min(len(refs), partsPerRow)
		t.body = dataBody(t.body[:0], data, partTable+i)
		t.val = appendPartRow(t.val[:0], starts, refs[:n])
		if err := t.putFresh(t.body, t.val); err != nil {
			return err
		}
		refs, starts = refs[n:], nil
	}
	return nil
}

// dropParts removes the part table of a data id that nothing names any more.
func (t *txn) dropParts(data DataID, rows int) error {
	for i := range rows {
		if _, err := t.del(dataBody(nil, data, partTable+uint32(i)), true); err != nil {
			return err
		}
	}
	return nil
}
