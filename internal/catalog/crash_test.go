package catalog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/crashfs"
	"atoll/internal/disk"
	"atoll/internal/kv"
)

// cutKV takes an image of what a power cut would leave, before and after every
// transaction.
type cutKV struct {
	kv.Store
	cut func()
}

func (s *cutKV) Update(ctx context.Context, fn func(kv.Txn) error) error {
	s.cut()
	err := s.Store.Update(ctx, fn)
	s.cut()
	return err
}

// acked is what had been acknowledged when an image was taken.
type acked struct {
	image   *crashfs.MemFS
	disks   map[string]disk.ID // by name: made
	gone    map[disk.ID]bool   // deleted
	touched map[string]bool    // name of the disk that is being worked on
	users   map[string]disk.ID
}

// TestCrash cuts the power around every transaction of a run that makes and
// deletes disks, starts from each image, and checks that what had been
// acknowledged is there, that catalog and core agree and nothing is pending.
func TestCrash(t *testing.T) {
	for _, probability := range []int{0, 50, 100} {
		t.Run(fmt.Sprint("unsynced data kept: ", probability, "%"), func(t *testing.T) {
			for i, a := range runWithCuts(t, probability) {
				checkImage(t, i, a)
			}
		})
	}
}

func runWithCuts(t *testing.T, probability int) []acked {
	fs := crashfs.New()
	rng := rand.New(rand.NewPCG(1, uint64(probability)))
	disks, gone, users := map[string]disk.ID{}, map[disk.ID]bool{}, map[string]disk.ID{}
	working := ""
	var images []acked
	store := openKV(t, fs)
	defer store.Close()
	cut := &cutKV{Store: store, cut: func() {
		a := acked{disks: map[string]disk.ID{}, gone: map[disk.ID]bool{}, touched: map[string]bool{working: true}, users: map[string]disk.ID{}}
		for k, v := range disks {
			a.disks[k] = v
		}
		for k := range gone {
			a.gone[k] = true
		}
		for k, v := range users {
			a.users[k] = v
		}
		a.image = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: probability, RNG: rng})
		images = append(images, a)
	}}
	c, _ := openOn(t, cut)
	for i := range 6 {
		working = fmt.Sprint("disk", i)
		d := mustCreate(t, c, working)
		disks[working] = d.ID
		for range 3 {
			u, _, err := c.AddUser(ctx, d.ID, S3User, "x")
			if err != nil {
				t.Fatal(err)
			}
			users[u.Identifier] = d.ID
		}
		if i%2 == 1 {
			continue
		}
		if err := c.DeleteDisk(ctx, d.ID); err != nil {
			t.Fatal(err)
		}
		delete(disks, working)
		gone[d.ID] = true
	}
	return images
}

func checkImage(t *testing.T, i int, a acked) {
	store := openKV(t, a.image)
	defer store.Close()
	c, _ := openOn(t, store)
	if _, err := c.Resume(ctx); err != nil {
		t.Fatalf("image %d: resume: %v", i, err)
	}
	if left := allKeys(t, store, prefixPending); len(left) != 0 {
		t.Fatalf("image %d: pending after resume: %q", i, left)
	}
	list, _, err := c.Disks(ctx, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	live := map[disk.ID]bool{}
	for _, d := range list {
		live[d.ID] = true
		if d.State != Available {
			t.Errorf("image %d: %s is %s", i, d.Name, d.State)
		}
		if _, err := c.Usage(ctx, d.ID); err != nil {
			t.Errorf("image %d: %s is not in the core: %v", i, d.Name, err)
		}
		if a.gone[d.ID] {
			t.Errorf("image %d: deleted disk %s is back", i, d.Name)
		}
	}
	if n := len(allKeys(t, store, "d")); n != len(list) {
		t.Errorf("image %d: the core has %d disks, the catalog %d", i, n, len(list))
	}
	for name, id := range a.disks {
		if !live[id] && !a.touched[name] {
			t.Errorf("image %d: acknowledged disk %s is lost", i, name)
		}
	}
	for access, id := range a.users {
		_, ok, err := c.Credential(ctx, access)
		if err != nil || ok != live[id] {
			t.Errorf("image %d: credential of a disk (live: %v): %v, %v", i, live[id], ok, err)
		}
	}
	if n := len(allKeys(t, store, prefixUser)) - len(allKeys(t, store, prefixUserOf)); n != 0 {
		t.Errorf("image %d: users and their index differ by %d", i, n)
	}
}
