package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

func testOwnWrites(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}, pair{"n\x00\x05", "v5"}, pair{"n\x00\x07", "v7"})
	err := s.Update(context.Background(), func(tx kv.Txn) error {
		return errors.Join(
			tx.Set([]byte("b"), []byte("B")),
			tx.Delete([]byte("c")),
			tx.Set([]byte("d"), []byte("D")),
			wantGet(tx, "a", "1"), wantGet(tx, "b", "B"), wantGet(tx, "c", "-"), wantGet(tx, "d", "D"),
			wantScan(tx, "a", "e", "a=1 b=B d=D"),
			wantScan(tx, "b", "d", "b=B"),
			wantFirst(tx, "c", "e", "d=D"),
			wantFirst(tx, "c", "d", "-"),
			tx.Delete([]byte("d")),
			tx.Set([]byte("c"), []byte("C")),
			wantScan(tx, "a", "e", "a=1 b=B c=C"),

			tx.Delete([]byte("n\x00\x05")),
			wantFirst(tx, "n\x00\x00", "n\x00\xff", "n\x00\x07=v7"),
			tx.Set([]byte("n\x00\x06"), []byte("v6")),
			wantFirst(tx, "n\x00\x00", "n\x00\xff", "n\x00\x06=v6"),
			wantFirst(tx, "n\x00\x07", "n\x00\xff", "n\x00\x07=v7"),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, s, func(r kv.Reader) error {
		return wantScan(r, "", "", "a=1 b=B c=C n\x00\x06=v6 n\x00\x07=v7")
	})
}

func testOwnRangeDeletes(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}, pair{"d", "4"}, pair{"e", "5"})
	update(t, s, func(tx kv.Txn) error {
		return errors.Join(
			tx.Set([]byte("b1"), []byte("x")),
			tx.DeleteRange([]byte("b"), []byte("d")),
			wantGet(tx, "b1", "-"), wantGet(tx, "b", "-"), wantGet(tx, "d", "4"),
			wantScan(tx, "", "", "a=1 d=4 e=5"),
			tx.Set([]byte("c"), []byte("C")), // newer than the deletion
			wantGet(tx, "c", "C"),
			wantScan(tx, "b", "e", "c=C d=4"),
			wantFirst(tx, "b", "z", "c=C"),
			tx.DeleteRange([]byte("e"), []byte("e")), // empty
			tx.DeleteRange([]byte("e"), []byte("d")), // empty
			wantGet(tx, "e", "5"),
		)
	})
	view(t, s, func(r kv.Reader) error { return wantScan(r, "", "", "a=1 c=C d=4 e=5") })
	update(t, s, func(tx kv.Txn) error {
		return errors.Join(
			tx.DeleteRange([]byte("a"), []byte("c")),
			tx.DeleteRange([]byte("b"), []byte("d\x00")), // overlapping
			wantScan(tx, "", "", "e=5"),
			tx.Set([]byte("a"), nil),
			tx.Delete([]byte("a")),
			wantFirst(tx, "", "", "e=5"),
		)
	})
	view(t, s, func(r kv.Reader) error { return wantScan(r, "", "", "e=5") })
	err := s.Update(context.Background(), func(tx kv.Txn) error { return tx.DeleteRange([]byte("a"), nil) })
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("DeleteRange without an upper bound: %v", err)
	}
}

// testWritesDuringScan deletes and adds keys on the way through a range, as
// jobs do: what was there before must be met once each.
func testWritesDuringScan(t *testing.T, s kv.Store) {
	var pairs []pair
	for i := range 40 {
		pairs = append(pairs, pair{fmt.Sprintf("k%02d", i), "v"})
	}
	set(t, s, pairs...)
	update(t, s, func(tx kv.Txn) error {
		if err := tx.Delete([]byte("k05")); err != nil {
			return err
		}
		it := tx.Scan([]byte("k"), []byte("l"))
		defer it.Close()
		met := map[string]int{}
		for it.Next() {
			k := string(it.Key())
			met[k]++
			if err := errors.Join(tx.Delete([]byte(k)), tx.Set([]byte("n"+k), it.Value())); err != nil {
				return err
			}
		}
		for _, p := range pairs {
			if n := met[p.key]; n != 1 && p.key != "k05" {
				return fmt.Errorf("%s was met %d times", p.key, n)
			}
		}
		return errors.Join(it.Err(), wantScan(tx, "k", "l", ""))
	})
	view(t, s, func(r kv.Reader) error { return wantScan(r, "k", "l", "") })
}

func testBudget(t *testing.T, s kv.Store) {
	key := func(i int) []byte { return fmt.Appendf(nil, "k%04d", i) }
	fill := func(n, size int) func(kv.Txn) error {
		return func(tx kv.Txn) error {
			for i := range n {
				if err := tx.Set(key(i), make([]byte, size)); err != nil {
					return err
				}
			}
			if tx.Mutations() != n || tx.Bytes() < n*size {
				return fmt.Errorf("%d mutations, %d bytes", tx.Mutations(), tx.Bytes())
			}
			return nil
		}
	}
	ctx := context.Background()
	for _, tc := range []struct {
		name string
		fn   func(kv.Txn) error
	}{
		{"mutations", fill(kv.MaxMutations+1, 1)},
		{"bytes", fill(17, kv.MaxValue)},
		{"value", fill(1, kv.MaxValue+1)},
		{"key", func(tx kv.Txn) error { return tx.Set(make([]byte, kv.MaxWholeKey+1), nil) }},
		{"deletes", func(tx kv.Txn) error {
			for i := range kv.MaxMutations + 1 {
				_ = tx.Delete(key(i)) // the commit must fail all the same
			}
			return nil
		}},
		{"ranges", func(tx kv.Txn) error {
			for i := range kv.MaxMutations + 1 {
				_ = tx.DeleteRange(key(2*i), key(2*i+1))
			}
			return nil
		}},
	} {
		if err := s.Update(ctx, tc.fn); !errors.Is(err, kv.ErrBudget) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	view(t, s, func(r kv.Reader) error { return wantScan(r, "", "", "") })
	update(t, s, fill(kv.MaxMutations, 1))
	update(t, s, fill(15, kv.MaxValue))
	update(t, s, func(tx kv.Txn) error { // what is overwritten does not count
		for i := range 3 * kv.MaxMutations {
			if err := tx.Set(key(0), make([]byte, i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func testErrors(t *testing.T, s kv.Store) {
	ctx := context.Background()
	set(t, s, pair{"a", "1"})
	runs := 0
	err := s.Update(ctx, func(tx kv.Txn) error {
		runs++
		if err := tx.Set([]byte("a"), []byte("2")); err != nil {
			return err
		}
		return errAbandon
	})
	if err != errAbandon || runs != 1 { //nolint:errorlint // it must come back as it is
		t.Errorf("Update: %v after %d runs", err, runs)
	}
	if err := s.View(ctx, func(kv.Reader) error { return errAbandon }); err != errAbandon {
		t.Errorf("View: %v", err)
	}
	view(t, s, func(r kv.Reader) error { return wantGet(r, "a", "1") })
	// Updates that write nothing.
	update(t, s, func(tx kv.Txn) error { return wantGet(tx, "a", "1") })
	update(t, s, func(kv.Txn) error { return nil })
	// A panic goes through and leaves the store usable.
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.Update(ctx, func(tx kv.Txn) error {
			_ = tx.Set([]byte("a"), []byte("3"))
			tx.Scan(nil, nil).Next()
			panic("test")
		})
	}()
	view(t, s, func(r kv.Reader) error { return wantGet(r, "a", "1") })
	set(t, s, pair{"a", "4"})
}

func testCancel(t *testing.T, s kv.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	never := errors.New("the function ran")
	if err := s.View(ctx, func(kv.Reader) error { return never }); !errs.Is(err, errs.Canceled) {
		t.Errorf("View: %v", err)
	}
	if err := s.Update(ctx, func(kv.Txn) error { return never }); !errs.Is(err, errs.Canceled) {
		t.Errorf("Update: %v", err)
	}
	// A transaction that is canceled while it loses does not go on forever.
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	runs := 0
	err := s.Update(ctx, func(tx kv.Txn) error {
		runs++
		if _, err := get(tx, "a"); err != nil {
			return err
		}
		commitElsewhere(t, s, func(other kv.Txn) error { return other.Set([]byte("a"), fmt.Append(nil, runs)) })
		if runs == 3 {
			cancel()
		}
		return tx.Set([]byte("b"), []byte("lost"))
	})
	if !errs.Is(err, errs.Canceled) || runs != 3 {
		t.Errorf("canceled after %d runs: %v", runs, err)
	}
	view(t, s, func(r kv.Reader) error { return errors.Join(wantGet(r, "a", "3"), wantGet(r, "b", "-")) })
}
