package schedule

import (
	"context"
	"log/slog"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
)

// Catalog is what a Runner needs of package catalog.
type Catalog interface {
	Schedules(ctx context.Context, fn func(id, branch disk.ID, s catalog.Schedule) error) error
	SetSchedule(ctx context.Context, id, branch disk.ID, s catalog.Schedule) error
}

// Core is what a Runner needs of package disk.
type Core interface {
	Locate(ctx context.Context, a disk.Address) (disk.ID, disk.Ref, error)
	Disk(ctx context.Context, id disk.ID) (*disk.Disk, error)
}

// Options of New. Catalog and Disks are needed.
type Options struct {
	Catalog Catalog
	Disks   Core
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
}

// Runner keeps to the schedules of all branches of a store. One runs at a
// time.
type Runner struct {
	o    Options
	kick chan struct{}
}

// New makes a Runner.
func New(o Options) *Runner {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{o: o, kick: make(chan struct{}, 1)}
}

// look is how often Run looks at the clock, which may be put forward, and
// tries again what failed.
const look = time.Minute

// Run keeps to the schedules until ctx ends.
func (r *Runner) Run(ctx context.Context) {
	var done time.Time // hour whose work is done
	for {
		hour := r.o.Now().UTC().Truncate(time.Hour)
		if !hour.Equal(done) {
			if r.Once(ctx) {
				done = hour
			}
		}
		next := time.NewTimer(min(look, max(time.Second, hour.Add(time.Hour).Sub(r.o.Now()))))
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case <-r.kick:
			done = time.Time{}
		case <-next.C:
		}
		next.Stop()
	}
}

// Changed tells a running Runner that a schedule was set. It does not wait.
func (r *Runner) Changed() {
	select {
	case r.kick <- struct{}{}:
	default: // it knows already
	}
}

// Once does what is to be done now, branch after branch, and tells whether all
// of it was. What fails for one branch does not keep the others from theirs.
func (r *Runner) Once(ctx context.Context) bool {
	ok := true
	err := r.o.Catalog.Schedules(ctx, func(id, branch disk.ID, s catalog.Schedule) error {
		if err := r.branch(ctx, id, branch, s); err != nil && ctx.Err() == nil {
			ok = false
			r.o.Log.Error("a scheduled checkpoint failed", "disk", id.String(), "branch", branch.String(), "error", err)
		}
		return ctx.Err()
	})
	if err != nil && ctx.Err() == nil {
		r.o.Log.Error("the schedules could not be read", "error", err)
	}
	return ok && err == nil
}

// branch keeps to the schedule of one branch.
func (r *Runner) branch(ctx context.Context, id, branch disk.ID, s catalog.Schedule) error {
	at, ref, err := r.o.Disks.Locate(ctx, disk.Address{ID: branch})
	if errs.Is(err, errs.NoDisk) || err == nil && at != id {
		// The branch was deleted, or the whole disk, which takes its
		// schedules with it.
		err := r.o.Catalog.SetSchedule(ctx, id, branch, catalog.Schedule{})
		return unless(err, errs.NoDisk)
	}
	if err != nil {
		return err
	}
	d, err := r.o.Disks.Disk(ctx, id)
	if err != nil {
		return unless(err, errs.NoDisk)
	}
	if ref.Branch == "" {
		ref.Branch = disk.RootBranch
	}
	have, err := d.Checkpoints(ctx, ref.Branch)
	if err != nil {
		return unless(err, errs.NoView)
	}
	add, remove := Plan(r.o.Now(), s, have)
	for _, name := range add {
		if err := unless(d.Checkpoint(ctx, ref.Branch, name), errs.Exists); err != nil {
			return unless(err, errs.NoView)
		}
	}
	for _, name := range remove {
		err := d.DeleteCheckpoint(ctx, ref.Branch, name, disk.DeleteOptions{})
		// NotEmpty: branches were forked from it; it stays until they are gone.
		if err := unless(unless(err, errs.NotEmpty), errs.NoView); err != nil {
			return err
		}
	}
	return nil
}

// unless passes over errors of one kind.
func unless(err error, kind errs.Kind) error {
	if errs.Is(err, kind) {
		return nil
	}
	return err
}
