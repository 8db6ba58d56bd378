package catalog

import (
	"context"
	"errors"
	"time"

	"atoll/internal/kv"
)

// sweptPerTxn bounds the rows that one transaction of a sweep removes.
const sweptPerTxn = 50

// Sweep does the housekeeping: it writes down when API keys were last used,
// and removes what has expired (remembered answers, revocations of shares that
// have ended, signing keys that are no longer needed). It is called once a
// minute, by one caller at a time. An error keeps nothing else from being done.
func (c *Catalog) Sweep(ctx context.Context) error {
	now := c.o.Now()
	expired := func(prefix string, end func(value []byte) (time.Time, error)) error {
		return c.sweep(ctx, prefix, func(value []byte) (bool, error) {
			t, err := end(value)
			return err == nil && !t.IsZero() && !t.After(now), err
		})
	}
	return errors.Join(
		c.writeUses(ctx),
		expired(prefixAnswer, func(v []byte) (time.Time, error) {
			var row answerRow
			err := decodeRow(v, &row)
			return row.At.Add(RememberFor), err
		}),
		expired(prefixRevoked, func(v []byte) (time.Time, error) {
			var row revokedRow
			err := decodeRow(v, &row)
			return row.Until, err
		}),
		expired(prefixRevokedAll, func(v []byte) (time.Time, error) {
			var row revokedAllRow
			err := decodeRow(v, &row)
			return row.Before.Add(MaxShareTime), err
		}),
		expired(prefixShareKey, func(v []byte) (time.Time, error) {
			var row shareKeyRow
			err := decodeRow(v, &row)
			return row.Until, err
		}),
	)
}

// sweep removes the rows of one kind that the predicate is true for. Nothing
// that has expired is believed, in the store or in a cache, so caches stay.
func (c *Catalog) sweep(ctx context.Context, prefix string, over func(value []byte) (bool, error)) error {
	for {
		var dead [][]byte
		err := c.o.KV.View(ctx, func(r kv.Reader) error {
			dead = nil
			return eachRow(r, prefix, func(rest, value []byte) error {
				is, err := over(value)
				if err == nil && is && len(dead) < sweptPerTxn {
					dead = append(dead, append([]byte(prefix), rest...))
				}
				return err
			})
		})
		if err != nil || len(dead) == 0 {
			return err
		}
		err = c.o.KV.Update(ctx, func(t kv.Txn) error {
			for _, key := range dead {
				v, ok, err := t.Get(key)
				if err != nil {
					return err
				}
				if !ok {
					continue
				}
				// It may have been written anew since it was looked at.
				if is, err := over(v); err != nil {
					return err
				} else if is {
					if err := t.Delete(key); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil || len(dead) < sweptPerTxn {
			return err
		}
	}
}

// Close writes down what is only in memory yet: when API keys were last used.
// The store stays open.
func (c *Catalog) Close(ctx context.Context) error { return c.writeUses(ctx) }
