package transfer

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"net/http"
	"slices"
	"sync"
	"syscall"

	"atoll/client"
)

// DefaultJobs is how many files are copied at a time.
const DefaultJobs = 8

// Options of Copy and Sync. The zero value is useful.
type Options struct {
	Jobs     int   // files at a time; 0: DefaultJobs
	PartSize int64 // of uploads in parts; 0: the client's
	Checksum bool  // Sync compares contents, not times
	Delete   bool  // Sync removes what the source has not
	DryRun   bool  // tell what would be done, and do nothing

	Meter  Meter       // nil: nobody is told of progress
	Report func(Event) // nil: nobody is told; calls don't overlap
}

// Meter shows progress. Its methods may be called at the same time.
type Meter interface {
	Expect(bytes int64) // that much more is to be copied
	Add(bytes int64)    // that much more is copied, or less if some goes again
}

type noMeter struct{}

func (noMeter) Expect(int64) {}
func (noMeter) Add(int64)    {}

// Event is something that was done, or would be.
type Event struct {
	Action Action
	Path   string // as the tree shows it
	Bytes  int64
	Err    error  // of Failed
	Text   string // of Warned
}

// Action is what an event is about.
type Action string

// The actions.
const (
	Copied  Action = "copied"
	Skipped Action = "skipped" // it is the same
	Made    Action = "made"    // a directory
	Deleted Action = "deleted"
	Warned  Action = "warning"
	Failed  Action = "failed"
)

// Result counts what was done.
type Result struct {
	Copied  int   `json:"copied"` // files
	Bytes   int64 `json:"bytes"`  // of them
	Skipped int   `json:"skipped"`
	Deleted int   `json:"deleted"`
	Failed  int   `json:"failed"`
}

// run is one Copy or Sync.
type run struct {
	o Options

	mu    sync.Mutex
	res   Result
	again []Item // failed for what is there, and may be deleted
}

func newRun(o Options) *run {
	if o.Jobs <= 0 {
		o.Jobs = DefaultJobs
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	return &run{o: o}
}

func (r *run) report(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Action {
	case Copied:
		r.res.Copied++
		r.res.Bytes += e.Bytes
	case Skipped:
		r.res.Skipped++
	case Deleted:
		r.res.Deleted++
	case Failed:
		r.res.Failed++
	}
	if r.o.Report != nil {
		r.o.Report(e)
	}
}

func (r *run) warn(t Tree) func(path, why string) {
	return func(path, why string) { r.report(Event{Action: Warned, Path: t.Show(path), Text: why}) }
}

// Copy copies items, as many files at a time as there are jobs; of a directory
// all that is below it. What fails is reported and counted, and does not stop
// the others; an error is one that stopped all.
func Copy(ctx context.Context, items []Item, o Options) (Result, error) {
	r := newRun(o)
	err := r.all(ctx, func(yield func(Item, error) bool) {
		for _, it := range items {
			if !yield(it, nil) || it.Entry.Dir() && !r.below(ctx, &it, yield) {
				return
			}
		}
	})
	return r.res, err
}

// all copies items; directories among them are made as they come.
func (r *run) all(ctx context.Context, items iter.Seq2[Item, error]) error {
	queue := make(chan Item)
	var wg sync.WaitGroup
	for range r.o.Jobs {
		wg.Go(func() {
			for it := range queue {
				r.one(ctx, &it)
			}
		})
	}
	err := r.feed(ctx, items, queue)
	close(queue)
	wg.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func (r *run) feed(ctx context.Context, items iter.Seq2[Item, error], queue chan<- Item) error {
	for it, err := range items {
		if err != nil {
			return err
		}
		if it.Entry.Dir() {
			r.makeDir(ctx, &it)
			continue
		}
		r.o.Meter.Expect(it.Entry.Size)
		select {
		case queue <- it:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *run) makeDir(ctx context.Context, it *Item) {
	e := Event{Action: Made, Path: it.To.Show(it.Path)}
	if !r.o.DryRun {
		r.settle(ctx, it, e, it.To.makeDir(ctx, it.Path, it.Entry.Mode))
		return
	}
	r.report(e)
}

// one copies a file and reports it.
func (r *run) one(ctx context.Context, it *Item) {
	e := Event{Action: Copied, Path: it.To.Show(it.Path), Bytes: it.Entry.Size}
	if r.o.DryRun {
		r.report(e)
		return
	}
	r.settle(ctx, it, e, r.copy(ctx, it))
}

// settle reports how an item went.
func (r *run) settle(ctx context.Context, it *Item, e Event, err error) {
	switch {
	case err == nil:
		r.report(e)
	case ctx.Err() != nil: // all ends
	case r.o.Delete && inTheWay(err):
		r.mu.Lock()
		r.again = append(r.again, *it)
		r.mu.Unlock()
	default:
		r.report(Event{Action: Failed, Path: it.From.Show(it.Entry.Path), Err: err})
	}
}

// inTheWay tells whether an error may be gone when something was deleted: a
// file stands where a directory should, or a directory where a file should.
func inTheWay(err error) bool {
	return errors.Is(err, errIsDir) || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.EISDIR) || client.StatusOf(err) == http.StatusConflict
}

// Sync makes the files of dst those of src: it copies what is missing or
// another, and with Delete removes what src has not, unless something failed
// before. A file is the same if its size is and dst has it at least as new;
// with Checksum, if its contents are.
func Sync(ctx context.Context, src, dst Tree, o Options) (Result, error) {
	r := newRun(o)
	root, err := src.Stat(ctx, "")
	if err != nil {
		return r.res, err
	}
	if !root.Dir() {
		return r.res, &fs.PathError{Op: "sync", Path: src.Show(""), Err: errors.New("is not a directory")}
	}
	there, err := dst.Stat(ctx, "")
	exists := err == nil
	switch {
	case exists && !there.Dir():
		return r.res, &fs.PathError{Op: "sync", Path: dst.Show(""), Err: errors.New("is not a directory")}
	case !exists && !errors.Is(err, fs.ErrNotExist):
		return r.res, err
	case !exists && !o.DryRun:
		if err := dst.makeDir(ctx, "", root.Mode); err != nil {
			return r.res, err
		}
	}
	var extra []Entry
	if err := r.all(ctx, r.differences(ctx, src, dst, exists, &extra)); err != nil {
		return r.res, err
	}
	if !o.Delete {
		return r.res, nil
	}
	return r.res, r.clean(ctx, dst, extra)
}

// clean deletes what is too much, and then copies what that was in the way of.
func (r *run) clean(ctx context.Context, dst Tree, extra []Entry) error {
	if r.res.Failed > 0 {
		if len(extra) > 0 {
			r.report(Event{Action: Warned, Path: dst.Show(""), Text: "nothing was deleted, since something failed before"})
		}
		return r.retry(ctx)
	}
	slices.Reverse(extra) // what is in a directory before the directory
	if r.o.DryRun {
		for _, e := range extra {
			r.report(Event{Action: Deleted, Path: dst.Show(e.Path), Bytes: e.Size})
		}
		return nil
	}
	err := dst.remove(ctx, extra, func(e Entry, err error) {
		if err != nil {
			r.report(Event{Action: Failed, Path: dst.Show(e.Path), Err: err})
			return
		}
		r.report(Event{Action: Deleted, Path: dst.Show(e.Path), Bytes: e.Size})
	})
	if err != nil {
		return err
	}
	return r.retry(ctx)
}

// retry copies what something was in the way of.
func (r *run) retry(ctx context.Context) error {
	again := r.again
	r.again, r.o.Delete = nil, false
	slices.SortFunc(again, func(a, b Item) int { return compare(a.Path, b.Path) })
	return r.all(ctx, func(yield func(Item, error) bool) {
		for _, it := range again {
			r.o.Meter.Expect(-it.Entry.Size) // it was expected before
			if !yield(it, nil) {
				return
			}
		}
	})
}
