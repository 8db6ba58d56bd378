package pebblekv

import (
	"log/slog"
	"math/rand/v2"
	"runtime"
	"time"

	"bytes"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options configures a store. Only Dir is needed.
type Options struct {
	// Dir is the store's directory; it is made if it does not exist.
	Dir string
	// FS is the file system; nil means the operating system's.
	FS vfs.FS

	// Split returns the length of a key's version-less prefix: the part
	// that all versions of one record share. nil means the whole key.
	//
	// It must accept any bytes (bounds are not always keys) and prefixes
	// must delimit themselves: if n = Split(k) < len(k), then Split is n
	// for every key that begins with k[:n], and for k[:n] itself. Bytewise
	// order is then also the order by prefix and version that Pebble asks for.
	//
	// A store must always be opened with the same Split.
	Split func(key []byte) int

	// CacheBytes bounds the block cache; 0 means 64 MiB.
	CacheBytes int64
	// MemTableBytes is the size of one memtable; 0 means 32 MiB. Two are in
	// memory most of the time; in a burst of writes two more, which take
	// their room from the cache. So the store's memory is about
	// CacheBytes + 2*MemTableBytes.
	MemTableBytes int64

	// Logger gets the engine's messages; nil discards them.
	Logger *slog.Logger

	// OnFatal is called once, when a sync or a write of the engine's
	// files failed: what the kernel dropped can't be trusted, so the process
	// must end and recover from what is on disk. It may run under the
	// store's locks and must not call the store. nil means: log, exit with
	// status 1. If OnFatal returns, every later Update fails.
	OnFatal func(error)

	// SyncLatency, if set, observes how long each sync of the write-ahead
	// log took. It must not block.
	SyncLatency func(time.Duration)

	// ReadOnly opens an existing store without changing anything in it.
	ReadOnly bool

	// Jitter returns numbers in [0, 1) that spread the retries of
	// conflicting transactions; nil means math/rand/v2.
	Jitter func() float64
}

// comparerName is part of the on-disk format.
const comparerName = "atoll.v1"

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Split == nil {
		o.Split = func(key []byte) int { return len(key) }
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	if o.MemTableBytes <= 0 {
		o.MemTableBytes = 32 << 20
	}
	// Below this, transactions of the largest size would bypass the memtable.
	o.MemTableBytes = max(o.MemTableBytes, 4<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return o
}

// newComparer returns bytewise order with the given prefixes.
func newComparer(split func([]byte) int) *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = comparerName
	c.Split = split
	c.Compare = bytes.Compare
	c.Equal = bytes.Equal
	c.ComparePointSuffixes = bytes.Compare
	c.CompareRangeSuffixes = bytes.Compare
	return &c
}

// pebbleOptions turns o, whose defaults are filled in, into Pebble's.
func (o Options) pebbleOptions() *pebble.Options {
	po := &pebble.Options{
		FS:       o.FS,
		Comparer: newComparer(o.Split),
		// Pebble takes the memtables' memory out of the cache: without this,
		// the two that it always has would leave no room for blocks.
		CacheSize:          o.CacheBytes + 2*o.MemTableBytes,
		FormatMajorVersion: pebble.FormatNewest,
		ReadOnly:           o.ReadOnly,
		ErrorIfNotExists:   o.ReadOnly,
		MaxOpenFiles:       4096,

		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: 4,

		// Reads pass prefix filters, so a deep L0 costs them little; stopping
		// writers would cost a burst of small records much.
		L0CompactionThreshold:     2,
		L0CompactionFileThreshold: 500,
		L0StopWritesThreshold:     1000,
		LBaseMaxBytes:             64 << 20,
		FlushSplitBytes:           2 << 20,

		BytesPerSync: 512 << 10,
		CompactionConcurrencyRange: func() (int, int) {
			return 1, max(1, min(4, runtime.GOMAXPROCS(0)-1))
		},
	}
	po.TargetFileSizes[0] = 4 << 20
	for i := range po.Levels {
		l := &po.Levels[i]
		l.BlockSize = 16 << 10
		l.IndexBlockSize = 64 << 10
		l.FilterPolicy = bloom.FilterPolicy(10)
		l.FilterType = pebble.TableFilter
		l.Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	return po
}
