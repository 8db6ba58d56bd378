package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// APIKeyPrefix begins every API key as it is shown and sent.
const APIKeyPrefix = "key-"

const (
	minAPISecret = 16 // of a key that the operator brings, without prefix
	maxAPISecret = 256
	maxKeyName   = 100
	maxKeyText   = 500
)

// APIKey is what the catalog keeps of an API key.
type APIKey struct {
	ID          string // hex SHA-256 of the key
	Name        string
	Description string
	Suffix      string // last four characters, to tell keys apart
	Created     time.Time
}

type apiKeyRow struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Suffix      string    `json:"suffix"`
	Created     time.Time `json:"created"`
}

func (r *apiKeyRow) key(hash [32]byte) APIKey {
	return APIKey{ID: hex.EncodeToString(hash[:]), Name: r.Name, Description: r.Description, Suffix: r.Suffix, Created: r.Created}
}

// hashAPIKey hashes a key given with or without its prefix.
func hashAPIKey(key string) [32]byte {
	return sha256.Sum256([]byte(strings.TrimPrefix(key, APIKeyPrefix)))
}

// GenerateAPIKey draws a key. It becomes one with AddAPIKey.
func (c *Catalog) GenerateAPIKey() (string, error) {
	secret, err := randomText(c.o.Rand, base62, apiSecretLen)
	return APIKeyPrefix + secret, err
}

// NormalAPIKey writes a key with its prefix, however it was given.
func NormalAPIKey(key string) string { return APIKeyPrefix + strings.TrimPrefix(key, APIKeyPrefix) }

// CheckAPIKey tells why a key that the operator brings can't be one.
func CheckAPIKey(key string) error { return checkAPISecret(strings.TrimPrefix(key, APIKeyPrefix)) }

// CreateAPIKey makes a key of the given name and returns it, prefix included,
// this once.
func (c *Catalog) CreateAPIKey(ctx context.Context, name, description string) (k APIKey, key string, err error) {
	if key, err = c.GenerateAPIKey(); err != nil {
		return APIKey{}, "", err
	}
	k, err = c.AddAPIKey(ctx, key, name, description)
	if err != nil {
		return APIKey{}, "", err
	}
	return k, key, nil
}

// AddAPIKey accepts a key that the operator brings, with or without prefix.
// Adding the same key again is kind Exists.
func (c *Catalog) AddAPIKey(ctx context.Context, key, name, description string) (APIKey, error) {
	secret := strings.TrimPrefix(key, APIKeyPrefix)
	if err := checkAPISecret(secret); err != nil {
		return APIKey{}, err
	}
	if name == "" || len(name) > maxKeyName || !utf8.ValidString(name) {
		return APIKey{}, errs.New("add API key", "", errs.Invalid, "an API key's name has 1 to 100 bytes of UTF-8")
	}
	if len(description) > maxKeyText || !utf8.ValidString(description) {
		return APIKey{}, errs.New("add API key", name, errs.Invalid, "a description has at most 500 bytes of UTF-8")
	}
	hash := hashAPIKey(key)
	row := apiKeyRow{Name: name, Description: description, Suffix: secret[len(secret)-4:], Created: c.o.Now().UTC()}
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, taken, err := t.Get(apiKeyKey(hash)); err != nil || taken {
			return orErr(err, errs.New("add API key", name, errs.Exists, "this API key exists already"))
		}
		return setRow(t, apiKeyKey(hash), &row)
	})
	if err != nil {
		return APIKey{}, err
	}
	return row.key(hash), nil
}

func checkAPISecret(secret string) error {
	if len(secret) < minAPISecret || len(secret) > maxAPISecret {
		return errs.New("add API key", "", errs.Invalid, "an API key has 16 to 256 characters after the prefix key-")
	}
	for _, b := range []byte(secret) {
		if b <= ' ' || b > '~' {
			return errs.New("add API key", "", errs.Invalid, "an API key is made of printable ASCII characters")
		}
	}
	return nil
}

// VerifyAPIKey tells whether key is an API key. It is found by its hash, so
// how long the search takes tells nothing about the key.
func (c *Catalog) VerifyAPIKey(ctx context.Context, key string) (k APIKey, ok bool, err error) {
	if !strings.HasPrefix(key, APIKeyPrefix) || len(key) > len(APIKeyPrefix)+maxAPISecret {
		return APIKey{}, false, nil
	}
	hash := hashAPIKey(key)
	k, gen, ok := c.apiKeys.get(hash)
	if ok {
		return k, true, nil
	}
	var row apiKeyRow
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		ok, err = getRow(r, apiKeyKey(hash), &row)
		return err
	})
	if err != nil || !ok {
		return APIKey{}, false, err
	}
	k = row.key(hash)
	c.apiKeys.put(hash, k, gen)
	return k, true, nil
}

// APIKeys returns all API keys, in the order of their ids.
func (c *Catalog) APIKeys(ctx context.Context) ([]APIKey, error) {
	var keys []APIKey
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		keys = nil
		it := r.Scan([]byte(prefixAPIKey), after([]byte(prefixAPIKey)))
		defer it.Close()
		for it.Next() {
			hash := it.Key()[len(prefixAPIKey):]
			if len(hash) != sha256.Size {
				return errs.New("list API keys", "", errs.Corrupt, "an API key's row has no 32-byte hash")
			}
			var row apiKeyRow
			if err := decodeRow(it.Value(), &row); err != nil {
				return err
			}
			keys = append(keys, row.key([32]byte(hash)))
		}
		return it.Err()
	})
	return keys, err
}

// DeleteAPIKey removes the key with this id. No request that begins after it
// returned is let in with the key.
func (c *Catalog) DeleteAPIKey(ctx context.Context, id string) error {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != sha256.Size {
		return errs.New("delete API key", "", errs.NotFound, "API key not found")
	}
	hash := [32]byte(b)
	err = c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, ok, err := t.Get(apiKeyKey(hash)); err != nil || !ok {
			return orErr(err, errs.New("delete API key", "", errs.NotFound, "API key not found"))
		}
		return t.Delete(apiKeyKey(hash))
	})
	// Also after an error: the commit may have happened.
	c.apiKeys.drop(hash)
	return err
}
