package catalog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// FormatVersion is the version of the store's layout that this program writes.
// A store of a newer one is refused, one of an older is marked as of this one
// when it is opened: nothing needs to be rewritten, since rows read with
// defaults for what they lack.
const FormatVersion = 2

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
	MaxCached    int              // entries of each cache; 0: DefaultMaxCached

	// OtherKey is given when a rotation of the master key may be unfinished
	// and it is not known which of the two keys the store has; see
	// RotateMasterKey.
	OtherKey *MasterKey
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
	ring      *ring
	storeUUID string
	fresh     bool

	rotating sync.Mutex
	goOn     *MasterKey // the rotation that Resume goes on with

	auditSeq atomic.Uint64 // of the newest entry
	uses     sync.Map      // [32]byte, hash of an API key -> *keyUse

	creds     *cache[string, Credential]
	tokens    *cache[[32]byte, User]
	apiKeys   *cache[[32]byte, cachedKey]
	policies  *cache[disk.ID, *policy]
	revoked   *cache[disk.ID, *revocations]
	shareKeys *cache[struct{}, []ShareKey]

	stripes [64]sync.Mutex // by hash of the disk's name
}

// Open reads the store's header, or writes it into a new store, and refuses a
// store of a newer format (kind Unsupported) or one that has another master
// key (kind Permission).
func Open(ctx context.Context, o Options) (*Catalog, error) {
	o.ensureDefaults()
	c := &Catalog{
		o: o, ring: newRing(o.Rand),
		creds:     newCache[string, Credential](o.MaxCached),
		tokens:    newCache[[32]byte, User](o.MaxCached),
		apiKeys:   newCache[[32]byte, cachedKey](o.MaxCached),
		policies:  newCache[disk.ID, *policy](o.MaxCached),
		revoked:   newCache[disk.ID, *revocations](o.MaxCached),
		shareKeys: newCache[struct{}, []ShareKey](1),
	}
	check, err := c.ring.add(o.MasterKey)
	if err != nil {
		return nil, err
	}
	var other []byte
	if o.OtherKey != nil {
		if other, err = c.ring.add(*o.OtherKey); err != nil {
			return nil, err
		}
	}
	var uuid [16]byte
	if _, err := io.ReadFull(o.Rand, uuid[:]); err != nil {
		return nil, errs.E("open catalog", "", errs.Other, err)
	}
	err = o.KV.Update(ctx, func(t kv.Txn) error { return c.openHeader(t, uuid, check, other) })
	if err != nil {
		return nil, err
	}
	return c, o.KV.View(ctx, func(r kv.Reader) error {
		last, err := lastAudit(r)
		c.auditSeq.Store(last)
		return err
	})
}

// openHeader checks the header rows, or writes them where there are none.
func (c *Catalog) openHeader(t kv.Txn, uuid [16]byte, check, other []byte) error {
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
	version, err := parseFormat(format)
	if err != nil {
		return err
	}
	if err := c.openMaster(t, check, other); err != nil {
		return err
	}
	if version < FormatVersion {
		if err := t.Set([]byte(keyFormat), []byte(strconv.Itoa(FormatVersion))); err != nil {
			return err
		}
	}
	id, _, err := t.Get([]byte(keyStoreUUID))
	c.fresh, c.storeUUID = false, string(id)
	return err
}

// parseFormat reads the format row, and refuses what this program does not know.
func parseFormat(b []byte) (int, error) {
	version, err := strconv.Atoi(string(b))
	if err != nil || version < 1 {
		return 0, errs.New("open catalog", "", errs.Corrupt, fmt.Sprintf("the store's format version reads %q", b))
	}
	if version > FormatVersion {
		return 0, errs.New("open catalog", "", errs.Unsupported, fmt.Sprintf(
			"the store has format %d and this program knows formats up to %d: use a newer atoll", version, FormatVersion))
	}
	return version, nil
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
