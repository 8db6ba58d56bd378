package catalog

import (
	"strings"
	"testing"

	"atoll/internal/disk"
	"atoll/internal/kv"
)

// TestCheck damages a catalog in each way that Check knows.
func TestCheck(t *testing.T) {
	const ghost = disk.ID(77)
	del := func(key func(a, b Disk, u User) []byte) func(kv.Txn, Disk, Disk, User) error {
		return func(t kv.Txn, a, b Disk, u User) error { return t.Delete(key(a, b, u)) }
	}
	set := func(key func(a, b Disk, u User) []byte, value []byte) func(kv.Txn, Disk, Disk, User) error {
		return func(t kv.Txn, a, b Disk, u User) error { return t.Set(key(a, b, u), value) }
	}
	aDisk := func(a, _ Disk, _ User) []byte { return diskKey(a.ID) }
	aName := func(a, _ Disk, _ User) []byte { return nameKey(a.Name) }
	aUser := func(_, _ Disk, u User) []byte { return userKey(u.Identifier) }
	aUserOf := func(a, _ Disk, u User) []byte { return userOfKey(a.ID, u.Identifier) }
	fixed := func(k []byte) func(a, b Disk, u User) []byte { return func(Disk, Disk, User) []byte { return k } }
	for want, damage := range map[string]func(kv.Txn, Disk, Disk, User) error{
		"":                              func(kv.Txn, Disk, Disk, User) error { return nil },
		"its disk":                      del(aDisk),
		"does not lead to it":           del(aName),
		"is not among the users":        del(aUserOf),
		"which is not its user":         del(aUser),
		"its row can't be read":         set(aDisk, []byte("{")),
		"an API key's row can't":        set(fixed(apiKeyKey([32]byte{1})), []byte("x")),
		"no 32-byte hash":               set(fixed([]byte(prefixAPIKey+"x")), []byte("{}")),
		"leads to no disk id":           set(aName, []byte("x")),
		"which does not have it":        set(fixed(nameKey("x")), appendID(nil, ghost)),
		"has no row":                    set(fixed(pendingKey(ghost)), nil),
		"its being pending is true":     set(func(a, _ Disk, _ User) []byte { return pendingKey(a.ID) }, nil),
		"a pending row has no disk id":  set(fixed([]byte(prefixPending+"x")), nil),
		"a disk's row has no disk id":   set(fixed([]byte(prefixDisk+"x")), nil),
		"too short":                     set(fixed([]byte(prefixUserOf+"x")), nil),
		"S3 user ATL":                   set(aUser, []byte("x")),
		"the store has no header":       del(fixed([]byte(keyFormat))),
		"allowed IPs can't be read":     set(aDisk, []byte(`{"name":"a","state":"available","allowedIPs":["x"]}`)),
		"a token's row has no":          set(fixed([]byte(prefixToken+"x")), []byte("{}")),
		"a token's row can't be read":   set(fixed(tokenKey([32]byte{1})), []byte("x")),
		"token 0100000000000000 is not": set(fixed(tokenKey([32]byte{1})), []byte("{}")),
		"has not 40 bytes":              set(fixed([]byte(prefixTokenOf+"x")), nil),
		"which is not its token":        set(fixed(tokenOfKey(ghost, [32]byte{1})), nil),
		"CORS rules: the row can't":     set(func(a, _ Disk, _ User) []byte { return ofDisk(prefixCORS, a.ID) }, []byte("x")),
		"CORS rules: its disk":          set(fixed(ofDisk(prefixCORS, ghost)), []byte("[]")),
		"a remembered answer: the row":  set(fixed([]byte(prefixAnswer+"x")), []byte("{}")),
		"a schedule: the row's key":     set(fixed(ofDisk(prefixSchedule, ghost)), []byte("{}")),
		"a revoked share: its disk":     set(fixed(revokedKey(ghost, "x")), []byte("{}")),
		"the revocation of all shares":  set(fixed(ofDisk(prefixRevokedAll, ghost)), []byte("{}")),
		"share key x: its row":          set(fixed(shareKeyKey("x")), []byte("x")),
		"2 share keys are the current":  set(fixed(shareKeyKey("x")), []byte("{}")),
		"audit log can't be read":       set(fixed([]byte(prefixAudit+"x")), []byte("{}")),
		"audit log says that it is":     set(fixed(auditKey(99)), []byte(`{"id":"x"}`)),
		"is not among those of its":     set(fixed(auditKey(99)), []byte(`{"id":"0000000000000063","disk":"d"}`)),
		"has no disk and number":        set(fixed([]byte(prefixAuditOf+"x")), nil),
		"which is not about it":         set(fixed(auditOfKey("d", 99)), nil),
		"unknown kind":                  set(fixed([]byte("c\xffx")), nil),
	} {
		c, core := newCatalog(t)
		a, b := mustCreate(t, c, "a"), mustCreate(t, c, "b")
		u, _, err := c.AddUser(ctx, a.ID, S3User, "x")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.CreateAPIKey(ctx, APIKeySpec{Name: "k", Description: ""}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.RotateShareKey(ctx); err != nil {
			t.Fatal(err)
		}
		if err := core.kv.Update(ctx, func(t kv.Txn) error { return damage(t, a, b, u) }); err != nil {
			t.Fatal(err)
		}
		got, err := Check(ctx, core.kv)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(got.Problems, "\n")
		if (text == "") != (want == "") || !strings.Contains(text, want) {
			t.Errorf("%q: found %q", want, text)
		}
		if want == "" && (len(got.Disks) != 2 || len(got.Pending) != 0 || got.Users != 1 || got.APIKeys != 1) {
			t.Errorf("a sound catalog: %+v", got)
		}
	}
}
