package disk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"atoll/internal/blob"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// The compactor gives back the space of extents that nothing names: it moves
// what is still named out of a sealed segment by changing t rows, and removes
// the segment when no t row points into it. Any read error stops it; it
// removes nothing that it could not read to the end.

const (
	// garbageShare of a segment's payload must be dead before it is moved.
	garbageShare  = 0.4
	fullShare     = 0.1      // the same, when the free space has run out
	sealGarbage   = 32 << 20 // bytes: a segment being filled with more dead is sealed
	compactEvery  = time.Second
	moveBatch     = 24
	moveBatchSize = 8 << 20
)

// compactor holds what runs beside the jobs.
type compactor struct {
	s      *Store
	cancel context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex // one pass at a time
}

func (c *compactor) start() {
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	c.ended = make(chan struct{})
	var scrubber sync.WaitGroup
	if c.s.opts.ScrubRate > 0 {
		scrubber.Go(func() { c.s.scrub(ctx) })
	}
	go func() {
		defer close(c.ended)
		defer scrubber.Wait()
		if err := c.s.recount(ctx); err != nil && ctx.Err() == nil {
			c.s.opts.Logger.Error("live bytes could not be counted; nothing is compacted until the next start", "err", err)
			return
		}
		tick := time.NewTicker(compactEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if _, err := c.s.Compact(ctx); err != nil && ctx.Err() == nil {
				c.s.opts.Logger.Error("compaction stopped; nothing was removed", "err", err)
				c.s.compactErrors.Add(1)
			}
		}
	}()
}

func (c *compactor) stop() {
	if c.cancel != nil {
		c.cancel()
		<-c.ended
	}
}

// recount sets the hints of how many bytes of each segment are live.
func (s *Store) recount(ctx context.Context) error {
	live := map[uint64]int64{}
	err := s.eachDisk(ctx, func(id ID, _ uint64) error {
		lo, hi := tableRange(id, tabExtent)
		d := &Disk{id: id, store: s}
		for {
			keys, values, err := d.firstRows(ctx, lo, hi, 4096)
			if err != nil || len(keys) == 0 {
				return errors.Join(err, ctx.Err())
			}
			for _, v := range values {
				x, err := decodeExtent(v)
				if err != nil {
					return err
				}
				live[x.loc.Segment] += x.loc.Length
			}
			lo = append(keys[len(keys)-1], 0)
		}
	})
	if err != nil {
		return err
	}
	for _, g := range s.blob.Segments() {
		if g.Sealed {
			s.blob.SetLive(g.ID, live[g.ID])
		}
	}
	return nil
}

// Compact makes one pass over the sealed segments and returns how many bytes
// of files it removed. When space has run out, the segments being filled are
// sealed first: what was deleted may all be in them, and as long as nothing can
// be appended they would never fill up and be looked at.
func (s *Store) Compact(ctx context.Context) (freed int64, err error) {
	s.compact.mu.Lock()
	defer s.compact.mu.Unlock()
	share := garbageShare
	full := s.blob.CheckRoom(1) != nil
	if full {
		share = fullShare
	}
	segments := s.blob.Segments()
	if full || wantsSeal(segments) {
		if err := s.blob.Seal(ctx); err != nil {
			return 0, err
		}
		segments = s.blob.Segments()
	}
	for _, g := range segments {
		if !g.Sealed || g.Uploads > 0 || float64(g.Payload-g.Live) < share*float64(g.Payload) {
			continue
		}
		ok, err := s.compactSegment(ctx, g)
		if err != nil {
			return freed, err
		}
		if ok {
			freed += g.Size
			s.compacted.Add(g.Size)
		}
	}
	return freed, nil
}

// wantsSeal tells whether a segment that is being filled holds so much that is
// dead that it should not wait until it is full.
func wantsSeal(segments []blob.Info) bool {
	for _, g := range segments {
		dead := g.Payload - g.Live
		if !g.Sealed && dead >= sealGarbage && float64(dead) >= garbageShare*float64(g.Payload) {
			return true
		}
	}
	return false
}

type moving struct {
	disk ID
	key  []byte
	from extent
	to   blob.Loc
}

// compactSegment empties one segment and removes it.
func (s *Store) compactSegment(ctx context.Context, g blob.Info) (removed bool, err error) {
	if !g.Doomed {
		if err := s.moveLive(ctx, g.ID); err != nil {
			return false, err
		}
		empty, err := s.isEmptySegment(ctx, g)
		if err != nil || !empty {
			return false, err
		}
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	err = s.blob.Remove(short, g.ID)
	switch errs.KindOf(err) {
	case errs.Canceled, errs.Overloaded: // readers are left: the next pass goes on
		return false, ctx.Err()
	}
	return err == nil, err
}

// moveLive copies the extents that are still named to other segments.
func (s *Store) moveLive(ctx context.Context, segment uint64) error {
	var batch []moving
	var size int64
	err := s.blob.ScanSegment(ctx, segment, func(o blob.Owner, loc blob.Loc) error {
		batch = append(batch, moving{disk: ID(o.Disk), key: idKey(ID(o.Disk), tabExtent, o.Extent), from: extent{loc: loc}})
		size += loc.Length
		if len(batch) < moveBatch && size < moveBatchSize {
			return nil
		}
		err := s.moveBatch(ctx, batch)
		batch, size = batch[:0], 0
		return err
	})
	if err != nil {
		return err
	}
	return s.moveBatch(ctx, batch)
}

// moveBatch moves those of a batch that are live.
func (s *Store) moveBatch(ctx context.Context, batch []moving) error {
	live := batch[:0]
	err := s.kv.View(ctx, func(r kv.Reader) error {
		live = batch[:0]
		for _, m := range batch {
			ok, err := liveExtent(r, m.key, &m.from)
			if err != nil {
				return err
			}
			if ok {
				live = append(live, m)
			}
		}
		return nil
	})
	if err != nil || len(live) == 0 {
		return err
	}
	var locs []blob.Loc
	moved := false
	defer func() {
		s.blob.Settle(locs...)
		if !moved {
			s.addDead(locs)
		}
	}()
	var room []byte
	for i := range live {
		m := &live[i]
		room = slices.Grow(room[:0], int(m.from.loc.Length))
		buf := room[:m.from.loc.Length]
		if _, err := s.blob.ReadAt(ctx, m.from.loc, buf, 0); err != nil {
			return err
		}
		owner := blob.Owner{Disk: uint64(m.disk), Extent: idOf(m.key)}
		if m.to, err = s.blob.AppendReserved(owner, buf); err != nil {
			return err
		}
		locs = append(locs, m.to)
	}
	if err := s.blob.Sync(ctx, locs...); err != nil {
		return err
	}
	err = s.rewriteRows(ctx, live)
	moved = err == nil
	return err
}

// rewriteRows points the t rows of moved extents to their new places, those
// excepted that were freed meanwhile.
func (s *Store) rewriteRows(ctx context.Context, live []moving) error {
	keys := make([]string, len(live))
	for i := range live {
		keys[i] = string(live[i].key)
	}
	s.rows.begin(keys)
	defer s.rows.end(keys)
	var lost []blob.Loc
	err := s.kv.Update(ctx, func(tx kv.Txn) error {
		lost = lost[:0]
		for i := range live {
			m := &live[i]
			x := m.from
			ok, err := liveExtent(tx, m.key, &x)
			if err != nil {
				return err
			}
			if !ok {
				lost = append(lost, m.to)
				continue
			}
			x.loc = m.to
			if err := tx.Set(m.key, x.row()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range lost {
		s.blob.AddDead(l)
	}
	return nil
}

// isEmptySegment makes sure that no t row points into a segment. Where part
// of the segment did not parse, every t row of the store is looked at.
func (s *Store) isEmptySegment(ctx context.Context, g blob.Info) (bool, error) {
	empty := true
	err := s.kv.View(ctx, func(r kv.Reader) error {
		empty = true
		return s.blob.ScanSegment(ctx, g.ID, func(o blob.Owner, loc blob.Loc) error {
			x := extent{loc: loc}
			live, err := liveExtent(r, idKey(ID(o.Disk), tabExtent, o.Extent), &x)
			empty = empty && !live
			return err
		})
	})
	if err != nil || !empty || g.Lost == 0 {
		return empty && err == nil, err
	}
	err = s.eachDisk(ctx, func(id ID, _ uint64) error {
		return s.kv.View(ctx, func(r kv.Reader) error {
			return eachRow(r, id, tabExtent, func(_, v []byte) error {
				x, err := decodeExtent(v)
				empty = empty && x.loc.Segment != g.ID
				return err
			})
		})
	})
	return empty && err == nil, err
}
