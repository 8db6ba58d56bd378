package catalog

import (
	"context"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// State says how far a disk's life has come.
type State string

// The states. Disks that are being deleted are not shown.
const (
	Creating  State = "creating"
	Available State = "available"
	Deleting  State = "deleting"
)

// MaxDiskName bounds a disk's name, in bytes.
const MaxDiskName = 100

// RootAttrs are the owner and mode that a disk's root directory is made with.
// Mode 0 means 0755.
type RootAttrs struct {
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Mode uint32 `json:"mode"`
}

// normal writes the default out, so that configurations compare.
func (a RootAttrs) normal() RootAttrs {
	if a.Mode == 0 {
		a.Mode = 0o755
	}
	return a
}

// DiskSpec is what a disk is made from.
type DiskSpec struct {
	Name       string
	Root       RootAttrs
	AllowedIPs []string // see SetAllowedIPs
	NoToken    bool     // don't make a disk token with it
}

// Disk is what the catalog knows of a disk.
type Disk struct {
	ID           disk.ID
	Name         string
	Region       string
	Organization string
	Created      time.Time
	State        State
	Root         RootAttrs
	AllowedIPs   []string // in normal form; nil: no limit
}

// Created is what CreateDisk made or found.
type Created struct {
	Disk Disk
	New  bool // it was made now
	// Token is that of the disk token that a new disk is made with, and
	// User what is kept of it; both are zero if there is none.
	Token string
	User  User
}

// diskRow is a Disk as it is stored; its id is in the key.
type diskRow struct {
	Name    string    `json:"name"`
	Region  string    `json:"region"`
	Org     string    `json:"org"`
	Created time.Time `json:"created"`
	State   State     `json:"state"`
	Root    RootAttrs `json:"root"`

	AllowedIPs []string `json:"allowedIPs,omitempty"`
}

func (r *diskRow) disk(id disk.ID) Disk {
	return Disk{ID: id, Name: r.Name, Region: r.Region, Organization: r.Org, Created: r.Created, State: r.State, Root: r.Root, AllowedIPs: r.AllowedIPs}
}

func noDisk(op, what string) error { return errs.New(op, what, errs.NoDisk, "Disk not found") }

// CheckDiskName tells why a name can't be a disk's: names have 1 to 100
// letters, digits, '_' and '-' of ASCII.
func CheckDiskName(name string) error {
	if name == "" || len(name) > MaxDiskName {
		return errs.New("check disk name", "", errs.Invalid, "a disk's name has 1 to 100 characters")
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return errs.New("check disk name", "", errs.Invalid, "a disk's name is made of letters, digits, '_' and '-'")
		}
	}
	return nil
}

func checkSpec(s DiskSpec) error {
	if err := CheckDiskName(s.Name); err != nil {
		return err
	}
	if s.Root.Mode > 0o777 {
		return errs.New("create disk", s.Name, errs.Invalid, "rootAttrs.mode has permission bits only (0 to 0777)")
	}
	if s.Root.UID == ^uint32(0) || s.Root.GID == ^uint32(0) {
		return errs.New("create disk", s.Name, errs.Invalid, "rootAttrs.uid and rootAttrs.gid are at most 4294967294")
	}
	return nil
}

// CreateDisk makes a disk, or finds the one that has this name. It is kind
// Exists if that one is not as spec says; whether it was made with a token
// does not count.
func (c *Catalog) CreateDisk(ctx context.Context, spec DiskSpec) (Created, error) {
	if err := checkSpec(spec); err != nil {
		return Created{}, err
	}
	spec.Root = spec.Root.normal()
	var err error
	if spec.AllowedIPs, err = normalIPs(spec.AllowedIPs); err != nil {
		return Created{}, err
	}
	defer c.lockName(spec.Name)()
	d, made, err := c.reserve(ctx, spec)
	if err != nil || d.State == Available {
		return Created{Disk: d}, err
	}
	// From here on the caller's patience does not count: what has begun is
	// finished or taken back. If the row was there, a failure left it behind,
	// since whoever works on this name holds its lock.
	ctx = context.WithoutCancel(ctx)
	res := Created{Disk: d, New: true}
	put := func(kv.Txn) error { return nil }
	if !spec.NoToken {
		res.User, res.Token, put, err = c.newToken(d.ID, defaultTokenName)
	}
	if err == nil {
		err = c.finishCreate(ctx, &res.Disk, made, put)
	}
	if err != nil {
		if made {
			c.abandon(ctx, d.ID, errs.Is(err, errs.Exists))
		}
		return Created{}, err
	}
	return res, nil
}

// reserve finds the disk of this name, or writes a row in state creating.
func (c *Catalog) reserve(ctx context.Context, spec DiskSpec) (d Disk, made bool, err error) {
	id, err := disk.NewID(c.o.Rand)
	if err != nil {
		return Disk{}, false, err
	}
	now := c.o.Now().UTC()
	err = c.o.KV.Update(ctx, func(t kv.Txn) error {
		d, made = Disk{}, false
		var row diskRow
		old, ok, err := t.Get(nameKey(spec.Name))
		if err != nil {
			return err
		}
		if ok {
			oldID, err := parseID(old)
			if err != nil {
				return err
			}
			if ok, err = getRow(t, diskKey(oldID), &row); err != nil {
				return err
			} else if !ok {
				return errs.New("create disk", spec.Name, errs.Corrupt, "the name leads to no disk")
			}
			if row.Root != spec.Root || !sameIPs(row.AllowedIPs, spec.AllowedIPs) {
				return errs.New("create disk", spec.Name, errs.Exists, "a disk of this name exists with another configuration")
			}
			d = row.disk(oldID)
			return nil
		}
		if _, taken, err := t.Get(diskKey(id)); err != nil || taken {
			return orErr(err, errs.New("create disk", spec.Name, errs.Other, "the random source repeats itself"))
		}
		row = diskRow{Name: spec.Name, Region: c.o.Region, Org: c.o.Organization, Created: now, State: Creating, Root: spec.Root, AllowedIPs: spec.AllowedIPs}
		d, made = row.disk(id), true
		if err := setRow(t, diskKey(id), &row); err != nil {
			return err
		}
		if err := t.Set(nameKey(spec.Name), appendID(nil, id)); err != nil {
			return err
		}
		return t.Set(pendingKey(id), []byte(Creating))
	})
	return d, made, err
}

func orErr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// finishCreate brings a disk from creating to available. fresh tells that its
// id was drawn just now, so the core can't have it; put writes what comes to
// be with the disk.
func (c *Catalog) finishCreate(ctx context.Context, d *Disk, fresh bool, put func(kv.Txn) error) error {
	err := c.o.Backend.CreateDisk(ctx, d.ID, d.Root)
	if err != nil && (fresh || !errs.Is(err, errs.Exists)) {
		return err
	}
	err = c.o.KV.Update(ctx, func(t kv.Txn) error {
		var row diskRow
		ok, err := getRow(t, diskKey(d.ID), &row)
		if err != nil || !ok {
			return orErr(err, noDisk("create disk", d.Name))
		}
		row.State = Available
		if err := setRow(t, diskKey(d.ID), &row); err != nil {
			return err
		}
		if err := put(t); err != nil {
			return err
		}
		return t.Delete(pendingKey(d.ID))
	})
	if err == nil {
		d.State = Available
	}
	return err
}

// abandon takes a creation back that failed. If the core says that it has
// this id already, then that disk is another's and is left alone. Errors are
// dropped: the caller reports why the creation failed, and the pending row
// lets the next start or the next creation of this name go on.
func (c *Catalog) abandon(ctx context.Context, id disk.ID, foreign bool) {
	if err := c.markDeleting(ctx, id); err != nil {
		return
	}
	if foreign {
		_ = c.dropRows(ctx, id)
		return
	}
	_ = c.finishDelete(ctx, id)
}

// DeleteDisk makes a disk and its users vanish for everyone; the core frees
// the contents in the background.
func (c *Catalog) DeleteDisk(ctx context.Context, id disk.ID) error {
	var row diskRow
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		ok, err := getRow(r, diskKey(id), &row)
		if err == nil && !ok {
			err = noDisk("delete disk", id.String())
		}
		return err
	})
	if err != nil {
		return err
	}
	defer c.lockName(row.Name)()
	if err := c.markDeleting(ctx, id); err != nil {
		return err
	}
	return c.finishDelete(context.WithoutCancel(ctx), id)
}

// markDeleting makes the disk invisible and its name free. A disk whose
// deletion was cut short is marked already.
func (c *Catalog) markDeleting(ctx context.Context, id disk.ID) error {
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		var row diskRow
		ok, err := getRow(t, diskKey(id), &row)
		if err != nil || !ok {
			return orErr(err, noDisk("delete disk", id.String()))
		}
		if row.State == Deleting {
			return nil
		}
		row.State = Deleting
		if err := setRow(t, diskKey(id), &row); err != nil {
			return err
		}
		if err := t.Delete(nameKey(row.Name)); err != nil {
			return err
		}
		return t.Set(pendingKey(id), []byte(Deleting))
	})
	// Also after an error: the commit may have happened.
	c.creds.dropIf(func(cr Credential) bool { return cr.Disk == id })
	c.tokens.dropIf(func(u User) bool { return u.Disk == id })
	c.policies.drop(id)
	c.revoked.drop(id)
	return err
}

func (c *Catalog) finishDelete(ctx context.Context, id disk.ID) error {
	if err := c.o.Backend.DeleteDisk(ctx, id); err != nil && !errs.Is(err, errs.NoDisk) {
		return err
	}
	return c.dropRows(ctx, id)
}

// dropRows removes the rows of a disk in state deleting, a transaction's
// budget at a time, and in the last transaction the disk's own.
func (c *Catalog) dropRows(ctx context.Context, id disk.ID) error {
	for _, u := range []struct{ index, rows string }{{prefixUserOf, prefixUser}, {prefixTokenOf, prefixToken}} {
		if err := c.dropUsers(ctx, ofDisk(u.index, id), u.rows); err != nil {
			return err
		}
	}
	return c.o.KV.Update(ctx, func(t kv.Txn) error {
		for _, prefix := range []string{prefixAnswer, prefixSchedule, prefixRevoked} {
			if err := t.DeleteRange(ofDisk(prefix, id), after(ofDisk(prefix, id))); err != nil {
				return err
			}
		}
		return deleteAll(t, ofDisk(prefixCORS, id), ofDisk(prefixRevokedAll, id), pendingKey(id), diskKey(id))
	})
}

// dropUsers removes the users whose index rows begin with lo.
func (c *Catalog) dropUsers(ctx context.Context, lo []byte, rows string) error {
	for more := true; more; {
		err := c.o.KV.Update(ctx, func(t kv.Txn) error {
			keys, err := scanKeys(t, lo, after(lo), usersPerTxn)
			if err != nil {
				return err
			}
			more = len(keys) == usersPerTxn
			for _, k := range keys {
				if err := deleteAll(t, k, append([]byte(rows), k[len(lo):]...)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// usersPerTxn keeps a transaction of two rows a user within its budget.
const usersPerTxn = kv.MaxMutations / 2

func deleteAll(t kv.Txn, keys ...[]byte) error {
	for _, k := range keys {
		if err := t.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// scanKeys returns copies of the first keys of a range.
func scanKeys(r kv.Reader, lo, hi []byte, limit int) ([][]byte, error) {
	it := r.Scan(lo, hi)
	defer it.Close()
	var keys [][]byte
	for len(keys) < limit && it.Next() {
		keys = append(keys, append([]byte(nil), it.Key()...))
	}
	return keys, it.Err()
}
