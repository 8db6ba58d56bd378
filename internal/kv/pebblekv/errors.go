package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

// ErrLocked is in the chain of Open's error when another process (or another
// Store of this one) has the directory open.
var ErrLocked = errors.New("another server uses this directory")

// errConflict makes Update run its function again.
var errConflict = errors.New("conflict with another transaction")

var errClosed = errors.New("the store is closed")

// wrap turns an error of Pebble's or of the context into one of Atoll's. An
// error that already is one stays as it is.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *errs.Error
	switch {
	case errors.As(err, &known):
		return err
	case pebble.IsCorruptionError(err):
		return errs.E(op, "", errs.Corrupt, err)
	case vfs.IsNoSpaceError(err):
		return errs.E(op, "", errs.NoSpace, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errs.E(op, "", errs.Canceled, err)
	case errors.Is(err, pebble.ErrReadOnly):
		return errs.E(op, "", errs.ReadOnly, err)
	}
	return errs.E(op, "", errs.Other, err)
}

// logger passes Pebble's messages on. Pebble expects Fatalf not to return; as
// it can when OnFatal does, every caller of a Pebble write looks at
// Store.failure afterwards.
type logger struct {
	log  *slog.Logger
	fail func(error)
}

func (l logger) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("pebble", "text", fmt.Sprintf(format, args...))
	}
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("pebble", "text", fmt.Sprintf(format, args...))
}

func (l logger) Fatalf(format string, args ...any) {
	// Errorf keeps an error argument in the chain where the format wraps it;
	// Pebble's formats use %v, so look for it.
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok {
			err = fmt.Errorf("%s: %w", format, cause)
		}
	}
	l.fail(err)
}
