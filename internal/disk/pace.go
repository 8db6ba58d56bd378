package disk

import (
	"context"
	"errors"
	"time"
)

// Jobs that give space back have time; the work that somebody waits for has
// not. So while there is such work, they rest after each step.
const (
	// restFactor is how many times longer than the step a job rests, so that it
	// takes a twentieth of the committer's time and of the processor's; but at
	// most maxRest: a step may take long because the machine is busy.
	restFactor = 19
	maxRest    = 500 * time.Millisecond
	// busyFor is how long after the last foreground operation jobs hold back.
	busyFor = 100 * time.Millisecond
	// tightRoom is the free space, in bytes beyond the reserve, below which
	// jobs hold nothing back: then space is what the foreground needs.
	tightRoom = 1 << 30
	// defaultTurn is how many steps a job makes before others have their turn.
	defaultTurn = 64
)

// errTurn ends a job's turn; it goes on when the others had theirs.
var errTurn = errors.New("other jobs wait")

// pacer is the state of the job that runs. Only the runner's goroutine uses
// it.
type pacer struct {
	steps  int
	seen   uint64 // foreground operations counted
	active time.Time
	// next is where jobs go on that had to end their turn.
	next map[job][]byte
}

// step runs one step of a job on a layer, and rests after it. It returns
// errTurn if others should have their turn.
func (d *Disk) step(ctx context.Context, l layer, fn func(*txn) error) error {
	begun := time.Now()
	if err := d.onLayer(ctx, l, fn); err != nil {
		return err
	}
	return d.store.jobs.rest(ctx, time.Since(begun))
}

// rest waits after a step that took some time, if there is foreground work.
func (r *jobRunner) rest(ctx context.Context, took time.Duration) error {
	p := &r.pace
	p.steps++
	if r.holdBack(time.Now()) {
		timer := time.NewTimer(min(took*restFactor, maxRest))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.hurry:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) > 0 && p.steps >= r.s.opts.turnSteps {
		return errTurn
	}
	return nil
}

// holdBack tells whether there is foreground work that a job should give way
// to.
func (r *jobRunner) holdBack(now time.Time) bool {
	p := &r.pace
	if n := r.s.ops.Load(); n != p.seen {
		p.seen, p.active = n, now
	}
	r.mu.Lock()
	waited := r.waiters > 0
	r.mu.Unlock()
	return now.Sub(p.active) < busyFor && !waited && r.s.blob.CheckRoom(tightRoom) == nil
}
