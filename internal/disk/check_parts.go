package disk

import (
	"encoding/binary"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// checkReap reads what is to be freed. known reports a layer that is not
// there.
func (d *diskCheck) checkReap(known func(l layer, what string)) {
	d.table(tabReap, 12, func(k, v []byte) error {
		flag, ids, err := decodeReap(v)
		l, data := layer(binary.BigEndian.Uint32(k)), DataID(binary.BigEndian.Uint64(k[4:]))
		known(l, "contents to be freed")
		d.unnamed.set(uint64(data))
		if err == nil && flag == reapNamed {
			ids = d.partsOf(level{layer: l, epoch: maxEpoch}, data)
		}
		for _, p := range ids {
			d.unnamed.set(uint64(p))
		}
		return err
	})
}

// partsOf lists the parts that contents have in a view, none if they are not
// in parts.
func (d *diskCheck) partsOf(at level, data DataID) (ids []DataID) {
	d.disk.mu.Lock()
	chain := d.disk.chainLocked(at.layer, at.epoch)
	d.disk.mu.Unlock()
	d.view(func(k kv.Reader) {
		r := reader{}
		r.init(k, d.id, chain)
		var err error
		if ids, _, err = r.partsOf(data); err != nil {
			d.bad(at.layer, "the part table of contents %d can't be read: %v", data, err)
		}
	})
	return ids
}

// checkMultipart checks the uploads in parts that are under way.
func (d *diskCheck) checkMultipart(known func(l layer, what string)) {
	type owner struct {
		layer layer
		id    MultipartID
	}
	there := map[owner]bool{}
	d.table(tabUpload, -1, func(k, v []byte) error {
		if len(k) < 4 {
			return corrupt("multipart upload")
		}
		in, err := decodeMultipartRow(k[4:], v)
		l := layer(binary.BigEndian.Uint32(k))
		d.use(uint64(in.ID))
		there[owner{l, in.ID}] = true
		known(l, "a multipart upload")
		return err
	})
	d.table(tabPart, 16, func(k, v []byte) error {
		p, err := decodePart(k[12:], v)
		if err != nil {
			return err
		}
		l, up := layer(binary.BigEndian.Uint32(k)), MultipartID(binary.BigEndian.Uint64(k[4:]))
		d.use(uint64(up), uint64(p.data))
		d.unnamed.set(uint64(p.data))
		if !there[owner{l, up}] {
			d.problem(Warning, l, ProblemLeak, "part %d belongs to no multipart upload", p.Number)
		}
		return nil
	})
}

// name notes the contents that attributes name.
func (w *viewCheck) name(r *reader, a *Attr) {
	w.d.contents.set(uint64(a.Data))
	if !a.parts {
		return
	}
	ids, rows, err := r.partsOf(a.Data)
	switch {
	case errs.Is(err, errs.Corrupt):
		w.d.bad(w.at.layer, "the part table of contents %d does not parse", a.Data)
	case w.d.failed(w.at.layer, err):
	case rows == 0:
		w.d.problem(Error, w.at.layer, ProblemContents, "contents %d have no part table", a.Data)
	}
	for _, p := range ids {
		w.d.contents.set(uint64(p))
	}
}

// partRow checks a row of a part table.
func (c *layerCheck) partRow(body, v []byte) error {
	p, err := decodePartRow(v)
	if err != nil || !p.valid() || chunkNumber(body) != partTable && p.rows() > 0 {
		return corrupt("part table")
	}
	for i := range p.parts() {
		c.d.use(uint64(p.ref(i).data))
	}
	return nil
}
