package disk

import (
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

	"atoll/internal/kv"
)

// auditor recomputes from a disk's raw rows what must hold whenever no job is
// left.
type auditor struct {
	t       tester
	r       kv.Reader
	d       *Disk
	layers  map[layer]*layerState
	extents map[uint64]extent
	named   map[uint64]bool // by chunk versions, live lists and dead lists
	bytes   map[layer]int64
	kept    map[layer]int64 // by pins only
}

// audit waits for the jobs and checks a disk's rows. It wants no open handles
// and no uploads in flight.
func (e *env) audit(t tester, id ID) {
	t.Helper()
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	d, err := e.s.Disk(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	err = e.kv.View(ctx, func(r kv.Reader) error {
		a := auditor{t: t, r: r, d: d, extents: map[uint64]extent{}, named: map[uint64]bool{}, bytes: map[layer]int64{}, kept: map[layer]int64{}}
		if a.layers, err = loadLayers(r, id); err != nil {
			return err
		}
		for _, check := range []func() error{a.idle, a.loadExtents, a.chunks, a.dead, a.usage, a.index, a.versions} {
			if err := check(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
}

// idle wants no rows of things under way.
func (a *auditor) idle() error {
	for _, table := range []byte{tabJob, tabReap, tabStaged, tabOrphan} {
		err := eachRow(a.r, a.d.id, table, func(k, v []byte) error {
			if table == tabJob && jobKind(k[len(k)-9]) == jobLayer {
				if l := a.layers[layer(binary.BigEndian.Uint32(k[len(k)-8:]))]; l != nil && l.hidden && len(l.pins) > 0 {
					return nil // it waits for its children
				}
			}
			return fmt.Errorf("a row of table %c is left: %x = %x", table, k[tablePos:], v)
		})
		if err != nil {
			return err
		}
	}
	for _, l := range a.layers {
		if l.hidden && len(l.pins) == 0 {
			return fmt.Errorf("layer %d is hidden, has no pins and is still there", l.id)
		}
		if n, err := a.d.soleChild(a.r, a.d.layers[l.id]); n != nil || err != nil {
			pays, err := a.d.unitePays(ctx, a.d.layers[l.id])
			if err != nil || pays {
				return fmt.Errorf("layer %d is hidden, has one child, layer %d, and was not merged with it: %v", l.id, n.id, err)
			}
		}
	}
	return nil
}

func (a *auditor) loadExtents() error {
	return eachRow(a.r, a.d.id, tabExtent, func(k, v []byte) error {
		x, err := decodeExtent(v)
		a.extents[idOf(k)] = x
		if a.layers[x.layer] == nil {
			return fmt.Errorf("extent %d was born in layer %d, which is gone", idOf(k), x.layer)
		}
		a.bytes[x.layer] += x.loc.Length
		return err
	})
}

// eachVersion calls fn with the layer, body, epoch and value of every row of
// the versioned table.
func (a *auditor) eachVersion(fn func(l layer, body string, e epoch, v []byte) error) error {
	return eachRow(a.r, a.d.id, tabMeta, func(k, v []byte) error {
		l := layer(binary.BigEndian.Uint32(k[layerPos:]))
		if a.layers[l] == nil {
			return fmt.Errorf("a row of layer %d, which is gone", l)
		}
		return fn(l, string(k[kindPos:len(k)-versionSz]), epoch(^binary.BigEndian.Uint32(k[len(k)-versionSz:])), v)
	})
}

func (a *auditor) chunks() error {
	last := ""
	return a.eachVersion(func(l layer, body string, _ epoch, v []byte) error {
		at := fmt.Sprint(l, body)
		old := at == last
		last = at
		if body[0] != kindData || len(v) == 0 {
			return nil
		}
		if chunkNumber([]byte(body)) >= partTable {
			_, err := decodePartRow(v)
			return err
		}
		c, err := decodeChunk(v)
		if err != nil {
			return err
		}
		a.bytes[l] += int64(len(c.inline))
		if old {
			a.kept[l] += int64(len(c.inline))
		}
		for _, ref := range c.refs {
			x, ok := a.extents[ref.id]
			if !ok {
				return fmt.Errorf("chunk %x of layer %d names extent %d, which is gone", body, l, ref.id)
			}
			if int64(ref.extOff)+int64(ref.len) > x.loc.Length {
				return fmt.Errorf("chunk %x of layer %d reads beyond extent %d", body, l, ref.id)
			}
			a.named[ref.id] = true
		}
		return nil
	})
}

func (a *auditor) dead() error {
	err := eachRow(a.r, a.d.id, tabDead, func(k, v []byte) error {
		n := len(k)
		l, death := layer(binary.BigEndian.Uint32(k[n-16:])), epoch(binary.BigEndian.Uint32(k[n-12:]))
		id := binary.BigEndian.Uint64(k[n-8:])
		x, ok := a.extents[id]
		if !ok || x.layer != l {
			return fmt.Errorf("the dead list of layer %d has extent %d, which is not its", l, id)
		}
		if !a.layers[l].hidden && !a.layers[l].pinned(x.birth, death) {
			return fmt.Errorf("the dead list of layer %d keeps extent %d (%d to %d), which no pin needs", l, id, x.birth, death)
		}
		a.named[id] = true
		a.kept[l] += x.loc.Length
		return nil
	})
	if err != nil {
		return err
	}
	for id, x := range a.extents {
		if !a.named[id] {
			return fmt.Errorf("extent %d of layer %d (birth %d, %d bytes) has leaked", id, x.layer, x.birth, x.loc.Length)
		}
	}
	return nil
}

func (a *auditor) usage() error {
	var total int64
	for id, l := range a.layers {
		if l.usage.bytes != a.bytes[id] {
			return fmt.Errorf("usage of layer %d says %d bytes, the rows have %d", id, l.usage.bytes, a.bytes[id])
		}
		if !l.hidden && l.usage.retained != a.kept[id] {
			return fmt.Errorf("usage of layer %d says %d bytes are kept by pins only, the rows have %d", id, l.usage.retained, a.kept[id])
		}
		total += l.usage.bytes
		if mem := a.d.layerUsage(id); mem != l.usage {
			return fmt.Errorf("usage of layer %d: %+v in memory, %+v in its row", id, mem, l.usage)
		}
		if l.branch == 0 {
			continue
		}
		files, err := a.files(l)
		if err != nil {
			return err
		}
		if files != l.usage.files {
			return fmt.Errorf("usage of layer %d says %d files, its view has %d", id, l.usage.files, files)
		}
	}
	if u := a.d.Usage(); u.Bytes != total {
		return fmt.Errorf("the disk's usage says %d bytes, its layers have %d", u.Bytes, total)
	}
	return nil
}

// files counts the inodes that a layer's view can reach, its root excepted.
func (a *auditor) files(l *layerState) (int64, error) {
	r := reader{}
	a.d.mu.Lock()
	chain := a.d.chainLocked(l.id, maxEpoch)
	a.d.mu.Unlock()
	r.init(a.r, a.d.id, chain)
	m := r.scan([]byte{kindEntry}, []byte{kindEntry + 1})
	seen := map[Ino]bool{}
	for m.next() {
		var at Attr
		if err := decodeEntry(m.value(), &at); err != nil {
			return 0, err
		}
		seen[at.Ino] = true
	}
	return int64(len(seen)), m.close()
}

// index wants a note for each version that shadows an older one or an
// ancestor's, and none where nobody will ask.
func (a *auditor) index() error {
	return eachRow(a.r, a.d.id, tabChange, func(k, _ []byte) error {
		l := a.layers[layer(binary.BigEndian.Uint32(k[layerPos:]))]
		if l == nil {
			return fmt.Errorf("the change index has a layer that is gone")
		}
		e := epoch(binary.BigEndian.Uint32(k[layerPos+4:]))
		if l.parent == 0 && (len(l.pins) == 0 || e <= l.pins[0]) {
			return fmt.Errorf("the change index of layer %d keeps epoch %d, pins are %v", l.id, e, l.pins)
		}
		body := k[layerPos+8:]
		row := binary.BigEndian.AppendUint32(append(metaHeader(a.d.id, l.id), body...), ^uint32(e))
		if _, ok, err := a.r.Get(row); (err != nil || !ok) && !l.hidden {
			return fmt.Errorf("the change index of layer %d has %q at epoch %d, of which there is no version (%v)", l.id, body, e, err)
		}
		return nil
	})
}

// versions wants no version that nothing sees.
func (a *auditor) versions() error {
	type seen struct {
		l    layer
		body string
	}
	all := map[seen][]version{}
	err := a.eachVersion(func(l layer, body string, e epoch, v []byte) error {
		s := seen{l, body}
		all[s] = append(all[s], version{e, len(v) == 0})
		return nil
	})
	if err != nil {
		return err
	}
	for s, vs := range all {
		l := a.layers[s.l]
		if l.hidden && vs[0].epoch > l.newestPin() {
			return fmt.Errorf("hidden layer %d keeps versions %v of %q, pins are %v", s.l, vs, s.body, l.pins)
		}
		for i, v := range vs {
			if i > 0 && !l.pinned(v.epoch, vs[i-1].epoch) {
				return fmt.Errorf("layer %d keeps version %d of %q, which nothing sees (versions %v, pins %v)", s.l, v.epoch, s.body, vs, l.pins)
			}
		}
		if last := vs[len(vs)-1]; last.whiteout && s.body[0] != kindData && l.parent == 0 {
			return fmt.Errorf("layer %d has a whiteout of %q that hides nothing", s.l, s.body)
		}
	}
	return nil
}

// tables counts the rows of a disk by table.
func (e *env) tables(t tester, id ID) string {
	t.Helper()
	count := map[byte]int{}
	err := e.kv.View(ctx, func(r kv.Reader) error {
		return eachIn(r, tableKey(id, 0), tableKey(id, 0xff), func(k, _ []byte) error {
			count[k[tablePos]]++
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for b, n := range count {
		out = append(out, fmt.Sprintf("%c%d", b, n))
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}
