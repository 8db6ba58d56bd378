package blob

import (
	"context"
	"io"
	"slices"
	"time"

	"atoll/internal/errs"
)

// Check reads every byte of the store, sealed segments in order of age, and
// calls fn for each extent: with a nil error where header and payload match
// their checksums, else with errs.Corrupt. Bytes that don't parse as a record
// are reported with a zero Owner and a Loc of zero Length, and the search goes
// on behind them. An error of fn ends it. Use it on a store that is opened
// ReadOnly, or sealed.
func (s *Store) Check(ctx context.Context, fn func(Owner, Loc, error) error) error {
	for _, id := range s.sealedIDs() {
		if err := s.checkSegment(ctx, id, fn); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sealedIDs() []uint64 {
	var ids []uint64
	for id, seg := range *s.segs.Load() {
		if seg.sealed.Load() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (s *Store) checkSegment(ctx context.Context, id uint64, fn func(Owner, Loc, error) error) error {
	seg, h, err := s.enterSealed(id)
	if errs.Is(err, errs.NotFound) {
		return nil // removed meanwhile
	}
	if err != nil {
		return err
	}
	defer seg.release()
	defer h.unref()
	bad := func(off int64, err error) error {
		return fn(Owner{}, Loc{Segment: id, Offset: off}, s.readError(seg, off, err))
	}
	if err := s.checkHeader(seg, h); err != nil {
		if err := bad(0, err); err != nil {
			return err
		}
	}
	sc := newScanner(h.f, seg.seed, seg.end, seg.gaps)
	for {
		if err := ctx.Err(); err != nil {
			return errs.E("check", segName(id), errs.Canceled, err)
		}
		rec, err := sc.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = sc.check(&rec)
			if err != nil && !isCorrupt(err) {
				return s.readError(seg, rec.off, err)
			}
			if err != nil {
				err = s.readError(seg, rec.off, err)
			} else {
				s.stats.verified.Add(rec.length)
			}
			if err := fn(rec.owner, rec.loc(id), err); err != nil {
				return err
			}
			continue
		}
		if !isCorrupt(err) {
			return s.readError(seg, sc.off, err)
		}
		if err := bad(sc.off, err); err != nil {
			return err
		}
		if ok, err := sc.resync(sc.off + 8); err != nil {
			return s.readError(seg, sc.off, err)
		} else if !ok {
			return nil
		}
	}
}

func (s *Store) checkHeader(seg *segment, h *handle) error {
	b := make([]byte, segHeaderSize)
	if _, err := readFull(h.f, b, 0); err != nil {
		return err
	}
	return parseSegHeader(b, s.id, seg.id)
}

// Scrub verifies the blocks of all sealed segments that were not verified
// since the start, reading at most rate bytes a second (0: no bound), and
// calls report for each extent that fails, with errs.Corrupt; where a segment
// can't be followed further the Loc has a zero Length. It returns at the end
// of one pass, or when ctx ends.
func (s *Store) Scrub(ctx context.Context, rate int64, report func(Loc, error)) error {
	p := pacer{rate: rate, now: s.opts.Now}
	p.start = p.now()
	for _, id := range s.sealedIDs() {
		if err := s.scrubSegment(ctx, id, &p, report); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) scrubSegment(ctx context.Context, id uint64, p *pacer, report func(Loc, error)) error {
	seg, h, err := s.enterSealed(id)
	if err != nil {
		if !errs.Is(err, errs.NotFound) { // else removed meanwhile
			report(Loc{Segment: id}, err)
		}
		return nil
	}
	defer seg.release()
	defer h.unref()
	sc := newScanner(h.f, seg.seed, seg.end, seg.gaps)
	for {
		rec, err := sc.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			report(Loc{Segment: id, Offset: sc.off}, s.readError(seg, sc.off, err))
			return nil
		}
		n, err := s.scrubRecord(seg, sc, &rec)
		if err != nil {
			report(rec.loc(id), err)
		}
		if err := p.wait(ctx, n+recHeaderSize(rec.length)); err != nil {
			return errs.E("scrub", segName(id), errs.Canceled, err)
		}
		if seg.refs.Load() < 0 {
			return nil // somebody waits to remove it
		}
	}
}

// scrubRecord verifies the record's unverified blocks and returns how many
// bytes it read.
func (s *Store) scrubRecord(seg *segment, sc *scanner, rec *record) (n int64, err error) {
	for b := range rec.blocks() {
		at := rec.payloadOff() + b*BlockSize
		if seg.verified.get(at) {
			continue
		}
		m, err := sc.checkBlock(rec, b)
		n += m
		if err != nil {
			return n, s.readError(seg, at, err)
		}
		seg.verified.set(at)
		s.stats.verified.Add(m)
	}
	return n, nil
}

// pacer keeps a rate by waiting when it is ahead.
type pacer struct {
	rate  int64 // bytes a second; 0 means unbounded
	now   func() time.Time
	start time.Time
	done  int64
}

func (p *pacer) wait(ctx context.Context, n int64) error {
	p.done += n
	if p.rate <= 0 {
		return ctx.Err()
	}
	due := time.Duration(float64(p.done) / float64(p.rate) * float64(time.Second))
	ahead := due - p.now().Sub(p.start)
	if ahead < 10*time.Millisecond {
		return ctx.Err()
	}
	t := time.NewTimer(ahead)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
