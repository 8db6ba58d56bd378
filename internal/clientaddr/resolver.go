package clientaddr

import (
	"net/http"
	"net/netip"
	"strings"
)

// Resolver finds the address of a request's client. Its methods may be called
// concurrently; a nil Resolver trusts no proxy.
type Resolver struct{ trusted Allowed }

// NewResolver makes a Resolver that believes what proxies at these addresses
// say of their clients.
func NewResolver(trusted Allowed) *Resolver { return &Resolver{trusted: trusted} }

// Addr returns the address of the client: the connection's, or if that is a
// trusted proxy's, the last one in X-Forwarded-For that is not. Each proxy
// appends the address it was called from, so what stands further left was
// written by someone who is not trusted. The header Forwarded is ignored: a
// proxy that does not know it would pass on what a client made up. An entry
// that is no address ends the search at the proxy that reported it.
func (res *Resolver) Addr(r *http.Request) netip.Addr {
	addr := parseHostPort(r.RemoteAddr)
	if res == nil || !res.trusted.Contains(addr) {
		return addr
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var entry string
			rest, entry, more = cutLast(rest)
			next := parseHostPort(strings.Trim(entry, " \t"))
			if !next.IsValid() {
				return addr
			}
			if addr = next; !res.trusted.Contains(addr) {
				return addr
			}
		}
	}
	return addr
}

// cutLast cuts the entry behind the last comma off; more tells whether there
// is something before it.
func cutLast(s string) (rest, entry string, more bool) {
	if i := strings.LastIndexByte(s, ','); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// parseHostPort reads an address with or without port, in brackets or not.
// What is none gives the zero Addr.
func parseHostPort(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return Normal(ap.Addr())
	}
	if n := len(s); n > 2 && s[0] == '[' && s[n-1] == ']' {
		s = s[1 : n-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return Normal(a)
}
