package catalog

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// MaxShareTime is how long a share URL holds at most.
const MaxShareTime = 7 * 24 * time.Hour

// keepShareKey is how long a signing key is kept after another took its place:
// longer than any URL holds, so that one that expired lately can say so.
const keepShareKey = 2 * MaxShareTime

// ShareKey is a key that share URLs are signed with.
type ShareKey struct {
	ID      string // 16 hex digits
	Secret  [32]byte
	Created time.Time
	Until   time.Time // when it stops verifying; zero: it is the current one
}

// String hides the secret from logs and messages.
func (k ShareKey) String() string { return k.ID }

// GoString hides the secret from %#v.
func (k ShareKey) GoString() string { return k.ID }

type shareKeyRow struct {
	Created time.Time `json:"created"`
	Until   time.Time `json:"until,omitzero"`
	sealed
}

// ShareKeys returns the keys of share URLs: first the one to sign with, then
// those whose signatures still hold, the youngest first. The first call of a
// store makes a key. It answers from memory.
func (c *Catalog) ShareKeys(ctx context.Context) ([]ShareKey, error) {
	keys, gen, ok := c.shareKeys.get(struct{}{})
	if !ok {
		var err error
		if keys, err = c.readShareKeys(ctx); err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			return c.changeShareKeys(ctx, false)
		}
		c.shareKeys.put(struct{}{}, keys, gen)
	}
	now := c.o.Now()
	return slices.DeleteFunc(slices.Clone(keys), func(k ShareKey) bool { return !k.Until.IsZero() && !k.Until.After(now) }), nil
}

// RotateShareKey makes a new key to sign share URLs with and returns it. The
// one before goes on verifying for longer than URLs hold, so none breaks.
func (c *Catalog) RotateShareKey(ctx context.Context) (ShareKey, error) {
	keys, err := c.changeShareKeys(ctx, true)
	if err != nil {
		return ShareKey{}, err
	}
	return keys[0], nil
}

// readShareKeys returns all keys, the current one first.
func (c *Catalog) readShareKeys(ctx context.Context) ([]ShareKey, error) {
	var keys []ShareKey
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		keys = nil
		return eachRow(r, prefixShareKey, func(rest, value []byte) error {
			k, _, err := c.shareKey(string(rest), value)
			keys = append(keys, k)
			return err
		})
	})
	slices.SortFunc(keys, func(a, b ShareKey) int {
		switch {
		case a.Until.IsZero():
			return -1
		case b.Until.IsZero():
			return 1
		}
		return b.Until.Compare(a.Until)
	})
	if len(keys) > 0 && !keys[0].Until.IsZero() {
		return nil, errs.New("read share keys", "", errs.Corrupt, "the key to sign share URLs with is missing: atoll fsck tells more")
	}
	return keys, err
}

func (c *Catalog) shareKey(id string, value []byte) (k ShareKey, row shareKeyRow, err error) {
	if err := decodeRow(value, &row); err != nil {
		return k, row, err
	}
	secret, err := c.ring.open(shareKeyKey(id), row.sealed)
	if err == nil && len(secret) != len(k.Secret) {
		err = errs.New("read share keys", id, errs.Corrupt, "a share key has not 32 bytes")
	}
	if err != nil {
		return k, row, err
	}
	k = ShareKey{ID: id, Created: row.Created, Until: row.Until}
	copy(k.Secret[:], secret)
	return k, row, nil
}

func shareKeyKey(id string) []byte { return append([]byte(prefixShareKey), id...) }

// changeShareKeys makes a key if there is none, or if rotate takes its place.
func (c *Catalog) changeShareKeys(ctx context.Context, rotate bool) ([]ShareKey, error) {
	var drawn [8 + 32]byte
	if _, err := io.ReadFull(c.o.Rand, drawn[:]); err != nil {
		return nil, errs.E("draw share key", "", errs.Other, err)
	}
	id, secret, now := hex.EncodeToString(drawn[:8]), string(drawn[8:]), c.o.Now().UTC()
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		current := false
		err := eachRow(t, prefixShareKey, func(rest, value []byte) error {
			var row shareKeyRow
			if err := decodeRow(value, &row); err != nil || !row.Until.IsZero() {
				return err
			}
			if current = true; !rotate {
				return nil
			}
			row.Until = now.Add(keepShareKey)
			return setRow(t, shareKeyKey(string(rest)), &row)
		})
		if err != nil || (current && !rotate) {
			return err
		}
		row := shareKeyRow{Created: now}
		if row.sealed, err = c.ring.seal(t, shareKeyKey(id), secret); err != nil {
			return err
		}
		return setRow(t, shareKeyKey(id), &row)
	})
	c.shareKeys.drop(struct{}{})
	if err != nil {
		return nil, err
	}
	keys, err := c.readShareKeys(ctx)
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("no share key after one was made")
	}
	return keys, err
}
