package catalog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/crashfs"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

var nextKey = MasterKey{9, 9, 9}

func openWith(s kv.Store, k MasterKey, other *MasterKey) (*Catalog, error) {
	c, err := Open(ctx, Options{KV: s, Backend: &fakeCore{kv: s}, MasterKey: k, OtherKey: other, Now: func() time.Time { return testTime }})
	if err != nil {
		return nil, err
	}
	_, err = c.Resume(ctx)
	return c, err
}

// secrets are what must open whatever the master key is.
type secrets struct {
	creds  []Credential
	shares []ShareKey
}

func addSecrets(t *testing.T, c *Catalog, users int) secrets {
	t.Helper()
	d := mustCreate(t, c, fmt.Sprint("d", users))
	var s secrets
	for range users {
		u, secret, err := c.AddUser(ctx, d.ID, S3User, "n")
		if err != nil {
			t.Fatal(err)
		}
		s.creds = append(s.creds, Credential{AccessKeyID: u.Identifier, Secret: secret, Disk: d.ID})
	}
	for range 2 {
		if _, err := c.RotateShareKey(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.shares, err = c.ShareKeys(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// check opens every secret.
func (s secrets) check(t *testing.T, c *Catalog) {
	t.Helper()
	for _, want := range s.creds {
		if got, ok, err := c.Credential(ctx, want.AccessKeyID); err != nil || !ok || got != want {
			t.Fatalf("credential: %v, %v", ok, err)
		}
	}
	got, err := c.ShareKeys(ctx)
	if err != nil || len(got) != len(s.shares) {
		t.Fatalf("%d share keys, %v", len(got), err)
	}
	for i, k := range s.shares {
		if got[i].Secret != k.Secret {
			t.Fatalf("share key %d is another", i)
		}
	}
}

// onlyUnder tells whether every secret is sealed under this key alone, and no
// rotation is under way.
func onlyUnder(t *testing.T, s kv.Store, k MasterKey) bool {
	t.Helper()
	sl, err := newSealer(k, nil)
	if err != nil {
		t.Fatal(err)
	}
	only := true
	err = s.View(ctx, func(r kv.Reader) error {
		only = true
		for _, prefix := range sealedPrefixes {
			err := eachRow(r, prefix, func(_, value []byte) error {
				var row sealed
				err := decodeRow(value, &row)
				only = only && sl.made(row.Secret) && row.Next == nil
				return err
			})
			if err != nil {
				return err
			}
		}
		_, next, err := header(r)
		only = only && next == nil
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return only
}

func TestRotateMasterKey(t *testing.T) {
	s := openKV(t, vfs.NewMem())
	defer s.Close()
	c, _ := openOn(t, s)
	all := addSecrets(t, c, 2*rowsPerReseal+3)
	has := func(k MasterKey, want bool) {
		t.Helper()
		if got, err := c.HasMasterKey(ctx, k); err != nil || got != want {
			t.Errorf("has the key: %v, %v, want %v", got, err, want)
		}
	}
	has(testKey, true)
	has(nextKey, false)
	wantKind(t, c.RotateMasterKey(ctx, testKey), errs.Invalid)
	if err := c.RotateMasterKey(ctx, nextKey); err != nil {
		t.Fatal(err)
	}
	has(testKey, false)
	has(nextKey, true)
	if !onlyUnder(t, s, nextKey) {
		t.Error("something is not sealed under the new key, or still under the old one")
	}
	wantKind(t, c.RotateMasterKey(ctx, nextKey), errs.Invalid)
	late := secrets{shares: all.shares}
	u, secret, err := c.AddUser(ctx, all.creds[0].Disk, S3User, "late")
	if err != nil {
		t.Fatal(err)
	}
	late.creds = []Credential{{AccessKeyID: u.Identifier, Secret: secret, Disk: u.Disk}}
	for _, c := range []*Catalog{c, mustOpen(t, s, nextKey, nil), mustOpen(t, s, nextKey, &testKey), mustOpen(t, s, testKey, &nextKey)} {
		all.check(t, c)
		late.check(t, c)
	}
	_, err = openWith(s, testKey, nil)
	wantKind(t, err, errs.Permission)
	// And back.
	if err := c.RotateMasterKey(ctx, testKey); err != nil {
		t.Fatal(err)
	}
	all.check(t, mustOpen(t, s, testKey, nil))
	if got, err := Check(ctx, s); err != nil || len(got.Problems) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func mustOpen(t *testing.T, s kv.Store, k MasterKey, other *MasterKey) *Catalog {
	t.Helper()
	c, err := openWith(s, k, other)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRotateUnknownFields: a rotation keeps fields that a later program wrote.
func TestRotateUnknownFields(t *testing.T) {
	c, core := newCatalog(t)
	all := addSecrets(t, c, 1)
	key := userKey(all.creds[0].AccessKeyID)
	err := core.kv.Update(ctx, func(t kv.Txn) error {
		b, _, err := t.Get(key)
		if err != nil {
			return err
		}
		return t.Set(key, []byte(strings.Replace(string(b), "{", `{"later":[1,2],`, 1)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RotateMasterKey(ctx, nextKey); err != nil {
		t.Fatal(err)
	}
	err = core.kv.View(ctx, func(r kv.Reader) error {
		b, _, err := r.Get(key)
		if !strings.Contains(string(b), `"later":[1,2]`) {
			t.Errorf("row %s", b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRotateCrash cuts the power around every transaction of a rotation, and
// starts from each image with each of the keys and with both: exactly one of
// them alone opens it, both always do, and everything is there.
func TestRotateCrash(t *testing.T) {
	for _, probability := range []int{0, 50, 100} {
		fs := crashfs.New()
		rng := rand.New(rand.NewPCG(2, uint64(probability)))
		store := openKV(t, fs)
		var images []*crashfs.MemFS
		cutting := false
		cut := &cutKV{Store: store, cut: func() {
			if cutting {
				images = append(images, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: probability, RNG: rng}))
			}
		}}
		c, _ := openOn(t, cut)
		all := addSecrets(t, c, rowsPerReseal+5)
		cutting = true
		if err := c.RotateMasterKey(ctx, nextKey); err != nil {
			t.Fatal(err)
		}
		cut.cut()
		if len(images) < 14 {
			t.Fatalf("only %d images", len(images))
		}
		old := 0
		for i, image := range images {
			if checkRotated(t, i, image, all) {
				old++
			}
		}
		if old < 5 || len(images)-old < 5 {
			t.Errorf("of %d images %d open with the old key", len(images), old)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkRotated starts from one image in all ways and tells whether the old key
// opens it.
func checkRotated(t *testing.T, i int, image *crashfs.MemFS, all secrets) (old bool) {
	t.Helper()
	copied := func() kv.Store {
		return openKV(t, image.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}))
	}
	one := 0
	for _, k := range []MasterKey{testKey, nextKey} {
		s := copied()
		c, err := openWith(s, k, nil)
		if err == nil {
			one++
			old = k == testKey
			all.check(t, c)
			// Whatever was left over, the key can be changed again.
			other := MasterKey{7}
			if err := c.RotateMasterKey(ctx, other); err != nil {
				t.Fatalf("image %d: another rotation: %v", i, err)
			}
			if !onlyUnder(t, s, other) {
				t.Errorf("image %d: after another rotation something is sealed under an old key", i)
			}
		} else if !errs.Is(err, errs.Permission) {
			t.Errorf("image %d: %v", i, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if one != 1 {
		t.Errorf("image %d: %d keys open it", i, one)
	}
	for _, keys := range [][2]MasterKey{{testKey, nextKey}, {nextKey, testKey}} {
		s := copied()
		begun := underWay(t, s)
		c, err := openWith(s, keys[0], &keys[1])
		if err != nil {
			t.Fatalf("image %d with both keys: %v", i, err)
		}
		all.check(t, c)
		if begun && !onlyUnder(t, s, nextKey) {
			t.Errorf("image %d: the rotation was not finished", i)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return old
}

func underWay(t *testing.T, s kv.Store) bool {
	t.Helper()
	var next []byte
	err := s.View(ctx, func(r kv.Reader) error {
		var err error
		_, next, err = header(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return next != nil
}

// TestRotateWhileServing adds and looks up users while the key is changed
// again and again: none is lost, none fails.
func TestRotateWhileServing(t *testing.T) {
	s := openKV(t, vfs.NewMem())
	defer s.Close()
	c, _ := openOn(t, s)
	d := mustCreate(t, c, "a")
	var mu sync.Mutex
	var all secrets
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 60 {
				u, secret, err := c.AddUser(ctx, d.ID, S3User, "n")
				if err != nil {
					t.Error(err)
					return
				}
				want := Credential{AccessKeyID: u.Identifier, Secret: secret, Disk: d.ID}
				mu.Lock()
				all.creds = append(all.creds, want)
				some := all.creds[rand.IntN(len(all.creds))]
				mu.Unlock()
				c.creds.drop(some.AccessKeyID) // so that it is read and opened
				if got, ok, err := c.Credential(ctx, some.AccessKeyID); err != nil || !ok || got != some {
					t.Errorf("credential: %v, %v", ok, err)
					return
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	var last MasterKey
	for i, serving := 0, true; serving; i++ {
		select {
		case <-finished:
			serving = false
		default:
		}
		last = MasterKey{byte(i), byte(i >> 8), 1}
		if err := c.RotateMasterKey(ctx, last); err != nil {
			t.Error(err)
			break
		}
	}
	<-finished
	if !onlyUnder(t, s, last) {
		t.Errorf("some of %d users are not sealed under the last key alone", len(all.creds))
	}
	fresh := mustOpen(t, s, last, nil)
	for _, want := range all.creds {
		if got, ok, err := fresh.Credential(ctx, want.AccessKeyID); err != nil || !ok || got != want {
			t.Fatalf("credential: %v, %v", ok, err)
		}
	}
}

// TestRotateFails meets a row that can't be opened: nothing has changed, and
// the store opens with its old key.
func TestRotateFails(t *testing.T) {
	s := openKV(t, vfs.NewMem())
	defer s.Close()
	c, core := openOn(t, s)
	all := addSecrets(t, c, 3)
	broken := userKey("ATLXXXXXXXXXXXXXXXXX")
	set := func(v []byte) {
		t.Helper()
		if err := core.kv.Update(ctx, func(t kv.Txn) error {
			if v == nil {
				return t.Delete(broken)
			}
			return t.Set(broken, v)
		}); err != nil {
			t.Fatal(err)
		}
	}
	set([]byte(`{"disk":1,"secret":"AQ=="}`))
	wantKind(t, c.RotateMasterKey(ctx, nextKey), errs.Corrupt)
	all.check(t, c)
	all.check(t, mustOpen(t, s, testKey, nil))
	set(nil)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.RotateMasterKey(canceled, nextKey); err == nil {
		t.Error("rotated for a caller that had gone")
	}
	c.rotating.Lock()
	wantKind(t, c.RotateMasterKey(ctx, nextKey), errs.Overloaded)
	c.rotating.Unlock()
	if err := c.RotateMasterKey(ctx, nextKey); err != nil {
		t.Fatal(err)
	}
	all.check(t, mustOpen(t, s, nextKey, nil))
}
