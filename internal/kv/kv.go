package kv

import (
	"context"
	"errors"
)

// Limits of one transaction that every engine keeps and callers must stay
// within. A larger change is a resumable job of small transactions.
const (
	MaxMutations = 100      // Set, Delete and DeleteRange calls that stand at commit
	MaxTxnBytes  = 1 << 20  // keys and values written, in bytes
	MaxKey       = 1 << 10  // beyond the caller's fixed prefix; engines accept 1,200 bytes in all
	MaxValue     = 64 << 10 // one value, in bytes

	// MaxWholeKey is the length in bytes that every engine accepts for a
	// key with the caller's fixed prefix.
	MaxWholeKey = 1200
)

// ErrBudget is in the chain of the errors that tell of a transaction or a key
// or value beyond the limits above. It is a fault of the calling code.
var ErrBudget = errors.New("transaction budget exceeded")

// Store is an ordered transactional key-value store.
type Store interface {
	// View runs fn on a consistent snapshot. The snapshot holds every Update
	// that had returned before View was called, and nothing that a crash
	// could still take back.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn in a serializable transaction and returns when its
	// writes are durable. On a conflict fn runs again from the start, so it
	// must have no effect but through its Txn. An error from fn abandons the
	// transaction and comes back as it is, after everything that fn may have
	// read has become durable. Updates that write nothing are allowed.
	Update(ctx context.Context, fn func(Txn) error) error

	// Close waits for transactions in flight.
	Close() error
}

// Reader reads from one snapshot. It is used by one goroutine. Slices that it
// returns must not be changed and are valid until the transaction's function
// returns.
type Reader interface {
	// Get returns the value of key; ok tells whether there is one.
	Get(key []byte) (value []byte, ok bool, err error)

	// MultiGet is Get for several keys in one round trip. A missing key
	// gives a nil value; an empty value is non-nil.
	MultiGet(keys [][]byte) ([][]byte, error)

	// First returns the first key in [lo, hi) with its value. Where both
	// bounds share their version prefix (see Options.Split of the engine)
	// it costs what a Get costs.
	First(lo, hi []byte) (key, value []byte, ok bool, err error)

	// Scan returns an iterator over [lo, hi), placed before its first key.
	// Iterators must be closed before the transaction's function returns.
	// An iterator of a Txn sees the writes made before Scan was called;
	// later ones may or may not show.
	Scan(lo, hi []byte) Iterator
}

// Iterator walks a range in ascending key order.
//
//	it := r.Scan(lo, hi)
//	defer it.Close()
//	for ok := it.Next(); ok; ok = it.Next() { ... it.Key(), it.Value() ... }
//	return it.Err()
type Iterator interface {
	// Next moves to the next key and tells whether there is one.
	Next() bool
	// SeekGE moves to the first key of the range that is >= key (forward
	// only) and tells whether there is one.
	SeekGE(key []byte) bool
	// Key and Value are valid until the next move.
	Key() []byte
	Value() []byte
	// Err returns the first error; Next and SeekGE return false after it.
	Err() error
	Close() error
}

// Txn reads from a snapshot and its own writes.
type Txn interface {
	Reader
	// Set, Delete and DeleteRange take copies of their arguments. They fail
	// when the transaction's budget is exceeded.
	Set(key, value []byte) error
	Delete(key []byte) error
	DeleteRange(lo, hi []byte) error
	// Mutations and Bytes tell how much of the budget is used.
	Mutations() int
	Bytes() int
}
