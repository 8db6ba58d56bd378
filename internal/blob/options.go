package blob

import (
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options configure a Store. Only Dir is needed.
type Options struct {
	// Dir is the store's directory; Open makes it.
	Dir string
	// FS is the file system; nil means the operating system's.
	FS vfs.FS
	// ReadOnly opens without changing anything: nothing is repaired, and
	// nothing can be appended. It is for checking a store offline.
	ReadOnly bool

	// SegmentBytes is the size at which a segment is sealed; 0 means 256 MiB.
	SegmentBytes int64
	// PreallocateBytes is the step in which files are preallocated; 0 means
	// 16 MiB, a negative number none.
	PreallocateBytes int64
	// LargeStreams is how many segments take large extents at a time; 0
	// means 2.
	LargeStreams int
	// ReserveBytes of the file system are kept free: Append fails with
	// errs.NoSpace below it, AppendReserved goes on.
	ReserveBytes int64
	// MaxOpenFiles bounds the descriptors kept open for reading sealed
	// segments, beside those in use at the moment; 0 means 256.
	MaxOpenFiles int

	// Logger is told of repairs and trouble; nil discards.
	Logger *slog.Logger
	// OnFatal is called, once, with the error of a failed sync. It should
	// end the process; nil logs and exits with status 1.
	OnFatal func(error)
	// SyncLatency, if set, is called after each sync with its duration.
	SyncLatency func(time.Duration)
	// Now is the clock of the metrics; nil means time.Now.
	Now func() time.Time
	// Random makes the identity of a new store; nil means crypto/rand.
	Random io.Reader
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 256 << 20
	}
	if o.PreallocateBytes == 0 {
		o.PreallocateBytes = 16 << 20
	}
	if o.LargeStreams <= 0 {
		o.LargeStreams = 2
	}
	if o.MaxOpenFiles <= 0 {
		o.MaxOpenFiles = 256
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnFatal == nil {
		log := o.Logger
		o.OnFatal = func(err error) {
			log.Error("a sync of the blob store failed; stopping", "err", err)
			os.Exit(1)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return o
}
