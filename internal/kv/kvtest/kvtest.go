package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"atoll/internal/kv"
)

// Split is the version-less prefix of the suite's keys: up to the first NUL
// and with it; a key without a NUL has no version. Engines that want to know
// are to be opened with it, so that the suite's ranges meet their fast paths.
func Split(key []byte) int {
	if i := bytes.IndexByte(key, 0); i >= 0 {
		return i + 1
	}
	return len(key)
}

// Run runs the suite. open returns an empty store and closes it when the test
// ends; it is a good place to check that nothing has leaked.
func Run(t *testing.T, open func(t *testing.T) kv.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, kv.Store)
	}{
		{"GetSetDelete", testGetSetDelete},
		{"MultiGet", testMultiGet},
		{"Scan", testScan},
		{"SeekGE", testSeekGE},
		{"First", testFirst},
		{"OwnWrites", testOwnWrites},
		{"OwnRangeDeletes", testOwnRangeDeletes},
		{"WritesDuringScan", testWritesDuringScan},
		{"ValuesValidUntilReturn", testValuesValid},
		{"BigValues", testBigValues},
		{"Budget", testBudget},
		{"Errors", testErrors},
		{"Cancel", testCancel},
		{"LeftOpen", testLeftOpen},
		{"ViewIsolation", testViewIsolation},
		{"Conflicts", testConflicts},
		{"NoConflict", testNoConflict},
		{"WriteSkew", testWriteSkew},
		{"Counter", testCounter},
		{"Transfers", testTransfers},
		{"Linearizable", testLinearizable},
		{"Model", testModel},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// pair is a key with its value.
type pair struct{ key, value string }

// set writes pairs in one transaction.
func set(t testing.TB, s kv.Store, pairs ...pair) {
	t.Helper()
	update(t, s, func(tx kv.Txn) error {
		for _, p := range pairs {
			if err := tx.Set([]byte(p.key), []byte(p.value)); err != nil {
				return err
			}
		}
		return nil
	})
}

func update(t testing.TB, s kv.Store, fn func(kv.Txn) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t testing.TB, s kv.Store, fn func(kv.Reader) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// get reads one key; "-" stands for an absent one.
func get(r kv.Reader, key string) (string, error) {
	v, ok, err := r.Get([]byte(key))
	if err != nil || !ok {
		return "-", err
	}
	return string(v), nil
}

// first reads the first pair of a range as "key=value", "-" if there is none.
func first(r kv.Reader, lo, hi string) (string, error) {
	k, v, ok, err := r.First([]byte(lo), []byte(hi))
	if err != nil || !ok {
		return "-", err
	}
	return string(k) + "=" + string(v), nil
}

// scan reads a range as "key=value key=value".
func scan(r kv.Reader, lo, hi string) (string, error) {
	it := r.Scan([]byte(lo), []byte(hi))
	defer it.Close()
	var b bytes.Buffer
	for it.Next() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", it.Key(), it.Value())
	}
	return b.String(), it.Err()
}

// want checks one result inside a transaction.
func want(what string, got string, err error, wanted string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if got != wanted {
		return fmt.Errorf("%s: got %q, want %q", what, got, wanted)
	}
	return nil
}

func wantGet(r kv.Reader, key, wanted string) error {
	got, err := get(r, key)
	return want("Get "+key, got, err, wanted)
}

func wantFirst(r kv.Reader, lo, hi, wanted string) error {
	got, err := first(r, lo, hi)
	return want("First "+lo+" "+hi, got, err, wanted)
}

func wantScan(r kv.Reader, lo, hi, wanted string) error {
	got, err := scan(r, lo, hi)
	return want("Scan "+lo+" "+hi, got, err, wanted)
}

var errAbandon = errors.New("abandon")
