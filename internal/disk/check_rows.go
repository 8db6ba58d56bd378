package disk

import (
	"encoding/binary"
	"fmt"
	"slices"

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
var knownTables = [...]byte{tabHeader, tabBranch, tabChange, tabDeleg, tabPoint, tabOldPoint, tabLayer, tabMeta, tabName, tabCounter,
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
		d.owners[n] = append(d.owners[n], k[8])
		d.checkPin(n, e, k[8], k[9:])
		return nil
	})
	d.table(tabBranch, 4, func(k, v []byte) error {
		b, err := decodeBranch(binary.BigEndian.Uint32(k), v)
		if err == nil {
			d.branches[b.num] = b
			d.old = d.old || b.num == rootNum && b.id == 0
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
		n := binary.BigEndian.Uint32(k[1:])
		l := layer(n)
		switch jobKind(k[0]) {
		case jobSettle:
			d.settling[l] = true
		case jobBranch:
			d.emptying[n] = true
		case jobLayer:
			if s := d.disk.layers[l]; s != nil && len(s.pins) > 0 { // it will be trimmed
				d.settling[l] = true
			} else {
				d.removing[l] = true
			}
			d.queued[l] = true
		default:
			return corrupt("job")
		}
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
