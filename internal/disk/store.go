package disk

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/blob"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Options configure a Store. KV and Blob are needed.
type Options struct {
	KV     kv.Store
	Blob   *blob.Store
	Now    func() time.Time // nil: time.Now
	Rand   io.Reader        // nil: crypto/rand
	Logger *slog.Logger     // nil: discard

	// InlineMax is the largest file, in bytes, whose contents stand in its
	// chunk row instead of the segment log. 0: DefaultInlineMax; negative:
	// none.
	InlineMax int

	// UploadMemory bounds the buffers of all uploads together, in bytes.
	// 0: 64 MiB. An upload that would pass it waits.
	UploadMemory int64

	// GatherMax bounds how long a commit waits for other writers to join
	// its group. 0: DefaultGather; negative: no wait.
	GatherMax time.Duration

	// CacheBytes bounds the memory for hot rows. 0: DefaultCache.
	CacheBytes int64

	// FilterBytes bounds the memory for filters of what layers of branches
	// hold. 0: a quarter of CacheBytes; negative: there are none.
	FilterBytes int64

	// ListingBytes bounds the memory for what branches many forks deep show of
	// directories that are listed again. 0: an eighth of CacheBytes, which the
	// hot rows then go without; negative: nothing is kept.
	ListingBytes int64

	// ScrubRate bounds how much the scrubber reads, in bytes a second. 0: 8
	// MiB; negative: it does not run.
	ScrubRate int64

	listAll   bool // in tests: what ListingBytes is for is kept at once, of single layers too
	turnSteps int  // of a job, before others have their turn. 0: defaultTurn
	uniteRows int  // a hidden layer with as many is merged into its child at once. 0: uniteRows

	// NoCompaction leaves compaction to calls of Compact.
	NoCompaction bool
}

// Defaults of Options.
const (
	DefaultInlineMax    = 2 << 10
	DefaultUploadMemory = 64 << 20
	DefaultCache        = 32 << 20
	DefaultGather       = time.Millisecond
)

func (o *Options) ensureDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.InlineMax == 0 {
		o.InlineMax = DefaultInlineMax
	}
	o.InlineMax = min(max(o.InlineMax, 0), kv.MaxValue-16)
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCache
	}
	if o.FilterBytes == 0 {
		o.FilterBytes = o.CacheBytes / 4
	}
	if o.ListingBytes == 0 {
		o.ListingBytes = o.CacheBytes / 8
		o.CacheBytes -= o.ListingBytes
	}
	if o.ScrubRate == 0 {
		o.ScrubRate = 8 << 20
	}
	if o.UploadMemory == 0 {
		o.UploadMemory = DefaultUploadMemory
	}
	if o.uniteRows == 0 {
		o.uniteRows = uniteRows
	}
	if o.turnSteps == 0 {
		o.turnSteps = defaultTurn
	}
	if o.GatherMax == 0 {
		o.GatherMax = DefaultGather
	}
}

// Store holds all disks of one key-value store and one blob store. Its
// methods may be called by any number of goroutines.
type Store struct {
	opts Options
	kv   kv.Store
	blob *blob.Store

	buffers *bufferPool
	rows    *rowCache
	filters *filterSet
	frozen  *frozenSet    // nil: none
	ops     atomic.Uint64 // operations that somebody waits for: jobs give way to them

	disks sync.Map   // ID -> *Disk: open ones
	ids   sync.Map   // ID -> located: those of branches that were asked for
	draw  sync.Mutex // of opts.Rand
	mu    sync.Mutex // serializes opening, creating and deleting disks

	jobs    *jobRunner
	compact compactor

	resumed       struct{ uploads, orphans, jobs int } // by Open
	compacted     atomic.Int64                         // bytes of removed segments
	compactErrors atomic.Int64
	scrubErrors   atomic.Int64
}

// Open makes a Store and resumes what a crash left half done: abandoned
// uploads are freed and deletions go on in the background.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.ensureDefaults()
	s := &Store{opts: o, kv: o.KV, blob: o.Blob}
	s.rows = newRowCache(o.CacheBytes)
	s.filters = newFilterSet(s, o.FilterBytes)
	s.frozen = newFrozenSet(o.ListingBytes, o.listAll)
	s.buffers = newBufferPool(o.UploadMemory)
	s.jobs = newJobRunner(s)
	s.compact.s = s
	if err := s.resume(ctx); err != nil {
		return nil, err
	}
	s.resumed.jobs = len(s.jobs.queue)
	s.jobs.start()
	if !o.NoCompaction {
		s.compact.start()
	}
	return s, nil
}

// Close stops the background jobs; it waits for the step that is under way.
// The stores below are the caller's to close afterwards.
func (s *Store) Close() error {
	s.compact.stop()
	s.jobs.stop()
	s.filters.stop()
	return nil
}

// CreateOptions are those of a new disk: attributes of its root directory.
type CreateOptions struct {
	UID, GID uint32
	Mode     uint32 // 0: 0755
}

const (
	stateLive     = 0
	stateDeleting = 1
)

// Create makes an empty disk. It fails with Exists if the id is taken.
func (s *Store) Create(ctx context.Context, id ID, o CreateOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.Mode == 0 {
		o.Mode = 0o755
	}
	now := s.opts.Now()
	root := Attr{Ino: RootIno, Type: Dir, Mode: o.Mode & 0o7777, UID: o.UID, GID: o.GID, Nlink: 2,
		Mtime: now, Ctime: now, Btime: now, parent: RootIno}
	first := &layerState{id: 1, epoch: 1, branch: 1}
	return s.kv.Update(ctx, func(tx kv.Txn) error {
		if _, ok, err := tx.Get(tableKey(id, tabHeader)); err != nil || ok {
			if ok {
				err = errs.New("create disk", id.String(), errs.Exists, "this disk id is taken")
			}
			return err
		}
		if _, ok, err := tx.Get(branchIDKey(id)); err != nil || ok {
			if ok {
				err = errs.New("create disk", id.String(), errs.Exists, "a branch has this id")
			}
			return err
		}
		br := branchState{num: 1, id: id, name: RootBranch, layer: 1, created: now, spans: []pointSpan{headSpan(1, 1)}}
		k := append(metaHeader(id, 1), inodeBody(nil, RootIno)...)
		k = binary.BigEndian.AppendUint32(k, ^uint32(1))
		for _, kv := range [][2][]byte{
			{tableKey(id, tabHeader), row(stateLive, uint64(now.UnixNano()))},
			{tableKey(id, tabCounter), row(firstID)},
			{layerKey(id, tabLayer, 1), first.row()},
			{branchKey(id, 1), br.row()},
			{nameKey(id, RootBranch), row(1)},
			{k, appendAttr(nil, &root)},
		} {
			if err := tx.Set(kv[0], kv[1]); err != nil {
				return err
			}
		}
		return nil
	})
}

// firstID is the first number that the disk's counter gives out.
const firstID = 16

// Disk returns an open disk, or NoDisk.
func (s *Store) Disk(ctx context.Context, id ID) (*Disk, error) {
	if d, ok := s.disks.Load(id); ok {
		return d.(*Disk), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.disks.Load(id); ok {
		return d.(*Disk), nil
	}
	d, err := openDisk(ctx, s, id)
	if err != nil {
		return nil, err
	}
	s.disks.Store(id, d)
	return d, nil
}

// Delete makes a disk disappear at once; its space comes back in the
// background, also after a restart. It fails with NoDisk if there is none.
func (s *Store) Delete(ctx context.Context, id ID) error {
	d, err := s.Disk(ctx, id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = d.exclusive(ctx, func(t *txn) error {
		t.onCommit(func() { d.gone.Store(true) })
		return t.tx.Set(tableKey(id, tabHeader), row(stateDeleting, 0))
	})
	if err != nil {
		return err
	}
	s.disks.Delete(id)
	s.filters.dropDisk(d)
	d.mu.Lock()
	d.thawLocked(func(frozenKey) bool { return true })
	d.mu.Unlock()
	s.jobs.add(job{kind: jobDisk, disk: id})
	return nil
}

// List calls fn with the id of every disk, those being deleted excepted.
func (s *Store) List(ctx context.Context, fn func(ID) error) error {
	return s.eachDisk(ctx, func(id ID, state uint64) error {
		if state != stateLive {
			return nil
		}
		return fn(id)
	})
}

// eachDisk finds the disks' header rows, one seek a disk.
func (s *Store) eachDisk(ctx context.Context, fn func(ID, uint64) error) error {
	type found struct {
		id    ID
		state uint64
	}
	var all []found
	err := s.kv.View(ctx, func(r kv.Reader) error {
		next := []byte{'d'}
		for {
			k, _, ok, err := r.First(next, []byte{'e'})
			if err != nil || !ok {
				return err
			}
			if len(k) < tablePos {
				return corrupt("disk key")
			}
			id := ID(binary.BigEndian.Uint64(k[1:]))
			v, ok, err := r.Get(tableKey(id, tabHeader))
			if err != nil {
				return err
			}
			state := uint64(stateDeleting) // its header went first
			if ok {
				if _, err := unrow(v, &state); err != nil {
					return err
				}
			}
			all = append(all, found{id, state})
			next = tableKey(id, 0xff)
		}
	})
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := fn(f.id, f.state); err != nil {
			return err
		}
	}
	return nil
}
