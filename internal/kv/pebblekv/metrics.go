package pebblekv

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"atoll/internal/errs"
)

type counters struct {
	commits, conflicts, exclusive, background, walSyncs, walSyncNanos atomic.Uint64
}

// Metrics are figures of a running store. Counters start at Open.
type Metrics struct {
	Commits          uint64 // transactions that wrote and became durable
	Conflicts        uint64 // attempts that lost and ran again
	Exclusive        uint64 // transactions that had to run exclusively
	BackgroundErrors uint64 // failed flushes and compactions (tried again)

	DiskBytes      uint64 // of all files
	TableBytes     uint64 // of live tables
	TableFiles     uint64
	WALBytes       uint64 // of live log files
	MemTableBytes  uint64
	CacheBytes     int64
	CacheHits      int64
	CacheMisses    int64
	WALSyncs       uint64        // syncs of the log
	WALSyncTime    time.Duration // their total
	WALBytesIn     uint64        // logical bytes written to the log
	FlushBytes     uint64        // written by flushes
	CompactBytes   uint64        // written by compactions
	CompactDebt    uint64        // estimated bytes to compact
	Compactions    int64
	L0Sublevels    int32
	ReadAmp        int
	Snapshots      int64 // that the store holds
	OpenTableIters int64
}

// Metrics returns the store's figures.
func (s *Store) Metrics() Metrics {
	m := s.db.Metrics()
	out := Metrics{
		Commits: s.count.commits.Load(), Conflicts: s.count.conflicts.Load(),
		Exclusive: s.count.exclusive.Load(), BackgroundErrors: s.count.background.Load(),
		DiskBytes:     m.DiskSpaceUsage(),
		TableBytes:    m.Table.Local.LiveSize,
		TableFiles:    m.Table.Local.LiveCount,
		WALBytes:      m.WAL.Size,
		MemTableBytes: m.MemTable.Size,
		CacheBytes:    m.BlockCache.Size, CacheHits: m.BlockCache.Hits, CacheMisses: m.BlockCache.Misses,
		WALSyncs: s.count.walSyncs.Load(), WALSyncTime: time.Duration(s.count.walSyncNanos.Load()),
		WALBytesIn:  m.WAL.BytesIn,
		CompactDebt: m.Compact.EstimatedDebt,
		Compactions: m.Compact.Count,
		L0Sublevels: m.Levels[0].Sublevels,
		ReadAmp:     m.ReadAmp(),
		Snapshots:   s.liveSnaps.Load(), OpenTableIters: m.TableIters,
	}
	for i := range m.Levels {
		out.FlushBytes += m.Levels[i].TableBytesFlushed + m.Levels[i].BlobBytesFlushed
		out.CompactBytes += m.Levels[i].TableBytesCompacted + m.Levels[i].BlobBytesCompacted
	}
	return out
}

// Size returns the bytes that the store's files take on disk.
func (s *Store) Size() uint64 { return s.db.Metrics().DiskSpaceUsage() }

// Checkpoint makes a consistent copy of the store in dir, which must not
// exist, while it runs. It holds at least every Update that had returned;
// Open can use it. Tables are hard links where the file system has them.
func (s *Store) Checkpoint(dir string) error {
	return s.maintain("checkpoint", func() error {
		return s.db.Checkpoint(dir, pebble.WithFlushedWAL())
	})
}

// Compact rewrites the whole store, which drops what was deleted or
// overwritten and no snapshot needs.
func (s *Store) Compact(ctx context.Context) error {
	return s.maintain("compact", func() error {
		it, err := s.db.NewIterWithContext(ctx, nil)
		if err != nil {
			return err
		}
		var first, last []byte
		if it.First() {
			first = bytes.Clone(it.Key())
			it.Last()
			last = append(bytes.Clone(it.Key()), 0)
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil || first == nil {
			return err
		}
		return s.db.Compact(ctx, first, last, true)
	})
}

// maintain runs a job on the open, unfailed store; Close waits for it.
func (s *Store) maintain(op string, job func() error) error {
	if err := s.enter(); err != nil {
		return wrap(op, err)
	}
	defer s.leave()
	if err := s.failure(); err != nil {
		return err
	}
	if s.opt.ReadOnly {
		return errs.New(op, "", errs.ReadOnly, "the store is open for reading only")
	}
	if err := job(); err != nil {
		return wrap(op, err)
	}
	// Pebble's Fatalf may have come back.
	return s.failure()
}

// events are Pebble's that the operator should hear of.
func (s *Store) events() *pebble.EventListener {
	log := s.opt.Logger
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			s.count.background.Add(1)
			log.Error("flush or compaction failed, will be tried again", "err", err)
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			log.Error("corrupt table", "path", info.Path, "details", info.Details)
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			log.Warn("writes wait for flushes", "reason", info.Reason)
		},
		WriteStallEnd: func() { log.Info("writes go on") },
	}
}
