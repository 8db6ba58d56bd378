package server

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"atoll/internal/blob"
	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/kv/pebblekv"
)

// stores are the layers below the doors.
type stores struct {
	kv      *pebblekv.Store
	blob    *blob.Store
	disks   *disk.Store
	catalog *catalog.Catalog
}

// core shows disk.Store to the catalog. The catalog is opened first, because
// it knows whether the master key is right, so disks is set later.
type core struct{ disks *disk.Store }

func (c *core) CreateDisk(ctx context.Context, id disk.ID, root catalog.RootAttrs) error {
	return c.disks.Create(ctx, id, disk.CreateOptions{UID: root.UID, GID: root.GID, Mode: root.Mode})
}

func (c *core) DeleteDisk(ctx context.Context, id disk.ID) error { return c.disks.Delete(ctx, id) }

func (c *core) Usage(ctx context.Context, id disk.ID) (disk.Usage, error) {
	d, err := c.disks.Disk(ctx, id)
	if err != nil {
		return disk.Usage{}, err
	}
	return d.Usage(), nil
}

// openStores opens the layers from the bottom up and finishes what a crash
// left half done. On an error, what was opened is closed.
func openStores(ctx context.Context, d *dataDir, keys masterKeys, cfg *Config, m *metrics, log *slog.Logger) (_ *stores, err error) {
	parts := divide(int64(cfg.Memory))
	st := new(stores)
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	// Small contents are in there: others on the machine have no business
	// in it, even if the data directory itself was made for all to see.
	if err := os.MkdirAll(d.meta(), 0o700); err != nil {
		return st, err
	}
	replay := walBytes(d.meta())
	st.kv, err = pebblekv.Open(pebblekv.Options{
		Dir: d.meta(), Split: disk.Split, CacheBytes: parts.cache, MemTableBytes: parts.memTable,
		Logger: log.With("store", "meta"), SyncLatency: observer(m.metaSync),
	})
	if err != nil {
		return st, err
	}
	back := new(core)
	st.catalog, err = catalog.Open(ctx, catalog.Options{
		KV: st.kv, Backend: back, MasterKey: keys.now, OtherKey: keys.other, Region: cfg.Region, Now: cfg.Now, Rand: cfg.Rand,
	})
	if err != nil {
		return st, err
	}
	st.blob, err = blob.Open(blob.Options{
		Dir: d.blob(), ReserveBytes: reserve(d.path), Logger: log.With("store", "blob"),
		SyncLatency: observer(m.blobSync), Now: cfg.Now, Random: cfg.Rand,
	})
	if err != nil {
		return st, err
	}
	st.disks, err = disk.Open(ctx, disk.Options{
		KV: st.kv, Blob: st.blob, Now: cfg.Now, Rand: cfg.Rand, Logger: log.With("store", "disk"),
		UploadMemory: parts.uploads, CacheBytes: parts.rows,
	})
	if err != nil {
		return st, err
	}
	back.disks = st.disks
	resumed, err := st.catalog.Resume(ctx)
	if err != nil {
		return st, err
	}
	st.report(d, replay, resumed, log)
	return st, m.watch(st.kv, st.blob, st.disks)
}

// report says in one line what the start found.
func (st *stores) report(d *dataDir, replay int64, resumed catalog.Resumed, log *slog.Logger) {
	text := "store opened"
	switch {
	case st.catalog.Fresh():
		text = "new store made"
	case d.unclean:
		text = "store recovered: the last server did not stop in order"
	}
	r := st.blob.Recovery()
	log.Info(text, "data", d.path, "walBytesReplayed", replay, "segments", r.Segments,
		"segmentsRecovered", r.Recovered, "segmentsRemoved", r.Removed, "tornBytesCut", r.BytesCut,
		"uploadsAbandoned", st.disks.Stats().ResumedUploads, "jobsResumed", st.disks.Stats().ResumedJobs,
		"disksCreated", resumed.Created, "disksDeleted", resumed.Deleted)
	if r.BytesLost > 0 {
		log.Error("segments are damaged: stop the server and run atoll fsck", "bytesUnreadable", r.BytesLost)
	}
}

// close closes what is open, from the top down.
func (st *stores) close() error {
	var err error
	if st.catalog != nil {
		err = st.catalog.Close(context.Background())
	}
	if st.disks != nil {
		err = errors.Join(err, st.disks.Close())
	}
	if st.blob != nil {
		err = errors.Join(err, st.blob.Close())
	}
	if st.kv != nil {
		err = errors.Join(err, st.kv.Close())
	}
	return err
}

// walBytes is the size of the write-ahead logs that the next open replays.
func walBytes(meta string) int64 {
	var sum int64
	// A directory that can't be read is the engine's to report.
	_ = filepath.WalkDir(meta, func(path string, e fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".log" {
			if fi, err := os.Stat(path); err == nil {
				sum += fi.Size()
			}
		}
		return nil
	})
	return sum
}

// reserve is the free space that uploads may not use, so that deletes,
// compaction and recovery go on when the file system is full: a fiftieth of
// it, at most 1 GiB.
func reserve(dir string) int64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0
	}
	return min(int64(s.Blocks)*int64(s.Bsize)/50, 1<<30)
}
