package catalog

import (
	"context"
	"fmt"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Checked is what Check found.
type Checked struct {
	Disks    []disk.ID // that exist
	Pending  []disk.ID // whose creation or deletion the next start finishes
	Users    int       // of both types
	APIKeys  int
	Problems []string
}

func (c *Checked) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

// Check reads the whole catalog of a store that nobody uses and compares its
// rows with each other. A store of a newer format is kind Unsupported. It needs no master key: secrets stay sealed. An error
// means that the catalog could not be read to the end.
func Check(ctx context.Context, s kv.Store) (*Checked, error) {
	var c *Checked
	err := s.View(ctx, func(r kv.Reader) error {
		c = new(Checked)
		for _, step := range []func(kv.Reader) error{
			c.checkHeader, c.checkDisks, c.checkNames, c.checkPending, c.checkUsers, c.checkIndex, c.checkKeys,
			c.checkTokens, c.checkTokenIndex, c.checkOfDisk, c.checkShareKeys, c.checkAudit, c.checkUnknown,
		} {
			if err := step(r); err != nil {
				return err
			}
		}
		return nil
	})
	return c, err
}

// eachRow calls fn with the rest of each key that begins with prefix.
func eachRow(r kv.Reader, prefix string, fn func(rest, value []byte) error) error {
	it := r.Scan([]byte(prefix), after([]byte(prefix)))
	defer it.Close()
	for it.Next() {
		if err := fn(it.Key()[len(prefix):], it.Value()); err != nil {
			return err
		}
	}
	return it.Err()
}

// diskState returns the state of a disk's row, "" if there is none that can
// be read.
func diskState(r kv.Reader, id disk.ID) (row diskRow, err error) {
	_, err = getRow(r, diskKey(id), &row)
	if errs.Is(err, errs.Corrupt) { // reported by checkDisks
		return diskRow{}, nil
	}
	return row, err
}

func (c *Checked) checkDisks(r kv.Reader) error {
	return eachRow(r, prefixDisk, func(rest, value []byte) error {
		id, err := parseID(rest)
		if err != nil {
			c.problem("a disk's row has no disk id: %q", rest)
			return nil
		}
		var row diskRow
		if err := decodeRow(value, &row); err != nil {
			c.problem("disk %s: its row can't be read: %v", id, err)
			return nil
		}
		c.checkIPs(id, &row)
		_, pending, err := r.Get(pendingKey(id))
		if err != nil {
			return err
		}
		if pending != (row.State != Available) {
			c.problem("disk %s: its state is %s, and its being pending is %v", id, row.State, pending)
		}
		if pending {
			c.Pending = append(c.Pending, id)
		} else {
			c.Disks = append(c.Disks, id)
		}
		if row.State == Deleting {
			return nil
		}
		named, ok, err := r.Get(nameKey(row.Name))
		if err != nil {
			return err
		}
		if to, perr := parseID(named); !ok || perr != nil || to != id {
			c.problem("disk %s: its name %q does not lead to it", id, row.Name)
		}
		return nil
	})
}

func (c *Checked) checkNames(r kv.Reader) error {
	return eachRow(r, prefixName, func(rest, value []byte) error {
		id, err := parseID(value)
		if err != nil {
			c.problem("name %q leads to no disk id", rest)
			return nil
		}
		row, err := diskState(r, id)
		if err == nil && (row.Name != string(rest) || row.State == Deleting) {
			c.problem("name %q leads to disk %s, which does not have it", rest, id)
		}
		return err
	})
}

func (c *Checked) checkPending(r kv.Reader) error {
	return eachRow(r, prefixPending, func(rest, _ []byte) error {
		id, err := parseID(rest)
		if err != nil {
			c.problem("a pending row has no disk id: %q", rest)
			return nil
		}
		row, err := diskState(r, id)
		if err == nil && row.State == "" {
			c.problem("pending disk %s has no row", id)
		}
		return err
	})
}

func (c *Checked) checkUsers(r kv.Reader) error {
	return eachRow(r, prefixUser, func(rest, value []byte) error {
		c.Users++
		var row userRow
		if err := decodeRow(value, &row); err != nil {
			c.problem("S3 user %s: its row can't be read: %v", rest, err)
			return nil
		}
		id := disk.ID(row.Disk)
		_, ok, err := r.Get(userOfKey(id, string(rest)))
		if err != nil {
			return err
		}
		if !ok {
			c.problem("S3 user %s is not among the users of its disk %s", rest, id)
		}
		d, err := diskState(r, id)
		if err == nil && d.State == "" {
			c.problem("S3 user %s: its disk %s does not exist", rest, id)
		}
		return err
	})
}

func (c *Checked) checkIndex(r kv.Reader) error {
	return eachRow(r, prefixUserOf, func(rest, _ []byte) error {
		if len(rest) <= 8 {
			c.problem("a row of a disk's users is too short: %q", rest)
			return nil
		}
		id, err := parseID(rest[:8])
		if err != nil {
			return err
		}
		access := string(rest[8:])
		var row userRow
		ok, err := getRow(r, userKey(access), &row)
		if errs.Is(err, errs.Corrupt) { // reported by checkUsers
			return nil
		}
		if err == nil && (!ok || disk.ID(row.Disk) != id) {
			c.problem("disk %s lists S3 user %s, which is not its user", id, access)
		}
		return err
	})
}

func (c *Checked) checkKeys(r kv.Reader) error {
	return eachRow(r, prefixAPIKey, func(rest, value []byte) error {
		c.APIKeys++
		var row apiKeyRow
		if len(rest) != 32 {
			c.problem("an API key's row has no 32-byte hash")
		} else if err := decodeRow(value, &row); err != nil {
			c.problem("an API key's row can't be read: %v", err)
		}
		return nil
	})
}
