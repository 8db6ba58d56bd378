package blob

import (
	"cmp"
	"context"
	"slices"

	"atoll/internal/errs"
)

// Info describes a segment.
type Info struct {
	ID      uint64
	Size    int64 // of the file so far, in bytes
	Payload int64 // bytes of all its extents
	Live    int64 // a hint: bytes of extents that are still named
	Records int64
	Lost    int64 // bytes between its extents that don't parse (see Recovery)
	Sealed  bool
	Uploads int64 // extents that were appended and not settled
	Readers int64
	Doomed  bool // Remove has begun
}

// Segments lists the segments in order of age, the oldest first.
func (s *Store) Segments() []Info {
	m := *s.segs.Load()
	list := make([]Info, 0, len(m))
	for _, seg := range m {
		// Sealed must be read before Uploads: together they say that no
		// upload will ever use the segment again.
		info := Info{ID: seg.id, Sealed: seg.sealed.Load()}
		info.Uploads = seg.uploads.Load()
		info.Size, info.Payload = seg.written.Load(), seg.payload.Load()
		info.Live, info.Records = seg.live.Load(), seg.records.Load()
		if info.Readers = seg.refs.Load(); info.Readers < 0 {
			info.Doomed, info.Readers = true, info.Readers-doomed
		}
		if info.Sealed {
			for _, g := range seg.gaps {
				info.Lost += g.hi - g.lo
			}
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// AddDead notes that the extent at loc is not named any more.
func (s *Store) AddDead(loc Loc) {
	if seg := s.lookup(loc.Segment); seg != nil {
		seg.live.Add(-loc.Length)
	}
}

// SetLive sets a segment's counter of live bytes. After Open all extents of a
// segment count as alive until this is called.
func (s *Store) SetLive(segment uint64, bytes int64) {
	if seg := s.lookup(segment); seg != nil {
		seg.live.Store(bytes)
	}
}

// Remove deletes a sealed segment that no upload uses. The caller has made
// sure, by reading the metadata after it saw the segment sealed and without
// uploads, that nothing names an extent in it. From the call on Acquire fails;
// Remove waits until the readers that came before are gone, then deletes the
// file and syncs the directory.
//
// If ctx ends first, the segment remains doomed: calling Remove again goes on
// waiting. Nothing of this survives a restart; until its file is deleted a
// segment is whole. While removals are frozen it fails with errs.Overloaded.
func (s *Store) Remove(ctx context.Context, id uint64) error {
	if err := s.usable("remove"); err != nil {
		return err
	}
	seg := s.lookup(id)
	if seg == nil {
		return errs.New("remove", segName(id), errs.NotFound, "no such segment")
	}
	s.removeMu.Lock()
	if s.frozen > 0 {
		s.removeMu.Unlock()
		return errFrozen(id)
	}
	ok := seg.sealed.Load() && seg.uploads.Load() == 0
	if ok {
		seg.doom()
	}
	s.removeMu.Unlock()
	if !ok {
		return errs.New("remove", segName(id), errs.Invalid, "the segment is in use by writers")
	}
	for seg.refs.Load() != doomed {
		select {
		case <-seg.drained:
		case <-ctx.Done():
			return errs.E("remove", segName(id), errs.Canceled, ctx.Err())
		}
	}
	select { // pass the token on, should another Remove wait too
	case seg.drained <- struct{}{}:
	default:
	}
	return s.delete(seg)
}

// delete removes the file of a drained segment.
func (s *Store) delete(seg *segment) error {
	s.removeMu.Lock()
	defer s.removeMu.Unlock()
	if s.frozen > 0 {
		return errFrozen(seg.id)
	}
	if s.lookup(seg.id) == nil {
		return nil // another Remove was first
	}
	if err := s.fs.Remove(seg.path); err != nil {
		return errs.E("remove", segName(seg.id), errs.Other, err)
	}
	s.dropSegment(seg.id)
	s.fds.drop(seg)
	s.pool.drop(func(id uint64) bool { return id == seg.id })
	if err := s.syncDir(); err != nil {
		err = errs.E("remove", segName(seg.id), errs.Other, err)
		s.fail(err)
		return err
	}
	return nil
}

func errFrozen(id uint64) error {
	return errs.New("remove", segName(id), errs.Overloaded, "removals are held back")
}

// Freeze holds back removals until the function that it returns is called
// (once), so that a copy of the metadata and a Backup made meanwhile fit
// together. It waits for a deletion under way.
func (s *Store) Freeze() (thaw func()) {
	s.removeMu.Lock()
	s.frozen++
	s.removeMu.Unlock()
	return func() {
		s.removeMu.Lock()
		s.frozen--
		s.removeMu.Unlock()
	}
}
