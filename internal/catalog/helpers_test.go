package catalog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
	"atoll/internal/kv/pebblekv"
)

// fakeCore is a Backend whose disks are rows of the same store, as the real
// core's are.
type fakeCore struct {
	kv         kv.Store
	failCreate error // the next call's
	failDelete error
}

func coreKey(id disk.ID) []byte { return appendID([]byte("d"), id) }

func (f *fakeCore) CreateDisk(ctx context.Context, id disk.ID, root RootAttrs) error {
	if err := f.failCreate; err != nil {
		f.failCreate = nil
		return err
	}
	return f.kv.Update(ctx, func(t kv.Txn) error {
		if _, ok, err := t.Get(coreKey(id)); err != nil || ok {
			return orErr(err, errs.New("create", "", errs.Exists, "taken"))
		}
		return setRow(t, coreKey(id), root)
	})
}

func (f *fakeCore) DeleteDisk(ctx context.Context, id disk.ID) error {
	if err := f.failDelete; err != nil {
		f.failDelete = nil
		return err
	}
	return f.kv.Update(ctx, func(t kv.Txn) error {
		if _, ok, err := t.Get(coreKey(id)); err != nil || !ok {
			return orErr(err, errs.New("delete", "", errs.NoDisk, "none"))
		}
		return t.Delete(coreKey(id))
	})
}

func (f *fakeCore) Usage(ctx context.Context, id disk.ID) (disk.Usage, error) {
	err := f.kv.View(ctx, func(r kv.Reader) error {
		_, ok, err := r.Get(coreKey(id))
		if err == nil && !ok {
			err = errs.New("usage", "", errs.NoDisk, "none")
		}
		return err
	})
	return disk.Usage{Bytes: 12, Files: 3}, err
}

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

var errInjected = errors.New("injected")

var testKey = MasterKey{1, 2, 3}

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func openKV(t fataler, fs vfs.FS) *pebblekv.Store {
	t.Helper()
	s, err := pebblekv.Open(pebblekv.Options{
		Dir: "meta", FS: fs, CacheBytes: 1 << 20, MemTableBytes: 4 << 20,
		OnFatal: func(error) {},
	})
	if err != nil {
		t.Fatalf("open kv: %v", err)
	}
	return s
}

func openOn(t fataler, s kv.Store) (*Catalog, *fakeCore) {
	t.Helper()
	core := &fakeCore{kv: s}
	c, err := Open(context.Background(), Options{KV: s, Backend: core, MasterKey: testKey, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatalf("open catalog: %v", err)
	}
	return c, core
}

// newCatalog makes an empty catalog in memory.
func newCatalog(t *testing.T) (*Catalog, *fakeCore) {
	t.Helper()
	s := openKV(t, vfs.NewMem())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close kv: %v", err)
		}
	})
	return openOn(t, s)
}

func mustCreate(t fataler, c *Catalog, name string) Disk {
	t.Helper()
	made, err := c.CreateDisk(context.Background(), DiskSpec{Name: name, NoToken: true})
	if err != nil || !made.New || made.Token != "" || made.User != (User{}) {
		t.Fatalf("create %s: %+v, %v", name, made, err)
	}
	return made.Disk
}

func wantKind(t fataler, err error, want errs.Kind) {
	t.Helper()
	if !errs.Is(err, want) {
		t.Fatalf("error %v, want kind %q", err, want)
	}
}

// allKeys returns the store's keys that begin with prefix.
func allKeys(t fataler, s kv.Store, prefix string) []string {
	t.Helper()
	var keys []string
	err := s.View(context.Background(), func(r kv.Reader) error {
		ks, err := scanKeys(r, []byte(prefix), after([]byte(prefix)), 1<<20)
		keys = nil
		for _, k := range ks {
			keys = append(keys, string(k))
		}
		return err
	})
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	return keys
}
