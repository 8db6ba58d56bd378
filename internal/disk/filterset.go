package disk

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// filterSlot is where the filter of a layer hangs. Layers without a parent
// have none: a look-up ends there, and the store's own filters serve misses.
//
// Why a filter is never wrong about "not here": every row that a transaction
// of the disk writes is added before the transaction is committed
// (countedTxn.Set). A filter that is not there from the layer's birth on is put
// into the slot by the committer between two groups, and then filled from a
// snapshot taken after that: rows before are in the snapshot, rows after are
// added. Rows that were removed before the snapshot are not in it, so a reader
// with an older one must not ask it (from). A reader takes the filter after its
// snapshot, so one that was dropped meanwhile has all that it can see.
type filterSlot struct {
	disk   *Disk
	layer  layer
	filter atomic.Pointer[layerFilter]

	misses atomic.Int64 // reads that asked in vain since there was one
	rows   atomic.Int64 // hashes that the last one held
	tooBig atomic.Bool  // more than the budget has room for
	queued atomic.Bool  // to be built

	// look is how many rows the layer gets before its parent's size is compared
	// with its own again; 0: it is not to be.
	look atomic.Int64
}

// filterSet holds the filters of all layers within a budget, and builds those
// that are missed.
type filterSet struct {
	s      *Store
	budget int64
	seed   maphash.Seed

	mu      sync.Mutex
	bytes   int64
	slots   map[*filterSlot]*layerFilter // those with a filter
	queue   []*filterSlot                // to be built
	running bool
	idle    *sync.Cond // on mu: nothing to be built
	ctx     context.Context
	cancel  context.CancelFunc

	probes, skips, built, dropped atomic.Int64
}

func newFilterSet(s *Store, budget int64) *filterSet {
	fs := &filterSet{s: s, budget: budget, seed: maphash.MakeSeed(), slots: map[*filterSlot]*layerFilter{}}
	fs.idle = sync.NewCond(&fs.mu)
	fs.ctx, fs.cancel = context.WithCancel(context.Background())
	return fs
}

// stop ends the building.
func (fs *filterSet) stop() {
	fs.cancel()
	fs.wait()
}

// wait returns when nothing is to be built.
func (fs *filterSet) wait() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for fs.running {
		fs.idle.Wait()
	}
}

func (fs *filterSet) hashEntry(body []byte) uint64 { return maphash.Bytes(fs.seed, body) }

// slotLocked returns the slot of a layer, nil if it needs none. The caller
// holds Disk.mu.
func (d *Disk) slotLocked(l *layerState) *filterSlot {
	if l.slot == nil && l.parent != 0 {
		l.slot = &filterSlot{disk: d, layer: l.id}
	}
	return l.slot
}

// newborn gives a layer that has no rows yet its filter. The caller holds
// Disk.mu and is the committer.
func (fs *filterSet) newborn(d *Disk, l *layerState) {
	slot := d.slotLocked(l)
	if slot == nil || fs.budget < 0 {
		return
	}
	f := &layerFilter{set: fs}
	f.ready.Store(true)
	fs.install(slot, f)
}

// filterOverhead is what a filter takes beside its segments, about.
const filterOverhead = 256

// install puts a filter into its slot.
func (fs *filterSet) install(slot *filterSlot, f *layerFilter) {
	fs.mu.Lock()
	fs.slots[slot] = f
	fs.bytes += filterOverhead
	fs.mu.Unlock()
	slot.filter.Store(f)
	fs.keepBudget(nil)
}

// drop takes a filter out of its slot, if it is still there.
func (fs *filterSet) drop(slot *filterSlot) {
	if slot == nil {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.dropLocked(slot)
}

func (fs *filterSet) dropLocked(slot *filterSlot) {
	f := fs.slots[slot]
	if f == nil {
		return
	}
	delete(fs.slots, slot)
	slot.rows.Store(f.rows.Load())
	slot.misses.Store(0)
	slot.filter.Store(nil)
	f.mu.Lock()
	f.gone = true
	f.mu.Unlock()
	fs.bytes -= f.size.Load() + filterOverhead
	fs.dropped.Add(1)
}

// dropDisk drops the filters of a disk that is deleted.
func (fs *filterSet) dropDisk(d *Disk) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for slot := range fs.slots {
		if slot.disk == d {
			fs.dropLocked(slot)
		}
	}
}

// addRow adds a versioned row, by its key, to a filter.
func (fs *filterSet) addRow(slot *filterSlot, f *layerFilter, body []byte) {
	grown := f.add(hashNumber(numberOf(body)))
	if len(body) > 0 && body[0] == kindEntry {
		grown += f.add(fs.hashEntry(body))
	}
	f.rows.Add(1)
	if grown == 0 {
		return
	}
	fs.mu.Lock()
	if fs.slots[slot] == f {
		fs.bytes += grown
	}
	fs.mu.Unlock()
	if f.size.Load() > fs.budget/2 {
		slot.tooBig.Store(true)
		fs.drop(slot)
	}
	fs.keepBudget(f)
}

// keepBudget drops filters that were not used lately, until three quarters of
// the budget are left. keep stays if it can.
func (fs *filterSet) keepBudget(keep *layerFilter) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.bytes <= fs.budget {
		return
	}
	for _, all := range [...]bool{false, true} {
		for slot, f := range fs.slots { // in no order
			if fs.bytes <= fs.budget*3/4 {
				return
			}
			if f != keep && (!f.used.Swap(false) || all) {
				fs.dropLocked(slot)
			}
		}
	}
}

// missEvery: a filter is built again when the reads that missed it would have
// cost about what building it costs.
const missEvery = 8

// miss notes that a read would have asked a filter that is not there.
func (fs *filterSet) miss(slot *filterSlot) {
	if slot.tooBig.Load() || slot.misses.Add(1)*missEvery <= slot.rows.Load() || slot.queued.Swap(true) {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.budget <= 0 || fs.ctx.Err() != nil {
		return
	}
	fs.queue = append(fs.queue, slot)
	if !fs.running {
		fs.running = true
		go fs.run()
	}
}

func (fs *filterSet) run() {
	for {
		fs.mu.Lock()
		if len(fs.queue) == 0 || fs.ctx.Err() != nil {
			fs.queue = nil
			fs.running = false
			fs.idle.Broadcast()
			fs.mu.Unlock()
			return
		}
		slot := fs.queue[0]
		fs.queue = fs.queue[1:]
		fs.mu.Unlock()
		err := fs.build(slot)
		if err != nil && fs.ctx.Err() == nil && !errs.Is(err, errs.NoDisk) {
			fs.s.opts.Logger.Warn("the filter of a layer could not be built; reads of branches cost more", "disk", slot.disk.id.String(), "err", err)
		}
		slot.misses.Store(0)
		slot.queued.Store(false)
	}
}

// build makes the filter of a layer from its rows.
func (fs *filterSet) build(slot *filterSlot) error {
	d := slot.disk
	if d.layerGone(slot.layer) {
		return nil
	}
	f := &layerFilter{set: fs}
	err := d.exclusive(fs.ctx, func(t *txn) error {
		if !d.layerGone(slot.layer) {
			fs.install(slot, f)
		}
		return nil
	})
	if err != nil {
		fs.drop(slot)
		return err
	}
	err = d.store.kv.View(fs.ctx, func(r kv.Reader) error {
		// No commit has this number: readers that know of it took their
		// snapshots later than this one.
		f.from = d.store.rows.commits.Add(1)
		h := metaHeader(d.id, slot.layer)
		it := r.Scan(h, afterPrefix(h))
		defer it.Close()
		for it.Next() && slot.filter.Load() == f && fs.ctx.Err() == nil {
			if k := it.Key(); len(k) > len(h)+versionSz {
				fs.addRow(slot, f, k[len(h):len(k)-versionSz])
			}
		}
		return it.Err()
	})
	if err == nil {
		err = fs.ctx.Err()
	}
	if err != nil {
		fs.drop(slot)
		return err
	}
	fs.built.Add(1)
	f.ready.Store(true)
	return nil
}

// note adds a row that a transaction is about to write. Only a disk's
// committer calls it.
func (g *group) noteFilter(key []byte) {
	if len(key) <= bodyPos+versionSz || key[0] != 'd' || key[tablePos] != tabMeta {
		return
	}
	l := layer(binary.BigEndian.Uint32(key[layerPos:]))
	if l != g.slotOf {
		g.d.mu.Lock()
		g.slotOf, g.slot = l, nil
		if s := g.d.layers[l]; s != nil {
			g.slot = s.slot
		}
		g.d.mu.Unlock()
	}
	if g.slot == nil {
		return
	}
	if g.slot.look.Load() > 0 && g.slot.look.Add(-1) == 0 {
		g.d.lookAgain(l)
	}
	if f := g.slot.filter.Load(); f != nil {
		g.d.store.filters.addRow(g.slot, f, key[kindPos:len(key)-versionSz])
	}
}
