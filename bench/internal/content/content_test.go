package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func whole(b Body) []byte {
	p := make([]byte, b.Size)
	b.Fill(p, 0)
	return p
}

func TestRangesAgreeWithTheWhole(t *testing.T) {
	b := Body{Seed: 7, Size: 3*BlockSize + 123}
	all := whole(b)
	for _, off := range []int64{0, 1, 15, 16, BlockSize - 1, BlockSize, BlockSize + 8, 2*BlockSize + 17} {
		for _, n := range []int64{1, 15, 16, 17, 4096, BlockSize, BlockSize + 5} {
			n = min(n, b.Size-off)
			p := make([]byte, n)
			b.Fill(p, off)
			if !bytes.Equal(p, all[off:off+n]) {
				t.Fatalf("Fill(%d bytes at %d) differs from the whole body", n, off)
			}
			if !b.Matches(p, off) {
				t.Fatalf("Matches(%d bytes at %d) is false for the right bytes", n, off)
			}
			p[n-1] ^= 1
			if b.Matches(p, off) {
				t.Fatalf("Matches(%d bytes at %d) is true with a flipped bit", n, off)
			}
		}
	}
}

func TestMatchesRefusesWhatIsNotInTheBody(t *testing.T) {
	b := Body{Seed: 1, Size: 100}
	p := make([]byte, 101)
	Body{Seed: 1, Size: 101}.Fill(p, 0)
	if b.Matches(p, 0) {
		t.Error("a body one byte too long matches")
	}
	if b.Matches(p[:10], -1) {
		t.Error("a negative offset matches")
	}
	if (Body{Seed: 2, Size: 100}).Matches(p[:100], 0) {
		t.Error("another seed's body matches")
	}
}

func TestSwappedBlocksAreNoticed(t *testing.T) {
	b := Body{Seed: 3, Size: 2 * BlockSize}
	p := whole(b)
	swapped := append(append([]byte(nil), p[BlockSize:]...), p[:BlockSize]...)
	if b.Matches(swapped, 0) {
		t.Error("a body with its blocks swapped matches")
	}
}

func TestSHA256AndStamp(t *testing.T) {
	for _, size := range []int64{0, 1, 4096, BlockSize, BlockSize + 1, 3*BlockSize - 7} {
		b := Body{Seed: 42, Size: size}
		p := whole(b)
		sum := sha256.Sum256(p)
		if got := b.SHA256(); got != hex.EncodeToString(sum[:]) {
			t.Errorf("size %d: SHA256 is %s", size, got)
		}
		seed, ok := Stamp(p)
		if ok != (size >= 8) || ok && seed != 42 {
			t.Errorf("size %d: Stamp gives %d, %v", size, seed, ok)
		}
	}
}
