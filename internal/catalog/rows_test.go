package catalog

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// clock is set by the tests.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// timed makes a catalog whose clock the test turns.
func timed(t *testing.T) (*Catalog, *clock, kv.Store) {
	t.Helper()
	s := openKV(t, vfs.NewMem())
	t.Cleanup(func() { s.Close() })
	cl := &clock{t: testTime}
	return reopened(t, s, cl), cl, s
}

func reopened(t *testing.T, s kv.Store, cl *clock) *Catalog {
	t.Helper()
	c, err := Open(ctx, Options{KV: s, Backend: &fakeCore{kv: s}, MasterKey: testKey, Now: cl.now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAPIKeyScope(t *testing.T) {
	c, cl, s := timed(t)
	a, b := mustCreate(t, c, "a"), mustCreate(t, c, "b")
	make := func(spec APIKeySpec) (APIKey, string) {
		t.Helper()
		spec.Name = "k"
		k, key, err := c.CreateAPIKey(ctx, spec)
		if err != nil {
			t.Fatal(err)
		}
		return k, key
	}
	for _, tc := range []struct {
		spec                      APIKeySpec
		aRead, aWrite, bRead, all bool
		allWrite                  bool
	}{
		{APIKeySpec{}, true, true, true, true, true},
		{APIKeySpec{ReadOnly: true}, true, false, true, true, false},
		{APIKeySpec{Disks: []disk.ID{a.ID}}, true, true, false, false, false},
		{APIKeySpec{Disks: []disk.ID{a.ID}, ReadOnly: true}, true, false, false, false, false},
	} {
		_, key := make(tc.spec)
		for _, c := range []*Catalog{c, c, reopened(t, s, cl)} {
			k, ok, err := c.VerifyAPIKey(ctx, key)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			if k.May(a.ID, false) != tc.aRead || k.May(a.ID, true) != tc.aWrite || k.May(b.ID, false) != tc.bRead ||
				k.MayAll(false) != tc.all || k.MayAll(true) != tc.allWrite {
				t.Errorf("%+v: %+v", tc.spec, k)
			}
		}
	}
	for _, spec := range []APIKeySpec{
		{Name: "k", Disks: []disk.ID{}}, {Name: "k", Expires: cl.now()}, {Name: "k", Disks: slices.Repeat([]disk.ID{a.ID}, MaxKeyDisks+1)},
	} {
		_, _, err := c.CreateAPIKey(ctx, spec)
		wantKind(t, err, errs.Invalid)
	}
	_, _, err := c.CreateAPIKey(ctx, APIKeySpec{Name: "k", Disks: []disk.ID{a.ID, 1}})
	wantKind(t, err, errs.NoDisk)

	// It expires, in memory too.
	k, key := make(APIKeySpec{Expires: cl.now().Add(time.Hour)})
	if got, ok, err := c.VerifyAPIKey(ctx, key); err != nil || !ok || !got.Expires.Equal(k.Expires) {
		t.Fatalf("%+v, %v, %v", got, ok, err)
	}
	cl.add(time.Hour)
	for _, c := range []*Catalog{c, reopened(t, s, cl)} {
		if _, ok, err := c.VerifyAPIKey(ctx, key); err != nil || ok {
			t.Errorf("an expired key: %v, %v", ok, err)
		}
	}
}

func TestLastUsed(t *testing.T) {
	c, cl, s := timed(t)
	k, key, err := c.CreateAPIKey(ctx, APIKeySpec{Name: "used"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.CreateAPIKey(ctx, APIKeySpec{Name: "never"}); err != nil {
		t.Fatal(err)
	}
	last := func(c *Catalog) time.Time {
		t.Helper()
		keys, _, err := c.APIKeys(ctx, "", 10)
		if err != nil || len(keys) != 2 {
			t.Fatal(keys, err)
		}
		i := slices.IndexFunc(keys, func(o APIKey) bool { return o.ID == k.ID })
		if !keys[1-i].LastUsed.IsZero() {
			t.Errorf("the other key was used at %v", keys[1-i].LastUsed)
		}
		return keys[i].LastUsed
	}
	use := func(c *Catalog) {
		t.Helper()
		if _, ok, err := c.VerifyAPIKey(ctx, key); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	if got := last(c); !got.IsZero() {
		t.Errorf("never used: %v", got)
	}
	cl.add(time.Second)
	use(c)
	if got := last(c); !got.Equal(testTime.Add(time.Second)) {
		t.Errorf("shown: %v", got)
	}
	if got := last(reopened(t, s, cl)); !got.IsZero() {
		t.Errorf("written at once: %v", got)
	}
	if err := c.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if got := last(reopened(t, s, cl)); !got.Equal(testTime.Add(time.Second)) {
		t.Errorf("written: %v", got)
	}
	cl.add(time.Minute)
	use(c)
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	c = reopened(t, s, cl)
	if got := last(c); !got.Equal(testTime.Add(61 * time.Second)) {
		t.Errorf("after Close: %v", got)
	}
	// A key that is deleted before its use is written stays deleted.
	use(c)
	if err := c.DeleteAPIKey(ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if keys, _, err := c.APIKeys(ctx, "", 10); err != nil || len(keys) != 1 {
		t.Errorf("%+v, %v", keys, err)
	}
}

func TestAPIKeyPages(t *testing.T) {
	c, _ := newCatalog(t)
	want := map[string]bool{}
	for i := range 7 {
		k, _, err := c.CreateAPIKey(ctx, APIKeySpec{Name: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		want[k.ID] = true
	}
	for _, size := range []int{1, 3, 7, 8} {
		got := map[string]bool{}
		for last, more := "", true; more; {
			page, m, err := c.APIKeys(ctx, last, size)
			if err != nil || len(page) == 0 || len(page) > size {
				t.Fatalf("%v, %v", page, err)
			}
			for _, k := range page {
				got[k.ID] = true
			}
			last, more = page[len(page)-1].ID, m
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	_, _, err := c.APIKeys(ctx, "x", 1)
	wantKind(t, err, errs.Invalid)
}

func TestAuditLog(t *testing.T) {
	c, cl, s := timed(t)
	if got, more, err := c.AuditLog(ctx, "", "", 10); err != nil || more || len(got) != 0 {
		t.Errorf("empty: %v, %v, %v", got, more, err)
	}
	const n = 25
	for i := range n {
		cl.add(time.Second)
		e := AuditEntry{ID: "x", Key: "k", KeyName: "ci", Action: "disk.create", Target: fmt.Sprint(i), Remote: "192.0.2.1", Status: 201}
		e.Disk = []string{"", "dsk-1", "dsk-11"}[i%3]
		if i == 10 { // ids go on after a restart
			c = reopened(t, s, cl)
		}
		if err := c.Audit(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"", "dsk-1", "dsk-11"} {
		for _, size := range []int{1, 4, n, n + 1} {
			var got []AuditEntry
			for before, more := "", true; more; {
				page, m, err := c.AuditLog(ctx, d, before, size)
				if err != nil || len(page) == 0 || len(page) > size {
					t.Fatalf("%v, %v", page, err)
				}
				got = append(got, page...)
				before, more = page[len(page)-1].ID, m
			}
			want := 0
			for i := n - 1; i >= 0; i-- {
				if d != "" && d != []string{"", "dsk-1", "dsk-11"}[i%3] {
					continue
				}
				if want >= len(got) || got[want].Target != fmt.Sprint(i) || !got[want].Time.Equal(testTime.Add(time.Duration(i+1)*time.Second)) {
					t.Fatalf("disk %q, pages of %d: entry %d is %+v", d, size, want, got[min(want, len(got)-1)])
				}
				if want > 0 && got[want-1].ID <= got[want].ID {
					t.Errorf("ids do not rise: %s, %s", got[want].ID, got[want-1].ID)
				}
				want++
			}
			if len(got) != want {
				t.Errorf("disk %q: %d entries, want %d", d, len(got), want)
			}
		}
	}
	if got, _, err := c.AuditLog(ctx, "dsk-9", "", 10); err != nil || len(got) != 0 {
		t.Errorf("another disk: %v, %v", got, err)
	}
	for _, before := range []string{"x", "1", strings.Repeat("g", 16)} {
		_, _, err := c.AuditLog(ctx, "", before, 10)
		wantKind(t, err, errs.Invalid)
	}
	// Texts of any kind and length are kept as far as they fit.
	long := strings.Repeat("é\xff\x00", 40<<10)
	if err := c.Audit(ctx, AuditEntry{Action: long, Disk: long, Target: long, Remote: long, Details: long, KeyName: long, Key: long}); err != nil {
		t.Fatal(err)
	}
	if got, err := Check(ctx, s); err != nil || len(got.Problems) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRemember(t *testing.T) {
	c, cl, s := timed(t)
	d, other := mustCreate(t, c, "a"), mustCreate(t, c, "b")
	want := Remembered{Request: [32]byte{7}, Status: 201, Answer: []byte(`{"x":1}`)}
	if _, ok, err := c.Recall(ctx, d.ID, "key"); err != nil || ok {
		t.Fatalf("nothing: %v, %v", ok, err)
	}
	if err := c.Remember(ctx, d.ID, "key", want); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := c.Recall(ctx, d.ID, "key"); err != nil || !ok || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v, %v", got, ok, err)
	}
	for _, miss := range []struct {
		id  disk.ID
		key string
	}{{other.ID, "key"}, {d.ID, "other"}, {1, "key"}} {
		if _, ok, err := c.Recall(ctx, miss.id, miss.key); err != nil || ok {
			t.Errorf("%v: %v, %v", miss, ok, err)
		}
	}
	wantKind(t, c.Remember(ctx, d.ID, "big", Remembered{Answer: make([]byte, maxAnswer+1)}), errs.TooLarge)
	if err := c.Remember(ctx, d.ID, strings.Repeat("long", 5000), Remembered{Answer: make([]byte, maxAnswer)}); err != nil {
		t.Error(err)
	}
	cl.add(RememberFor - time.Second)
	if err := c.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.Recall(ctx, d.ID, "key"); err != nil || !ok {
		t.Errorf("a second before its end: %v, %v", ok, err)
	}
	cl.add(time.Second)
	if _, ok, err := c.Recall(ctx, d.ID, "key"); err != nil || ok {
		t.Errorf("after its end: %v, %v", ok, err)
	}
	for i := range 2*sweptPerTxn + 3 {
		if err := c.Remember(ctx, other.ID, fmt.Sprint(i), want); err != nil {
			t.Fatal(err)
		}
	}
	cl.add(RememberFor)
	if err := c.Remember(ctx, other.ID, "3", want); err != nil { // written anew
		t.Fatal(err)
	}
	if err := c.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if keys := allKeys(t, s, prefixAnswer); len(keys) != 1 {
		t.Errorf("%d rows are left", len(keys))
	}
}

func TestSchedules(t *testing.T) {
	c, core := newCatalog(t)
	a, b := mustCreate(t, c, "a"), mustCreate(t, c, "b")
	want := map[[2]disk.ID]Schedule{
		{a.ID, a.ID}: {Hourly: 24, Daily: 7}, {a.ID, 77}: {Weekly: MaxScheduled}, {b.ID, b.ID}: {Daily: 1},
	}
	for k, s := range want {
		if err := c.SetSchedule(ctx, k[0], k[1], s); err != nil {
			t.Fatal(err)
		}
	}
	all := func() map[[2]disk.ID]Schedule {
		t.Helper()
		got := map[[2]disk.ID]Schedule{}
		err := c.Schedules(ctx, func(id, branch disk.ID, s Schedule) error {
			got[[2]disk.ID{id, branch}] = s
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := all(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if s, err := c.ScheduleOf(ctx, a.ID, a.ID); err != nil || s != want[[2]disk.ID{a.ID, a.ID}] {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := c.ScheduleOf(ctx, a.ID, b.ID); err != nil || s != (Schedule{}) {
		t.Errorf("none: %+v, %v", s, err)
	}
	for _, s := range []Schedule{{Hourly: -1}, {Daily: MaxScheduled + 1}} {
		wantKind(t, c.SetSchedule(ctx, a.ID, a.ID, s), errs.Invalid)
	}
	if err := c.SetSchedule(ctx, a.ID, 77, Schedule{}); err != nil {
		t.Fatal(err)
	}
	delete(want, [2]disk.ID{a.ID, 77})
	core.failDelete = errInjected
	if err := c.DeleteDisk(ctx, b.ID); err != errInjected {
		t.Fatal(err)
	}
	delete(want, [2]disk.ID{b.ID, b.ID})
	if got := all(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := c.Schedules(ctx, func(_, _ disk.ID, _ Schedule) error { return errInjected }); err != errInjected {
		t.Errorf("err = %v", err)
	}
	_, err := c.ScheduleOf(ctx, 1, 1)
	wantKind(t, err, errs.NoDisk)
}

func TestShareKeys(t *testing.T) {
	c, cl, s := timed(t)
	first, err := c.ShareKeys(ctx)
	if err != nil || len(first) != 1 || len(first[0].ID) != 16 || first[0].Secret == [32]byte{} || !first[0].Until.IsZero() {
		t.Fatalf("%+v, %v", first, err)
	}
	for _, c := range []*Catalog{c, reopened(t, s, cl)} {
		if again, err := c.ShareKeys(ctx); err != nil || !reflect.DeepEqual(again, first) {
			t.Errorf("%+v, %v", again, err)
		}
	}
	cl.add(time.Hour)
	second, err := c.RotateShareKey(ctx)
	if err != nil || second.ID == first[0].ID || second.Secret == first[0].Secret {
		t.Fatalf("%+v, %v", second, err)
	}
	old := first[0]
	old.Until = cl.now().Add(keepShareKey)
	want := []ShareKey{second, old}
	for _, c := range []*Catalog{c, c, reopened(t, s, cl)} {
		if got, err := c.ShareKeys(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	cl.add(keepShareKey - time.Second)
	if err := c.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := c.ShareKeys(ctx); err != nil || len(got) != 2 {
		t.Errorf("a second before its end: %+v, %v", got, err)
	}
	cl.add(time.Second)
	if got, err := c.ShareKeys(ctx); err != nil || !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("after its end: %+v, %v", got, err)
	}
	if err := c.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if keys := allKeys(t, s, prefixShareKey); len(keys) != 1 {
		t.Errorf("%d keys are left", len(keys))
	}
	if text := fmt.Sprintf("%v %+v %#v", second, second, second); strings.Contains(text, string(second.Secret[:])) || len(text) > 60 {
		t.Errorf("printing a key shows it: %s", text)
	}
}

// TestFirstShareKeyIsOne has many callers ask a new store at once.
func TestFirstShareKeyIsOne(t *testing.T) {
	c, core := newCatalog(t)
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			keys, err := c.ShareKeys(ctx)
			if err != nil || len(keys) != 1 {
				t.Errorf("%v, %v", keys, err)
				return
			}
			ids[i] = keys[0].ID
		})
	}
	wg.Wait()
	if len(slices.Compact(ids)) != 1 || len(allKeys(t, core.kv, prefixShareKey)) != 1 {
		t.Errorf("%v", ids)
	}
}

func TestRevokeShares(t *testing.T) {
	c, cl, s := timed(t)
	d, other := mustCreate(t, c, "a"), mustCreate(t, c, "b")
	issued := cl.now()
	revoked := func(id disk.ID, share string, at time.Time, want bool) {
		t.Helper()
		for _, c := range []*Catalog{c, reopened(t, s, cl)} {
			if got, err := c.ShareRevoked(ctx, id, share, at); err != nil || got != want {
				t.Errorf("%s %s: %v, %v, want %v", id, share, got, err, want)
			}
		}
	}
	revoked(d.ID, "x", issued, false)
	revoked(1, "x", issued, true) // of no disk
	for range 2 {
		if err := c.RevokeShare(ctx, d.ID, "x", cl.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	revoked(d.ID, "x", issued, true)
	revoked(d.ID, "y", issued, false)
	revoked(other.ID, "x", issued, false)
	for _, id := range []string{"", strings.Repeat("x", 101)} {
		wantKind(t, c.RevokeShare(ctx, d.ID, id, cl.now()), errs.Invalid)
	}
	cl.add(time.Minute)
	if err := c.RevokeShares(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	at := cl.now()
	revoked(d.ID, "y", issued, true)
	revoked(d.ID, "y", at, true)
	revoked(d.ID, "y", at.Add(1), false)
	revoked(other.ID, "y", issued, false)
	cl.add(-time.Hour) // a clock that was put back
	if err := c.RevokeShares(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	revoked(d.ID, "y", at, true)
	cl.add(3 * time.Hour)
	if err := c.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if keys := allKeys(t, s, prefixRevoked); len(keys) != 0 {
		t.Errorf("left behind: %q", keys)
	}
	revoked(d.ID, "y", at, true)
	cl.add(MaxShareTime)
	if err := c.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if keys := allKeys(t, s, prefixRevokedAll); len(keys) != 0 {
		t.Errorf("left behind: %q", keys)
	}
	if err := c.DeleteDisk(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	revoked(d.ID, "z", cl.now(), true)
}
