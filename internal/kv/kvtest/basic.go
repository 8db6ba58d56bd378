package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"atoll/internal/kv"
)

func testGetSetDelete(t *testing.T, s kv.Store) {
	view(t, s, func(r kv.Reader) error { return wantGet(r, "a", "-") })
	key, value := []byte("a"), []byte("1")
	update(t, s, func(tx kv.Txn) error {
		if err := tx.Set(key, value); err != nil {
			return err
		}
		key[0], value[0] = 'z', 'z' // Set has taken copies
		return tx.Set([]byte("b"), nil)
	})
	view(t, s, func(r kv.Reader) error {
		return errors.Join(wantGet(r, "a", "1"), wantGet(r, "b", ""), wantGet(r, "z", "-"), wantGet(r, "a\x00", "-"))
	})
	update(t, s, func(tx kv.Txn) error {
		return errors.Join(tx.Delete([]byte("a")), tx.Delete([]byte("never there")), tx.Set([]byte("b"), []byte("2")))
	})
	view(t, s, func(r kv.Reader) error {
		return errors.Join(wantGet(r, "a", "-"), wantGet(r, "b", "2"))
	})
}

func testMultiGet(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "1"}, pair{"b", ""}, pair{"c", "3"})
	check := func(r kv.Reader) error {
		got, err := r.MultiGet([][]byte{[]byte("c"), []byte("x"), []byte("b"), []byte("a"), []byte("a")})
		if err != nil {
			return err
		}
		if len(got) != 5 || string(got[0]) != "3" || got[1] != nil || got[2] == nil ||
			len(got[2]) != 0 || string(got[3]) != "1" || string(got[4]) != "1" {
			return fmt.Errorf("got %q", got)
		}
		return nil
	}
	view(t, s, check)
	update(t, s, func(tx kv.Txn) error { return check(tx) })
	update(t, s, func(tx kv.Txn) error {
		err := errors.Join(tx.Set([]byte("x"), nil), tx.Delete([]byte("c")))
		got, gerr := tx.MultiGet([][]byte{[]byte("c"), []byte("x")})
		if gerr == nil && (got[0] != nil || got[1] == nil) {
			gerr = fmt.Errorf("MultiGet of own writes = %v", got)
		}
		return errors.Join(err, gerr)
	})
}

func testScan(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "1"}, pair{"a\x00v1", "2"}, pair{"a\x00v2", "3"}, pair{"ab", "4"}, pair{"b", "5"}, pair{"\xff\xff", "6"})
	check := func(r kv.Reader) error {
		all := "a=1 a\x00v1=2 a\x00v2=3 ab=4 b=5 \xff\xff=6"
		return errors.Join(
			wantScan(r, "", "", all),
			wantScan(r, "a", "", all),
			wantScan(r, "a", "b", "a=1 a\x00v1=2 a\x00v2=3 ab=4"),
			wantScan(r, "a\x00", "a\x01", "a\x00v1=2 a\x00v2=3"),
			wantScan(r, "a\x00v2", "ab", "a\x00v2=3"),
			wantScan(r, "aa", "ab", ""),
			wantScan(r, "b", "a", ""),
			wantScan(r, "b", "b", ""),
			wantScan(r, "c", "", "\xff\xff=6"),
		)
	}
	view(t, s, check)
	update(t, s, func(tx kv.Txn) error { return check(tx) })
	// Several iterators at a time.
	view(t, s, func(r kv.Reader) error {
		x, y := r.Scan([]byte("a"), []byte("b")), r.Scan([]byte("ab"), nil)
		defer x.Close()
		defer y.Close()
		for _, k := range []string{"ab", "b", "\xff\xff"} {
			if !y.Next() || string(y.Key()) != k {
				return fmt.Errorf("second iterator at %q, want %q", y.Key(), k)
			}
			if !x.Next() {
				return errors.New("first iterator ended")
			}
			if err := wantGet(r, "b", "5"); err != nil { // in between
				return err
			}
		}
		if string(x.Key()) != "a\x00v2" || string(x.Value()) != "3" {
			return fmt.Errorf("first iterator at %q", x.Key())
		}
		return errors.Join(x.Err(), y.Err())
	})
}

func testSeekGE(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "1"}, pair{"c", "2"}, pair{"e", "3"}, pair{"g", "4"})
	check := func(r kv.Reader) error {
		it := r.Scan([]byte("b"), []byte("g"))
		defer it.Close()
		for _, step := range []struct{ seek, want string }{
			{"a", "c"}, // below the range
			{"b", "c"}, // not backward, not on
			{"c", "c"},
			{"d", "e"},
			{"a", "e"}, // forward only
		} {
			if !it.SeekGE([]byte(step.seek)) || string(it.Key()) != step.want {
				return fmt.Errorf("after SeekGE(%s) at %q, want %q", step.seek, it.Key(), step.want)
			}
		}
		if it.Next() || it.SeekGE([]byte("a")) || it.Next() {
			return fmt.Errorf("a move past the end found %q", it.Key())
		}
		beyond := r.Scan([]byte("b"), []byte("g"))
		defer beyond.Close()
		if beyond.SeekGE([]byte("g")) {
			return fmt.Errorf("SeekGE beyond the range found %q", beyond.Key())
		}
		mixed := r.Scan(nil, nil)
		defer mixed.Close()
		if !mixed.Next() || !mixed.SeekGE([]byte("b")) || !mixed.Next() || string(mixed.Key()) != "e" {
			return fmt.Errorf("after Next, SeekGE(b), Next at %q", mixed.Key())
		}
		return errors.Join(it.Err(), beyond.Err(), mixed.Err())
	}
	view(t, s, check)
	update(t, s, func(tx kv.Txn) error { return check(tx) })
	update(t, s, func(tx kv.Txn) error { // own writes in between
		it := tx.Scan([]byte("b"), []byte("g"))
		if err := errors.Join(it.Close(), tx.Delete([]byte("c")), tx.Set([]byte("d"), []byte("x"))); err != nil {
			return err
		}
		it = tx.Scan([]byte("b"), []byte("g"))
		defer it.Close()
		if !it.SeekGE([]byte("c")) || string(it.Key()) != "d" || !it.SeekGE([]byte("d0")) || string(it.Key()) != "e" {
			return fmt.Errorf("at %q", it.Key())
		}
		return errors.Join(it.Err(), errAbandonLater(tx))
	})
}

// errAbandonLater undoes what testSeekGE wrote, so that it commits nothing odd.
func errAbandonLater(tx kv.Txn) error {
	return errors.Join(tx.Set([]byte("c"), []byte("2")), tx.Delete([]byte("d")))
}

func testFirst(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "0"}, pair{"n\x00\x05", "v5"}, pair{"n\x00\x07", "v7"}, pair{"nn\x00\x01", "w"}, pair{"o", "9"})
	check := func(r kv.Reader) error {
		return errors.Join(
			wantFirst(r, "n\x00\x00", "n\x00\xff", "n\x00\x05=v5"),
			wantFirst(r, "n\x00\x05", "n\x00\xff", "n\x00\x05=v5"),
			wantFirst(r, "n\x00\x06", "n\x00\xff", "n\x00\x07=v7"),
			wantFirst(r, "n\x00\x06", "n\x00\x07", "-"),
			wantFirst(r, "n\x00\x08", "n\x00\xff", "-"),
			wantFirst(r, "n\x00", "n\x00\xff", "n\x00\x05=v5"),
			wantFirst(r, "m\x00\x00", "m\x00\xff", "-"),
			wantFirst(r, "n", "o", "n\x00\x05=v5"),
			wantFirst(r, "n\x00\x08", "o", "nn\x00\x01=w"),
			wantFirst(r, "n\x00\x08", "", "nn\x00\x01=w"),
			wantFirst(r, "", "", "a=0"),
			wantFirst(r, "a", "a\x00", "a=0"),
			wantFirst(r, "o\x00", "", "-"),
			wantFirst(r, "o", "n", "-"),
		)
	}
	view(t, s, check)
	update(t, s, func(tx kv.Txn) error { return check(tx) })
}

func testValuesValid(t *testing.T, s kv.Store) {
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i*37%9000) }
	key := func(i int) []byte { return fmt.Appendf(nil, "k%03d\x00v", i) }
	const n = 90
	update(t, s, func(tx kv.Txn) error {
		for i := range n {
			if err := tx.Set(key(i), value(i)); err != nil {
				return err
			}
		}
		return nil
	})
	check := func(r kv.Reader) error {
		var got [3][n][]byte
		var keys [n][]byte
		for i := range n {
			var err error
			if got[0][i], _, err = r.Get(key(i)); err != nil {
				return err
			}
			if keys[i], got[1][i], _, err = r.First(key(i)[:5], key(i + 1)[:5]); err != nil {
				return err
			}
			if got[2][i], _, err = r.Get(key(n - 1 - i)); err != nil {
				return err
			}
		}
		for i := range n {
			if !bytes.Equal(got[0][i], value(i)) || !bytes.Equal(got[1][i], value(i)) ||
				!bytes.Equal(got[2][i], value(n-1-i)) || !bytes.Equal(keys[i], key(i)) {
				return fmt.Errorf("what was read of key %d has changed", i)
			}
		}
		return nil
	}
	view(t, s, check)
	update(t, s, func(tx kv.Txn) error { return check(tx) })
}

func testBigValues(t *testing.T, s kv.Store) {
	key := func(i int) []byte { return append(bytes.Repeat([]byte{'k'}, kv.MaxWholeKey-1), byte(i)) }
	value := func(i int) []byte {
		v := make([]byte, kv.MaxValue)
		for j := range v {
			v[j] = byte(i + j*j>>3)
		}
		return v
	}
	const n = 15
	update(t, s, func(tx kv.Txn) error {
		for i := range n {
			if err := tx.Set(key(i), value(i)); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(r kv.Reader) error {
		it := r.Scan(key(0), key(n))
		defer it.Close()
		for i := range n {
			v, ok, err := r.Get(key(i))
			if err != nil || !ok || !bytes.Equal(v, value(i)) {
				return fmt.Errorf("big value %d by Get: %v, %w", i, ok, err)
			}
			if !it.Next() || !bytes.Equal(it.Value(), value(i)) || !bytes.Equal(it.Key(), key(i)) {
				return fmt.Errorf("big value %d by Scan: %w", i, it.Err())
			}
		}
		return it.Err()
	})
}

func testLeftOpen(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "1"})
	leave := func(r kv.Reader) error {
		r.Scan([]byte("a"), nil).Next()
		return nil
	}
	if err := s.View(context.Background(), leave); err == nil {
		t.Error("View said nothing of an iterator left open")
	}
	err := s.Update(context.Background(), func(tx kv.Txn) error {
		return errors.Join(tx.Set([]byte("a"), []byte("2")), leave(tx))
	})
	if err == nil {
		t.Error("Update said nothing of an iterator left open")
	}
	view(t, s, func(r kv.Reader) error { return wantGet(r, "a", "1") })
}
