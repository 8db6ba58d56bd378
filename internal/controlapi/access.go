package controlapi

import (
	"net/http"
	"strconv"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
)

// authenticate demands an API key. Whatever is wrong, the answer is the same.
func (a *api) authenticate(c *call) error {
	if ok, wait := a.o.Limiter.Allow(c.from); !ok {
		seconds := int64((wait + time.Second - 1) / time.Second)
		c.w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
		return &statusError{http.StatusTooManyRequests, "rate_limited",
			"too many wrong credentials came from this address: wait as long as the header Retry-After says"}
	}
	key, ok, err := a.o.Catalog.VerifyAPIKey(c.r.Context(), c.r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	if !ok {
		a.o.Limiter.Failed(c.from)
		return &statusError{http.StatusUnauthorized, "unauthorized",
			"an API key is needed: send the header Authorization: key-..."}
	}
	c.key = key
	return nil
}

// authorize checks that the key may do what the route does, and finds the
// disk that it is about. A disk that the key does not open is answered as one
// that is not there.
func (a *api) authorize(c *call) error {
	switch c.rt.right {
	case rightAccountRead, rightAccountWrite:
		if !c.key.MayAll(false) {
			return errs.New("authorize", "", errs.Permission, "this API key is limited to some disks: a key for all of them is needed")
		}
		if c.rt.right == rightAccountWrite && !c.key.MayAll(true) {
			return readOnlyKey()
		}
	case rightDiskRead, rightDiskWrite:
		if err := a.locate(c); err != nil {
			return err
		}
		if c.rt.right == rightDiskWrite && !c.key.May(c.disk, true) {
			return readOnlyKey()
		}
		if c.rt.contents {
			if err := a.admit(c, c.disk); err != nil {
				return err
			}
		}
		return a.checkRef(c)
	}
	return nil
}

func readOnlyKey() error {
	return errs.New("authorize", "", errs.Permission, "this API key may only read")
}

func noDisk() error { return errs.New("get disk", "", errs.NoDisk, "Disk not found") }

// locate reads {id} and finds its disk.
func (a *api) locate(c *call) (err error) {
	c.disk, c.ref, c.row, err = a.diskOf(c, c.r.PathValue("id"))
	return err
}

// diskOf finds the disk of an address, in any of its forms. One that the key
// does not open is not there.
func (a *api) diskOf(c *call, address string) (disk.ID, disk.Ref, catalog.Disk, error) {
	addr, err := parseAddress(address)
	if err != nil {
		return 0, disk.Ref{}, catalog.Disk{}, err
	}
	id, ref, err := a.o.Disks.Locate(c.r.Context(), addr)
	if errs.Is(err, errs.NoDisk) && addr.Ref == (disk.Ref{}) {
		id, err = addr.ID, nil // one that is being made has a row, but no core yet
	}
	if errs.Is(err, errs.NoDisk) || err == nil && !c.key.May(id, false) {
		err = noDisk()
	}
	if err != nil {
		return id, ref, catalog.Disk{}, err
	}
	if ref == (disk.Ref{Branch: disk.RootBranch}) {
		ref = disk.Ref{}
	}
	row, err := a.o.Catalog.Disk(c.r.Context(), id)
	return id, ref, row, err
}

// admit refuses clients whose address the disk does not allow.
func (a *api) admit(c *call, id disk.ID) error {
	ok, err := a.o.Catalog.Admits(c.r.Context(), id, c.from)
	if err == nil && !ok {
		err = errs.New("authorize", id.String(), errs.Permission, "this disk's allowed IPs do not have the client's address")
	}
	return err
}

// checkRef tells whether the branch or checkpoint of the address is there.
func (a *api) checkRef(c *call) error {
	if c.ref == (disk.Ref{}) {
		return nil
	}
	_, err := a.view(c)
	return err
}

// core opens the call's disk.
func (a *api) core(c *call) (*disk.Disk, error) {
	d, err := a.o.Disks.Disk(c.r.Context(), c.disk)
	if errs.Is(err, errs.NoDisk) {
		return nil, noDisk()
	}
	return d, err
}

// view opens the point of the disk's history that the address names.
func (a *api) view(c *call) (*disk.View, error) {
	d, err := a.core(c)
	if err != nil {
		return nil, err
	}
	v, err := d.View(c.r.Context(), c.ref)
	return v, missingRef(c.r.Context(), d, err, c.ref)
}
