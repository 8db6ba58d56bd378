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
}

// Stats returns the store's counters.
func (s *Store) Stats() Stats {
	s.jobs.mu.Lock()
	waiting := len(s.jobs.queue)
	if s.jobs.busy {
		waiting++
	}
	s.jobs.mu.Unlock()
	return Stats{CompactedBytes: s.compacted.Load(), CompactErrors: s.compactErrors.Load(), ScrubErrors: s.scrubErrors.Load(),
		ResumedUploads: s.resumed.uploads, ResumedOrphans: s.resumed.orphans, ResumedJobs: s.resumed.jobs, JobsWaiting: waiting,
		RowCacheCommits: s.rows.commits.Load()}
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
