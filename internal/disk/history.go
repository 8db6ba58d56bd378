package disk

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// branchState is a branch as the disk's committer knows it. It is changed
// only by the committer, after the transaction that changed the rows has
// committed, and read by others under Disk.mu.
type branchState struct {
	num     uint32 // of its row
	id      ID     // its address; the root branch has the disk's
	name    string
	layer   layer // its head
	created time.Time

	// from is the checkpoint that it was forked from; zero: none that is
	// known. left tells that the branch is a state that a rollback or a
	// promotion left behind: it began after that checkpoint, and needs nothing
	// of it.
	from level
	left bool

	dying bool        // deleted; a job removes its checkpoints
	spans []pointSpan // where its checkpoints are, oldest first; the last is the head's
	by    map[string]*point
}

// pointSpan is a range of epochs of a layer: the checkpoints in it are those of
// the branch that lists the span. No two branches' spans overlap. So a
// rollback hands checkpoints over without a change of their rows.
type pointSpan struct {
	layer    layer
	from, to epoch // both inclusive
}

// point is a checkpoint.
type point struct {
	at      level // its layer and epoch
	name    string
	created time.Time
	files   int64
	auto    bool
	branch  *branchState
}

// Flags of branch rows and checkpoint rows.
const (
	branchLeft  = 1
	branchDying = 2
	pointAuto   = 1
)

func branchKey(id ID, n uint32) []byte {
	return binary.BigEndian.AppendUint32(tableKey(id, tabBranch), n)
}

func nameKey(id ID, name string) []byte { return append(tableKey(id, tabName), name...) }

func pointKey(id ID, at level) []byte { return layerEpochKey(id, tabPoint, at.layer, at.epoch) }

// headSpan is where a branch's checkpoints to come are.
func headSpan(l layer, from epoch) pointSpan { return pointSpan{l, from, maxEpoch} }

func (s pointSpan) has(at level) bool {
	return s.layer == at.layer && s.from <= at.epoch && at.epoch <= s.to
}

func (b *branchState) row() []byte {
	flags := uint64(0)
	if b.left {
		flags |= branchLeft
	}
	if b.dying {
		flags |= branchDying
	}
	v := []byte{tagBranch}
	for _, n := range [...]uint64{uint64(b.layer), uint64(b.created.UnixNano()), uint64(b.id), flags,
		uint64(b.from.layer), uint64(b.from.epoch), uint64(len(b.spans))} {
		v = binary.AppendUvarint(v, n)
	}
	for _, s := range b.spans {
		for _, n := range [...]uint64{uint64(s.layer), uint64(s.from), uint64(s.to)} {
			v = binary.AppendUvarint(v, n)
		}
	}
	return append(v, b.name...)
}

// decodeBranch reads a branch's row. Of one of format 1, which has no id, its
// id is 0.
func decodeBranch(num uint32, v []byte) (*branchState, error) {
	b := &branchState{num: num, by: map[string]*point{}}
	if len(v) > 0 && v[0] == tagRow {
		var l, created uint64
		name, err := unrow(v, &l, &created)
		b.name, b.layer, b.created = string(name), layer(l), time.Unix(0, int64(created))
		b.spans = []pointSpan{headSpan(b.layer, 1)}
		return b, err
	}
	if len(v) == 0 || v[0] != tagBranch {
		return nil, corrupt("branch")
	}
	d := decoder{b: v[1:]}
	b.layer, b.created, b.id = layer(d.uint()), time.Unix(0, int64(d.uint())), ID(d.uint())
	flags := d.uint()
	b.left, b.dying = flags&branchLeft != 0, flags&branchDying != 0
	b.from = level{layer: layer(d.uint()), epoch: epoch(d.uint())}
	n := d.uint()
	if d.bad || n > kv.MaxValue {
		return nil, corrupt("branch")
	}
	for range n {
		b.spans = append(b.spans, pointSpan{layer(d.uint()), epoch(d.uint()), epoch(d.uint())})
	}
	if d.bad {
		return nil, corrupt("branch")
	}
	b.name = string(d.b)
	return b, nil
}

func (p *point) row() []byte {
	flags := uint64(0)
	if p.auto {
		flags |= pointAuto
	}
	return append(row(uint64(p.created.UnixNano()), uint64(p.files), flags), p.name...)
}

// decodePoint reads a checkpoint's row; k ends in its layer and epoch.
func decodePoint(k, v []byte) (*point, error) {
	var created, files, flags uint64
	name, err := unrow(v, &created, &files, &flags)
	if err != nil || len(k) < 8 {
		return nil, corrupt("checkpoint")
	}
	at := level{layer: layer(binary.BigEndian.Uint32(k[len(k)-8:])), epoch: epoch(binary.BigEndian.Uint32(k[len(k)-4:]))}
	return &point{at: at, name: string(name), created: time.Unix(0, int64(created)), files: int64(files),
		auto: flags&pointAuto != 0}, nil
}

// loadHistory reads the disk's branches and checkpoints.
func (d *Disk) loadHistory(r kv.Reader) error {
	spans := map[layer][]*branchState{}
	err := eachRow(r, d.id, tabBranch, func(k, v []byte) error {
		b, err := decodeBranch(binary.BigEndian.Uint32(k[len(k)-4:]), v)
		if err != nil {
			return err
		}
		if d.layers[b.layer] == nil && !b.dying {
			return errs.New("open disk", d.id.String(), errs.Corrupt, "branch "+b.name+" names a layer that is not there")
		}
		d.nums[b.num] = b
		if !b.dying {
			d.branches[b.name] = b
		}
		for _, s := range b.spans {
			spans[s.layer] = append(spans[s.layer], b)
		}
		d.nextBr = max(d.nextBr, b.num)
		return nil
	})
	if err == nil && d.branches[RootBranch] == nil {
		err = errs.New("open disk", d.id.String(), errs.Corrupt, "the root branch is missing")
	}
	if err != nil {
		return err
	}
	return eachRow(r, d.id, tabPoint, func(k, v []byte) error {
		p, err := decodePoint(k, v)
		if err != nil {
			return err
		}
		for _, b := range spans[p.at.layer] {
			if b.holds(p.at) {
				p.branch, b.by[p.name] = b, p
			}
		}
		if p.branch != nil { // else the checker tells
			d.points[p.at] = p
		}
		return nil
	})
}

// holds tells whether a checkpoint there would be the branch's.
func (b *branchState) holds(at level) bool {
	return slices.ContainsFunc(b.spans, func(s pointSpan) bool { return s.has(at) })
}

// sortedPoints lists a branch's checkpoints in the order they were made.
func (b *branchState) sortedPoints() []*point {
	order := map[layer]int{}
	for i, s := range b.spans {
		order[s.layer] = i
	}
	var out []*point
	for _, p := range b.by {
		out = append(out, p)
	}
	slices.SortFunc(out, func(p, q *point) int {
		if p.at.layer != q.at.layer {
			return order[p.at.layer] - order[q.at.layer]
		}
		return int(p.at.epoch) - int(q.at.epoch)
	})
	return out
}

// sortedBranches lists the disk's branches by name. Disk.mu is held.
func (d *Disk) sortedBranches() []*branchState {
	var out []*branchState
	for _, b := range d.branches {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *branchState) int { return strings.Compare(a.name, b.name) })
	return out
}

// branchLocked finds a branch by name; "" is the root branch.
func (d *Disk) branchLocked(op, name string) (*branchState, error) {
	if name == "" {
		name = RootBranch
	}
	b := d.branches[name]
	if b == nil {
		return nil, errs.New(op, name, errs.NoView, "the disk has no such branch")
	}
	return b, nil
}

// pointLocked finds a branch and one of its checkpoints.
func (d *Disk) pointLocked(op, branch, name string) (*branchState, *point, error) {
	b, err := d.branchLocked(op, branch)
	if err != nil {
		return nil, nil, err
	}
	p := b.by[name]
	if p == nil {
		return nil, nil, errs.New(op, b.name+"."+name, errs.NoView, "the branch has no such checkpoint")
	}
	return b, p, nil
}
