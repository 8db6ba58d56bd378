package catalog

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"atoll/internal/clientaddr"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// MaxAllowedIPs bounds the list of addresses and networks of a disk.
const MaxAllowedIPs = 256

// policy is what every request to a disk is held against.
type policy struct {
	allowed clientaddr.Allowed // nil: everybody
	cors    []CORSRule
}

// policy returns a disk's, from memory but for the first time.
func (c *Catalog) policy(ctx context.Context, id disk.ID) (*policy, error) {
	p, gen, ok := c.policies.get(id)
	if ok {
		return p, nil
	}
	p, err := c.loadPolicy(ctx, id)
	if err == nil {
		c.policies.put(id, p, gen)
	}
	return p, err
}

func (c *Catalog) loadPolicy(ctx context.Context, id disk.ID) (*policy, error) {
	var p *policy
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		p = new(policy)
		d, err := readDisk(r, id, "get disk")
		if err != nil {
			return err
		}
		if p.allowed, err = clientaddr.ParseAllowed(d.AllowedIPs); err != nil {
			return errs.E("read allowed IPs", id.String(), errs.Corrupt, err)
		}
		_, err = getRow(r, ofDisk(prefixCORS, id), &p.cors)
		return err
	})
	return p, err
}

// Admits tells whether a client of this address may use the disk, whatever
// its credential. It is on the path of every request and answers from memory,
// without allocating. A disk without limits admits everybody; one with limits
// nobody whose address is not known (the zero Addr).
func (c *Catalog) Admits(ctx context.Context, id disk.ID, addr netip.Addr) (bool, error) {
	p, err := c.policy(ctx, id)
	if err != nil {
		return false, err
	}
	return len(p.allowed) == 0 || p.allowed.Contains(clientaddr.Normal(addr)), nil
}

// normalIPs checks a list of addresses and networks and brings it into normal
// form; nil for none.
func normalIPs(list []string) ([]string, error) {
	if len(list) > MaxAllowedIPs {
		return nil, errs.New("set allowed IPs", "", errs.Invalid, fmt.Sprintf("a disk has at most %d allowed addresses and networks", MaxAllowedIPs))
	}
	allowed, err := clientaddr.ParseAllowed(list)
	if err != nil || len(allowed) == 0 {
		return nil, err
	}
	return allowed.Strings(), nil
}

// sameIPs compares lists in normal form, whatever their order.
func sameIPs(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// SetAllowedIPs limits a disk to clients of these addresses and networks
// (CIDR), IPv4 and IPv6; none: no limit. It returns them in normal form. It
// holds for every request that begins after it returned.
func (c *Catalog) SetAllowedIPs(ctx context.Context, id disk.ID, allowed []string) ([]string, error) {
	list, err := normalIPs(allowed)
	if err != nil {
		return nil, err
	}
	err = c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "set allowed IPs"); err != nil {
			return err
		}
		var row diskRow
		if _, err := getRow(t, diskKey(id), &row); err != nil {
			return err
		}
		row.AllowedIPs = list
		return setRow(t, diskKey(id), &row)
	})
	// Also after an error: the commit may have happened.
	c.policies.drop(id)
	return append([]string{}, list...), err
}

// AllowedIPs returns the limits that a disk was made with or that
// SetAllowedIPs has set; never nil.
func (c *Catalog) AllowedIPs(ctx context.Context, id disk.ID) ([]string, error) {
	d, err := c.Disk(ctx, id)
	return append([]string{}, d.AllowedIPs...), err
}
