package pebblekv

const (
	arenaChunk = 8 << 10
	// Larger slices get memory of their own: a chunk would be mostly waste.
	arenaBig = arenaChunk / 4
)

// arena holds the copies that a transaction hands out, until it ends.
type arena struct {
	chunk []byte
	// full holds the chunks that are used up, for poisoning.
	full [][]byte
}

// copy returns a copy of b that lives until reset; it is never nil.
func (a *arena) copy(b []byte) []byte {
	n := len(b)
	if n > arenaBig {
		c := make([]byte, n)
		copy(c, b)
		if raceEnabled {
			a.full = append(a.full, c)
		}
		return c
	}
	if cap(a.chunk)-len(a.chunk) < n {
		if raceEnabled {
			a.full = append(a.full, a.chunk)
		}
		a.chunk = make([]byte, 0, arenaChunk)
	}
	at := len(a.chunk)
	a.chunk = append(a.chunk, b...)
	return a.chunk[at : at+n : at+n]
}

// reset ends the life of all copies. In builds with the race detector they
// are overwritten, so that a slice kept too long shows.
func (a *arena) reset() {
	if raceEnabled {
		for _, c := range append(a.full, a.chunk) {
			for i := range c {
				c[i] = 0xdb
			}
		}
		a.full = nil
	}
	a.chunk = a.chunk[:0]
}
