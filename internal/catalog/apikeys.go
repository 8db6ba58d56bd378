package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"atoll/internal/disk"
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

// MaxKeyDisks bounds the disks that an API key is limited to.
const MaxKeyDisks = 1000

// APIKeySpec is what an API key is made from.
type APIKeySpec struct {
	Name        string
	Description string
	Expires     time.Time // zero: never
	Disks       []disk.ID // that it opens; nil: all, and what is not of one disk
	ReadOnly    bool
}

// APIKey is what the catalog keeps of an API key.
type APIKey struct {
	ID          string // hex SHA-256 of the key
	Name        string
	Description string
	Suffix      string // last four characters, to tell keys apart
	Created     time.Time
	Expires     time.Time // zero: never
	LastUsed    time.Time // exact to a minute after a crash; zero: never
	Disks       []disk.ID // that it opens; nil: all; not to be changed
	ReadOnly    bool
}

// May tells whether the key opens a disk, for changes if write.
func (k *APIKey) May(id disk.ID, write bool) bool {
	return !(write && k.ReadOnly) && (k.Disks == nil || slices.Contains(k.Disks, id))
}

// MayAll tells whether the key opens what is not of one disk: making disks,
// API keys, the audit log, the server.
func (k *APIKey) MayAll(write bool) bool { return !(write && k.ReadOnly) && k.Disks == nil }

// expired tells whether the key is no longer one.
func (k *APIKey) expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

type apiKeyRow struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Suffix      string    `json:"suffix"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"`
	LastUsed    time.Time `json:"lastUsed,omitzero"`
	Disks       []uint64  `json:"disks,omitempty"`
	ReadOnly    bool      `json:"readOnly,omitempty"`
}

func (r *apiKeyRow) key(hash [32]byte) APIKey {
	k := APIKey{ID: hex.EncodeToString(hash[:]), Name: r.Name, Description: r.Description, Suffix: r.Suffix,
		Created: r.Created, Expires: r.Expires, LastUsed: r.LastUsed, ReadOnly: r.ReadOnly}
	for _, id := range r.Disks {
		k.Disks = append(k.Disks, disk.ID(id))
	}
	return k
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

// CreateAPIKey makes a key and returns it, prefix included, this once.
func (c *Catalog) CreateAPIKey(ctx context.Context, spec APIKeySpec) (k APIKey, key string, err error) {
	if key, err = c.GenerateAPIKey(); err != nil {
		return APIKey{}, "", err
	}
	k, err = c.AddAPIKey(ctx, key, spec)
	if err != nil {
		return APIKey{}, "", err
	}
	return k, key, nil
}

// AddAPIKey accepts a key that the operator brings, with or without prefix.
// Adding the same key again is kind Exists; a disk that is not there NoDisk.
func (c *Catalog) AddAPIKey(ctx context.Context, key string, spec APIKeySpec) (APIKey, error) {
	secret := strings.TrimPrefix(key, APIKeyPrefix)
	if err := checkAPISecret(secret); err != nil {
		return APIKey{}, err
	}
	now := c.o.Now().UTC()
	if err := spec.check(now); err != nil {
		return APIKey{}, err
	}
	hash := hashAPIKey(key)
	row := apiKeyRow{Name: spec.Name, Description: spec.Description, Suffix: secret[len(secret)-4:], Created: now, ReadOnly: spec.ReadOnly}
	if !spec.Expires.IsZero() {
		row.Expires = spec.Expires.UTC()
	}
	for _, id := range spec.Disks {
		row.Disks = append(row.Disks, uint64(id))
	}
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, taken, err := t.Get(apiKeyKey(hash)); err != nil || taken {
			return orErr(err, errs.New("add API key", spec.Name, errs.Exists, "this API key exists already"))
		}
		for _, id := range spec.Disks {
			if _, err := readDisk(t, id, "add API key"); err != nil {
				return err
			}
		}
		return setRow(t, apiKeyKey(hash), &row)
	})
	if err != nil {
		return APIKey{}, err
	}
	return row.key(hash), nil
}

func (s *APIKeySpec) check(now time.Time) error {
	text := ""
	switch {
	case s.Name == "" || len(s.Name) > maxKeyName || !utf8.ValidString(s.Name):
		text = "an API key's name has 1 to 100 bytes of UTF-8"
	case len(s.Description) > maxKeyText || !utf8.ValidString(s.Description):
		text = "a description has at most 500 bytes of UTF-8"
	case !s.Expires.IsZero() && !s.Expires.After(now):
		text = "the time at which an API key expires lies in the future"
	case s.Disks != nil && len(s.Disks) == 0:
		text = "an API key that is limited to disks names at least one"
	case len(s.Disks) > MaxKeyDisks:
		text = fmt.Sprintf("an API key names at most %d disks", MaxKeyDisks)
	default:
		return nil
	}
	return errs.New("add API key", "", errs.Invalid, text)
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
