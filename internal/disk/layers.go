package disk

import (
	"encoding/binary"
	"slices"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// layerState is a layer as the disk's committer knows it. Everything but id
// and the parent is changed only by the committer, after the transaction that
// changed the rows has committed, and read only by it and under Disk.mu.
type layerState struct {
	id          layer
	parent      layer // 0: none
	parentEpoch epoch
	epoch       epoch   // the current one
	hidden      bool    // its branch is deleted; it stays for its children
	doomed      bool    // being removed by a job
	pins        []epoch // sorted, without repeats
	branch      uint32  // branch id whose head it is; 0: none
	usage       usageRow
	slot        *filterSlot // of layers with a parent; made when first needed
}

// usageRow counts contents born in the layer, the files of its view, and of
// the contents those that its head does not show any more: extents on the
// dead list, and inline bytes of versions that are not the newest. Of hidden
// layers retained means nothing.
type usageRow struct{ bytes, files, retained int64 }

// pinned tells whether a pin lies in [from, before).
func (l *layerState) pinned(from, before epoch) bool {
	i, _ := slices.BinarySearch(l.pins, from)
	return i < len(l.pins) && l.pins[i] < before
}

// newestPin returns the newest pin, 0 if there is none.
func (l *layerState) newestPin() epoch {
	if len(l.pins) == 0 {
		return 0
	}
	return l.pins[len(l.pins)-1]
}

// history tells whether rows of the layer may have older versions or shadow
// rows of a parent. Without it every row has one version and a delete leaves
// nothing.
func (l *layerState) history() bool { return l.parent != 0 || l.epoch > 1 }

func (l *layerState) row() []byte {
	flags := uint64(0)
	if l.hidden {
		flags |= 1
	}
	if l.doomed {
		flags |= 2
	}
	return row(uint64(l.parent), uint64(l.parentEpoch), uint64(l.epoch), flags, uint64(l.branch))
}

func decodeLayer(id layer, v []byte) (*layerState, error) {
	var parent, pe, e, flags, br uint64
	if _, err := unrow(v, &parent, &pe, &e, &flags, &br); err != nil {
		return nil, err
	}
	return &layerState{id: id, parent: layer(parent), parentEpoch: epoch(pe), epoch: epoch(e),
		hidden: flags&1 != 0, doomed: flags&2 != 0, branch: uint32(br)}, nil
}

// Owners of pins.
const (
	pinCheckpoint = 'k' // nothing; in format 1, <branch id:4> <name>
	pinChild      = 'c' // <layer:4>
)

func pinKey(id ID, l layer, e epoch, kind byte, owner []byte) []byte {
	return append(append(layerEpochKey(id, tabPin, l, e), kind), owner...)
}

func childOwner(l layer) []byte { return binary.BigEndian.AppendUint32(nil, uint32(l)) }

// loadLayers reads all layers of a disk with their pins and usage.
func loadLayers(r kv.Reader, id ID) (map[layer]*layerState, error) {
	out := map[layer]*layerState{}
	keyLen := len(layerKey(id, tabLayer, 0))
	err := eachRow(r, id, tabLayer, func(k, v []byte) error {
		n := layer(binary.BigEndian.Uint32(k[keyLen-4:]))
		l, err := decodeLayer(n, v)
		out[n] = l
		return err
	})
	if err != nil {
		return nil, err
	}
	err = eachRow(r, id, tabPin, func(k, _ []byte) error {
		n := layer(binary.BigEndian.Uint32(k[keyLen-4:]))
		e := epoch(binary.BigEndian.Uint32(k[keyLen:]))
		l := out[n]
		if l == nil {
			return errs.New("open", id.String(), errs.Corrupt, "a pin names a layer that is not there")
		}
		if len(l.pins) == 0 || l.pins[len(l.pins)-1] != e {
			l.pins = append(l.pins, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = eachRow(r, id, tabUsage, func(k, v []byte) error {
		n := layer(binary.BigEndian.Uint32(k[keyLen-4:]))
		if l := out[n]; l != nil {
			return decodeUsage(v, &l.usage)
		}
		return nil
	})
	return out, err
}

func (u *usageRow) row() []byte {
	b := binary.AppendVarint([]byte{tagRow}, u.bytes)
	b = binary.AppendVarint(b, u.files)
	return binary.AppendVarint(b, u.retained)
}

func decodeUsage(v []byte, u *usageRow) error {
	if len(v) == 0 || v[0] != tagRow {
		return corrupt("usage")
	}
	d := decoder{b: v[1:]}
	u.bytes, u.files = d.int(), d.int()
	if len(d.b) > 0 { // format 1 has no more
		u.retained = d.int()
	}
	if d.bad {
		return corrupt("usage")
	}
	return nil
}

// eachRow calls fn for all rows of a table, in order.
func eachRow(r kv.Reader, id ID, table byte, fn func(k, v []byte) error) error {
	lo, hi := tableRange(id, table)
	return eachIn(r, lo, hi, fn)
}

// eachIn calls fn for all rows in [lo, hi); the slices are valid during fn.
func eachIn(r kv.Reader, lo, hi []byte, fn func(k, v []byte) error) error {
	it := r.Scan(lo, hi)
	defer it.Close()
	for ok := it.Next(); ok; ok = it.Next() {
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return it.Err()
}
