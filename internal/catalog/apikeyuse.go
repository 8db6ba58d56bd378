package catalog

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// keyUse tells when an API key was used, in nanoseconds since 1970. It goes to
// the key's row with the next Sweep.
type keyUse struct {
	last    atomic.Int64
	written int64 // of the sweeper
}

// cachedKey is an API key in memory.
type cachedKey struct {
	APIKey
	use *keyUse
}

// VerifyAPIKey tells whether key is an API key that has not expired. It is
// found by its hash, so how long the search takes tells nothing about the key.
// It is on the path of every request and answers from memory but for the first
// time.
func (c *Catalog) VerifyAPIKey(ctx context.Context, key string) (k APIKey, ok bool, err error) {
	if !strings.HasPrefix(key, APIKeyPrefix) || len(key) > len(APIKeyPrefix)+maxAPISecret {
		return APIKey{}, false, nil
	}
	hash := hashAPIKey(key)
	ck, gen, ok := c.apiKeys.get(hash)
	if !ok {
		var row apiKeyRow
		err = c.o.KV.View(ctx, func(r kv.Reader) error {
			ok, err = getRow(r, apiKeyKey(hash), &row)
			return err
		})
		if err != nil || !ok {
			return APIKey{}, false, err
		}
		use, _ := c.uses.LoadOrStore(hash, new(keyUse))
		ck = cachedKey{APIKey: row.key(hash), use: use.(*keyUse)}
		c.apiKeys.put(hash, ck, gen)
	}
	now := c.o.Now()
	if ck.expired(now) {
		return APIKey{}, false, nil
	}
	ck.use.last.Store(now.UnixNano())
	ck.LastUsed = now.UTC()
	return ck.APIKey, true, nil
}

// lastUsed is the later of what the row says and what is in memory.
func (c *Catalog) lastUsed(hash [32]byte, row time.Time) time.Time {
	if use, ok := c.uses.Load(hash); ok {
		last := use.(*keyUse).last.Load()
		if t := time.Unix(0, last).UTC(); last != 0 && t.After(row) {
			return t
		}
	}
	return row
}

// writeUses writes down when keys were used since it was last called.
func (c *Catalog) writeUses(ctx context.Context) error {
	type change struct {
		hash [32]byte
		use  *keyUse
		at   int64
	}
	var todo []change
	c.uses.Range(func(k, v any) bool {
		use := v.(*keyUse)
		if at := use.last.Load(); at != use.written {
			todo = append(todo, change{k.([32]byte), use, at})
		}
		return true
	})
	for len(todo) > 0 {
		some := todo[:min(len(todo), sweptPerTxn)]
		todo = todo[len(some):]
		err := c.o.KV.Update(ctx, func(t kv.Txn) error {
			for _, ch := range some {
				var row apiKeyRow
				if ok, err := getRow(t, apiKeyKey(ch.hash), &row); err != nil {
					return err
				} else if !ok { // deleted
					continue
				}
				row.LastUsed = time.Unix(0, ch.at).UTC()
				if err := setRow(t, apiKeyKey(ch.hash), &row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, ch := range some {
			ch.use.written = ch.at
		}
	}
	return nil
}

// APIKeys returns at most limit API keys in the order of their ids, beginning
// after the id given ("": from the first); more tells whether others follow.
func (c *Catalog) APIKeys(ctx context.Context, afterID string, limit int) (keys []APIKey, more bool, err error) {
	lo := []byte(prefixAPIKey)
	if afterID != "" {
		hash, ok := parseHash(afterID)
		if !ok {
			return nil, false, errs.New("list API keys", "", errs.Invalid, "not the id of an API key")
		}
		lo = append(apiKeyKey(hash), 0)
	}
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		keys, more = nil, false
		it := r.Scan(lo, after([]byte(prefixAPIKey)))
		defer it.Close()
		for it.Next() {
			if len(keys) == limit {
				more = true
				return nil
			}
			rest := it.Key()[len(prefixAPIKey):]
			if len(rest) != 32 {
				return errs.New("list API keys", "", errs.Corrupt, "an API key's row has no 32-byte hash")
			}
			var row apiKeyRow
			if err := decodeRow(it.Value(), &row); err != nil {
				return err
			}
			hash := [32]byte(rest)
			row.LastUsed = c.lastUsed(hash, row.LastUsed)
			keys = append(keys, row.key(hash))
		}
		return it.Err()
	})
	return keys, more, err
}

// keysScanned is how many API keys HasFullAPIKey looks at in one snapshot.
const keysScanned = 1000

// HasFullAPIKey tells whether there is an API key that opens everything and
// has not expired: whoever has none can't make one.
func (c *Catalog) HasFullAPIKey(ctx context.Context) (bool, error) {
	for after, more := "", true; more; {
		var keys []APIKey
		var err error
		if keys, more, err = c.APIKeys(ctx, after, keysScanned); err != nil {
			return false, err
		}
		now := c.o.Now()
		for _, k := range keys {
			if after = k.ID; k.MayAll(true) && !k.expired(now) {
				return true, nil
			}
		}
	}
	return false, nil
}

// DeleteAPIKey removes the key with this id. No request that begins after it
// returned is let in with the key.
func (c *Catalog) DeleteAPIKey(ctx context.Context, id string) error {
	notFound := errs.New("delete API key", "", errs.NotFound, "API key not found")
	hash, ok := parseHash(id)
	if !ok {
		return notFound
	}
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, ok, err := t.Get(apiKeyKey(hash)); err != nil || !ok {
			return orErr(err, notFound)
		}
		return t.Delete(apiKeyKey(hash))
	})
	// Also after an error: the commit may have happened.
	c.apiKeys.drop(hash)
	if err == nil {
		c.uses.Delete(hash)
	}
	return err
}
