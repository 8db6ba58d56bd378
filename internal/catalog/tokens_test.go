package catalog

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/errs"
)

func TestDefaultToken(t *testing.T) {
	c, core := newCatalog(t)
	made, err := c.CreateDisk(ctx, DiskSpec{Name: "a"})
	if err != nil || !made.New {
		t.Fatalf("%+v, %v", made, err)
	}
	if !strings.HasPrefix(made.Token, "adt_") || len(made.Token) != 4+43 {
		t.Errorf("a token of %d characters", len(made.Token))
	}
	want := User{Type: TokenUser, Identifier: made.User.Identifier, Disk: made.Disk.ID, Nickname: "default",
		Created: testTime, Suffix: made.Token[len(made.Token)-4:]}
	if made.User != want || len(want.Identifier) != 64 {
		t.Errorf("%+v, want %+v", made.User, want)
	}
	if again, err := c.CreateDisk(ctx, DiskSpec{Name: "a", NoToken: true}); err != nil || !reflect.DeepEqual(again, Created{Disk: made.Disk}) {
		t.Errorf("again: %+v, %v", again, err)
	}
	// A creation that fails leaves no token.
	core.failCreate = errInjected
	if _, err := c.CreateDisk(ctx, DiskSpec{Name: "b"}); err != errInjected {
		t.Fatalf("err = %v", err)
	}
	if keys := allKeys(t, core.kv, prefixToken); len(keys) != 1 {
		t.Errorf("tokens: %q", keys)
	}
	// One that can't even be taken back gives its token when it is finished.
	core.failCreate, core.failDelete = errInjected, errInjected
	if _, err := c.CreateDisk(ctx, DiskSpec{Name: "b"}); err != errInjected {
		t.Fatalf("err = %v", err)
	}
	late, err := c.CreateDisk(ctx, DiskSpec{Name: "b"})
	if err != nil || !late.New {
		t.Fatalf("%+v, %v", late, err)
	}
	if u, ok, err := c.VerifyToken(ctx, late.Token); err != nil || !ok || u != late.User {
		t.Errorf("%+v, %v, %v", u, ok, err)
	}
}

func TestTokens(t *testing.T) {
	s := openKV(t, vfs.NewMem())
	defer s.Close()
	c, _ := openOn(t, s)
	d, other := mustCreate(t, c, "a"), mustCreate(t, c, "b")
	u, token, err := c.AddUser(ctx, d.ID, TokenUser, "laptop")
	if err != nil {
		t.Fatal(err)
	}
	s3, _, err := c.AddUser(ctx, d.ID, S3User, "app")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Catalog{c, c, must(openOn(t, s))} { // from the store, from memory, after a restart
		if got, ok, err := c.VerifyToken(ctx, token); err != nil || !ok || got != u {
			t.Fatalf("verify: %+v, %v, %v", got, ok, err)
		}
	}
	users, err := c.Users(ctx, d.ID)
	if err != nil || len(users) != 2 || !(users[0] == u && users[1] == s3 || users[0] == s3 && users[1] == u) {
		t.Fatalf("users: %+v, %v", users, err)
	}
	for _, bad := range []string{"", "adt_", token + "x", token[:len(token)-1], token[:len(token)-1] + "!", "key-" + token[4:], token[4:]} {
		if _, ok, err := c.VerifyToken(ctx, bad); err != nil || ok {
			t.Errorf("verify %q: %v, %v", bad, ok, err)
		}
	}
	// No credential opens another's door.
	if _, ok, err := c.VerifyAPIKey(ctx, token); err != nil || ok {
		t.Errorf("a token is an API key: %v", err)
	}
	if _, ok, err := c.VerifyAPIKey(ctx, "key-"+token[4:]); err != nil || ok {
		t.Errorf("a token is an API key: %v", err)
	}
	if _, ok, err := c.Credential(ctx, u.Identifier); err != nil || ok {
		t.Errorf("a token is an access key: %v", err)
	}
	wantKind(t, c.RemoveUser(ctx, other.ID, TokenUser, u.Identifier), errs.NotFound)
	wantKind(t, c.RemoveUser(ctx, d.ID, S3User, u.Identifier), errs.NotFound)
	wantKind(t, c.RemoveUser(ctx, d.ID, TokenUser, s3.Identifier), errs.NotFound)
	wantKind(t, c.RemoveUser(ctx, d.ID, "awssts", u.Identifier), errs.Invalid)
	_, _, err = c.AddUser(ctx, d.ID, "awssts", "x")
	wantKind(t, err, errs.Invalid)
	if err := c.RemoveUser(ctx, d.ID, TokenUser, u.Identifier); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.VerifyToken(ctx, token); err != nil || ok {
		t.Errorf("a removed token: %v, %v", ok, err)
	}
	for _, prefix := range []string{prefixToken, prefixTokenOf} {
		if keys := allKeys(t, s, prefix); len(keys) != 0 {
			t.Errorf("left behind: %q", keys)
		}
	}
	_, token, err = c.AddUser(ctx, d.ID, TokenUser, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.VerifyToken(ctx, token); err != nil || !ok {
		t.Fatal(err)
	}
	if err := c.DeleteDisk(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.VerifyToken(ctx, token); err != nil || ok {
		t.Errorf("a deleted disk's token: %v, %v", ok, err)
	}
}

func must(c *Catalog, _ *fakeCore) *Catalog { return c }

// TestSlowPolicyDoesNotBringBack holds a look-up, which has read the rows,
// until the change has returned.
func TestSlowPolicyDoesNotBringBack(t *testing.T) {
	c, _ := newCatalog(t)
	d := mustCreate(t, c, "a")
	slow := &slowKV{Store: c.o.KV, read: make(chan struct{}), goOn: make(chan struct{}), active: true}
	c.o.KV = slow
	done := make(chan bool)
	go func() {
		ok, _ := c.Admits(ctx, d.ID, addr("192.0.2.1"))
		done <- ok
	}()
	<-slow.read
	if _, err := c.SetAllowedIPs(ctx, d.ID, []string{"10.0.0.0/8"}); err != nil {
		t.Fatal(err)
	}
	close(slow.goOn)
	if !<-done {
		t.Fatal("the look-up that began before the change must have found no limit")
	}
	if ok, err := c.Admits(ctx, d.ID, addr("192.0.2.1")); err != nil || ok {
		t.Fatalf("the slow look-up brought the old rules back: %v, %v", ok, err)
	}
}
