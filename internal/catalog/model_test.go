package catalog

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
	"atoll/internal/kv/pebblekv"
)

// modelDisk is a disk of the model.
type modelDisk struct {
	id    disk.ID
	root  RootAttrs
	users map[string]string // access key id -> secret
}

// machine runs random programs against the catalog and a plain model of it.
type machine struct {
	fs   *vfs.MemFS
	kv   *pebblekv.Store
	c    *Catalog
	core *fakeCore

	disks   map[string]*modelDisk
	removed map[string]bool // access key ids
	keys    map[string]string
}

func (m *machine) someName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "a-b", "B_2"}).Draw(t, "name")
}

func (m *machine) create(t *rapid.T) {
	name := m.someName(t)
	root := RootAttrs{UID: rapid.Uint32Range(0, 1).Draw(t, "uid")}
	fail := rapid.IntRange(0, 9).Draw(t, "fail") == 0
	old := m.disks[name]
	if fail && old == nil {
		m.core.failCreate = errInjected
	}
	res, err := m.c.CreateDisk(ctx, DiskSpec{Name: name, Root: root, NoToken: true})
	d, created := res.Disk, res.New
	switch {
	case old != nil && old.root != root.normal():
		wantKind(t, err, errs.Exists)
	case old != nil:
		if err != nil || created || d.ID != old.id {
			t.Fatalf("known disk: %+v, %v, %v", d, created, err)
		}
	case fail:
		if err != errInjected {
			t.Fatalf("err = %v", err)
		}
	default:
		if err != nil || !created {
			t.Fatalf("new disk: %v, %v", created, err)
		}
		m.disks[name] = &modelDisk{id: d.ID, root: root.normal(), users: map[string]string{}}
	}
}

func (m *machine) delete(t *rapid.T) {
	name := m.someName(t)
	old := m.disks[name]
	if old == nil {
		_, err := m.c.DiskByName(ctx, name)
		wantKind(t, err, errs.NoDisk)
		return
	}
	fail := rapid.IntRange(0, 9).Draw(t, "fail") == 0
	if fail {
		m.core.failDelete = errInjected
	}
	if err := m.c.DeleteDisk(ctx, old.id); (err != nil) != fail {
		t.Fatalf("delete (to fail: %v): %v", fail, err)
	}
	for access := range old.users {
		m.removed[access] = true
	}
	delete(m.disks, name)
}

func (m *machine) addUser(t *rapid.T) {
	d := m.disks[m.someName(t)]
	if d == nil {
		return
	}
	u, secret, err := m.c.AddUser(ctx, d.id, S3User, "nick")
	if err != nil {
		t.Fatalf("add user: %v", err)
	}
	d.users[u.Identifier] = secret
}

func (m *machine) removeUser(t *rapid.T) {
	d := m.disks[m.someName(t)]
	if d == nil || len(d.users) == 0 {
		return
	}
	access := rapid.SampledFrom(slices.Sorted(maps.Keys(d.users))).Draw(t, "user")
	if err := m.c.RemoveUser(ctx, d.id, S3User, access); err != nil {
		t.Fatalf("remove user: %v", err)
	}
	delete(d.users, access)
	m.removed[access] = true
}

func (m *machine) addKey(t *rapid.T) {
	k, key, err := m.c.CreateAPIKey(ctx, APIKeySpec{Name: "k", Description: ""})
	if err != nil {
		t.Fatalf("create key: %v", err)
	}
	m.keys[k.ID] = key
}

func (m *machine) removeKey(t *rapid.T) {
	if len(m.keys) == 0 {
		return
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.keys))).Draw(t, "key")
	if err := m.c.DeleteAPIKey(ctx, id); err != nil {
		t.Fatalf("delete key: %v", err)
	}
	if _, ok, err := m.c.VerifyAPIKey(ctx, m.keys[id]); err != nil || ok {
		t.Fatalf("deleted key: %v, %v", ok, err)
	}
	delete(m.keys, id)
}

// reopen starts over from what is stored, as a restart does.
func (m *machine) reopen(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "really") != 0 { // it takes longest
		return
	}
	if err := m.kv.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	m.kv = openKV(t, m.fs)
	m.c, m.core = openOn(t, m.kv)
	if _, err := m.c.Resume(ctx); err != nil {
		t.Fatalf("resume: %v", err)
	}
	if left := allKeys(t, m.kv, prefixPending); len(left) != 0 {
		t.Fatalf("pending after resume: %q", left)
	}
	if got := allKeys(t, m.kv, "d"); len(got) != len(m.disks) {
		t.Fatalf("the core has %d disks, want %d", len(got), len(m.disks))
	}
}

// check compares everything that can be asked.
func (m *machine) check(t *rapid.T) {
	list, more, err := m.c.Disks(ctx, "", 100)
	if err != nil || more {
		t.Fatalf("list: %v, %v", more, err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Name)
	}
	want := slices.Sorted(maps.Keys(m.disks))
	if !slices.Equal(got, want) {
		t.Fatalf("disks %v, want %v", got, want)
	}
	for name, md := range m.disks {
		d, err := m.c.DiskByName(ctx, name)
		if err != nil || d.ID != md.id || d.Root != md.root || d.State != Available {
			t.Fatalf("%s: %+v, %v", name, d, err)
		}
		users, err := m.c.Users(ctx, md.id)
		if err != nil || len(users) != len(md.users) {
			t.Fatalf("%s: %d users, %v, want %d", name, len(users), err, len(md.users))
		}
		for _, u := range users {
			cred, ok, err := m.c.Credential(ctx, u.Identifier)
			if err != nil || !ok || cred.Secret != md.users[u.Identifier] || cred.Disk != md.id {
				t.Fatalf("credential: %v, %v", ok, err)
			}
		}
	}
	for access := range m.removed {
		if _, ok, err := m.c.Credential(ctx, access); err != nil || ok {
			t.Fatalf("removed credential: %v, %v", ok, err)
		}
	}
	for id, key := range m.keys {
		if k, ok, err := m.c.VerifyAPIKey(ctx, key); err != nil || !ok || k.ID != id {
			t.Fatalf("API key: %v, %v", ok, err)
		}
	}
}

// wipe empties the store, which costs less than to open a new one.
func (m *machine) wipe(t *rapid.T) {
	err := m.kv.Update(ctx, func(t kv.Txn) error { return t.DeleteRange([]byte{0}, []byte{0xff}) })
	if err != nil {
		t.Fatalf("wipe: %v", err)
	}
	m.disks, m.removed, m.keys = map[string]*modelDisk{}, map[string]bool{}, map[string]string{}
	m.c, m.core = openOn(t, m.kv)
}

func TestModel(t *testing.T) {
	m := &machine{fs: vfs.NewMem()}
	m.kv = openKV(t, m.fs)
	defer func() {
		if err := m.kv.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	rapid.Check(t, func(t *rapid.T) {
		m.wipe(t)
		t.Repeat(map[string]func(*rapid.T){
			"create": m.create, "delete": m.delete, "addUser": m.addUser, "removeUser": m.removeUser,
			"addKey": m.addKey, "removeKey": m.removeKey, "reopen": m.reopen, "": m.check,
		})
	})
}

func ExampleCheckDiskName() {
	fmt.Println(errs.Text(CheckDiskName("my.disk")))
	// Output: a disk's name is made of letters, digits, '_' and '-'
}
