package disk

import (
	"encoding/binary"
	"slices"

	"atoll/internal/kv"
)

// checkPin checks that a pin's owner is there and names it.
func (d *diskCheck) checkPin(l layer, e epoch, kind byte, owner []byte) {
	if d.disk.layers[l] == nil {
		d.problem(Error, l, ProblemHistory, "a pin names a layer that is not there")
		return
	}
	var at, ep uint64
	switch {
	case kind == pinCheckpoint && len(owner) == 0:
		if _, ok := d.get(pointKey(d.id, level{layer: l, epoch: e})); ok {
			at, ep = uint64(l), uint64(e)
		}
	case kind == pinCheckpoint && len(owner) > 4: // format 1
		v, ok := d.get(append(tableKey(d.id, tabOldPoint), owner...))
		if ok {
			_, _ = unrow(v, &at, &ep) // reported with its own table
		}
	case kind == pinChild && len(owner) == 4:
		v, ok := d.get(layerKey(d.id, tabLayer, layer(binary.BigEndian.Uint32(owner))))
		if ok {
			_, _ = unrow(v, &at, &ep)
		}
	default:
		d.bad(l, "a pin's key does not parse")
		return
	}
	if layer(at) != l || epoch(ep) != e {
		d.problem(Warning, l, ProblemHistory, "a pin of epoch %d has no owner", e)
	}
}

// checkHistory compares layers, branches, names, ids and checkpoints.
func (d *diskCheck) checkHistory() {
	heads := map[layer]uint32{}
	for _, num := range sortedKeys(d.branches) {
		if b := d.branches[num]; b.dying {
			d.checkDying(b)
		} else {
			heads[b.layer] = num
			d.checkBranch(b)
		}
	}
	if b, ok := d.branches[rootNum]; !ok || b.name != RootBranch {
		d.problem(Error, 0, ProblemHistory, "the root branch is missing")
	}
	d.table(tabName, -1, func(k, v []byte) error {
		var n uint64
		if _, err := unrow(v, &n); err != nil {
			return err
		}
		if b, ok := d.branches[uint32(n)]; !ok || b.dying || b.name != string(k) {
			d.problem(Error, 0, ProblemHistory, "name %q leads to no branch of that name", k)
		}
		return nil
	})
	for _, id := range d.layerIDs() {
		d.checkLayerRow(d.disk.layers[id], heads[id])
	}
	d.checkSpans()
	d.checkCheckpoints()
	d.checkOldCheckpoints()
	for _, num := range sortedKeys(d.branches) {
		d.checkOrigin(d.branches[num])
	}
}

// checkBranch checks a branch's row against what it names and is named by.
func (d *diskCheck) checkBranch(b *branchState) {
	l := d.disk.layers[b.layer]
	if l == nil || l.branch != b.num || l.hidden {
		d.problem(Error, b.layer, ProblemHistory, "branch %q and its layer disagree", b.name)
	}
	var n uint64
	if v, ok := d.get(nameKey(d.id, b.name)); !ok {
		d.problem(Error, 0, ProblemHistory, "the name of branch %q is missing", b.name)
	} else if _, err := unrow(v, &n); err != nil || uint32(n) != b.num {
		d.problem(Error, 0, ProblemHistory, "the name of branch %q leads to another branch", b.name)
	}
	if k := len(b.spans); k == 0 || b.spans[k-1].layer != b.layer || b.spans[k-1].to != maxEpoch {
		d.problem(Error, b.layer, ProblemHistory, "branch %q has no place for its checkpoints", b.name)
	}
	switch {
	case b.num == rootNum && b.id == d.id, b.id == 0 && d.old:
	case b.num == rootNum:
		d.problem(Error, 0, ProblemHistory, "the root branch has the id %s", b.id)
	default:
		v, ok := d.get(branchIDKey(b.id))
		at, err := decodeLocated(v)
		if !ok || err != nil || at != (located{d.id, b.num}) {
			d.problem(Error, 0, ProblemHistory, "the id %s of branch %q does not lead to it", b.id, b.name)
		}
	}
}

func (d *diskCheck) checkDying(b *branchState) {
	if !d.emptying[b.num] {
		d.problem(Warning, b.layer, ProblemLeak, "branch %q was deleted, and no job removes what is left of it", b.name)
	}
}

// checkOrigin checks that what a branch was forked from is there.
func (d *diskCheck) checkOrigin(b *branchState) {
	if b.dying || b.left || b.from == (level{}) || d.disk.points[b.from] != nil {
		return
	}
	d.problem(Error, b.layer, ProblemHistory, "the checkpoint that branch %q was forked from is not there", b.name)
}

// checkSpans makes sure that no checkpoint can be of two branches.
func (d *diskCheck) checkSpans() {
	type owned struct {
		pointSpan
		b *branchState
	}
	by := map[layer][]owned{}
	for _, num := range sortedKeys(d.branches) {
		b := d.branches[num]
		for _, s := range b.spans {
			for _, o := range by[s.layer] {
				if s.from <= o.to && o.from <= s.to {
					d.problem(Error, s.layer, ProblemHistory, "branches %q and %q claim the same checkpoints", o.b.name, b.name)
				}
			}
			by[s.layer] = append(by[s.layer], owned{s, b})
		}
	}
}

func sortedKeys[K ~uint32, V any](m map[K]V) []K {
	var out []K
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (d *diskCheck) checkLayerRow(l *layerState, head uint32) {
	switch {
	case l.hidden && l.branch != 0 || !l.hidden && l.branch == 0:
		d.problem(Error, l.id, ProblemHistory, "a layer is hidden and a branch's at once, or neither")
	case !l.hidden && head != l.branch:
		d.problem(Error, l.id, ProblemHistory, "a layer's branch %d is not there", l.branch)
	case l.hidden && !d.queued[l.id] && !d.settling[l.id]:
		d.problem(Warning, l.id, ProblemLeak, "a layer without a branch and without a job that frees it")
	}
	if l.epoch == 0 || len(l.pins) > 0 && l.newestPin() >= l.epoch {
		d.problem(Error, l.id, ProblemHistory, "a pin of epoch %d, but the layer is at %d", l.newestPin(), l.epoch)
	}
	if l.parent == 0 {
		return
	}
	p := d.disk.layers[l.parent]
	if p == nil {
		d.damaged, d.c.unsure = true, true
		d.problem(Error, l.id, ProblemHistory, "its parent, layer %d, is not there", l.parent)
		return
	}
	if _, ok := d.get(pinKey(d.id, p.id, l.parentEpoch, pinChild, childOwner(l.id))); !ok {
		d.problem(Error, l.id, ProblemHistory, "its parent, layer %d, has no pin for it at epoch %d", l.parent, l.parentEpoch)
	}
	// A layer is always younger than its parent, so there are no cycles.
	if l.parent >= l.id {
		d.damaged, d.c.unsure = true, true
		d.problem(Error, l.id, ProblemHistory, "its parent, layer %d, is younger", l.parent)
		l.parent = 0
	}
}

// checkCheckpoints checks that each checkpoint is one branch's, under a name
// that no other has, and that it is pinned.
func (d *diskCheck) checkCheckpoints() {
	d.table(tabPoint, 8, func(k, v []byte) error {
		p, err := decodePoint(k, v)
		if err != nil {
			return err
		}
		d.disk.points[p.at] = p
		for _, num := range sortedKeys(d.branches) {
			if b := d.branches[num]; b.holds(p.at) {
				p.branch = b
			}
		}
		if p.branch == nil {
			d.problem(Error, p.at.layer, ProblemHistory, "checkpoint %q is of no branch", p.name)
		} else if p.branch.by[p.name] != nil {
			d.problem(Error, p.at.layer, ProblemHistory, "branch %q has two checkpoints %q", p.branch.name, p.name)
		} else {
			p.branch.by[p.name] = p
		}
		d.checkPinned(p.at, p.name, nil)
		d.noted[p.at] = p.files
		return nil
	})
}

// checkOldCheckpoints checks those that an upgrade of the format will change.
func (d *diskCheck) checkOldCheckpoints() {
	d.table(tabOldPoint, -1, func(k, v []byte) error {
		o, err := decodeOldPoint(d.id, append(tableKey(d.id, tabOldPoint), k...), v)
		if err != nil {
			return err
		}
		p := &o.p
		if b, ok := d.branches[binary.BigEndian.Uint32(k)]; !ok || !d.old {
			d.problem(Error, p.at.layer, ProblemHistory, "checkpoint %q is of a branch that is not there", p.name)
		} else {
			p.branch = b
		}
		d.disk.points[p.at] = p
		d.checkPinned(p.at, p.name, slices.Clone(k))
		d.noted[p.at] = p.files
		return nil
	})
}

func (d *diskCheck) checkPinned(at level, name string, owner []byte) {
	l := d.disk.layers[at.layer]
	if l == nil {
		d.problem(Error, at.layer, ProblemHistory, "the layer of checkpoint %q is not there", name)
		return
	}
	if _, ok := d.get(pinKey(d.id, at.layer, at.epoch, pinCheckpoint, owner)); !ok {
		d.problem(Error, at.layer, ProblemHistory, "checkpoint %q has no pin", name)
		l.addPin(at.epoch) // what it needs is looked for all the same
	}
}

// checkBranchIDs checks the rows that lead from branches' ids to disks.
func (c *checker) checkBranchIDs() {
	prefix := branchIDKey(0)[:2]
	err := c.o.KV.View(c.ctx, func(r kv.Reader) error {
		return eachIn(r, prefix, afterPrefix(prefix), func(k, v []byte) error {
			at, err := decodeLocated(v)
			if err != nil || len(k) != len(branchIDKey(0)) {
				c.report(Problem{Severity: Error, What: ProblemRow, Detail: "the row of a branch's id does not parse"})
				return nil
			}
			id := ID(binary.BigEndian.Uint64(k[2:]))
			w, ok, err := r.Get(branchKey(at.disk, at.num))
			if err != nil {
				return err
			}
			if c.disks[at.disk] == nil {
				return nil // a disk that is being deleted
			}
			var b *branchState
			if ok {
				b, err = decodeBranch(at.num, w)
			}
			if err != nil || b == nil || b.id != id || b.dying {
				c.report(Problem{Severity: Warning, Disk: at.disk, What: ProblemHistory, Detail: "the id " + id.String() + " leads to no branch"})
			}
			return nil
		})
	})
	if err != nil {
		c.unreadable(0, 0, err)
	}
}
