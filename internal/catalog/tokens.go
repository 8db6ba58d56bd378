package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// TokenPrefix begins every disk token.
const TokenPrefix = "adt_"

// defaultTokenName is the nickname of the token that a disk is made with.
const defaultTokenName = "default"

// tokenRow is a disk token as it is stored; its hash is in the key.
type tokenRow struct {
	Disk     uint64    `json:"disk"`
	Nickname string    `json:"nickname"`
	Created  time.Time `json:"created"`
	Suffix   string    `json:"suffix"`
}

func (r *tokenRow) user(hash [32]byte) User {
	return User{Type: TokenUser, Identifier: hex.EncodeToString(hash[:]), Disk: disk.ID(r.Disk),
		Nickname: r.Nickname, Created: r.Created, Suffix: r.Suffix}
}

// parseHash reads the hex form of a SHA-256.
func parseHash(s string) (hash [32]byte, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != sha256.Size {
		return hash, false
	}
	return [32]byte(b), true
}

// newToken draws a disk token; put writes it.
func (c *Catalog) newToken(id disk.ID, nickname string) (u User, token string, put func(kv.Txn) error, err error) {
	secret, err := randomText(c.o.Rand, base62, apiSecretLen)
	if err != nil {
		return User{}, "", nil, err
	}
	token = TokenPrefix + secret
	hash := sha256.Sum256([]byte(token))
	row := tokenRow{Disk: uint64(id), Nickname: nickname, Created: c.o.Now().UTC(), Suffix: token[len(token)-4:]}
	return row.user(hash), token, func(t kv.Txn) error {
		if _, taken, err := t.Get(tokenKey(hash)); err != nil || taken {
			return orErr(err, errs.New("add user", "", errs.Other, "the random source repeats itself"))
		}
		if err := setRow(t, tokenKey(hash), &row); err != nil {
			return err
		}
		return t.Set(tokenOfKey(id, hash), nil)
	}, nil
}

// VerifyToken tells whether a disk token opens mounts, and of which disk. It
// is found by its hash, so how long the search takes tells nothing about it.
func (c *Catalog) VerifyToken(ctx context.Context, token string) (u User, ok bool, err error) {
	if len(token) != len(TokenPrefix)+apiSecretLen || !strings.HasPrefix(token, TokenPrefix) {
		return User{}, false, nil
	}
	hash := sha256.Sum256([]byte(token))
	u, gen, ok := c.tokens.get(hash)
	if ok {
		return u, true, nil
	}
	var row tokenRow
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		if ok, err = getRow(r, tokenKey(hash), &row); err != nil || !ok {
			return err
		}
		ok, err = exists(r, disk.ID(row.Disk))
		return err
	})
	if err != nil || !ok {
		return User{}, false, err
	}
	u = row.user(hash)
	c.tokens.put(hash, u, gen)
	return u, true, nil
}
