package s3api

// crcSpec is a CRC as S3's FULL_OBJECT checksums have them: reflected, begun
// with all bits set and inverted at the end.
type crcSpec struct {
	poly uint64 // reflected
	bits uint
}

// crcs are the algorithms whose digest of a whole follows from those of its
// parts.
var crcs = map[checksumAlg]crcSpec{
	sumCRC32:     {0xedb88320, 32},
	sumCRC32C:    {0x82f63b78, 32},
	sumCRC64NVME: {0x9a6c9329ac4bc9b5, 64},
}

// combine returns the CRC of two runs of bytes, the second n bytes long, from
// the CRC of each: the first one times x^8n modulo the polynomial, plus the
// second.
func (c crcSpec) combine(first, second uint64, n int64) uint64 {
	power := uint64(1) << (c.bits - 1)  // x^0
	square := uint64(1) << (c.bits - 2) // x^1
	for range 3 {
		square = c.multiply(square, square) // x^8
	}
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			power = c.multiply(square, power)
		}
		square = c.multiply(square, square)
	}
	return c.multiply(power, first) ^ second
}

// multiply multiplies two polynomials modulo c's.
func (c crcSpec) multiply(a, b uint64) (product uint64) {
	for m := uint64(1) << (c.bits - 1); m != 0; m >>= 1 {
		if a&m != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ c.poly
		} else {
			b >>= 1
		}
	}
	return product
}

// number reads a digest, which is in big-endian order; digest writes it.
func (c crcSpec) number(digest []byte) (n uint64) {
	for _, b := range digest {
		n = n<<8 | uint64(b)
	}
	return n
}

func (c crcSpec) digest(n uint64) []byte {
	out := make([]byte, c.bits/8)
	for i := range out {
		out[i] = byte(n >> (c.bits - 8*uint(i+1)))
	}
	return out
}
