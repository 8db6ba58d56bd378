package disk

import (
	"context"
	"time"

	"atoll/internal/blob"
)

// Stats are counters since Open.
type Stats struct {
	CompactedBytes  int64  // of segment files that were removed
	CompactErrors   int64  // compaction passes that stopped at an error
	ScrubErrors     int64  // extents that failed their checksum in the background
	ResumedUploads  int    // uploads that a stop cut off, freed by Open
	ResumedOrphans  int    // open files without a name, freed by Open
	ResumedJobs     int    // background jobs that Open found
	JobsWaiting     int    // background jobs now
	RowCacheCommits uint64 // groups of changes, compaction's included, that ended

	FilterBytes  int64 // that the filters of layers take
	FilterProbes int64 // questions to filters
	FilterSkips  int64 // how often one said "not here", which saved a seek
	FilterBuilds int64 // filters built after a start or after they were dropped
	FilterDrops  int64 // filters dropped: their budget was used up, or their layer is gone

	ListingBytes  int64 // that is kept of directories which branches many forks deep list
	ListingHits   int64 // listings of a directory that used it
	ListingBuilds int64 // directories that were put there
	ListingDrops  int64 // directories dropped: the budget was used up, or their branches are gone
}

// Stats returns the store's counters.
func (s *Store) Stats() Stats {
	s.jobs.mu.Lock()
	waiting := len(s.jobs.queue)
	if s.jobs.busy {
		waiting++
	}
	s.jobs.mu.Unlock()
	s.filters.mu.Lock()
	filters := s.filters.bytes
	s.filters.mu.Unlock()
	out := Stats{CompactedBytes: s.compacted.Load(), CompactErrors: s.compactErrors.Load(), ScrubErrors: s.scrubErrors.Load(),
		ResumedUploads: s.resumed.uploads, ResumedOrphans: s.resumed.orphans, ResumedJobs: s.resumed.jobs, JobsWaiting: waiting,
		RowCacheCommits: s.rows.commits.Load(), FilterBytes: filters, FilterProbes: s.filters.probes.Load(),
		FilterSkips: s.filters.skips.Load(), FilterBuilds: s.filters.built.Load(), FilterDrops: s.filters.dropped.Load()}
	if f := s.frozen; f != nil {
		f.mu.Lock()
		out.ListingBytes = f.bytes
		f.mu.Unlock()
		out.ListingHits, out.ListingBuilds, out.ListingDrops = f.hits.Load(), f.built.Load(), f.dropped.Load()
	}
	return out
}

const (
	scrubDelay = time.Minute // after the start
	scrubEvery = time.Hour
)

// scrub verifies, slowly, what has not been read since the start, so that bad
// blocks are found while there may still be a backup.
func (s *Store) scrub(ctx context.Context) {
	wait := scrubDelay
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = scrubEvery
		err := s.blob.Scrub(ctx, s.opts.ScrubRate, func(l blob.Loc, err error) {
			s.scrubErrors.Add(1)
			s.opts.Logger.Error("stored bytes fail their checksum; restore the files that use them from a backup (atoll fsck names them)",
				"segment", l.Segment, "offset", l.Offset, "err", err)
		})
		if err != nil && ctx.Err() == nil {
			s.opts.Logger.Error("the scrubber stopped", "err", err)
		}
	}
}
