package disk

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"atoll/internal/kv"
)

// checkRows checks everything of a disk but its extents' records.
func (d *diskCheck) checkRows() {
	d.checkHeader()
	d.checkTables()
	d.loadHistory()
	d.checkHistory()
	d.checkWork()
	d.walkViews()
	for _, l := range d.layerIDs() {
		d.checkLayer(d.disk.layers[l])
	}
	d.checkExtentRows()
	d.checkCounter()
}

func (d *diskCheck) layerIDs() []layer {
	var out []layer
	for l := range d.disk.layers {
		out = append(out, l)
	}
	slices.Sort(out)
	return out
}

// get reads one row; ok is false if it is missing or can't be read.
func (d *diskCheck) get(key []byte) (v []byte, ok bool) {
	err := d.c.o.KV.View(d.c.ctx, func(r kv.Reader) error {
		b, there, err := r.Get(key)
		v, ok = slices.Clone(b), there
		return err
	})
	if err != nil {
		d.damaged = true
		d.c.unreadable(d.id, 0, err)
		return nil, false
	}
	return v, ok
}

// checkHeader checks the rows that a disk has one of.
func (d *diskCheck) checkHeader() {
	v, ok := d.get(tableKey(d.id, tabCounter))
	if ok {
		if _, err := unrow(v, &d.counter); err != nil {
			d.bad(0, "the id counter does not parse")
		}
	}
	var b, f uint64
	if v, ok = d.get(tableKey(d.id, tabQuota)); ok {
		if _, err := unrow(v, &b, &f); err != nil {
			d.bad(0, "the quota does not parse")
		}
	}
}

// knownTables are the letters that rows of a disk begin with, in order.
var knownTables = [...]byte{tabHeader, tabBranch, tabChange, tabDeleg, tabCheckpt, tabLayer, tabMeta, tabName, tabCounter,
	tabPin, tabQuota, tabReap, tabStaged, tabExtent, tabUsage, tabPart, tabUpload, tabDead, tabJob, tabOrphan}

// checkTables looks for rows that belong to no table.
func (d *diskCheck) checkTables() {
	next := byte(0)
	gap := func(before byte) {
		found := false
		if next < before {
			d.scan(tableKey(d.id, next), tableKey(d.id, before), func(_ kv.Reader, k, _ []byte) {
				if !found {
					d.problem(Warning, 0, ProblemRow, "rows of an unknown table %q", k[tablePos])
				}
				found = true
			})
		}
		next = before + 1
	}
	for _, t := range knownTables {
		gap(t)
	}
	gap(0xff)
}

// loadHistory reads layers, branches, pins and usage.
func (d *diskCheck) loadHistory() {
	d.table(tabLayer, 4, func(k, v []byte) error {
		n := layer(binary.BigEndian.Uint32(k))
		l, err := decodeLayer(n, v)
		if err == nil {
			d.disk.layers[n] = l
		}
		return err
	})
	d.table(tabPin, -1, func(k, v []byte) error {
		if len(k) < 9 {
			return corrupt("pin")
		}
		n, e := layer(binary.BigEndian.Uint32(k)), epoch(binary.BigEndian.Uint32(k[4:]))
		if l := d.disk.layers[n]; l != nil {
			l.addPin(e)
		}
		d.checkPin(n, e, k[8], k[9:])
		return nil
	})
	d.table(tabBranch, 4, func(k, v []byte) error {
		var l, created uint64
		name, err := unrow(v, &l, &created)
		if err == nil {
			d.branches[binary.BigEndian.Uint32(k)] = branchRow{name: string(name), layer: layer(l), created: time.Unix(0, int64(created))}
		}
		return err
	})
	d.table(tabUsage, 4, func(k, v []byte) error {
		n := layer(binary.BigEndian.Uint32(k))
		l := d.disk.layers[n]
		if l == nil {
			d.problem(Warning, n, ProblemHistory, "usage of a layer that is not there")
			return nil
		}
		return decodeUsage(v, &l.usage)
	})
	d.table(tabJob, 9, func(k, _ []byte) error {
		l := layer(binary.BigEndian.Uint32(k[1:]))
		switch jobKind(k[0]) {
		case jobSettle:
			d.settling[l] = true
		case jobLayer:
			d.removing[l] = true
		default:
			return corrupt("job")
		}
		return nil
	})
}

// checkPin checks that a pin's owner is there and names it.
func (d *diskCheck) checkPin(l layer, e epoch, kind byte, owner []byte) {
	if d.disk.layers[l] == nil {
		d.problem(Error, l, ProblemHistory, "a pin names a layer that is not there")
		return
	}
	var at, ep uint64
	switch {
	case kind == pinCheckpoint && len(owner) > 4:
		v, ok := d.get(append(tableKey(d.id, tabCheckpt), owner...))
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

// checkHistory compares layers, branches, names and checkpoints.
func (d *diskCheck) checkHistory() {
	heads := map[layer]uint32{}
	for _, id := range sortedKeys(d.branches) {
		b := d.branches[id]
		l := d.disk.layers[b.layer]
		if l == nil || l.branch != id || l.hidden {
			d.problem(Error, b.layer, ProblemHistory, "branch %q and its layer disagree", b.name)
		}
		heads[b.layer] = id
		var n uint64
		if v, ok := d.get(nameKey(d.id, b.name)); !ok {
			d.problem(Error, 0, ProblemHistory, "the name of branch %q is missing", b.name)
		} else if _, err := unrow(v, &n); err != nil || uint32(n) != id {
			d.problem(Error, 0, ProblemHistory, "the name of branch %q leads to another branch", b.name)
		}
	}
	if b, ok := d.branches[1]; !ok || b.name != RootBranch {
		d.problem(Error, 0, ProblemHistory, "the root branch is missing")
	}
	d.table(tabName, -1, func(k, v []byte) error {
		var n uint64
		if _, err := unrow(v, &n); err != nil {
			return err
		}
		if b, ok := d.branches[uint32(n)]; !ok || b.name != string(k) {
			d.problem(Error, 0, ProblemHistory, "name %q leads to no branch of that name", k)
		}
		return nil
	})
	for _, id := range d.layerIDs() {
		d.checkLayerRow(d.disk.layers[id], heads[id])
	}
	d.checkCheckpoints()
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
	case l.hidden && len(l.pins) == 0 && !d.removing[l.id] && !d.settling[l.id]:
		d.problem(Warning, l.id, ProblemLeak, "a layer that nothing needs any more")
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

func (d *diskCheck) checkCheckpoints() {
	d.table(tabCheckpt, -1, func(k, v []byte) error {
		var l, e, created, files uint64
		if len(k) < 5 {
			return corrupt("checkpoint")
		}
		if _, err := unrow(v, &l, &e, &created, &files); err != nil {
			return err
		}
		name := string(k[4:])
		b, ok := d.branches[binary.BigEndian.Uint32(k)]
		if !ok {
			d.problem(Error, layer(l), ProblemHistory, "checkpoint %q is of a branch that is not there", name)
		}
		s := d.disk.layers[layer(l)]
		if s == nil {
			d.problem(Error, layer(l), ProblemHistory, "the layer of checkpoint %s.%s is not there", b.name, name)
			return nil
		}
		if _, ok := d.get(pinKey(d.id, s.id, epoch(e), pinCheckpoint, k)); !ok {
			d.problem(Error, s.id, ProblemHistory, "checkpoint %s.%s has no pin", b.name, name)
			s.addPin(epoch(e)) // what it needs is looked for all the same
		}
		d.noted[level{layer: s.id, epoch: epoch(e)}] = int64(files)
		return nil
	})
}

// checkWork checks the rows of work that is under way.
func (d *diskCheck) checkWork() {
	known := func(l layer, what string) {
		if d.disk.layers[l] == nil {
			d.problem(Warning, l, ProblemHistory, "%s of a layer that is not there", what)
		}
	}
	d.table(tabStaged, 8, func(k, v []byte) error {
		var l uint64
		_, err := unrow(v, &l)
		d.unnamed.set(binary.BigEndian.Uint64(k))
		known(layer(l), "an upload")
		return err
	})
	d.checkReap(known)
	d.checkMultipart(known)
	d.table(tabOrphan, 12, func(k, _ []byte) error {
		known(layer(binary.BigEndian.Uint32(k)), "an open file without a name")
		return nil
	})
	d.table(tabDeleg, 12, func(k, v []byte) error {
		var client uint64
		_, err := unrow(v, &client)
		known(layer(binary.BigEndian.Uint32(k)), "a delegation")
		return err
	})
	d.table(tabChange, -1, func(k, _ []byte) error {
		if len(k) < 9 {
			return corrupt("change")
		}
		return nil
	})
}

// checkCounter makes sure that no id can be given out twice.
func (d *diskCheck) checkCounter() {
	if d.counter > d.top && d.counter >= firstID {
		return
	}
	p := Problem{Severity: Error, Disk: d.id, What: ProblemCounter,
		Detail: fmt.Sprintf("the next id would be %d, and %d is in use", d.counter, d.top)}
	if d.c.o.Repair && !d.damaged {
		p.Repaired = d.update(func(tx kv.Txn) error {
			return tx.Set(tableKey(d.id, tabCounter), row(max(d.top+idBlock, firstID)))
		})
	}
	d.c.report(p)
}

// update writes a repair.
func (d *diskCheck) update(fn func(kv.Txn) error) bool {
	err := d.c.o.KV.Update(d.c.ctx, fn)
	if err != nil && d.c.err == nil {
		d.c.err = err
	}
	return err == nil
}
