package catalog

import (
	"context"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// maxShareID bounds the id of a share, in bytes.
const maxShareID = 100

// revocations are those of the shares of one disk.
type revocations struct {
	before time.Time       // what was issued up to then; zero: nothing
	ids    map[string]bool // single shares
}

type revokedRow struct {
	Until time.Time `json:"until"` // after which the share has expired anyway
}

type revokedAllRow struct {
	Before time.Time `json:"before"`
}

func revokedKey(id disk.ID, share string) []byte { return append(ofDisk(prefixRevoked, id), share...) }

// RevokeShare makes one share of a disk end now; until is when it would have
// expired. Revoking it again, or one that never was, changes nothing.
func (c *Catalog) RevokeShare(ctx context.Context, id disk.ID, share string, until time.Time) error {
	if share == "" || len(share) > maxShareID {
		return errs.New("revoke share", id.String(), errs.Invalid, "the id of a share has 1 to 100 bytes")
	}
	return c.revoke(ctx, id, func(t kv.Txn) error {
		return setRow(t, revokedKey(id, share), &revokedRow{Until: until.UTC()})
	})
}

// RevokeShares makes all shares of a disk end that were issued up to now.
func (c *Catalog) RevokeShares(ctx context.Context, id disk.ID) error {
	now := c.o.Now().UTC()
	return c.revoke(ctx, id, func(t kv.Txn) error {
		var row revokedAllRow
		if _, err := getRow(t, ofDisk(prefixRevokedAll, id), &row); err != nil {
			return err
		}
		if row.Before.Before(now) { // a clock that was put back revokes no less
			row.Before = now
		}
		return setRow(t, ofDisk(prefixRevokedAll, id), &row)
	})
}

func (c *Catalog) revoke(ctx context.Context, id disk.ID, put func(kv.Txn) error) error {
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "revoke share"); err != nil {
			return err
		}
		return put(t)
	})
	// Also after an error: the commit may have happened.
	c.revoked.drop(id)
	return err
}

// ShareRevoked tells whether a share, which has the given id and was issued
// then, has been revoked, alone or with all others of its disk; also if the
// disk is gone. Issued is as exact as the share tells it; a share that was
// issued in the same instant as all were revoked counts as revoked. It answers
// from memory but for a disk's first time.
func (c *Catalog) ShareRevoked(ctx context.Context, id disk.ID, share string, issued time.Time) (bool, error) {
	v, gen, ok := c.revoked.get(id)
	if !ok {
		var err error
		if v, err = c.loadRevocations(ctx, id); errs.Is(err, errs.NoDisk) {
			return true, nil
		} else if err != nil {
			return false, err
		}
		c.revoked.put(id, v, gen)
	}
	return v.ids[share] || !v.before.IsZero() && !issued.After(v.before), nil
}

func (c *Catalog) loadRevocations(ctx context.Context, id disk.ID) (*revocations, error) {
	var v *revocations
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		v = &revocations{ids: map[string]bool{}}
		if _, err := readDisk(r, id, "check share"); err != nil {
			return err
		}
		var all revokedAllRow
		if _, err := getRow(r, ofDisk(prefixRevokedAll, id), &all); err != nil {
			return err
		}
		v.before = all.Before
		return eachRow(r, string(ofDisk(prefixRevoked, id)), func(rest, _ []byte) error {
			v.ids[string(rest)] = true
			return nil
		})
	})
	return v, err
}
