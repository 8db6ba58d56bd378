package catalog

import (
	"context"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Disk returns a disk by its id.
func (c *Catalog) Disk(ctx context.Context, id disk.ID) (Disk, error) {
	var d Disk
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		var err error
		d, err = readDisk(r, id, "get disk")
		return err
	})
	return d, err
}

// readDisk reads the row of a disk that is not being deleted.
func readDisk(r kv.Reader, id disk.ID, op string) (Disk, error) {
	var row diskRow
	ok, err := getRow(r, diskKey(id), &row)
	if err != nil {
		return Disk{}, err
	}
	if !ok || row.State == Deleting {
		return Disk{}, noDisk(op, id.String())
	}
	return row.disk(id), nil
}

// DiskByName returns the disk that has this name.
func (c *Catalog) DiskByName(ctx context.Context, name string) (Disk, error) {
	var d Disk
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		v, ok, err := r.Get(nameKey(name))
		if err != nil || !ok {
			return orErr(err, noDisk("get disk", name))
		}
		id, err := parseID(v)
		if err != nil {
			return err
		}
		d, err = readDisk(r, id, "get disk")
		return err
	})
	return d, err
}

// Disks returns at most limit disks in the order of their names, beginning
// after the name given; more tells whether others follow.
func (c *Catalog) Disks(ctx context.Context, afterName string, limit int) (disks []Disk, more bool, err error) {
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		disks, more = nil, false
		lo := nameKey(afterName)
		if afterName != "" {
			lo = append(lo, 0)
		}
		it := r.Scan(lo, after([]byte(prefixName)))
		defer it.Close()
		for it.Next() {
			if len(disks) == limit {
				more = true
				return nil
			}
			id, err := parseID(it.Value())
			if err != nil {
				return err
			}
			d, err := readDisk(r, id, "list disks")
			if err != nil {
				return err
			}
			disks = append(disks, d)
		}
		return it.Err()
	})
	return disks, more, err
}

// DisksByID returns at most limit disks that are available, in the order of
// their ids, beginning after the id given (0: from the first); more tells
// whether others follow.
func (c *Catalog) DisksByID(ctx context.Context, afterID disk.ID, limit int) (disks []Disk, more bool, err error) {
	lo := []byte(prefixDisk)
	if afterID != 0 {
		lo = append(diskKey(afterID), 0)
	}
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		disks, more = nil, false
		it := r.Scan(lo, after([]byte(prefixDisk)))
		defer it.Close()
		for it.Next() {
			id, err := parseID(it.Key()[len(prefixDisk):])
			if err != nil {
				return err
			}
			var row diskRow
			if err := decodeRow(it.Value(), &row); err != nil {
				return err
			}
			if row.State != Available {
				continue
			}
			if len(disks) == limit {
				more = true
				return nil
			}
			disks = append(disks, row.disk(id))
		}
		return it.Err()
	})
	return disks, more, err
}

// Usage tells what a disk holds.
func (c *Catalog) Usage(ctx context.Context, id disk.ID) (disk.Usage, error) {
	return c.o.Backend.Usage(ctx, id)
}

// Resumed counts what Resume finished.
type Resumed struct {
	Created int // disks whose creation was cut short
	Deleted int // disks whose deletion was cut short
}

// Resume finishes the creations and deletions that a crash cut short, and the
// rotation of the master key if it can. It is called once, after Open and
// before requests are served.
func (c *Catalog) Resume(ctx context.Context) (Resumed, error) {
	var done Resumed
	var pending []Disk
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		pending = nil
		it := r.Scan([]byte(prefixPending), after([]byte(prefixPending)))
		defer it.Close()
		for it.Next() {
			id, err := parseID(it.Key()[len(prefixPending):])
			if err != nil {
				return err
			}
			var row diskRow
			if ok, err := getRow(r, diskKey(id), &row); err != nil {
				return err
			} else if !ok {
				return errs.New("resume", id.String(), errs.Corrupt, "a pending disk has no row")
			}
			pending = append(pending, row.disk(id))
		}
		return it.Err()
	})
	if err != nil {
		return done, err
	}
	for _, d := range pending {
		if d.State == Deleting {
			err = c.finishDelete(ctx, d.ID)
			done.Deleted++
		} else {
			err = c.finishCreate(ctx, &d, false, func(kv.Txn) error { return nil })
			done.Created++
		}
		if err != nil {
			return done, err
		}
	}
	return done, c.resumeRotation(ctx)
}
