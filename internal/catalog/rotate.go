package catalog

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// sealedPrefixes begin the keys of the rows that hold secrets.
var sealedPrefixes = [...]string{prefixUser, prefixShareKey}

// rowsPerReseal bounds the rows that one transaction of a rotation reads: each
// may be written, with two seals.
const rowsPerReseal = 40

// openMaster finds out which of the given master keys the store has, and what
// a rotation that was cut short left to do.
func (c *Catalog) openMaster(t kv.Txn, check, other []byte) error {
	now, next, err := header(t)
	if err != nil {
		return err
	}
	own, second := c.o.MasterKey, c.o.OtherKey
	if subtle.ConstantTimeCompare(now, check) != 1 {
		if other == nil || subtle.ConstantTimeCompare(now, other) != 1 {
			return errs.New("open catalog", "", errs.Permission,
				"this store has another master key: bring back its master.key file or set ATOLL_MASTER_KEY to it")
		}
		own, second = *c.o.OtherKey, &c.o.MasterKey
		check, other = other, check
	}
	c.goOn = nil
	switch {
	case next == nil:
	case subtle.ConstantTimeCompare(next, check) == 1: // the old seals are still there
		c.goOn = &own
	case other != nil && subtle.ConstantTimeCompare(next, other) == 1:
		c.goOn = second
	default:
		// The rotation had begun to another key, which is not known here.
		// Nothing needs it yet: what was sealed under it is left over, and
		// goes with the next rotation.
		return t.Delete([]byte(keyMasterNext))
	}
	return nil
}

// resumeRotation finishes the rotation that Open found cut short.
func (c *Catalog) resumeRotation(ctx context.Context) error {
	if c.goOn == nil {
		return nil
	}
	return c.RotateMasterKey(ctx, *c.goOn)
}

// HasMasterKey tells whether the store's secrets are sealed under this key, so
// that it opens with it.
func (c *Catalog) HasMasterKey(ctx context.Context, k MasterKey) (bool, error) {
	check, err := k.check()
	if err != nil {
		return false, errs.E("check master key", "", errs.Other, err)
	}
	has := false
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		now, _, err := header(r)
		has = subtle.ConstantTimeCompare(now, check) == 1
		return err
	})
	return has, err
}

// RotateMasterKey seals every secret anew under another master key, while
// requests are served. The store opens with the old key until all is sealed
// under both, and with the new key from then on: one row switches. A crash
// before it leaves a rotation that Resume goes on with if Open was given both
// keys, and that is given up otherwise; after it, Resume removes what is left
// of the old key.
//
// It returns an error if the store may still have the old key: HasMasterKey
// tells which it has.
func (c *Catalog) RotateMasterKey(ctx context.Context, to MasterKey) error {
	if !c.rotating.TryLock() {
		return errs.New("rotate master key", "", errs.Overloaded, "another rotation of the master key is running")
	}
	defer c.rotating.Unlock()
	check, err := c.ring.add(to)
	if err != nil {
		return err
	}
	var now, next []byte
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		now, next, err = header(r)
		now, next = bytes.Clone(now), bytes.Clone(next)
		return err
	})
	if err != nil {
		return err
	}
	if next != nil && subtle.ConstantTimeCompare(now, next) == 1 {
		// The last rotation has switched already, perhaps to this key.
		if err := c.endRotation(ctx, now); err != nil || subtle.ConstantTimeCompare(now, check) == 1 {
			return err
		}
	}
	if err := c.beginRotation(ctx, check); err != nil {
		return err
	}
	err = c.eachSealed(ctx, func(key []byte, s *sealed) (bool, error) { return c.sealNext(key, s, check) })
	if err != nil {
		return err
	}
	if err := c.switchKey(ctx, check); err != nil {
		return err
	}
	return c.endRotation(ctx, check)
}

// beginRotation makes every secret that is stored from now on be sealed under
// both keys.
func (c *Catalog) beginRotation(ctx context.Context, check []byte) error {
	return c.o.KV.Update(ctx, func(t kv.Txn) error {
		now, _, err := header(t)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(now, check) == 1 {
			return errs.New("rotate master key", "", errs.Invalid, "the store has this master key already")
		}
		return t.Set([]byte(keyMasterNext), check)
	})
}

// endRotation removes what is sealed under the old key.
func (c *Catalog) endRotation(ctx context.Context, check []byte) error {
	err := c.eachSealed(ctx, func(_ []byte, s *sealed) (bool, error) { return c.dropOld(s, check), nil })
	if err != nil {
		return err
	}
	return c.o.KV.Update(ctx, func(t kv.Txn) error { return t.Delete([]byte(keyMasterNext)) })
}

// sealNext adds the seal under the new key to a row that lacks it.
func (c *Catalog) sealNext(key []byte, s *sealed, check []byte) (bool, error) {
	next := c.ring.of(check)
	if next.made(s.Next) {
		return false, nil
	}
	secret, err := c.ring.open(key, sealed{Secret: s.Secret})
	if err != nil {
		return false, err
	}
	s.Next, err = next.seal(key, secret)
	return err == nil, err
}

// dropOld leaves the seal under the new key alone in a row.
func (c *Catalog) dropOld(s *sealed, check []byte) bool {
	if s.Next == nil {
		return false
	}
	if c.ring.of(check).made(s.Next) {
		s.Secret = s.Next
	}
	s.Next = nil
	return true
}

func (c *Catalog) switchKey(ctx context.Context, check []byte) error {
	return c.o.KV.Update(ctx, func(t kv.Txn) error {
		_, next, err := header(t)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(next, check) != 1 {
			return errs.New("rotate master key", "", errs.Stale, "another rotation has begun meanwhile")
		}
		return t.Set([]byte(keyMasterCheck), check)
	})
}

// eachSealed calls fn with every secret that was stored when it was called,
// and writes those that it changes, a few rows a transaction. Later ones need
// no care: they are sealed as the header says. The rows are listed outside of
// the transactions, so that users who are added meanwhile don't conflict.
// Fields of rows that this program does not know stay.
func (c *Catalog) eachSealed(ctx context.Context, fn func(key []byte, s *sealed) (changed bool, err error)) error {
	for _, prefix := range sealedPrefixes {
		for lo := []byte(prefix); lo != nil; {
			if err := ctx.Err(); err != nil {
				return errs.E("rotate master key", "", errs.Canceled, err)
			}
			var keys [][]byte
			err := c.o.KV.View(ctx, func(r kv.Reader) (err error) {
				keys, err = scanKeys(r, lo, after([]byte(prefix)), rowsPerReseal)
				return err
			})
			if err != nil {
				return err
			}
			err = c.o.KV.Update(ctx, func(t kv.Txn) error {
				for _, key := range keys {
					if err := reseal(t, key, fn); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			if lo = nil; len(keys) == rowsPerReseal {
				lo = append(keys[len(keys)-1], 0)
			}
		}
	}
	return nil
}

func reseal(t kv.Txn, key []byte, fn func([]byte, *sealed) (bool, error)) error {
	fields := map[string]json.RawMessage{}
	var s sealed
	if ok, err := getRow(t, key, &fields); err != nil || !ok {
		return err
	}
	if _, err := getRow(t, key, &s); err != nil {
		return err
	}
	changed, err := fn(key, &s)
	if err != nil || !changed {
		return err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return errs.E("write catalog", "", errs.Other, err)
	}
	delete(fields, "next")
	if err := decodeRow(b, &fields); err != nil {
		return err
	}
	return setRow(t, key, fields)
}
