package catalog

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestAllowedIPs(t *testing.T) {
	c, core := newCatalog(t)
	d := mustCreate(t, c, "a")
	admits := func(want bool, list ...string) {
		t.Helper()
		for _, s := range list {
			for _, c := range []*Catalog{c, must(openOn(t, core.kv))} {
				if ok, err := c.Admits(ctx, d.ID, addr(s)); err != nil || ok != want {
					t.Errorf("%s: %v, %v, want %v", s, ok, err, want)
				}
			}
		}
	}
	if got, err := c.AllowedIPs(ctx, d.ID); err != nil || got == nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
	admits(true, "192.0.2.1", "2001:db8::1")
	if ok, err := c.Admits(ctx, d.ID, netip.Addr{}); err != nil || !ok {
		t.Errorf("an unknown address: %v, %v", ok, err)
	}
	got, err := c.SetAllowedIPs(ctx, d.ID, []string{"192.0.2.9/24", "2001:db8::1", "192.0.2.0/24"})
	want := []string{"192.0.2.0/24", "2001:db8::1"}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%v, %v", got, err)
	}
	if got, err := c.AllowedIPs(ctx, d.ID); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	admits(true, "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::1%eth0")
	admits(false, "192.0.3.1", "2001:db8::2", "127.0.0.1", "::1")
	if ok, err := c.Admits(ctx, d.ID, netip.Addr{}); err != nil || ok {
		t.Errorf("an unknown address: %v, %v", ok, err)
	}
	_, err = c.SetAllowedIPs(ctx, d.ID, []string{"x"})
	wantKind(t, err, errs.Invalid)
	many := make([]string, MaxAllowedIPs+1)
	for i := range many {
		many[i] = fmt.Sprintf("10.0.%d.%d", i/256, i%256)
	}
	_, err = c.SetAllowedIPs(ctx, d.ID, many)
	wantKind(t, err, errs.Invalid)
	if _, err := c.SetAllowedIPs(ctx, d.ID, many[1:]); err != nil {
		t.Error(err)
	}
	if got, err := c.SetAllowedIPs(ctx, d.ID, nil); err != nil || got == nil || len(got) != 0 {
		t.Errorf("taken off: %v, %v", got, err)
	}
	admits(true, "127.0.0.1")
	for _, id := range []disk.ID{1} {
		_, err := c.SetAllowedIPs(ctx, id, nil)
		wantKind(t, err, errs.NoDisk)
		_, err = c.AllowedIPs(ctx, id)
		wantKind(t, err, errs.NoDisk)
		_, err = c.Admits(ctx, id, addr("127.0.0.1"))
		wantKind(t, err, errs.NoDisk)
	}
	a := addr("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Admits(ctx, d.ID, a) }); n != 0 {
		t.Errorf("Admits allocates %v times", n)
	}
}

// TestAllowedIPsOfNewDisk: they are part of what a repeated creation compares.
func TestAllowedIPsOfNewDisk(t *testing.T) {
	c, _ := newCatalog(t)
	spec := DiskSpec{Name: "a", AllowedIPs: []string{"10.1.2.3/8", "192.0.2.1"}}
	made, err := c.CreateDisk(ctx, spec)
	if err != nil || !slices.Equal(made.Disk.AllowedIPs, []string{"10.0.0.0/8", "192.0.2.1"}) {
		t.Fatalf("%+v, %v", made, err)
	}
	if ok, err := c.Admits(ctx, made.Disk.ID, addr("127.0.0.1")); err != nil || ok {
		t.Errorf("%v, %v", ok, err)
	}
	for _, same := range [][]string{{"10.1.2.3/8", "192.0.2.1"}, {"192.0.2.1/32", "10.0.0.0/8", "10.0.0.0/8"}} {
		if again, err := c.CreateDisk(ctx, DiskSpec{Name: "a", AllowedIPs: same}); err != nil || again.New || again.Disk.ID != made.Disk.ID {
			t.Errorf("%v: %+v, %v", same, again, err)
		}
	}
	for _, other := range [][]string{nil, {"10.0.0.0/8"}, {"10.0.0.0/8", "192.0.2.2"}} {
		_, err := c.CreateDisk(ctx, DiskSpec{Name: "a", AllowedIPs: other})
		wantKind(t, err, errs.Exists)
	}
	_, err = c.CreateDisk(ctx, DiskSpec{Name: "b", AllowedIPs: []string{"x"}})
	wantKind(t, err, errs.Invalid)
}

func TestCORS(t *testing.T) {
	c, core := newCatalog(t)
	d := mustCreate(t, c, "a")
	if got, err := c.CORS(ctx, d.ID); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
	rules := []CORSRule{
		{ID: "web", AllowedOrigins: []string{"https://*.example.com", "*"}, AllowedMethods: []string{"GET", "HEAD"},
			AllowedHeaders: []string{"x-amz-*", "*"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: 600},
		{AllowedOrigins: []string{"http://localhost:3000"}, AllowedMethods: []string{"PUT", "POST", "DELETE"}},
	}
	if err := c.SetCORS(ctx, d.ID, rules); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Catalog{c, c, must(openOn(t, core.kv))} {
		if got, err := c.CORS(ctx, d.ID); err != nil || !reflect.DeepEqual(got, rules) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	good := func() CORSRule { return CORSRule{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}} }
	for name, change := range map[string]func(*CORSRule){
		"no origin":         func(r *CORSRule) { r.AllowedOrigins = nil },
		"no method":         func(r *CORSRule) { r.AllowedMethods = nil },
		"OPTIONS":           func(r *CORSRule) { r.AllowedMethods = []string{"OPTIONS"} },
		"small letters":     func(r *CORSRule) { r.AllowedMethods = []string{"get"} },
		"two stars":         func(r *CORSRule) { r.AllowedOrigins = []string{"*.*"} },
		"empty origin":      func(r *CORSRule) { r.AllowedOrigins = []string{""} },
		"origin with break": func(r *CORSRule) { r.AllowedOrigins = []string{"https://a\r\nX: y"} },
		"header stars":      func(r *CORSRule) { r.AllowedHeaders = []string{"x-*-*"} },
		"header with space": func(r *CORSRule) { r.AllowedHeaders = []string{"a b"} },
		"exposed star":      func(r *CORSRule) { r.ExposeHeaders = []string{"*"} },
		"exposed empty":     func(r *CORSRule) { r.ExposeHeaders = []string{""} },
		"negative age":      func(r *CORSRule) { r.MaxAgeSeconds = -1 },
		"long id":           func(r *CORSRule) { r.ID = strings.Repeat("x", 256) },
		"too long":          func(r *CORSRule) { r.AllowedOrigins = []string{strings.Repeat("x", 50<<10)} },
	} {
		r := good()
		change(&r)
		if err := c.SetCORS(ctx, d.ID, []CORSRule{good(), r}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantKind(t, c.SetCORS(ctx, d.ID, slices.Repeat([]CORSRule{good()}, MaxCORSRules+1)), errs.Invalid)
	same := good()
	same.ID = "x"
	wantKind(t, c.SetCORS(ctx, d.ID, []CORSRule{same, same}), errs.Invalid)
	// The most that is accepted fits into a row.
	big := good()
	big.AllowedHeaders = slices.Repeat([]string{strings.Repeat("h", 400)}, 115)
	if err := c.SetCORS(ctx, d.ID, []CORSRule{big}); err != nil {
		t.Error(err)
	}
	if err := c.SetCORS(ctx, d.ID, slices.Repeat([]CORSRule{good()}, MaxCORSRules)); err != nil {
		t.Error(err)
	}
	if err := c.SetCORS(ctx, d.ID, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := c.CORS(ctx, d.ID); err != nil || len(got) != 0 {
		t.Errorf("taken off: %v, %v", got, err)
	}
	if keys := allKeys(t, core.kv, prefixCORS); len(keys) != 0 {
		t.Errorf("left behind: %q", keys)
	}
	wantKind(t, c.SetCORS(ctx, 1, rules), errs.NoDisk)
	_, err := c.CORS(ctx, 1)
	wantKind(t, err, errs.NoDisk)
}

// TestDeletedDiskLeavesNothing gives a disk a row of each kind.
func TestDeletedDiskLeavesNothing(t *testing.T) {
	c, core := newCatalog(t)
	made, err := c.CreateDisk(ctx, DiskSpec{Name: "a", AllowedIPs: []string{"::1"}})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Disk.ID
	for _, err := range []error{
		c.SetCORS(ctx, id, []CORSRule{{AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET"}}}),
		c.Remember(ctx, id, "k", Remembered{Status: 201}),
		c.SetSchedule(ctx, id, id+1, Schedule{Daily: 3}),
		c.RevokeShare(ctx, id, "s", testTime),
		c.RevokeShares(ctx, id),
		c.Audit(ctx, AuditEntry{Action: "disk.create", Disk: id.String()}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := c.AddUser(ctx, id, S3User, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := Check(ctx, core.kv); err != nil || len(got.Problems) != 0 || got.Users != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := c.DeleteDisk(ctx, id); err != nil {
		t.Fatal(err)
	}
	for _, key := range allKeys(t, core.kv, "c") {
		if !strings.HasPrefix(key, prefixAudit) && !strings.HasPrefix(key, prefixAuditOf) {
			t.Errorf("left behind: %q", key)
		}
	}
	wantKind(t, c.Remember(ctx, id, "k", Remembered{}), errs.NoDisk)
	wantKind(t, c.SetSchedule(ctx, id, id, Schedule{Daily: 3}), errs.NoDisk)
	wantKind(t, c.RevokeShare(ctx, id, "s", testTime), errs.NoDisk)
	wantKind(t, c.RevokeShares(ctx, id), errs.NoDisk)
	if got, err := Check(ctx, core.kv); err != nil || len(got.Problems) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestUpgrade opens a store of format 1, whose rows lack what came with 2.
func TestUpgrade(t *testing.T) {
	c, core := newCatalog(t)
	d := mustCreate(t, c, "a")
	_, key, err := c.CreateAPIKey(ctx, APIKeySpec{Name: "k"})
	if err != nil {
		t.Fatal(err)
	}
	err = core.kv.Update(ctx, func(t kv.Txn) error { return t.Set([]byte(keyFormat), []byte("1")) })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Check(ctx, core.kv); err != nil || len(got.Problems) != 0 {
		t.Errorf("a store of format 1: %+v, %v", got, err)
	}
	c, _ = openOn(t, core.kv)
	format := func() string {
		var b []byte
		err := core.kv.View(ctx, func(r kv.Reader) error {
			v, _, err := r.Get([]byte(keyFormat))
			b = append([]byte(nil), v...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if format() != "2" || c.Fresh() {
		t.Errorf("format %q, fresh %v", format(), c.Fresh())
	}
	if k, ok, err := c.VerifyAPIKey(ctx, key); err != nil || !ok || !k.MayAll(true) || !k.May(d.ID, true) || !k.Expires.IsZero() {
		t.Errorf("an old key: %+v, %v, %v", k, ok, err)
	}
	if ok, err := c.Admits(ctx, d.ID, addr("127.0.0.1")); err != nil || !ok {
		t.Errorf("an old disk: %v, %v", ok, err)
	}
	// With another master key nothing is upgraded.
	if err := core.kv.Update(ctx, func(t kv.Txn) error { return t.Set([]byte(keyFormat), []byte("1")) }); err != nil {
		t.Fatal(err)
	}
	_, err = Open(ctx, Options{KV: core.kv, Backend: core, MasterKey: MasterKey{9}})
	wantKind(t, err, errs.Permission)
	if format() != "1" {
		t.Error("upgraded by a start that was refused")
	}
	if err := core.kv.Update(ctx, func(t kv.Txn) error { return t.Set([]byte(keyFormat), []byte("3")) }); err != nil {
		t.Fatal(err)
	}
	_, err = Check(ctx, core.kv)
	wantKind(t, err, errs.Unsupported)
}
