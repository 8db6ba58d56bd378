package clientaddr

import (
	"net/netip"
	"sync"
	"time"
)

// Defaults of LimiterOptions.
const (
	DefaultBurst      = 20
	DefaultRefill     = 6 * time.Second
	DefaultMaxTracked = 1 << 16
)

// LimiterOptions are those of NewLimiter; the zero value is usable.
type LimiterOptions struct {
	Burst      int              // failures that an address may have at once; 0: DefaultBurst
	Refill     time.Duration    // after which one failure is forgiven; 0: DefaultRefill
	MaxTracked int              // addresses that are remembered; 0: DefaultMaxTracked
	Now        func() time.Time // nil: time.Now
}

// Limiter slows down addresses that fail to authenticate: each has a bucket of
// tokens which failures empty and time fills. Addresses of IPv6 count by their
// /64, which is what one customer of a network has. Its methods may be called
// concurrently; a nil Limiter lets everybody through.
type Limiter struct {
	o    LimiterOptions
	full time.Duration // after which nothing of an address's failures is left

	mu sync.RWMutex
	// m holds when the bucket of an address will be full again: a bucket is
	// worth that much time, a failure costs Refill.
	m map[netip.Addr]time.Time
}

// NewLimiter makes a Limiter.
func NewLimiter(o LimiterOptions) *Limiter {
	if o.Burst <= 0 {
		o.Burst = DefaultBurst
	}
	if o.Refill <= 0 {
		o.Refill = DefaultRefill
	}
	if o.MaxTracked <= 0 {
		o.MaxTracked = DefaultMaxTracked
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Limiter{o: o, full: time.Duration(o.Burst) * o.Refill, m: make(map[netip.Addr]time.Time)}
}

// bucket is the address that addr's failures are counted under.
func bucket(addr netip.Addr) netip.Addr {
	addr = Normal(addr)
	if !addr.Is6() {
		return addr
	}
	p, err := addr.Prefix(64)
	if err != nil { // an IPv6 address has 64 bits
		return addr
	}
	return p.Addr()
}

// Allow tells whether a client of this address may try to authenticate, and if
// not, after how long it may again. It allocates nothing.
func (l *Limiter) Allow(addr netip.Addr) (ok bool, retryAfter time.Duration) {
	if l == nil {
		return true, 0
	}
	l.mu.RLock()
	full, known := l.m[bucket(addr)]
	l.mu.RUnlock()
	if !known {
		return true, 0
	}
	// A token is there if the bucket lacks less than all but one of them.
	lacks := full.Sub(l.o.Now())
	if limit := l.full - l.o.Refill; lacks > limit {
		return false, lacks - limit
	}
	return true, 0
}

// Failed counts a failed authentication of a client of this address.
func (l *Limiter) Failed(addr netip.Addr) {
	if l == nil {
		return
	}
	key, now := bucket(addr), l.o.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	full, known := l.m[key]
	if !known && len(l.m) >= l.o.MaxTracked {
		l.makeRoom(now)
	}
	if full.Before(now) {
		full = now
	}
	if full = full.Add(l.o.Refill); full.Sub(now) > l.full {
		full = now.Add(l.full)
	}
	l.m[key] = full
}

// makeRoom forgets the addresses whose buckets are full; if there are none,
// of a few the one that has failed least or longest ago. So an attacker who
// has many addresses can't push out those that he has used up.
func (l *Limiter) makeRoom(now time.Time) {
	const sample = 64
	var victim netip.Addr
	var least time.Time
	looked, freed := 0, false
	for a, full := range l.m {
		if !full.After(now) {
			delete(l.m, a)
			freed = true
			continue
		}
		if looked == 0 || full.Before(least) {
			victim, least = a, full
		}
		if looked++; looked >= sample {
			break
		}
	}
	if !freed {
		delete(l.m, victim)
	}
}
