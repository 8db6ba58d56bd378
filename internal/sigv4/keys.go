package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// signingKey is a derived key. Its keyed HMAC states are kept for reuse: they
// save two of the hash's blocks and all allocations of a new HMAC.
type signingKey struct {
	secret string // what it was derived from
	macs   sync.Pool
}

// deriveKey makes the signing key of a day and a region.
func deriveKey(secret, date, region string) *signingKey {
	key := []byte("AWS4" + secret)
	for _, s := range [...]string{date, region, service, terminator} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		key = h.Sum(nil)
	}
	k := &signingKey{secret: secret}
	k.macs.New = func() any {
		h := hmac.New(sha256.New, key)
		// From its first Reset on, an HMAC keeps its keyed states.
		h.Reset()
		return &mac{Hash: h}
	}
	return k
}

// mac is an HMAC with room for its sum.
type mac struct {
	hash.Hash
	sum [sha256.Size]byte
}

// appendSignature appends the hex signature of msg.
func (k *signingKey) appendSignature(dst, msg []byte) []byte {
	m := k.macs.Get().(*mac)
	m.Reset()
	m.Write(msg)
	dst = hex.AppendEncode(dst, m.Sum(m.sum[:0]))
	k.macs.Put(m)
	return dst
}

// cacheKey names a derived key.
type cacheKey struct{ accessKeyID, date, region string }

// keyCache keeps derived keys in two generations: when the young one is full
// it becomes the old one, whose entries are dropped unless they are used
// again. mu guards both maps and is a leaf. The zero value is empty.
type keyCache struct {
	mu         sync.RWMutex
	young, old map[cacheKey]*signingKey
}

// get returns the key if it is there and was derived from secret. A key of the
// old generation moves to the young one; max is as for put.
func (c *keyCache) get(id cacheKey, secret string, max int) *signingKey {
	c.mu.RLock()
	k, young := c.young[id]
	if !young {
		k = c.old[id]
	}
	c.mu.RUnlock()
	if k == nil || k.secret != secret {
		return nil
	}
	if !young {
		c.put(id, k, max)
	}
	return k
}

// put keeps k; max bounds the keys kept.
func (c *keyCache) put(id cacheKey, k *signingKey, max int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= (max+1)/2 {
		c.old, c.young = c.young, nil
	}
	if c.young == nil {
		c.young = make(map[cacheKey]*signingKey)
	}
	delete(c.old, id)
	c.young[id] = k
}

// forget drops all keys of an access key id.
func (c *keyCache) forget(accessKeyID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range [...]map[cacheKey]*signingKey{c.young, c.old} {
		for id := range m {
			if id.accessKeyID == accessKeyID {
				delete(m, id)
			}
		}
	}
}

// size returns how many keys are kept.
func (c *keyCache) size() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.young) + len(c.old)
}
