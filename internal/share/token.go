package share

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"
	"unicode/utf8"

	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
)

// Lifetimes of links.
const (
	DefaultLifetime = 24 * time.Hour
	MaxLifetime     = catalog.MaxShareTime
)

// MaxPath is how long the path of a shared file may be, in bytes: a link has
// to fit into a request's first line.
const MaxPath = 4096

// ID names a share: 96 random bits.
type ID [12]byte

// String writes an id as 24 hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String wrote.
func ParseID(s string) (id ID, ok bool) {
	if len(s) != 2*len(id) {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(s))
	return id, err == nil && n == len(id) && id.String() == s
}

// aeadOf makes what seals and opens under a key. Its secret is used for this
// alone, and share ids are random: 96 bits stand for 2^32 links a key with room
// to spare.
func aeadOf(k *catalog.ShareKey) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.Secret[:])
	if err != nil {
		return nil, errs.E("share key", "", errs.Other, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, errs.E("share key", "", errs.Other, err)
	}
	return aead, nil
}

// Claims are what a token says.
type Claims struct {
	ID         ID
	Disk       disk.ID
	Branch     disk.ID // the branch's own id
	Checkpoint string  // "": the branch as it is
	Path       string
	Issued     time.Time
	Lifetime   time.Duration // whole seconds
}

// Expires is when the token ends.
func (c *Claims) Expires() time.Time { return c.Issued.Add(c.Lifetime) }

const (
	tokenVersion = 1
	keyID        = 8
	tokenHead    = 1 + keyID                // version, key id
	tokenNonce   = tokenHead + len(ID{})    // end of the share id
	claimsFixed  = 8 + 8 + 8                // disk, branch, issued
	maxToken     = 3 * (MaxPath + 256) >> 1 // characters of any token that was made
)

// encoding refuses what is not written as it writes it.
var encoding = base64.RawURLEncoding.Strict()

// seal writes a token.
func seal(k *catalog.ShareKey, c *Claims) (string, error) {
	aead, err := aeadOf(k)
	if err != nil {
		return "", err
	}
	p := binary.BigEndian.AppendUint64(nil, uint64(c.Disk))
	p = binary.BigEndian.AppendUint64(p, uint64(c.Branch))
	p = binary.BigEndian.AppendUint64(p, uint64(c.Issued.UnixNano()))
	p = binary.AppendUvarint(p, uint64(c.Lifetime/time.Second))
	p = binary.AppendUvarint(p, uint64(len(c.Checkpoint)))
	p = append(p, c.Checkpoint...)
	p = append(p, c.Path...)
	b, err := hex.AppendDecode([]byte{tokenVersion}, []byte(k.ID))
	if err != nil || len(b) != tokenHead {
		return "", errs.New("share key", "", errs.Corrupt, "the id of a key is not 16 hex digits")
	}
	b = append(b, c.ID[:]...)
	b = aead.Seal(b, c.ID[:], p, b[:tokenHead])
	return encoding.EncodeToString(b), nil
}

// open reads a token. ok is false for whatever seal did not write with one of
// these keys.
func open(keys []catalog.ShareKey, token string) (c Claims, ok bool, err error) {
	if len(token) > maxToken {
		return c, false, nil
	}
	// DecodeString passes over line breaks: no token of ours has one.
	b, derr := encoding.DecodeString(token)
	if derr != nil || len(b) < tokenNonce || b[0] != tokenVersion || encoding.EncodedLen(len(b)) != len(token) {
		return c, false, nil
	}
	id := hex.EncodeToString(b[1:tokenHead])
	for i := range keys {
		if keys[i].ID != id {
			continue
		}
		aead, err := aeadOf(&keys[i])
		if err != nil {
			return c, false, err
		}
		copy(c.ID[:], b[tokenHead:])
		p, oerr := aead.Open(nil, c.ID[:], b[tokenNonce:], b[:tokenHead])
		if oerr != nil || !c.parse(p) {
			return Claims{}, false, nil
		}
		return c, true, nil
	}
	return c, false, nil
}

// parse reads what seal wrote of the claims.
func (c *Claims) parse(p []byte) bool {
	if len(p) < claimsFixed {
		return false
	}
	c.Disk = disk.ID(binary.BigEndian.Uint64(p))
	c.Branch = disk.ID(binary.BigEndian.Uint64(p[8:]))
	c.Issued = time.Unix(0, int64(binary.BigEndian.Uint64(p[16:])))
	p = p[claimsFixed:]
	seconds, n := binary.Uvarint(p)
	if n <= 0 || seconds == 0 || seconds > uint64(MaxLifetime/time.Second) {
		return false
	}
	c.Lifetime = time.Duration(seconds) * time.Second
	p = p[n:]
	length, n := binary.Uvarint(p)
	if n <= 0 || length > uint64(len(p)-n) {
		return false
	}
	p = p[n:]
	c.Checkpoint, c.Path = string(p[:length]), string(p[length:])
	return utf8.ValidString(c.Path) && c.Path != ""
}
