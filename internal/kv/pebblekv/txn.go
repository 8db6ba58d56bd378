package pebblekv

import (
	"bytes"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// txn implements kv.Txn: a reader of the newest published snapshot that
// records what it reads and buffers what it writes. It is pooled.
type txn struct {
	reader
	writes overlay
	reads  readSet
	hashes []keyHashes
	// broken is the first error of a write; it fails the commit.
	broken error
}

var _ kv.Txn = (*txn)(nil)

// finish makes the transaction fit for the next use.
func (t *txn) finish() {
	t.reader.finish()
	t.writes.reset()
	t.reads.reset()
	t.broken = nil
}

// Get implements kv.Reader.
func (t *txn) Get(key []byte) ([]byte, bool, error) {
	if !t.writes.empty() {
		if v, ok, known := t.writes.lookup(key); known {
			return v, ok, nil
		}
	}
	t.reads.addPoint(t.mem.copy(key))
	return t.reader.Get(key)
}

// MultiGet implements kv.Reader.
func (t *txn) MultiGet(keys [][]byte) ([][]byte, error) { return multiGet(t.Get, keys) }

// First implements kv.Reader.
func (t *txn) First(lo, hi []byte) ([]byte, []byte, bool, error) {
	prefix := t.s.onePrefix(lo, hi)
	if prefix < 0 || t.writes.touches(lo, hi) {
		return t.firstScan(t, lo, hi)
	}
	k, v, ok, err := t.firstInPrefix(lo, hi)
	read := readRange{lo: t.mem.copy(lo), prefix: prefix}
	if ok {
		read.hi, read.incl = k, true
	} else {
		read.hi = t.mem.copy(hi)
	}
	t.reads.addRange(read)
	return k, v, ok, err
}

// Scan implements kv.Reader.
func (t *txn) Scan(lo, hi []byte) kv.Iterator { return t.scan(t, lo, hi) }

// Set implements kv.Txn.
func (t *txn) Set(key, value []byte) error {
	if len(value) > kv.MaxValue {
		return t.breaks(budgetError("a value of %d bytes, at most %d are allowed", len(value), kv.MaxValue))
	}
	if err := checkKey(key); err != nil {
		return t.breaks(err)
	}
	t.writes.put(write{key: t.mem.copy(key), value: t.mem.copy(value)})
	return t.breaks(t.writes.checkBudget())
}

// Delete implements kv.Txn.
func (t *txn) Delete(key []byte) error {
	if err := checkKey(key); err != nil {
		return t.breaks(err)
	}
	t.writes.put(write{key: t.mem.copy(key), del: true})
	return t.breaks(t.writes.checkBudget())
}

// DeleteRange implements kv.Txn.
func (t *txn) DeleteRange(lo, hi []byte) error {
	if len(hi) == 0 {
		return t.breaks(errs.New("delete range", "", errs.Invalid, "no upper bound"))
	}
	// Bounds may be the successor of a key of full length.
	if len(lo) > kv.MaxWholeKey+1 || len(hi) > kv.MaxWholeKey+1 {
		return t.breaks(budgetError("a bound of %d bytes, at most %d are allowed", max(len(lo), len(hi)), kv.MaxWholeKey))
	}
	if bytes.Compare(lo, hi) >= 0 {
		return t.broken
	}
	t.writes.remove(span{t.mem.copy(lo), t.mem.copy(hi)})
	return t.breaks(t.writes.checkBudget())
}

func checkKey(key []byte) error {
	if len(key) == 0 {
		return errs.New("transaction", "", errs.Invalid, "an empty key")
	}
	if len(key) > kv.MaxWholeKey {
		return budgetError("a key of %d bytes, at most %d are allowed", len(key), kv.MaxWholeKey)
	}
	return nil
}

// breaks keeps the first error of a write and returns err.
func (t *txn) breaks(err error) error {
	if err != nil && t.broken == nil {
		t.broken = err
	}
	return err
}

// Mutations implements kv.Txn.
func (t *txn) Mutations() int { return len(t.writes.points) + len(t.writes.spans) }

// Bytes implements kv.Txn.
func (t *txn) Bytes() int { return t.writes.bytes }
