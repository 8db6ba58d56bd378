package catalog

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"

	"atoll/internal/errs"
)

// MasterKey is the 256-bit key under which secrets at rest are sealed. It is
// never used itself: keys for single purposes are derived from it.
type MasterKey [32]byte

// NewMasterKey draws a key from r.
func NewMasterKey(r io.Reader) (MasterKey, error) {
	var k MasterKey
	if _, err := io.ReadFull(r, k[:]); err != nil {
		return k, errs.E("new master key", "", errs.Other, err)
	}
	return k, nil
}

// ParseMasterKey reads a key written as 64 hex digits or as base64 of 32
// bytes. White space around it is ignored.
func ParseMasterKey(s string) (MasterKey, error) {
	var k MasterKey
	s = strings.TrimSpace(s)
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if b, err := decode(s); err == nil && len(b) == len(k) {
			return MasterKey(b), nil
		}
	}
	return k, errs.New("parse master key", "", errs.Invalid, "a master key is 32 bytes, as 64 hex digits or in base64")
}

// String hides the key from logs and messages.
func (MasterKey) String() string { return "[master key]" }

// GoString hides the key from %#v.
func (k MasterKey) GoString() string { return k.String() }

// Hex writes the key for its file.
func (k MasterKey) Hex() string { return hex.EncodeToString(k[:]) }

// derive makes a 32-byte key for one purpose (HKDF-SHA256, RFC 5869).
func (k MasterKey) derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, k[:], nil, "atoll/"+purpose, 32)
}

// check is what the store keeps to recognize its master key. It is derived
// one-way and for this alone, so it tells nothing about the sealing key.
func (k MasterKey) check() ([]byte, error) { return k.derive("check/1") }

// Sealed secrets: a version byte, a key id (which master key, so that keys can
// be rotated), the nonce, and the ciphertext with its tag.
const (
	sealVersion = 1
	keyIDLen    = 4
	nonceLen    = 12
	sealHeader  = 1 + keyIDLen + nonceLen
)

// sealer seals and opens secrets under one master key.
type sealer struct {
	aead  cipher.AEAD
	keyID [keyIDLen]byte
	rand  io.Reader
}

func newSealer(k MasterKey, r io.Reader) (*sealer, error) {
	key, err := k.derive("seal/1")
	if err != nil {
		return nil, errs.E("derive key", "", errs.Other, err)
	}
	id, err := k.derive("key id/1")
	if err != nil {
		return nil, errs.E("derive key", "", errs.Other, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errs.E("derive key", "", errs.Other, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, errs.E("derive key", "", errs.Other, err)
	}
	return &sealer{aead: aead, keyID: [keyIDLen]byte(id[:keyIDLen]), rand: r}, nil
}

// seal encrypts secret for the row whose key is given. Nonces are random: 96
// bits stand for 2^32 secrets under one key with room to spare.
func (s *sealer) seal(rowKey []byte, secret string) ([]byte, error) {
	out := make([]byte, sealHeader, sealHeader+len(secret)+s.aead.Overhead())
	out[0] = sealVersion
	copy(out[1:], s.keyID[:])
	nonce := out[1+keyIDLen : sealHeader]
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return nil, errs.E("seal", "", errs.Other, err)
	}
	return s.aead.Seal(out, nonce, []byte(secret), rowKey), nil
}

// made tells whether b looks as if it was sealed under this master key.
func (s *sealer) made(b []byte) bool {
	return len(b) >= sealHeader && b[0] == sealVersion && [keyIDLen]byte(b[1:]) == s.keyID
}

// open decrypts what seal made for the same row.
func (s *sealer) open(rowKey, sealed []byte) (string, error) {
	if len(sealed) < sealHeader || sealed[0] != sealVersion {
		return "", errs.New("open sealed secret", "", errs.Corrupt, "not a sealed secret of a known version")
	}
	if [keyIDLen]byte(sealed[1:]) != s.keyID {
		return "", errs.New("open sealed secret", "", errs.Corrupt, "it was sealed under another master key")
	}
	plain, err := s.aead.Open(nil, sealed[1+keyIDLen:sealHeader], sealed[sealHeader:], rowKey)
	if err != nil {
		return "", errs.New("open sealed secret", "", errs.Corrupt, "it fails its authentication")
	}
	return string(plain), nil
}
