package clientaddr

import (
	"net/netip"
	"strings"

	"atoll/internal/errs"
)

// Allowed is a list of networks in normal form: host bits zero, nothing twice,
// in the order given. A single address is a network of one.
type Allowed []netip.Prefix

// ParseAllowed reads addresses (192.0.2.7, 2001:db8::7) and networks in CIDR
// form (192.0.2.0/24, 2001:db8::/32). Errors are of kind Invalid and say which
// entry is meant.
func ParseAllowed(list []string) (Allowed, error) {
	var out Allowed
	seen := make(map[netip.Prefix]bool, len(list))
	for _, s := range list {
		p, err := parsePrefix(s)
		if err != nil {
			return nil, err
		}
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	bad := func() (netip.Prefix, error) {
		if len(s) > 60 {
			s = strings.ToValidUTF8(s[:60], "") + "..."
		}
		return netip.Prefix{}, errs.New("read address", s, errs.Invalid,
			`"`+s+`" is neither an IP address such as 192.0.2.7 or 2001:db8::7 nor a network such as 192.0.2.0/24`)
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return bad()
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return bad()
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return bad()
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// Contains tells whether the address, in normal form, is in one of the
// networks. It allocates nothing.
func (l Allowed) Contains(a netip.Addr) bool {
	for _, p := range l {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Strings writes the list as ParseAllowed reads it, single addresses without
// their length; never nil.
func (l Allowed) Strings() []string {
	out := make([]string, 0, len(l))
	for _, p := range l {
		if p.IsSingleIP() {
			out = append(out, p.Addr().String())
		} else {
			out = append(out, p.String())
		}
	}
	return out
}

// Normal brings an address into normal form.
func Normal(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
