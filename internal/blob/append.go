package blob

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

// stream is a place to append to: one active segment, made when needed.
type stream struct {
	mu  sync.Mutex
	seg *segment // nil until the first record, and after a detach
}

// smallBufs hold a whole record of less than SmallLimit.
// tinyRecord is the size of the records that most small extents make.
const tinyRecord = 10 << 10

var tinyBufs = sync.Pool{New: func() any { return new([tinyRecord]byte) }}

var smallBufs = sync.Pool{New: func() any {
	return new([SmallLimit + maxRecHeader + minBlockStride]byte)
}}

// Append writes payload (1 byte to MaxExtent) to the log and returns its
// place. It can be read at once; it is durable only after Sync. The extent
// counts as an upload in flight until Settle. It fails with errs.NoSpace when
// less than the reserve of free space is left. payload is not kept.
func (s *Store) Append(owner Owner, payload []byte) (Loc, error) {
	return s.append(owner, payload, false)
}

// AppendReserved is Append that may use the reserve of free space: for the
// compactor, which makes room.
func (s *Store) AppendReserved(owner Owner, payload []byte) (Loc, error) {
	return s.append(owner, payload, true)
}

func (s *Store) append(owner Owner, payload []byte, reserved bool) (Loc, error) {
	if err := s.usable("append"); err != nil {
		return Loc{}, err
	}
	n := int64(len(payload))
	if n == 0 || n > MaxExtent {
		return Loc{}, errs.New("append", "", errs.Invalid, "an extent holds 1 byte to 4 MiB")
	}
	if !s.space.take(s, recSize(n), reserved) {
		return Loc{}, errs.New("append", "", errs.NoSpace, "the reserve of free space is reached")
	}
	var loc Loc
	var err error
	if n < SmallLimit {
		loc, err = s.appendSmall(owner, payload)
	} else {
		loc, err = s.appendLarge(owner, payload)
	}
	if err != nil {
		return Loc{}, err
	}
	s.stats.appends.Add(1)
	s.stats.appended.Add(n)
	return loc, nil
}

// appendSmall copies header and payload together, for one write.
func (s *Store) appendSmall(owner Owner, payload []byte) (Loc, error) {
	n := int64(len(payload))
	head, size := recHeaderSize(n), recSize(n)
	var b []byte
	if size <= tinyRecord {
		p := tinyBufs.Get().(*[tinyRecord]byte)
		defer tinyBufs.Put(p)
		b = p[:]
	} else {
		p := smallBufs.Get().(*[SmallLimit + maxRecHeader + minBlockStride]byte)
		defer smallBufs.Put(p)
		b = p[:]
	}
	putBlockSums(b, payload)
	copy(b[head:], payload)
	clear(b[head+n : size])

	st := &s.small
	st.mu.Lock()
	defer st.mu.Unlock()
	seg, err := s.room(st, size)
	if err != nil {
		return Loc{}, err
	}
	putRecHeader(b[:head], seg.seed, owner, seg.w.off, n)
	if _, err := s.write(seg, b[:size], seg.w.off); err != nil {
		return Loc{}, err
	}
	return s.commitRecord(seg, n), nil
}

// appendLarge writes the payload from where it is.
func (s *Store) appendLarge(owner Owner, payload []byte) (Loc, error) {
	n := int64(len(payload))
	head, size := recHeaderSize(n), recSize(n)
	b := tinyBufs.Get().(*[tinyRecord]byte) // larger than any header
	defer tinyBufs.Put(b)
	putBlockSums(b[:], payload)

	st := s.lockLarge()
	defer st.mu.Unlock()
	seg, err := s.room(st, size)
	if err != nil {
		return Loc{}, err
	}
	putRecHeader(b[:head], seg.seed, owner, seg.w.off, n)
	if _, err := s.write(seg, b[:head], seg.w.off); err != nil {
		return Loc{}, err
	}
	if _, err := s.write(seg, payload, seg.w.off+head); err != nil {
		return Loc{}, err
	}
	return s.commitRecord(seg, n), nil
}

// lockLarge locks a large stream that nobody writes to, or else the next one
// in turn.
func (s *Store) lockLarge() *stream {
	first := s.turn.Add(1)
	n := uint32(len(s.large))
	for i := range n {
		if st := &s.large[(first+i)%n]; st.mu.TryLock() {
			return st
		}
	}
	st := &s.large[first%n]
	st.mu.Lock()
	return st
}

// write is a WriteAt that keeps account of how far the file reaches.
func (s *Store) write(seg *segment, p []byte, off int64) (int, error) {
	seg.w.high = max(seg.w.high, off+int64(len(p)))
	n, err := seg.w.h.f.WriteAt(p, off)
	if err != nil {
		return n, errs.E("append", segName(seg.id), kindOfIO(err), err)
	}
	return n, nil
}

// commitRecord moves the segment's end behind the record of n payload bytes
// just written at its offset.
func (s *Store) commitRecord(seg *segment, n int64) Loc {
	loc := Loc{Segment: seg.id, Offset: seg.w.off + recHeaderSize(n), Length: n}
	seg.markVerified(loc.Offset, n)
	seg.uploads.Add(1)
	seg.records.Add(1)
	seg.payload.Add(n)
	seg.live.Add(n)
	seg.w.off += recSize(n)
	seg.written.Store(loc.Offset + n)
	return loc
}

// room returns the stream's segment with space for size more bytes,
// preallocated; it changes to a new segment when the present one is full.
func (s *Store) room(st *stream, size int64) (*segment, error) {
	if seg := st.seg; seg != nil && seg.w.off > segHeaderSize && seg.w.off+size > s.opts.SegmentBytes {
		st.detach()
		s.sealing.Add(1)
		go func() {
			defer s.sealing.Done()
			// A failure leaves the segment unsealed: Seal and Open retry.
			if err := s.seal(context.Background(), seg); err != nil {
				s.log.Warn("sealing a segment failed", "segment", segName(seg.id), "err", err)
			}
		}()
	}
	if st.seg == nil {
		seg, err := s.create()
		if err != nil {
			return nil, err
		}
		st.seg = seg
	}
	w := st.seg.w
	if step := s.opts.PreallocateBytes; step > 0 && w.off+size > w.prealloc {
		n := max(step, align8(w.off+size-w.prealloc))
		// Only a hint: the write that follows reports a full file system.
		_ = w.h.f.Preallocate(w.prealloc, n)
		w.prealloc += n
	}
	return st.seg, nil
}

// detach ends appending to the stream's segment; st.mu is held.
func (st *stream) detach() {
	st.seg.detached.Store(true)
	st.seg = nil
}

// create makes a new active segment.
func (s *Store) create() (*segment, error) {
	s.mu.Lock()
	id := s.nextID
	s.nextID++
	s.mu.Unlock()
	path := s.fs.PathJoin(s.opts.Dir, segName(id))
	f, err := s.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, errs.E("create segment", segName(id), kindOfIO(err), err)
	}
	if _, err := f.WriteAt(segHeader(s.id, id), 0); err != nil {
		err = errors.Join(err, f.Close(), s.fs.Remove(path))
		return nil, errs.E("create segment", segName(id), kindOfIO(err), err)
	}
	seg := newSegment(id, headerSeed(s.id, id), path, s.opts.SegmentBytes+MaxExtent)
	h := newHandle(f, seg)
	h.refs.Add(1) // one for the writer, one for readers
	seg.handle.Store(h)
	seg.w = &segWriter{h: h, off: segHeaderSize, high: segHeaderSize}
	seg.written.Store(segHeaderSize)
	s.mu.Lock()
	s.unsealed[id] = seg
	s.addSegmentLocked(seg)
	s.mu.Unlock()
	return seg, nil
}

// Seal ends the active segments that hold anything and seals them; it also
// retries segments whose sealing failed before. All that was appended before
// is durable when it returns.
func (s *Store) Seal(ctx context.Context) error {
	if err := s.usable("seal"); err != nil {
		return err
	}
	for _, st := range s.streams() {
		st.mu.Lock()
		if st.seg != nil && st.seg.records.Load() > 0 {
			st.detach()
		}
		st.mu.Unlock()
	}
	s.mu.Lock()
	var todo []*segment
	for _, seg := range s.unsealed {
		if seg.detached.Load() {
			todo = append(todo, seg)
		}
	}
	s.mu.Unlock()
	var err error
	for _, seg := range todo {
		err = errors.Join(err, s.seal(ctx, seg))
	}
	return err
}

func (s *Store) streams() []*stream {
	all := []*stream{&s.small}
	for i := range s.large {
		all = append(all, &s.large[i])
	}
	return all
}

// seal writes the footer of a detached segment and makes it durable. It may
// be repeated after a failure.
func (s *Store) seal(ctx context.Context, seg *segment) error {
	seg.sealMu.Lock()
	defer seg.sealMu.Unlock()
	if seg.sealed.Load() {
		return nil
	}
	// A footer vouches for all before it, so that must be durable first.
	if err := s.syncTo(ctx, seg, seg.written.Load()); err != nil {
		return err
	}
	w := seg.w
	end, err := s.writeFooter(w.h.f, seg, w.off, max(w.high, w.prealloc), w.high, nil)
	if err != nil {
		return errs.E("seal", segName(seg.id), kindOfIO(err), err)
	}
	w.high = max(w.high, end.off+end.size())
	seg.written.Store(end.off + end.size())
	if err := s.syncTo(ctx, seg, end.off+end.size()); err != nil {
		return err
	}
	seg.end, seg.gaps = end.off, end.gaps
	seg.sealed.Store(true)
	seg.sync.synced.Store(allSynced)
	s.mu.Lock()
	delete(s.unsealed, seg.id)
	s.mu.Unlock()
	seg.w = nil
	w.h.unref()
	s.fds.add(w.h)
	return nil
}

// writeFooter writes seg's footer behind its last record, which ends at
// dataEnd, and gives back the space beyond. high is the end of the file's
// bytes, reach that of its allocation. Where the file can't be truncated the
// bytes in between become a gap.
func (s *Store) writeFooter(f vfs.File, seg *segment, dataEnd, reach, high int64, gaps []span) (footer, error) {
	ft := footer{off: dataEnd, records: seg.records.Load(), payload: seg.payload.Load(), gaps: gaps}
	truncate := s.real && realFile(f)
	if high > dataEnd && !truncate {
		ft.off = align8(high)
		ft.gaps = append(gaps[:len(gaps):len(gaps)], span{dataEnd, ft.off})
	}
	if high > dataEnd && truncate {
		if err := os.Truncate(seg.path, dataEnd); err != nil {
			return ft, err
		}
	}
	if _, err := f.WriteAt(ft.encode(seg.seed, seg.id), ft.off); err != nil {
		return ft, err
	}
	if truncate && reach > ft.off+ft.size() {
		return ft, os.Truncate(seg.path, ft.off+ft.size())
	}
	return ft, nil
}
