package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

const (
	identName = "BLOBS" // the store's identity
	identTemp = "BLOBS.new"
	lockName  = "LOCK"
)

// openers is how many segments Open looks at together.
const openers = 4

// Open opens the store in o.Dir, or makes a new one. Segments that were not
// sealed when the store was last in use are scanned and sealed; Recovery
// tells what came of it. It fails with errs.Unsupported on files of a newer
// format, and with errs.Corrupt where a repair would have to guess.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{
		opts: o, fs: o.FS, log: o.Logger,
		large:    make([]stream, o.LargeStreams),
		unsealed: map[uint64]*segment{},
		real:     vfs.Root(o.FS) == vfs.Default,
	}
	s.fds.max, s.pool.max = o.MaxOpenFiles, min(o.MaxOpenFiles, 64)
	s.segs.Store(&map[uint64]*segment{})
	if err := s.load(); err != nil {
		s.closeFiles()
		if s.dir != nil {
			err = errors.Join(err, s.dir.Close())
		}
		if s.lock != nil {
			err = errors.Join(err, s.lock.Close())
		}
		return nil, err
	}
	return s, nil
}

// load does the work of Open.
func (s *Store) load() error {
	if err := s.openDir(); err != nil {
		return err
	}
	names, err := s.fs.List(s.opts.Dir)
	if err != nil {
		return errs.E("open blob store", s.opts.Dir, errs.Other, err)
	}
	var ids []uint64
	for _, name := range names {
		if id, ok := parseSegName(name); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if err := s.openIdent(slices.Contains(names, identName), len(ids) > 0); err != nil {
		return err
	}
	s.nextID = 1
	if len(ids) > 0 {
		s.nextID = ids[len(ids)-1] + 1
	}
	return s.openSegments(ids)
}

// openDir makes, locks and opens the directory.
func (s *Store) openDir() error {
	if s.opts.ReadOnly {
		return nil
	}
	var err error
	if err = makeDir(s.fs, s.opts.Dir); err == nil {
		if s.lock, err = s.fs.Lock(s.fs.PathJoin(s.opts.Dir, lockName)); err != nil {
			s.lock = nil
			err = fmt.Errorf("is another server using it? %w", err)
		} else if s.dir, err = s.fs.OpenDir(s.opts.Dir); err != nil {
			s.dir = nil
		}
	}
	if err != nil {
		return errs.E("open blob store", s.opts.Dir, errs.Other, err)
	}
	return nil
}

// makeDir makes dir and its parents, durably.
func makeDir(fsys vfs.FS, dir string) error {
	if _, err := fsys.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := fsys.PathDir(dir)
	if parent != dir {
		if err := makeDir(fsys, parent); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDirAt(fsys, parent)
}

func syncDirAt(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openIdent reads the store's identity, or makes one for an empty directory.
func (s *Store) openIdent(exists, segments bool) error {
	path := s.fs.PathJoin(s.opts.Dir, identName)
	switch {
	case exists:
		b, err := readFile(s.fs, path)
		if err == nil {
			s.id, err = parseIdent(b)
		}
		if err != nil {
			return errs.E("open blob store", identName, kindOfOpen(err), err)
		}
		return nil
	case segments:
		return errs.New("open blob store", identName, errs.Corrupt, "there are segments, but the store's identity file is missing")
	case s.opts.ReadOnly:
		return errs.New("open blob store", s.opts.Dir, errs.NotFound, "no blob store there")
	}
	if _, err := io.ReadFull(s.opts.Random, s.id[:]); err != nil {
		return errs.E("open blob store", identName, errs.Other, err)
	}
	temp := s.fs.PathJoin(s.opts.Dir, identTemp)
	err := writeFile(s.fs, temp, encodeIdent(s.id))
	if err == nil {
		err = s.fs.Rename(temp, path)
	}
	if err == nil {
		err = s.syncDir()
	}
	if err != nil {
		return errs.E("open blob store", identName, kindOfIO(err), err)
	}
	return nil
}

func kindOfOpen(err error) errs.Kind {
	var v versionError
	switch {
	case errors.As(err, &v):
		return errs.Unsupported
	case isCorrupt(err):
		return errs.Corrupt
	}
	return kindOfIO(err)
}

// openSegments looks at every segment file, several at a time.
func (s *Store) openSegments(ids []uint64) error {
	segs := make([]*segment, len(ids))
	found := make([]error, len(ids))
	var mu sync.Mutex // guards s.recovery
	var wg sync.WaitGroup
	for k := range openers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := k; i < len(ids); i += openers {
				var rec Recovery
				segs[i], rec, found[i] = s.openSegment(ids[i])
				mu.Lock()
				s.recovery.add(rec)
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	m := maps.Clone(*s.segs.Load())
	for _, seg := range segs {
		if seg != nil {
			m[seg.id] = seg
		}
	}
	s.segs.Store(&m)
	if err := errors.Join(found...); err != nil {
		return err
	}
	s.recovery.Segments = len(m)
	if s.recovery.Removed+s.recovery.Recovered > 0 && !s.opts.ReadOnly {
		if err := s.syncDir(); err != nil {
			return errs.E("open blob store", s.opts.Dir, errs.Other, err)
		}
		s.log.Info("recovered the blob store", "segments", s.recovery.Recovered, "records", s.recovery.Records,
			"bytes_cut", s.recovery.BytesCut, "bytes_lost", s.recovery.BytesLost)
	}
	return nil
}

func (r *Recovery) add(o Recovery) {
	r.Recovered += o.Recovered
	r.Removed += o.Removed
	r.Records += o.Records
	r.BytesCut += o.BytesCut
	r.BytesLost += o.BytesLost
}

// openSegment opens a sealed segment by its footer, or recovers it. A nil
// segment without an error was empty.
func (s *Store) openSegment(id uint64) (*segment, Recovery, error) {
	fail := func(err error) (*segment, Recovery, error) {
		return nil, Recovery{}, errs.E("open segment", segName(id), kindOfOpen(err), err)
	}
	path := s.fs.PathJoin(s.opts.Dir, segName(id))
	f, err := s.fs.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close() // read-only
	st, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	seg := newSegment(id, headerSeed(s.id, id), path, st.Size())
	ft, err := readFooter(f, seg.seed, id, st.Size())
	if err != nil && (!isCorrupt(err) || kindOfOpen(err) == errs.Unsupported) {
		return fail(err)
	}
	if err != nil {
		rec, keep, err := s.recover(seg, f, st.Size())
		if err != nil {
			return fail(err)
		}
		if !keep {
			return nil, rec, nil
		}
		return seg, rec, nil
	}
	seg.records.Store(ft.records)
	seg.payload.Store(ft.payload)
	seg.live.Store(ft.payload)
	seg.markSealed(ft, st.Size())
	return seg, Recovery{}, nil
}

// markSealed sets what is known of a segment that ends with ft.
func (g *segment) markSealed(ft footer, size int64) {
	g.end, g.gaps = ft.off, ft.gaps
	g.written.Store(size)
	g.sync.synced.Store(allSynced)
	g.detached.Store(true)
	g.sealed.Store(true)
}

// readFooter reads the footer of a file of size bytes.
func readFooter(r io.ReaderAt, seed uint32, id uint64, size int64) (footer, error) {
	if size < segHeaderSize+footerTailSize {
		return footer{}, errShort
	}
	tail := make([]byte, footerTailSize)
	if _, err := readFull(r, tail, size-footerTailSize); err != nil {
		return footer{}, err
	}
	n, ok := footerGaps(tail, size)
	if !ok {
		return footer{}, errMagic
	}
	if n > 0 {
		tail = make([]byte, n*gapSize+footerTailSize)
		if _, err := readFull(r, tail, size-int64(len(tail))); err != nil {
			return footer{}, err
		}
	}
	return parseFooter(tail, seed, id, size)
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

func writeFile(fs vfs.FS, path string, b []byte) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
