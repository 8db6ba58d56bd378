package kvtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"atoll/internal/kv"
)

// commitElsewhere runs a transaction to its end while another one, the
// caller's, is open.
func commitElsewhere(t *testing.T, s kv.Store, fn func(kv.Txn) error) {
	done := make(chan error)
	go func() { done <- s.Update(context.Background(), fn) }()
	if err := <-done; err != nil {
		t.Errorf("the other transaction: %v", err)
	}
}

func testViewIsolation(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "1"}, pair{"b", "1"}, pair{"c", "1"})
	view(t, s, func(r kv.Reader) error {
		it := r.Scan(nil, nil)
		defer it.Close()
		it.Next()
		commitElsewhere(t, s, func(tx kv.Txn) error {
			return errors.Join(tx.Set([]byte("a"), []byte("2")), tx.Delete([]byte("b")),
				tx.DeleteRange([]byte("c"), []byte("d")), tx.Set([]byte("d"), []byte("2")))
		})
		if !it.Next() || string(it.Key()) != "b" {
			return fmt.Errorf("the iterator moved to %q", it.Key())
		}
		err := errors.Join(wantGet(r, "a", "1"), wantGet(r, "b", "1"), wantFirst(r, "b1", "", "c=1"), wantScan(r, "", "", "a=1 b=1 c=1"))
		view(t, s, func(r kv.Reader) error { return wantScan(r, "", "", "a=2 d=2") })
		return err
	})
}

// testConflicts lets a transaction read something, lets another change it, and
// checks that the first runs again and then sees the change.
func testConflicts(t *testing.T, s kv.Store) {
	setOther := func(key string) func(kv.Txn) error {
		return func(tx kv.Txn) error { return tx.Set([]byte(key), []byte("new")) }
	}
	deleteOther := func(key string) func(kv.Txn) error {
		return func(tx kv.Txn) error { return tx.Delete([]byte(key)) }
	}
	readGet := func(key string) func(kv.Txn) (string, error) {
		return func(tx kv.Txn) (string, error) { return get(tx, key) }
	}
	readFirst := func(lo, hi string) func(kv.Txn) (string, error) {
		return func(tx kv.Txn) (string, error) { return first(tx, lo, hi) }
	}
	readScan := func(lo, hi string) func(kv.Txn) (string, error) {
		return func(tx kv.Txn) (string, error) { return scan(tx, lo, hi) }
	}
	setup := []pair{{"b", "1"}, {"d", "1"}, {"f", "1"}, {"n\x00\x05", "1"}, {"n\x00\x09", "1"}}
	for _, tc := range []struct {
		name   string
		read   func(kv.Txn) (string, error)
		other  func(kv.Txn) error
		before string
		after  string
	}{
		{"get", readGet("b"), setOther("b"), "1", "new"},
		{"get deleted", readGet("b"), deleteOther("b"), "1", "-"},
		{"get absent", readGet("c"), setOther("c"), "-", "new"},
		{"get range deleted", readGet("d"), func(tx kv.Txn) error { return tx.DeleteRange([]byte("c"), []byte("e")) }, "1", "-"},
		{"scan insert", readScan("b", "e"), setOther("c"), "b=1 d=1", "b=1 c=new d=1"},
		{"scan insert at start", readScan("a", "e"), setOther("a"), "b=1 d=1", "a=new b=1 d=1"},
		{"scan insert at end", readScan("b", "e"), setOther("dz"), "b=1 d=1", "b=1 d=1 dz=new"},
		{"scan empty", readScan("x", "y"), setOther("x5"), "", "x5=new"},
		{"scan to the end", readScan("x", ""), setOther("zzz"), "", "zzz=new"},
		{"scan delete", readScan("a", "e"), deleteOther("d"), "b=1 d=1", "b=1"},
		{"scan range delete", readScan("d", "e"), func(tx kv.Txn) error { return tx.DeleteRange([]byte("a"), []byte("z")) }, "d=1", ""},
		{"first found", readFirst("c", "z"), setOther("d"), "d=1", "d=new"},
		{"first deleted", readFirst("c", "z"), deleteOther("d"), "d=1", "f=1"},
		{"first before", readFirst("c", "z"), setOther("c"), "d=1", "c=new"},
		{"first empty", readFirst("g", "h"), setOther("g1"), "-", "g1=new"},
		{"first version", readFirst("n\x00\x00", "n\x00\xff"), setOther("n\x00\x05"), "n\x00\x05=1", "n\x00\x05=new"},
		{"first version before", readFirst("n\x00\x00", "n\x00\xff"), setOther("n\x00\x03"), "n\x00\x05=1", "n\x00\x03=new"},
		{"first version deleted", readFirst("n\x00\x00", "n\x00\xff"), deleteOther("n\x00\x05"), "n\x00\x05=1", "n\x00\x09=1"},
		{"first version absent", readFirst("m\x00\x00", "m\x00\xff"), setOther("m\x00\x03"), "-", "m\x00\x03=new"},
		{"first version range delete", readFirst("n\x00\x06", "n\x00\xff"),
			func(tx kv.Txn) error { return tx.DeleteRange([]byte("n"), []byte("o")) }, "n\x00\x09=1", "-"},
		{"scan partly, changed behind", func(tx kv.Txn) (string, error) {
			it := tx.Scan([]byte("a"), []byte("z"))
			defer it.Close()
			if !it.Next() || !it.SeekGE([]byte("e")) {
				return "", it.Err()
			}
			return string(it.Key()), nil
		}, setOther("e5"), "f", "e5"},
		{"scan partly, changed before", func(tx kv.Txn) (string, error) {
			it := tx.Scan([]byte("a"), []byte("z"))
			defer it.Close()
			if !it.Next() {
				return "", it.Err()
			}
			start := string(it.Key())
			it.SeekGE([]byte("e"))
			return start, it.Err()
		}, setOther("a5"), "b", "a5"},
		{"first beside own writes", func(tx kv.Txn) (string, error) {
			if err := tx.Delete([]byte("d")); err != nil {
				return "", err
			}
			return first(tx, "c", "z")
		}, setOther("e"), "f=1", "e=new"},
		{"scan beside own range delete", func(tx kv.Txn) (string, error) {
			if err := tx.DeleteRange([]byte("c"), []byte("e")); err != nil {
				return "", err
			}
			return scan(tx, "a", "g")
		}, setOther("ee"), "b=1 f=1", "b=1 ee=new f=1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			update(t, s, func(tx kv.Txn) error { return tx.DeleteRange(nil, []byte("\xff")) })
			set(t, s, setup...)
			runs := 0
			var saw []string
			update(t, s, func(tx kv.Txn) error {
				runs++
				got, err := tc.read(tx)
				if err != nil {
					return err
				}
				saw = append(saw, got)
				if runs == 1 {
					commitElsewhere(t, s, tc.other)
				}
				return tx.Set([]byte("result"), []byte(got))
			})
			if runs < 2 || saw[0] != tc.before || saw[len(saw)-1] != tc.after {
				t.Errorf("ran %d times, saw %q; want %q, then %q", runs, saw, tc.before, tc.after)
			}
			view(t, s, func(r kv.Reader) error { return wantGet(r, "result", tc.after) })
		})
	}
}

// testNoConflict: transactions that only read, or only write, need no luck.
func testNoConflict(t *testing.T, s kv.Store) {
	set(t, s, pair{"a", "1"}, pair{"b", "1"})
	runs := 0
	update(t, s, func(tx kv.Txn) error {
		runs++
		err := errors.Join(wantGet(tx, "a", "1"))
		if runs == 1 {
			commitElsewhere(t, s, func(tx kv.Txn) error {
				return errors.Join(tx.Set([]byte("a"), []byte("2")), tx.Set([]byte("b"), []byte("2")))
			})
		}
		return errors.Join(err, wantScan(tx, "", "", "a=1 b=1"))
	})
	if runs != 1 {
		t.Errorf("an Update that only read ran %d times", runs)
	}
	runs = 0
	update(t, s, func(tx kv.Txn) error {
		runs++
		if err := tx.Set([]byte("a"), []byte("3")); err != nil {
			return err
		}
		// Own writes are not read from the store.
		if err := wantGet(tx, "a", "3"); err != nil {
			return err
		}
		if runs == 1 {
			commitElsewhere(t, s, func(tx kv.Txn) error { return tx.Set([]byte("a"), []byte("other")) })
		}
		return nil
	})
	if runs != 1 {
		t.Errorf("an Update that only wrote ran %d times", runs)
	}
	view(t, s, func(r kv.Reader) error { return wantGet(r, "a", "3") })
}

// testWriteSkew: two transactions read both rows and each changes one.
func testWriteSkew(t *testing.T, s kv.Store) {
	set(t, s, pair{"x", "on"}, pair{"y", "on"})
	off := func(mine, other string, meet func()) func(kv.Txn) error {
		runs := 0
		return func(tx kv.Txn) error {
			runs++
			v, err := get(tx, other)
			if err != nil {
				return err
			}
			if runs == 1 {
				meet()
			}
			if v != "on" {
				return nil // one must stay on
			}
			return tx.Set([]byte(mine), []byte("off"))
		}
	}
	var both sync.WaitGroup
	both.Add(2)
	meet := func() { both.Done(); both.Wait() }
	errc := make(chan error, 2)
	go func() { errc <- s.Update(context.Background(), off("x", "y", meet)) }()
	go func() { errc <- s.Update(context.Background(), off("y", "x", meet)) }()
	if err := errors.Join(<-errc, <-errc); err != nil {
		t.Fatal(err)
	}
	view(t, s, func(r kv.Reader) error {
		x, err := get(r, "x")
		y, err2 := get(r, "y")
		if (x == "off") == (y == "off") {
			return fmt.Errorf("x is %s and y is %s", x, y)
		}
		return errors.Join(err, err2)
	})
}

func number(r kv.Reader, key string) (int, error) {
	v, ok, err := r.Get([]byte(key))
	if err != nil || !ok {
		return 0, err
	}
	return strconv.Atoi(string(v))
}

// testCounter: many writers of one key, none is lost.
func testCounter(t *testing.T, s kv.Store) {
	const writers, each = 16, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := s.Update(context.Background(), func(tx kv.Txn) error {
					n, err := number(tx, "n")
					if err != nil {
						return err
					}
					return tx.Set([]byte("n"), strconv.AppendInt(nil, int64(n+1), 10))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(r kv.Reader) error { return wantGet(r, "n", strconv.Itoa(writers*each)) })
}

// testTransfers moves amounts between accounts while readers check the sum.
func testTransfers(t *testing.T, s kv.Store) {
	const accounts, total = 6, 600
	name := func(i int) string { return "acc" + strconv.Itoa(i%accounts) }
	for i := range accounts {
		set(t, s, pair{name(i), strconv.Itoa(total / accounts)})
	}
	stop := make(chan struct{})
	var movers, readers sync.WaitGroup
	for w := range 4 {
		movers.Go(func() {
			for i := range 40 {
				err := s.Update(context.Background(), func(tx kv.Txn) error {
					from, to := name(w+i), name(w*3+i*5+1)
					a, err := number(tx, from)
					if err != nil || from == to {
						return err
					}
					b, err := number(tx, to)
					return errors.Join(err, tx.Set([]byte(from), []byte(strconv.Itoa(a-i))), tx.Set([]byte(to), []byte(strconv.Itoa(b+i))))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	sum := func(r kv.Reader) error {
		it := r.Scan([]byte("acc"), []byte("acd"))
		defer it.Close()
		n := 0
		for it.Next() {
			v, err := strconv.Atoi(string(it.Value()))
			if err != nil {
				return err
			}
			n += v
		}
		if n != total && it.Err() == nil {
			return fmt.Errorf("the sum is %d", n)
		}
		return it.Err()
	}
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := errors.Join(s.View(context.Background(), sum),
					s.Update(context.Background(), func(tx kv.Txn) error { return sum(tx) })); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	movers.Wait()
	close(stop)
	readers.Wait()
	view(t, s, sum)
}
