package catalog

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// UserType tells what a user's credential opens.
type UserType string

// The types of users.
const (
	S3User    UserType = "s3"    // an access key and secret for the S3 door
	TokenUser UserType = "token" // a disk token for mounts
)

// MaxNickname bounds a user's nickname, in bytes.
const MaxNickname = 255

// User is a credential of one disk, without its secret.
type User struct {
	Type       UserType
	Identifier string // access key id; of a token the hex SHA-256
	Disk       disk.ID
	Nickname   string
	Created    time.Time
	Suffix     string // last four characters of a token; "" for S3 users
}

// userRow is an S3 user as it is stored; its access key id is in the key.
type userRow struct {
	Disk     uint64    `json:"disk"`
	Nickname string    `json:"nickname"`
	Created  time.Time `json:"created"`
	sealed
}

func (r *userRow) user(access string) User {
	return User{Type: S3User, Identifier: access, Disk: disk.ID(r.Disk), Nickname: r.Nickname, Created: r.Created}
}

func checkNickname(s string) error {
	if len(s) > MaxNickname || !utf8.ValidString(s) {
		return errs.New("add user", "", errs.Invalid, "a nickname has at most 255 bytes of UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return errs.New("add user", "", errs.Invalid, "a nickname has no control characters")
		}
	}
	return nil
}

func unknownType(op string) error {
	return errs.New(op, "", errs.Invalid, "a user's type is s3 or token")
}

// AddUser makes a user of a disk. The secret (an S3 user's secret key, or the
// disk token) is returned this once.
func (c *Catalog) AddUser(ctx context.Context, id disk.ID, typ UserType, nickname string) (u User, secret string, err error) {
	if err := checkNickname(nickname); err != nil {
		return User{}, "", err
	}
	var put func(kv.Txn) error
	switch typ {
	case S3User:
		u, secret, put, err = c.newS3User(id, nickname)
	case TokenUser:
		u, secret, put, err = c.newToken(id, nickname)
	default:
		err = unknownType("add user")
	}
	if err != nil {
		return User{}, "", err
	}
	err = c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "add user"); err != nil {
			return err
		}
		return put(t)
	})
	if err != nil {
		return User{}, "", err
	}
	return u, secret, nil
}

// newS3User draws an S3 user; put writes it.
func (c *Catalog) newS3User(id disk.ID, nickname string) (u User, secret string, put func(kv.Txn) error, err error) {
	tail, err := randomText(c.o.Rand, upperAlnum, accessKeyLen-len(accessKeyPrefix))
	if err != nil {
		return User{}, "", nil, err
	}
	secret, err = randomText(c.o.Rand, base62, secretLen)
	if err != nil {
		return User{}, "", nil, err
	}
	row := userRow{Disk: uint64(id), Nickname: nickname, Created: c.o.Now().UTC()}
	u = row.user(accessKeyPrefix + tail)
	key := userKey(u.Identifier)
	return u, secret, func(t kv.Txn) error {
		if _, taken, err := t.Get(key); err != nil || taken {
			return orErr(err, errs.New("add user", "", errs.Other, "the random source repeats itself"))
		}
		var err error
		if row.sealed, err = c.ring.seal(t, key, secret); err != nil {
			return err
		}
		if err := setRow(t, key, &row); err != nil {
			return err
		}
		return t.Set(userOfKey(id, u.Identifier), nil)
	}, nil
}

// Users returns the users of a disk, of both types, the oldest first.
func (c *Catalog) Users(ctx context.Context, id disk.ID) ([]User, error) {
	var users []User
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		users = nil
		if _, err := readDisk(r, id, "list users"); err != nil {
			return err
		}
		err := eachRow(r, string(userOfKey(id, "")), func(rest, _ []byte) error {
			var row userRow
			access := string(rest)
			if ok, err := getRow(r, userKey(access), &row); err != nil || !ok {
				return orErr(err, errs.New("list users", id.String(), errs.Corrupt, "an indexed user has no row"))
			}
			users = append(users, row.user(access))
			return nil
		})
		if err != nil {
			return err
		}
		return eachRow(r, string(ofDisk(prefixTokenOf, id)), func(rest, _ []byte) error {
			if len(rest) != 32 {
				return errs.New("list users", id.String(), errs.Corrupt, "a token's row has no 32-byte hash")
			}
			var row tokenRow
			hash := [32]byte(rest)
			if ok, err := getRow(r, tokenKey(hash), &row); err != nil || !ok {
				return orErr(err, errs.New("list users", id.String(), errs.Corrupt, "an indexed token has no row"))
			}
			users = append(users, row.user(hash))
			return nil
		})
	})
	slices.SortFunc(users, func(a, b User) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Identifier, b.Identifier))
	})
	return users, err
}

// RemoveUser removes a user of a disk. No request that begins after it
// returned is let in with the user's credential.
func (c *Catalog) RemoveUser(ctx context.Context, id disk.ID, typ UserType, identifier string) error {
	var index, row []byte
	forget := func() {}
	switch typ {
	case S3User:
		if len(identifier) == accessKeyLen {
			index, row = userOfKey(id, identifier), userKey(identifier)
			forget = func() { c.creds.drop(identifier) }
		}
	case TokenUser:
		if hash, ok := parseHash(identifier); ok {
			index, row = tokenOfKey(id, hash), tokenKey(hash)
			forget = func() { c.tokens.drop(hash) }
		}
	default:
		return unknownType("remove user")
	}
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "remove user"); err != nil {
			return err
		}
		notFound := errs.New("remove user", "", errs.NotFound, "User not found")
		if index == nil {
			return notFound
		}
		if _, ok, err := t.Get(index); err != nil || !ok {
			return orErr(err, notFound)
		}
		return deleteAll(t, index, row)
	})
	// Also after an error: the commit may have happened.
	forget()
	return err
}
