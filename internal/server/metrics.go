package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"atoll/internal/blob"
	"atoll/internal/disk"
	"atoll/internal/kv/pebblekv"
)

// metrics is the server's own registry and what the stores report into it.
type metrics struct {
	registry *prometheus.Registry
	metaSync prometheus.Observer
	blobSync prometheus.Observer
}

func newMetrics(version string) *metrics {
	r := prometheus.NewRegistry()
	fsync := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "atoll_fsync_seconds",
		Help:    "Time that syncs to stable storage took, by store: meta is the log of the key-value store, blob the segment log.",
		Buckets: prometheus.ExponentialBuckets(50e-6, 2, 16),
	}, []string{"store"})
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "atoll_build_info", Help: "1, labelled with the version.",
	}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	r.MustRegister(fsync, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &metrics{registry: r, metaSync: fsync.WithLabelValues("meta"), blobSync: fsync.WithLabelValues("blob")}
}

// observer makes a histogram a callback.
func observer(o prometheus.Observer) func(time.Duration) {
	return func(d time.Duration) { o.Observe(d.Seconds()) }
}

// figure is one metric that is read from a store's figures when asked for.
type figure[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*T) float64
}

func fig[T any](name, help string, kind prometheus.ValueType, value func(*T) float64) figure[T] {
	return figure[T]{prometheus.NewDesc(name, help, nil, nil), kind, value}
}

// figures collects a store's metrics from one look at it.
type figures[T any] struct {
	read func() T
	all  []figure[T]
}

// Describe implements prometheus.Collector.
func (f *figures[T]) Describe(ch chan<- *prometheus.Desc) {
	for _, x := range f.all {
		ch <- x.desc
	}
}

// Collect implements prometheus.Collector.
func (f *figures[T]) Collect(ch chan<- prometheus.Metric) {
	v := f.read()
	for _, x := range f.all {
		ch <- prometheus.MustNewConstMetric(x.desc, x.kind, x.value(&v))
	}
}

func diskFigures() []figure[disk.Stats] {
	type m = disk.Stats
	return []figure[m]{
		fig("atoll_compaction_removed_bytes_total", "Segment files that compaction removed, in bytes.", counter, func(v *m) float64 { return float64(v.CompactedBytes) }),
		fig("atoll_compaction_errors_total", "Compaction passes that stopped at an error. Nothing is removed then.", counter, func(v *m) float64 { return float64(v.CompactErrors) }),
		fig("atoll_scrub_errors_total", "Extents that failed their checksum in the background. Anything but 0 wants an operator.", counter, func(v *m) float64 { return float64(v.ScrubErrors) }),
		fig("atoll_jobs_waiting", "Background jobs (freeing, settling) under way or waiting.", gauge, func(v *m) float64 { return float64(v.JobsWaiting) }),
		fig("atoll_disk_commits_total", "Groups of changes that became durable.", counter, func(v *m) float64 { return float64(v.RowCacheCommits) }),
		fig("atoll_filter_bytes", "Memory in the filters of what branches hold, in bytes.", gauge, func(v *m) float64 { return float64(v.FilterBytes) }),
		fig("atoll_filter_probes_total", "Questions to these filters.", counter, func(v *m) float64 { return float64(v.FilterProbes) }),
		fig("atoll_filter_skips_total", "Questions that saved a seek in the metadata store.", counter, func(v *m) float64 { return float64(v.FilterSkips) }),
		fig("atoll_filter_builds_total", "Filters built after a start, or after they were dropped.", counter, func(v *m) float64 { return float64(v.FilterBuilds) }),
		fig("atoll_filter_drops_total", "Filters dropped because their budget was used up or their branch is gone.", counter, func(v *m) float64 { return float64(v.FilterDrops) }),
		fig("atoll_listing_cache_bytes", "Memory for what branches many forks deep show of directories that are listed again, in bytes.", gauge, func(v *m) float64 { return float64(v.ListingBytes) }),
		fig("atoll_listing_cache_hits_total", "Listings of a directory that used it.", counter, func(v *m) float64 { return float64(v.ListingHits) }),
		fig("atoll_listing_cache_builds_total", "Directories that were put there.", counter, func(v *m) float64 { return float64(v.ListingBuilds) }),
		fig("atoll_listing_cache_drops_total", "Directories dropped because the memory was used up or their branches are gone.", counter, func(v *m) float64 { return float64(v.ListingDrops) }),
	}
}

// watch registers the figures of the stores.
func (m *metrics) watch(kv *pebblekv.Store, b *blob.Store, d *disk.Store) error {
	if err := m.registry.Register(&figures[disk.Stats]{d.Stats, diskFigures()}); err != nil {
		return err
	}
	if err := m.registry.Register(&figures[pebblekv.Metrics]{kv.Metrics, metaFigures()}); err != nil {
		return err
	}
	return m.registry.Register(&figures[blob.Metrics]{b.Metrics, blobFigures()})
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func metaFigures() []figure[pebblekv.Metrics] {
	type m = pebblekv.Metrics
	return []figure[m]{
		fig("atoll_meta_commits_total", "Transactions that wrote and became durable.", counter, func(v *m) float64 { return float64(v.Commits) }),
		fig("atoll_meta_conflicts_total", "Transactions that lost a conflict and ran again.", counter, func(v *m) float64 { return float64(v.Conflicts) }),
		fig("atoll_meta_disk_bytes", "Size of the key-value store's files, in bytes.", gauge, func(v *m) float64 { return float64(v.DiskBytes) }),
		fig("atoll_meta_table_bytes", "Size of its live tables, in bytes.", gauge, func(v *m) float64 { return float64(v.TableBytes) }),
		fig("atoll_meta_wal_bytes", "Size of its live write-ahead log, in bytes.", gauge, func(v *m) float64 { return float64(v.WALBytes) }),
		fig("atoll_meta_memtable_bytes", "Memory in memtables, in bytes.", gauge, func(v *m) float64 { return float64(v.MemTableBytes) }),
		fig("atoll_meta_cache_bytes", "Memory in the block cache, in bytes.", gauge, func(v *m) float64 { return float64(v.CacheBytes) }),
		fig("atoll_meta_cache_hits_total", "Blocks found in the cache.", counter, func(v *m) float64 { return float64(v.CacheHits) }),
		fig("atoll_meta_cache_misses_total", "Blocks read from files.", counter, func(v *m) float64 { return float64(v.CacheMisses) }),
		fig("atoll_meta_flushed_bytes_total", "Bytes written by flushes of memtables.", counter, func(v *m) float64 { return float64(v.FlushBytes) }),
		fig("atoll_meta_compacted_bytes_total", "Bytes written by compactions.", counter, func(v *m) float64 { return float64(v.CompactBytes) }),
		fig("atoll_meta_compactions_total", "Compactions that ended.", counter, func(v *m) float64 { return float64(v.Compactions) }),
		fig("atoll_meta_compaction_debt_bytes", "Estimate of the bytes that wait for compaction.", gauge, func(v *m) float64 { return float64(v.CompactDebt) }),
		fig("atoll_meta_read_amplification", "Tables that a read may have to look into.", gauge, func(v *m) float64 { return float64(v.ReadAmp) }),
		fig("atoll_meta_background_errors_total", "Flushes and compactions that failed and were tried again.", counter, func(v *m) float64 { return float64(v.BackgroundErrors) }),
	}
}

func blobFigures() []figure[blob.Metrics] {
	type m = blob.Metrics
	return []figure[m]{
		fig("atoll_blob_segments", "Segment files.", gauge, func(v *m) float64 { return float64(v.Segments) }),
		fig("atoll_blob_stored_bytes", "Size of all segment files, in bytes.", gauge, func(v *m) float64 { return float64(v.StoredBytes) }),
		fig("atoll_blob_live_bytes", "Contents in segments that are believed to be in use, in bytes.", gauge, func(v *m) float64 { return float64(v.LiveBytes) }),
		fig("atoll_blob_appended_bytes_total", "Contents written, compaction included, in bytes.", counter, func(v *m) float64 { return float64(v.AppendedBytes) }),
		fig("atoll_blob_read_bytes_total", "Contents read, in bytes.", counter, func(v *m) float64 { return float64(v.ReadBytes) }),
		fig("atoll_blob_sendfile_bytes_total", "Of these, those that the kernel sent from file to socket.", counter, func(v *m) float64 { return float64(v.SentBytes) }),
		fig("atoll_blob_verified_bytes_total", "Contents checked against their checksums, in bytes.", counter, func(v *m) float64 { return float64(v.VerifiedBytes) }),
		fig("atoll_blob_corruptions_total", "Blocks that failed their checksum. Anything but 0 wants an operator.", counter, func(v *m) float64 { return float64(v.Corruptions) }),
	}
}
