package catalog

import (
	"context"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Credential is what the S3 door needs to check a signature.
type Credential struct {
	AccessKeyID string
	Secret      string
	Disk        disk.ID
}

// String hides the secret from logs and messages.
func (c Credential) String() string { return c.AccessKeyID }

// GoString hides the secret from %#v.
func (c Credential) GoString() string { return c.AccessKeyID }

// Credential returns what an S3 request signed with this access key id is to
// be checked with; ok is false if there is no such user. It is on the path of
// every request and answers from memory but for the first time.
func (c *Catalog) Credential(ctx context.Context, access string) (cred Credential, ok bool, err error) {
	cred, gen, ok := c.creds.get(access)
	if ok {
		return cred, true, nil
	}
	if len(access) != accessKeyLen {
		return Credential{}, false, nil
	}
	key := userKey(access)
	var row userRow
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		if ok, err = getRow(r, key, &row); err != nil || !ok {
			return err
		}
		ok, err = exists(r, disk.ID(row.Disk))
		return err
	})
	if err != nil || !ok {
		return Credential{}, false, err
	}
	secret, err := c.ring.open(key, row.sealed)
	if err != nil {
		return Credential{}, false, err
	}
	cred = Credential{AccessKeyID: access, Secret: secret, Disk: disk.ID(row.Disk)}
	c.creds.put(access, cred, gen)
	return cred, true, nil
}

// exists tells whether there is a disk that is not being deleted.
func exists(r kv.Reader, id disk.ID) (bool, error) {
	_, err := readDisk(r, id, "authenticate")
	if errs.Is(err, errs.NoDisk) {
		return false, nil
	}
	return err == nil, err
}
