package pebblekv

import (
	"context"
	"sync/atomic"
	"time"
)

// gateWait bounds how long commits wait for a transaction that runs
// exclusively: as long as a transaction may take.
const gateWait = 5 * time.Second

// gate keeps commits back while a transaction that lost too many times runs
// once more, so that it can't lose again. It only makes room: whoever passes is
// validated all the same, so a gate that opens early (gateWait) is harmless.
// That is why it is no lock that a caller's function could deadlock on.
type gate struct {
	turn   chan struct{} // holds one token: one exclusive transaction at a time
	closed atomic.Pointer[chan struct{}]
}

func (g *gate) init() { g.turn = make(chan struct{}, 1) }

// shut waits for its turn and keeps others' commits back until open is called.
func (g *gate) shut(ctx context.Context) (open func(), err error) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ch := make(chan struct{})
	g.closed.Store(&ch)
	return func() {
		g.closed.Store(nil)
		close(ch)
		<-g.turn
	}, nil
}

// pass waits while the gate is shut.
func (g *gate) pass(ctx context.Context) error {
	ch := g.closed.Load()
	if ch == nil {
		return nil
	}
	timer := time.NewTimer(gateWait)
	defer timer.Stop()
	for ch != nil {
		select {
		case <-*ch:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		ch = g.closed.Load()
	}
	return nil
}
