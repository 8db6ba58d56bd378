package server

import (
	"context"
	"sync"
	"time"
)

const (
	choreEvery  = time.Minute
	expireEvery = time.Hour
	// multipartLife is how long an upload in parts may stay unfinished.
	multipartLife = 7 * 24 * time.Hour
)

// chores are the goroutines that do what is due now and then, from when the
// server is ready until its doors are closed.
type chores struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (s *server) startChores() *chores {
	ctx, cancel := context.WithCancel(context.Background())
	c := &chores{cancel: cancel}
	c.done.Go(func() { s.schedules.Run(ctx) })
	c.done.Go(func() {
		due := s.cfg.Chores
		if due == nil {
			tick := time.NewTicker(choreEvery)
			defer tick.Stop()
			due = tick.C
		}
		var expired time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case <-due:
				s.doChores(ctx, &expired)
			}
		}
	})
	return c
}

// stop waits for what is being done.
func (c *chores) stop() {
	if c == nil {
		return
	}
	c.cancel()
	c.done.Wait()
}

// doChores does what is due; expired is when abandoned uploads were last
// looked for. What fails is tried again the next time.
func (s *server) doChores(ctx context.Context, expired *time.Time) {
	if err := s.st.catalog.Sweep(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("housekeeping of the catalog failed", "error", err)
	}
	now := s.cfg.Now()
	if !expired.IsZero() && now.Sub(*expired) < expireEvery {
		return
	}
	*expired = now
	n, err := s.st.disks.ExpireMultipart(ctx, now.Add(-multipartLife))
	if err != nil && ctx.Err() == nil {
		s.log.Error("abandoned uploads could not be removed", "error", err)
	}
	if n > 0 {
		s.log.Info("abandoned uploads removed", "uploads", n)
	}
}
