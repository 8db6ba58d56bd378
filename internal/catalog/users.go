package catalog

import (
	"context"
	"time"
	"unicode"
	"unicode/utf8"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// MaxNickname bounds a user's nickname, in bytes.
const MaxNickname = 255

// User is an S3 user of one disk. Its access key id is also its identifier.
type User struct {
	AccessKeyID string
	Disk        disk.ID
	Nickname    string
	Created     time.Time
}

// Credential is what the S3 door needs to check a signature.
type Credential struct {
	AccessKeyID string
	Secret      string
	Disk        disk.ID
}

// String hides the secret from logs and messages.
func (c Credential) String() string { return c.AccessKeyID }

// GoString hides the secret from %#v.
func (c Credential) GoString() string { return c.AccessKeyID }

// userRow is a User as it is stored; its access key id is in the key.
type userRow struct {
	Disk     uint64    `json:"disk"`
	Nickname string    `json:"nickname"`
	Created  time.Time `json:"created"`
	Secret   []byte    `json:"secret"` // sealed
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

// AddUser makes an S3 user of a disk. The secret is returned this once.
func (c *Catalog) AddUser(ctx context.Context, id disk.ID, nickname string) (u User, secret string, err error) {
	if err := checkNickname(nickname); err != nil {
		return User{}, "", err
	}
	tail, err := randomText(c.o.Rand, upperAlnum, accessKeyLen-len(accessKeyPrefix))
	if err != nil {
		return User{}, "", err
	}
	secret, err = randomText(c.o.Rand, base62, secretLen)
	if err != nil {
		return User{}, "", err
	}
	u = User{AccessKeyID: accessKeyPrefix + tail, Disk: id, Nickname: nickname, Created: c.o.Now().UTC()}
	key := userKey(u.AccessKeyID)
	sealed, err := c.seal.seal(key, secret)
	if err != nil {
		return User{}, "", err
	}
	row := userRow{Disk: uint64(id), Nickname: nickname, Created: u.Created, Secret: sealed}
	err = c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "add user"); err != nil {
			return err
		}
		if _, taken, err := t.Get(key); err != nil || taken {
			return orErr(err, errs.New("add user", "", errs.Other, "the random source repeats itself"))
		}
		if err := setRow(t, key, &row); err != nil {
			return err
		}
		return t.Set(userOfKey(id, u.AccessKeyID), nil)
	})
	if err != nil {
		return User{}, "", err
	}
	return u, secret, nil
}

// Users returns the S3 users of a disk, in the order of their identifiers.
func (c *Catalog) Users(ctx context.Context, id disk.ID) ([]User, error) {
	var users []User
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		users = nil
		if _, err := readDisk(r, id, "list users"); err != nil {
			return err
		}
		lo := userOfKey(id, "")
		it := r.Scan(lo, after(lo))
		defer it.Close()
		for it.Next() {
			access := string(it.Key()[len(lo):])
			var row userRow
			if ok, err := getRow(r, userKey(access), &row); err != nil {
				return err
			} else if !ok {
				return errs.New("list users", id.String(), errs.Corrupt, "an indexed user has no row")
			}
			users = append(users, User{AccessKeyID: access, Disk: id, Nickname: row.Nickname, Created: row.Created})
		}
		return it.Err()
	})
	return users, err
}

// RemoveUser removes an S3 user of a disk. No request that begins after it
// returned is let in with the user's credentials.
func (c *Catalog) RemoveUser(ctx context.Context, id disk.ID, access string) error {
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "remove user"); err != nil {
			return err
		}
		_, ok, err := t.Get(userOfKey(id, access))
		if err != nil || !ok {
			return orErr(err, errs.New("remove user", access, errs.NotFound, "User not found"))
		}
		return deleteAll(t, userOfKey(id, access), userKey(access))
	})
	// Also after an error: the commit may have happened.
	c.creds.drop(access)
	return err
}

// Credential returns what an S3 request signed with this access key id is to
// be checked with; ok is false if there is no such user. It is on the path of
// every request and answers from memory but for the first time.
func (c *Catalog) Credential(ctx context.Context, access string) (cred Credential, ok bool, err error) {
	cred, gen, ok := c.creds.get(access)
	if ok {
		return cred, true, nil
	}
	if len(access) != accessKeyLen {
		return Credential{}, false, nil
	}
	key := userKey(access)
	var row userRow
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		ok, err = getRow(r, key, &row)
		if err != nil || !ok {
			return err
		}
		_, err := readDisk(r, disk.ID(row.Disk), "authenticate")
		if errs.Is(err, errs.NoDisk) { // being deleted
			ok, err = false, nil
		}
		return err
	})
	if err != nil || !ok {
		return Credential{}, false, err
	}
	secret, err := c.seal.open(key, row.Secret)
	if err != nil {
		return Credential{}, false, err
	}
	cred = Credential{AccessKeyID: access, Secret: secret, Disk: disk.ID(row.Disk)}
	c.creds.put(access, cred, gen)
	return cred, true, nil
}
