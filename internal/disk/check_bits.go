package disk

// bitset is a set of numbers, in pages that are made when first needed. The
// zero value is empty.
type bitset struct {
	pages map[uint64]*[bitPage / 64]uint64
}

// bitPage is how many numbers one page covers.
const bitPage = 4096

func (b *bitset) set(n uint64) {
	p := b.pages[n/bitPage]
	if p == nil {
		if b.pages == nil {
			b.pages = map[uint64]*[bitPage / 64]uint64{}
		}
		p = new([bitPage / 64]uint64)
		b.pages[n/bitPage] = p
	}
	p[n%bitPage/64] |= 1 << (n % 64)
}

func (b *bitset) has(n uint64) bool {
	p := b.pages[n/bitPage]
	return p != nil && p[n%bitPage/64]&(1<<(n%64)) != 0
}

// add is set, and tells whether n was there before.
func (b *bitset) add(n uint64) (before bool) {
	before = b.has(n)
	b.set(n)
	return before
}
