package disk

import (
	"fmt"

	"atoll/internal/blob"
	"atoll/internal/kv"
)

// checkExtentRows reads the t rows and sums them up by layer.
func (d *diskCheck) checkExtentRows() {
	lo, hi := tableRange(d.id, tabExtent)
	d.scan(lo, hi, func(_ kv.Reader, k, v []byte) {
		d.c.sum.Extents++
		x, err := decodeExtent(v)
		if err != nil || len(k) != len(lo)+8 {
			d.bad(0, "an extent's row does not parse: %x", k)
			return
		}
		d.use(idOf(k))
		d.stored[x.layer] += x.loc.Length
		l := d.disk.layers[x.layer]
		if d.named.has(idOf(k)) && (l == nil || x.birth == 0 || x.birth > l.epoch) {
			d.problem(Error, x.layer, ProblemContents, "extent %d has a birth that can't be (epoch %d)", idOf(k), x.birth)
		}
	})
}

// foundRecord is one record of the segment log.
type foundRecord struct {
	owner blob.Owner
	loc   blob.Loc
	err   error
}

// checkRecords reads the whole segment log and finds out which extents are in
// it as their rows say.
func (c *checker) checkRecords() {
	var batch []foundRecord
	err := c.o.Blob.Check(c.ctx, func(o blob.Owner, loc blob.Loc, err error) error {
		c.sum.Records++
		batch = append(batch, foundRecord{o, loc, err})
		if len(batch) == pageRows {
			c.matchRecords(batch)
			batch = batch[:0]
		}
		return nil
	})
	c.matchRecords(batch)
	if err != nil {
		c.unreadable(0, 0, err)
	}
}

func (c *checker) matchRecords(batch []foundRecord) {
	err := c.o.KV.View(c.ctx, func(r kv.Reader) error {
		for i := range batch {
			c.matchRecord(r, &batch[i])
		}
		return nil
	})
	if err != nil {
		c.unreadable(0, 0, err)
	}
}

func (c *checker) matchRecord(r kv.Reader, f *foundRecord) {
	if f.err != nil {
		c.unsure = true
	}
	d := c.disks[ID(f.owner.Disk)]
	var x extent
	ok := false
	if d != nil && f.loc.Length > 0 {
		x, ok = d.extentRow(r, f.owner.Extent)
		ok = ok && x.loc == f.loc
	}
	if ok {
		d.found.set(f.owner.Extent)
	}
	switch {
	case f.err == nil:
	case ok:
		d.problem(Error, x.layer, ProblemContents, "extent %d is damaged: %v", f.owner.Extent, f.err)
	case f.loc.Length == 0:
		c.report(Problem{Severity: Error, What: ProblemUnreadable, Detail: f.err.Error()})
	default:
		c.report(Problem{Severity: Warning, What: ProblemContents, Detail: "freed contents are damaged: " + f.err.Error()})
	}
}

// checkExtents compares the t rows with what names them and with the segment
// log, frees leaks if asked to, and compares the usage figures.
func (d *diskCheck) checkExtents() {
	free := d.c.o.Repair && !d.c.unsure && !d.damaged
	freed := map[layer]int64{}
	var leaks []leak
	lo, hi := tableRange(d.id, tabExtent)
	d.scan(lo, hi, func(_ kv.Reader, k, v []byte) {
		x, err := decodeExtent(v)
		if err != nil || len(k) != len(lo)+8 {
			return // reported before
		}
		id := idOf(k)
		if !d.named.has(id) {
			leaks = append(leaks, leak{id, x})
			if len(leaks) == leakBatch {
				d.freeLeaks(leaks, free, freed)
				leaks = leaks[:0]
			}
			return
		}
		if !d.found.has(id) {
			d.problem(Error, x.layer, ProblemContents, "extent %d is not in the segment log: no record of it at %d of segment %016x",
				id, x.loc.Offset, x.loc.Segment)
		}
	})
	d.freeLeaks(leaks, free, freed)
	for _, l := range d.layerIDs() {
		d.checkUsage(d.disk.layers[l], freed[l])
	}
}

type leak struct {
	id uint64
	x  extent
}

// leakBatch is how many leaks one transaction frees.
const leakBatch = 64

func (d *diskCheck) freeLeaks(leaks []leak, free bool, freed map[layer]int64) {
	if len(leaks) == 0 || d.c.ctx.Err() != nil {
		return
	}
	repaired := free && d.update(func(tx kv.Txn) error {
		for _, l := range leaks {
			if err := tx.Delete(idKey(d.id, tabExtent, l.id)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, l := range leaks {
		if repaired {
			freed[l.x.layer] += l.x.loc.Length
		}
		d.c.report(Problem{Severity: Warning, Disk: d.id, Layer: uint32(l.x.layer), What: ProblemLeak, Repaired: repaired,
			Detail: fmt.Sprintf("extent %d of %d bytes is named by nothing", l.id, l.x.loc.Length)})
	}
}

// checkUsage compares a layer's figures with what they count.
func (d *diskCheck) checkUsage(l *layerState, freed int64) {
	if d.removing[l.id] {
		return
	}
	for _, e := range l.pins {
		at := level{layer: l.id, epoch: e}
		if says, ok := d.noted[at]; ok && says != d.files[at] {
			d.problem(Warning, l.id, ProblemUsage, "a checkpoint at epoch %d says it has %d files, there are %d", e, says, d.files[at])
		}
	}
	sum := usageRow{bytes: d.inline[l.id] + d.stored[l.id], files: l.usage.files, retained: d.kept[l.id]}
	if l.hidden || d.old {
		sum.retained = l.usage.retained
	}
	if n, ok := d.files[level{layer: l.id, epoch: l.epoch}]; ok && !l.hidden {
		sum.files = n
	}
	wrong := sum != l.usage
	sum.bytes -= freed
	if sum == l.usage || !wrong && freed == 0 {
		return
	}
	p := Problem{Severity: Warning, Disk: d.id, Layer: uint32(l.id), What: ProblemUsage}
	p.Detail = fmt.Sprintf("the figures say %d bytes, %d of them only for checkpoints and other branches, and %d files; there are %d, %d and %d",
		l.usage.bytes, l.usage.retained, l.usage.files, sum.bytes, sum.retained, sum.files)
	if d.c.o.Repair && !d.damaged && d.c.ctx.Err() == nil {
		p.Repaired = d.update(func(tx kv.Txn) error { return tx.Set(layerKey(d.id, tabUsage, l.id), sum.row()) })
	}
	if wrong || !p.Repaired {
		d.c.report(p)
	}
}
