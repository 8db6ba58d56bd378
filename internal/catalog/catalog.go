package catalog

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"sync"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// FormatVersion is the version of the store's layout that this program writes.
// A store of a newer one is refused.
const FormatVersion = 1

// Defaults of Options.
const (
	DefaultRegion       = "aws-us-east-1"
	DefaultOrganization = "default"
	DefaultMaxCached    = 1 << 16
)

// Backend is the core, as far as the catalog needs it.
type Backend interface {
	// CreateDisk makes an empty disk; kind Exists if there is one.
	CreateDisk(ctx context.Context, id disk.ID, root RootAttrs) error
	// DeleteDisk makes a disk vanish; kind NoDisk if there is none.
	DeleteDisk(ctx context.Context, id disk.ID) error
	// Usage tells what a disk holds.
	Usage(ctx context.Context, id disk.ID) (disk.Usage, error)
}

// Options of Open. KV, Backend and MasterKey are needed.
type Options struct {
	KV        kv.Store
	Backend   Backend
	MasterKey MasterKey

	Region       string           // of new disks; "" is DefaultRegion
	Organization string           // of new disks; "" is DefaultOrganization
	Now          func() time.Time // nil: time.Now
	Rand         io.Reader        // nil: crypto/rand
	MaxCached    int              // cached credentials, and API keys; 0: DefaultMaxCached
}

func (o *Options) ensureDefaults() {
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	if o.Organization == "" {
		o.Organization = DefaultOrganization
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.MaxCached <= 0 {
		o.MaxCached = DefaultMaxCached
	}
}

// Catalog is the open catalog of one store. Its methods may be called
// concurrently.
type Catalog struct {
	o         Options
	seal      *sealer
	storeUUID string
	fresh     bool

	creds   *cache[string, Credential]
	apiKeys *cache[[32]byte, APIKey]

	stripes [64]sync.Mutex // by hash of the disk's name
}

// Open reads the store's header, or writes it into a new store, and refuses a
// store of a newer format (kind Unsupported) or one that was made with
// another master key (kind Permission).
func Open(ctx context.Context, o Options) (*Catalog, error) {
	o.ensureDefaults()
	s, err := newSealer(o.MasterKey, o.Rand)
	if err != nil {
		return nil, err
	}
	c := &Catalog{
		o: o, seal: s,
		creds:   newCache[string, Credential](o.MaxCached),
		apiKeys: newCache[[32]byte, APIKey](o.MaxCached),
	}
	check, err := o.MasterKey.check()
	if err != nil {
		return nil, errs.E("open catalog", "", errs.Other, err)
	}
	var uuid [16]byte
	if _, err := io.ReadFull(o.Rand, uuid[:]); err != nil {
		return nil, errs.E("open catalog", "", errs.Other, err)
	}
	err = o.KV.Update(ctx, func(t kv.Txn) error { return c.openHeader(t, uuid, check) })
	if err != nil {
		return nil, err
	}
	return c, nil
}

// openHeader checks the header rows, or writes them where there are none.
func (c *Catalog) openHeader(t kv.Txn, uuid [16]byte, check []byte) error {
	format, ok, err := t.Get([]byte(keyFormat))
	if err != nil {
		return err
	}
	if !ok {
		c.fresh, c.storeUUID = true, hex.EncodeToString(uuid[:])
		for k, v := range map[string][]byte{
			keyFormat:      []byte(strconv.Itoa(FormatVersion)),
			keyStoreUUID:   []byte(c.storeUUID),
			keyMasterCheck: check,
		} {
			if err := t.Set([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	}
	version, err := strconv.Atoi(string(format))
	if err != nil || version < 1 {
		return errs.New("open catalog", "", errs.Corrupt, fmt.Sprintf("the store's format version reads %q", format))
	}
	if version > FormatVersion {
		return errs.New("open catalog", "", errs.Unsupported, fmt.Sprintf(
			"the store has format %d and this program knows formats up to %d: use a newer atoll", version, FormatVersion))
	}
	stored, _, err := t.Get([]byte(keyMasterCheck))
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(stored, check) != 1 {
		return errs.New("open catalog", "", errs.Permission,
			"this store was made with another master key: bring back its master.key file or set ATOLL_MASTER_KEY to it")
	}
	id, _, err := t.Get([]byte(keyStoreUUID))
	c.fresh, c.storeUUID = false, string(id)
	return err
}

// Fresh tells whether Open found an empty store and wrote its header.
func (c *Catalog) Fresh() bool { return c.fresh }

// StoreUUID names the store: 32 hex digits, drawn when it was made.
func (c *Catalog) StoreUUID() string { return c.storeUUID }

// Region is the region of new disks.
func (c *Catalog) Region() string { return c.o.Region }

// lockName excludes other creations and deletions of disks of this name.
func (c *Catalog) lockName(name string) (unlock func()) {
	h := fnv.New32a()
	h.Write([]byte(name))
	m := &c.stripes[h.Sum32()%uint32(len(c.stripes))]
	m.Lock()
	return m.Unlock
}
