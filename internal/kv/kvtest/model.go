package kvtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"atoll/internal/kv"
)

// model is the plain store that the real one is compared with.
type model map[string]string

// list returns the pairs of [lo, hi) in order.
func (m model) list(lo, hi string) []pair {
	var out []pair
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= lo && (hi == "" || k < hi) {
			out = append(out, pair{k, m[k]})
		}
	}
	return out
}

func show(pairs []pair) string {
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.key + "=" + p.value)
	}
	return b.String()
}

var (
	genKey = rapid.Custom(func(t *rapid.T) string {
		k := rapid.SampledFrom([]string{"a", "ab", "b", "ba", "c", "\xff"}).Draw(t, "name")
		switch rapid.IntRange(0, 3).Draw(t, "shape") {
		case 0:
			return k
		case 1:
			return k + "\x00"
		}
		return k + "\x00" + string([]byte{byte(rapid.IntRange(0, 3).Draw(t, "version") * 85)})
	})
	genBound = rapid.OneOf(genKey, rapid.SampledFrom([]string{"", "aa", "b\x00\xff", "z", "\xff\xff"}))
	genValue = rapid.OneOf(rapid.StringN(0, 6, -1), rapid.Map(rapid.IntRange(0, 3000), func(n int) string { return strings.Repeat("x", n) }))
)

// checkRead makes one random read of r and compares it with m.
func checkRead(t *rapid.T, r kv.Reader, m model) error {
	lo, hi := genBound.Draw(t, "lo"), genBound.Draw(t, "hi")
	switch rapid.IntRange(0, 3).Draw(t, "read") {
	case 0:
		wanted, ok := m[lo]
		if !ok {
			wanted = "-"
		}
		return wantGet(r, lo, wanted)
	case 1:
		wanted := "-"
		if l := m.list(lo, hi); len(l) > 0 {
			wanted = show(l[:1])
		}
		return wantFirst(r, lo, hi, wanted)
	case 2:
		return wantScan(r, lo, hi, show(m.list(lo, hi)))
	}
	return checkMoves(t, r, m.list(lo, hi), lo, hi)
}

// checkMoves walks a range with Next and SeekGE.
func checkMoves(t *rapid.T, r kv.Reader, list []pair, lo, hi string) error {
	it := r.Scan([]byte(lo), []byte(hi))
	defer it.Close()
	at := -1
	for range rapid.IntRange(1, 6).Draw(t, "moves") {
		var ok bool
		if rapid.Bool().Draw(t, "seek") {
			to := genBound.Draw(t, "to")
			at = max(at, 0)
			for at < len(list) && list[at].key < to {
				at++
			}
			ok = it.SeekGE([]byte(to))
		} else {
			at = min(at+1, len(list))
			ok = it.Next()
		}
		if ok != (at < len(list)) {
			return fmt.Errorf("a move in [%q, %q) said %v at %d of %q", lo, hi, ok, at, show(list))
		}
		if ok && (string(it.Key()) != list[at].key || string(it.Value()) != list[at].value) {
			return fmt.Errorf("in [%q, %q) at %q, want %q", lo, hi, it.Key(), list[at].key)
		}
		if !ok {
			break
		}
	}
	return it.Err()
}

// applyOps makes random writes and reads in tx and in m.
func applyOps(t *rapid.T, tx kv.Txn, m model) error {
	for range rapid.IntRange(0, 8).Draw(t, "ops") {
		var err error
		switch rapid.IntRange(0, 5).Draw(t, "op") {
		case 0, 1:
			k, v := genKey.Draw(t, "key"), genValue.Draw(t, "value")
			err = tx.Set([]byte(k), []byte(v))
			m[k] = v
		case 2:
			k := genKey.Draw(t, "key")
			err = tx.Delete([]byte(k))
			delete(m, k)
		case 3:
			lo, hi := genBound.Draw(t, "lo"), genKey.Draw(t, "hi")
			err = tx.DeleteRange([]byte(lo), []byte(hi))
			maps.DeleteFunc(m, func(k, _ string) bool { return k >= lo && k < hi })
		default:
			err = checkRead(t, tx, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// testModel runs random transactions and compares all that they see.
func testModel(t *testing.T, s kv.Store) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		m := model{}
		if err := s.Update(ctx, func(tx kv.Txn) error { return tx.DeleteRange(nil, []byte("\xff\xff\xff")) }); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(t, "transactions") {
			abandon := rapid.IntRange(0, 4).Draw(t, "abandon") == 0
			next := maps.Clone(m)
			err := s.Update(ctx, func(tx kv.Txn) error {
				if err := applyOps(t, tx, next); err != nil {
					return err
				}
				if abandon {
					return errAbandon
				}
				return nil
			})
			switch {
			case abandon && errors.Is(err, errAbandon):
			case err != nil:
				t.Fatal(err)
			default:
				m = next
			}
			err = s.View(ctx, func(r kv.Reader) error {
				if err := wantScan(r, "", "", show(m.list("", ""))); err != nil {
					return err
				}
				for range 3 {
					if err := checkRead(t, r, m); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
