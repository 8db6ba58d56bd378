package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"sync"
)

const (
	// BlockSize is the unit that carries a stamp, in bytes.
	BlockSize = 64 << 10
	// StampSize is the length of the stamp at the start of each block, in bytes:
	// the seed and the block number, little-endian.
	StampSize = 16

	poolSpan = 4 << 20
)

// pool is immutable once made; every body is cut from it.
var pool = sync.OnceValue(func() []byte {
	p := make([]byte, poolSpan+BlockSize)
	src := rand.NewChaCha8([32]byte{'a', 't', 'o', 'l', 'l'})
	// ChaCha8.Read never fails.
	_, _ = src.Read(p)
	return p
})

// Body describes one object's contents.
type Body struct {
	// Seed tells bodies of one size apart.
	Seed uint64
	// Size is the length in bytes.
	Size int64
}

// segment returns the longest run of the body's bytes from offset off that lies in one
// place: the rest of a stamp (made in scratch) or the rest of a block.
func (b Body) segment(off int64, scratch *[StampSize]byte) []byte {
	block, in := uint64(off/BlockSize), int(off%BlockSize)
	if in < StampSize {
		binary.LittleEndian.PutUint64(scratch[:8], b.Seed)
		binary.LittleEndian.PutUint64(scratch[8:], block)
		return scratch[in:]
	}
	start := int(mix(b.Seed, block) % poolSpan)
	return pool()[start+in : start+BlockSize]
}

// mix spreads (seed, block) over 64 bits (the finalizer of SplitMix64).
func mix(seed, block uint64) uint64 {
	z := seed*0x9e3779b97f4a7c15 + block + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Fill sets p to the bytes of the body from offset off. The caller keeps off+len(p)
// within Size.
func (b Body) Fill(p []byte, off int64) {
	var scratch [StampSize]byte
	for len(p) > 0 {
		n := copy(p, b.segment(off, &scratch))
		p, off = p[n:], off+int64(n)
	}
}

// Matches reports whether p holds the bytes of the body from offset off.
func (b Body) Matches(p []byte, off int64) bool {
	if off < 0 || off+int64(len(p)) > b.Size {
		return false
	}
	var scratch [StampSize]byte
	for len(p) > 0 {
		seg := b.segment(off, &scratch)
		n := min(len(p), len(seg))
		if !bytes.Equal(p[:n], seg[:n]) {
			return false
		}
		p, off = p[n:], off+int64(n)
	}
	return true
}

// SHA256 returns the lower-case hex SHA-256 of the whole body.
func (b Body) SHA256() string {
	h := sha256.New()
	buf := make([]byte, min(b.Size, BlockSize))
	for off := int64(0); off < b.Size; off += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), b.Size-off)]
		b.Fill(buf, off)
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Stamp reads the seed out of the first bytes of a body; ok is false if p is too short
// to hold it.
func Stamp(p []byte) (seed uint64, ok bool) {
	if len(p) < 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(p), true
}
