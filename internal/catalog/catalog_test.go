package catalog

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

var ctx = context.Background()

func TestHeader(t *testing.T) {
	s := openKV(t, vfs.NewMem())
	defer s.Close()
	c, core := openOn(t, s)
	if !c.Fresh() || len(c.StoreUUID()) != 32 {
		t.Fatalf("a new store: fresh=%v uuid=%q", c.Fresh(), c.StoreUUID())
	}
	again, _ := openOn(t, s)
	if again.Fresh() || again.StoreUUID() != c.StoreUUID() {
		t.Fatalf("a known store: fresh=%v uuid=%q, want %q", again.Fresh(), again.StoreUUID(), c.StoreUUID())
	}
	_, err := Open(ctx, Options{KV: s, Backend: core, MasterKey: MasterKey{9}})
	wantKind(t, err, errs.Permission)
	if !strings.Contains(err.Error(), "another master key") {
		t.Errorf("unclear: %v", err)
	}
	for value, kind := range map[string]errs.Kind{"3": errs.Unsupported, "x": errs.Corrupt, "0": errs.Corrupt} {
		if err := s.Update(ctx, func(t kv.Txn) error { return t.Set([]byte(keyFormat), []byte(value)) }); err != nil {
			t.Fatal(err)
		}
		_, err = Open(ctx, Options{KV: s, Backend: core, MasterKey: testKey})
		wantKind(t, err, kind)
	}
}

func TestCreateDisk(t *testing.T) {
	c, core := newCatalog(t)
	d := mustCreate(t, c, "photos")
	want := Disk{ID: d.ID, Name: "photos", Region: DefaultRegion, Organization: DefaultOrganization,
		Created: testTime, State: Available, Root: RootAttrs{Mode: 0o755}}
	if !reflect.DeepEqual(d, want) {
		t.Fatalf("made %+v, want %+v", d, want)
	}
	if got, err := c.Disk(ctx, d.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Disk: %+v, %v", got, err)
	}
	if got, err := c.DiskByName(ctx, "photos"); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("DiskByName: %+v, %v", got, err)
	}
	if u, err := c.Usage(ctx, d.ID); err != nil || u.Bytes != 12 {
		t.Fatalf("Usage: %+v, %v", u, err)
	}
	// The same again finds it, the default mode written out or not.
	for _, spec := range []DiskSpec{{Name: "photos"}, {Name: "photos", Root: RootAttrs{Mode: 0o755}}} {
		if got, err := c.CreateDisk(ctx, spec); err != nil || !reflect.DeepEqual(got, Created{Disk: want}) {
			t.Fatalf("again: %+v, %v", got, err)
		}
	}
	_, err := c.CreateDisk(ctx, DiskSpec{Name: "photos", Root: RootAttrs{UID: 7}})
	wantKind(t, err, errs.Exists)
	for _, spec := range []DiskSpec{
		{Name: ""}, {Name: "a b"}, {Name: "a.b"}, {Name: "é"}, {Name: strings.Repeat("x", 101)},
		{Name: "a", Root: RootAttrs{Mode: 0o1000}}, {Name: "a", Root: RootAttrs{UID: ^uint32(0)}}, {Name: "a", Root: RootAttrs{GID: ^uint32(0)}},
	} {
		_, err := c.CreateDisk(ctx, spec)
		wantKind(t, err, errs.Invalid)
	}
	mustCreate(t, c, strings.Repeat("x", 100))
	if n := len(allKeys(t, core.kv, prefixPending)); n != 0 {
		t.Errorf("%d pending rows left", n)
	}
}

func TestCreateFailsCleanly(t *testing.T) {
	c, core := newCatalog(t)
	core.failCreate = errInjected
	if _, err := c.CreateDisk(ctx, DiskSpec{Name: "a"}); err != errInjected {
		t.Fatalf("err = %v", err)
	}
	if keys := allKeys(t, core.kv, "c"); len(keys) != 0 {
		t.Fatalf("left behind: %q", keys)
	}
	// Creation fails and taking it back fails too: the row stays, and the
	// next creation of this name finishes it.
	core.failCreate, core.failDelete = errInjected, errInjected
	if _, err := c.CreateDisk(ctx, DiskSpec{Name: "a"}); err != errInjected {
		t.Fatalf("err = %v", err)
	}
	if keys := allKeys(t, core.kv, prefixPending); len(keys) != 1 {
		t.Fatalf("pending: %q", keys)
	}
	mustCreate(t, c, "a")
	if _, err := c.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	if keys := allKeys(t, core.kv, prefixDisk); len(keys) != 1 {
		t.Fatalf("disks: %q", keys)
	}
}

// TestForeignDisk lets the core hold a disk under the id that is drawn: it
// must survive the failed creation.
func TestForeignDisk(t *testing.T) {
	s := openKV(t, vfs.NewMem())
	defer s.Close()
	core := &fakeCore{kv: s}
	c, err := Open(ctx, Options{KV: s, Backend: core, MasterKey: testKey, Rand: constReader(7)})
	if err != nil {
		t.Fatal(err)
	}
	id, err := disk.NewID(constReader(7))
	if err != nil {
		t.Fatal(err)
	}
	if err := core.CreateDisk(ctx, id, RootAttrs{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateDisk(ctx, DiskSpec{Name: "a"})
	wantKind(t, err, errs.Exists)
	if keys := allKeys(t, s, "d"); len(keys) != 1 {
		t.Fatal("another's disk was deleted")
	}
	if keys := allKeys(t, s, "c"); len(keys) != 0 {
		t.Fatalf("left behind: %q", keys)
	}
}

type constReader byte

func (r constReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestDeleteDisk(t *testing.T) {
	c, core := newCatalog(t)
	d := mustCreate(t, c, "a")
	// More users than one transaction can remove.
	var last User
	for i := range 2*usersPerTxn + 3 {
		u, _, err := c.AddUser(ctx, d.ID, S3User, fmt.Sprint("u", i))
		if err != nil {
			t.Fatal(err)
		}
		last = u
	}
	if _, ok, err := c.Credential(ctx, last.Identifier); err != nil || !ok {
		t.Fatalf("credential: %v, %v", ok, err)
	}
	core.failDelete = errInjected
	if err := c.DeleteDisk(ctx, d.ID); err != errInjected {
		t.Fatalf("err = %v", err)
	}
	// It failed midway: the disk is gone for everyone already.
	_, err := c.Disk(ctx, d.ID)
	wantKind(t, err, errs.NoDisk)
	_, err = c.DiskByName(ctx, "a")
	wantKind(t, err, errs.NoDisk)
	if _, ok, err := c.Credential(ctx, last.Identifier); err != nil || ok {
		t.Fatalf("a deleted disk's credential: %v, %v", ok, err)
	}
	_, _, err = c.AddUser(ctx, d.ID, S3User, "late")
	wantKind(t, err, errs.NoDisk)
	_, err = c.Users(ctx, d.ID)
	wantKind(t, err, errs.NoDisk)
	wantKind(t, c.RemoveUser(ctx, d.ID, S3User, last.Identifier), errs.NoDisk)
	next := mustCreate(t, c, "a") // its name is free
	// Asking again finishes what failed.
	if err := c.DeleteDisk(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, c.DeleteDisk(ctx, d.ID), errs.NoDisk)
	if err := c.DeleteDisk(ctx, next.ID); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"c", "d"} {
		if keys := allKeys(t, core.kv, prefix); len(keys) != 0 {
			t.Errorf("left behind: %q", keys)
		}
	}
}

func TestListDisks(t *testing.T) {
	c, _ := newCatalog(t)
	var names []string
	for i := range 25 {
		names = append(names, fmt.Sprintf("disk-%02d", i))
		mustCreate(t, c, names[i])
	}
	for _, size := range []int{1, 2, 24, 25, 26} {
		var got []string
		for after, more := "", true; more; {
			page, m, err := c.Disks(ctx, after, size)
			if err != nil || len(page) == 0 || len(page) > size {
				t.Fatalf("a page of %d after %q: %d disks, %v", size, after, len(page), err)
			}
			for _, d := range page {
				got = append(got, d.Name)
			}
			after, more = got[len(got)-1], m
		}
		if strings.Join(got, ",") != strings.Join(names, ",") {
			t.Fatalf("pages of %d: %v", size, got)
		}
	}
}

func TestDisksByID(t *testing.T) {
	c, _ := newCatalog(t)
	var ids []disk.ID
	for i := range 9 {
		ids = append(ids, mustCreate(t, c, fmt.Sprint("disk-", i)).ID)
	}
	if err := c.DeleteDisk(ctx, ids[4]); err != nil {
		t.Fatal(err)
	}
	ids = slices.Delete(ids, 4, 5)
	slices.Sort(ids)
	for _, size := range []int{1, 3, 8, 9} {
		var got []disk.ID
		for behind, more := disk.ID(0), true; more; {
			page, m, err := c.DisksByID(ctx, behind, size)
			if err != nil || len(page) == 0 || len(page) > size {
				t.Fatalf("a page of %d behind %v: %d disks, %v", size, behind, len(page), err)
			}
			for _, d := range page {
				got = append(got, d.ID)
			}
			behind, more = got[len(got)-1], m
		}
		if !slices.Equal(got, ids) {
			t.Fatalf("pages of %d: %v, want %v", size, got, ids)
		}
	}
	if page, more, err := c.DisksByID(ctx, math.MaxUint64, 5); len(page) != 0 || more || err != nil {
		t.Errorf("behind the last id there can be: %v, %v, %v", page, more, err)
	}
}

func TestUsers(t *testing.T) {
	c, core := newCatalog(t)
	d, other := mustCreate(t, c, "a"), mustCreate(t, c, "b")
	u, secret, err := c.AddUser(ctx, d.ID, S3User, "laptop")
	if err != nil {
		t.Fatal(err)
	}
	if len(u.Identifier) != 20 || !strings.HasPrefix(u.Identifier, "ATL") || strings.Trim(u.Identifier, upperAlnum) != "" {
		t.Errorf("access key id %q", u.Identifier)
	}
	if len(secret) != 40 || strings.Trim(secret, base62) != "" {
		t.Errorf("a secret of %d characters", len(secret))
	}
	want := Credential{AccessKeyID: u.Identifier, Secret: secret, Disk: d.ID}
	for range 2 { // from the store, then from memory
		if got, ok, err := c.Credential(ctx, u.Identifier); err != nil || !ok || got != want {
			t.Fatalf("credential: %v, %v, %v", got, ok, err)
		}
	}
	users, err := c.Users(ctx, d.ID)
	if err != nil || len(users) != 1 || users[0] != u {
		t.Fatalf("users: %+v, %v", users, err)
	}
	for _, id := range []string{"", "ATLAAAAAAAAAAAAAAAAA", strings.Repeat("x", 5000)} {
		if _, ok, err := c.Credential(ctx, id); err != nil || ok {
			t.Errorf("credential of %q: %v, %v", id, ok, err)
		}
		wantKind(t, c.RemoveUser(ctx, d.ID, S3User, "ATLAAAAAAAAAAAAAAAAA"), errs.NotFound)
	}
	wantKind(t, c.RemoveUser(ctx, other.ID, S3User, u.Identifier), errs.NotFound)
	if err := c.RemoveUser(ctx, d.ID, S3User, u.Identifier); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.Credential(ctx, u.Identifier); err != nil || ok {
		t.Fatalf("removed: %v, %v", ok, err)
	}
	for _, nick := range []string{strings.Repeat("x", 256), "a\nb", "\xff"} {
		_, _, err := c.AddUser(ctx, d.ID, S3User, nick)
		wantKind(t, err, errs.Invalid)
	}
	_, _, err = c.AddUser(ctx, disk.ID(1), S3User, "x")
	wantKind(t, err, errs.NoDisk)
	_, err = c.Users(ctx, disk.ID(1))
	wantKind(t, err, errs.NoDisk)
	if s := fmt.Sprintf("%v %+v %#v", want, want, want); strings.Contains(s, secret) {
		t.Error("printing a credential shows its secret")
	}
	if keys := allKeys(t, core.kv, prefixUser); len(keys) != 0 {
		t.Errorf("left behind: %q", keys)
	}
}

// TestSealedAtRest looks for secrets in everything that is stored.
func TestSealedAtRest(t *testing.T) {
	c, core := newCatalog(t)
	d := mustCreate(t, c, "a")
	u, secret, err := c.AddUser(ctx, d.ID, S3User, "x")
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := c.CreateAPIKey(ctx, APIKeySpec{Name: "first", Description: ""})
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	err = core.kv.View(ctx, func(r kv.Reader) error {
		it := r.Scan([]byte{0}, []byte{0xff})
		defer it.Close()
		for it.Next() {
			rows.Write(it.Key())
			rows.Write(it.Value())
		}
		return it.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	bare := strings.TrimPrefix(key, APIKeyPrefix)
	for _, s := range []string{secret, bare} {
		for _, form := range []string{s, base64.StdEncoding.EncodeToString([]byte(s))} {
			if strings.Contains(rows.String(), form) {
				t.Errorf("a secret is stored in the clear")
			}
		}
	}
	if !strings.Contains(rows.String(), u.Identifier) {
		t.Error("the search sees no rows")
	}
}

// used is the key as it is after a request.
func used(k APIKey) APIKey {
	k.LastUsed = testTime
	return k
}

func TestAPIKeys(t *testing.T) {
	c, _ := newCatalog(t)
	k, key, err := c.CreateAPIKey(ctx, APIKeySpec{Name: "ci", Description: "for the pipeline"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key, "key-") || len(key) != 4+apiSecretLen || !strings.HasSuffix(key, k.Suffix) || len(k.Suffix) != 4 {
		t.Errorf("key of length %d, suffix %q", len(key), k.Suffix)
	}
	for range 2 { // from the store, then from memory
		if got, ok, err := c.VerifyAPIKey(ctx, key); err != nil || !ok || !reflect.DeepEqual(got, used(k)) {
			t.Fatalf("verify: %+v, %v, %v", got, ok, err)
		}
	}
	for _, bad := range []string{"", "key-", key + "x", key[:len(key)-1], strings.TrimPrefix(key, "key-"), "Bearer " + key, strings.Repeat("key-", 1000)} {
		if _, ok, err := c.VerifyAPIKey(ctx, bad); err != nil || ok {
			t.Errorf("verify %q: %v, %v", bad, ok, err)
		}
	}
	own, err := c.AddAPIKey(ctx, "sixteen-chars-00", APIKeySpec{Name: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.AddAPIKey(ctx, "key-sixteen-chars-00", APIKeySpec{Name: "again"})
	wantKind(t, err, errs.Exists)
	if _, ok, err := c.VerifyAPIKey(ctx, "key-sixteen-chars-00"); err != nil || !ok {
		t.Fatalf("own key: %v, %v", ok, err)
	}
	if keys, more, err := c.APIKeys(ctx, "", 10); err != nil || more || len(keys) != 2 {
		t.Fatalf("list: %v, %v", keys, err)
	}
	for _, tc := range [][3]string{
		{"short", "n", ""}, {strings.Repeat("x", 257), "n", ""}, {"has a space in it ok", "n", ""}, {"non-ascii-é-aaaaaaaa", "n", ""},
		{"sixteen-chars-01", "", ""}, {"sixteen-chars-01", strings.Repeat("n", 101), ""}, {"sixteen-chars-01", "\xff", ""},
		{"sixteen-chars-01", "n", strings.Repeat("d", 501)}, {"sixteen-chars-01", "n", "\xff"},
	} {
		_, err := c.AddAPIKey(ctx, tc[0], APIKeySpec{Name: tc[1], Description: tc[2]})
		wantKind(t, err, errs.Invalid)
	}
	if err := c.DeleteAPIKey(ctx, own.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.VerifyAPIKey(ctx, "key-sixteen-chars-00"); err != nil || ok {
		t.Fatalf("deleted key: %v, %v", ok, err)
	}
	for _, id := range []string{own.ID, "", "zz", own.ID + "00"} {
		wantKind(t, c.DeleteAPIKey(ctx, id), errs.NotFound)
	}
}

// TestCanceled: whoever gives up gets an error, and nothing is half done.
func TestCanceled(t *testing.T) {
	c, core := newCatalog(t)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.CreateDisk(gone, DiskSpec{Name: "a"}); err == nil {
		t.Error("created for a caller that had gone")
	}
	d := mustCreate(t, c, "b")
	if err := c.DeleteDisk(gone, d.ID); err == nil {
		t.Error("deleted for a caller that had gone")
	}
	if keys := allKeys(t, core.kv, prefixPending); len(keys) != 0 {
		t.Errorf("pending: %q", keys)
	}
}
