package share

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

const gone = "there is nothing under this link: it is mistyped, was withdrawn, or its file is gone\n"

var root = disk.Ref{}

func TestShare(t *testing.T) {
	e := newEnv(t)
	e.put(root, "docs/hello.txt", "hello")
	s := e.share(root, "docs/hello.txt")
	if !strings.HasPrefix(s.URL, e.url+"/api/shared/") || s.ID.String() == "" || !s.Expires.Equal(e.clock.now().Add(24*time.Hour)) {
		t.Fatalf("%+v", s)
	}
	e.want(s.URL, 200, "hello")
	e.put(root, "docs/hello.txt", "as it is now")
	e.want(s.URL, 200, "as it is now")
	res, err := http.Head(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Disposition") != `inline; filename="hello.txt"` {
		t.Errorf("HEAD: %d %v", res.StatusCode, res.Header)
	}
	if _, err := e.view(root).Remove(t.Context(), "docs/hello.txt", disk.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	e.want(s.URL, 404, gone)
	if _, err := e.view(root).MakeDir(t.Context(), "docs/hello.txt", disk.MakeDirOptions{}); err != nil {
		t.Fatal(err)
	}
	e.want(s.URL, 404, gone)
}

func TestMakeRefuses(t *testing.T) {
	e := newEnv(t)
	e.put(root, "d/f", "x")
	for path, kind := range map[string]errs.Kind{
		"nothing": errs.NotFound, "d": errs.NotFound, "": errs.NotFound, "/d/f": errs.NotFound, "d/f/": errs.NotFound,
		"d/../d/f": errs.NotFound, ".archil/x": errs.NotFound, "d/f/x": errs.NotFound, "d/\x00": errs.NotFound,
		strings.Repeat("a/", 3000) + "f": errs.Invalid,
	} {
		if _, err := e.s.Make(t.Context(), e.id, root, path, time.Hour); !errs.Is(err, kind) {
			t.Errorf("%.20q: %v, want %v", path, err, kind)
		}
	}
	for _, l := range []time.Duration{0, -time.Second, MaxLifetime + time.Second, 1500 * time.Millisecond} {
		if _, err := e.s.Make(t.Context(), e.id, root, "d/f", l); !errs.Is(err, errs.Invalid) {
			t.Errorf("%v: %v", l, err)
		}
	}
	for _, l := range []time.Duration{time.Second, MaxLifetime} {
		if _, err := e.s.Make(t.Context(), e.id, root, "d/f", l); err != nil {
			t.Errorf("%v: %v", l, err)
		}
	}
	if _, err := e.s.Make(t.Context(), e.id, disk.Ref{Branch: "none"}, "d/f", time.Hour); !errs.Is(err, errs.NoView) {
		t.Errorf("no branch: %v", err)
	}
	if _, err := e.s.Make(t.Context(), 99, root, "d/f", time.Hour); !errs.Is(err, errs.NoDisk) {
		t.Errorf("no disk: %v", err)
	}
}

func TestExpiry(t *testing.T) {
	e := newEnv(t)
	e.put(root, "f", "x")
	s, err := e.s.Make(t.Context(), e.id, root, "f", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	e.clock.move(time.Hour - 1)
	e.want(s.URL, 200, "x")
	e.clock.move(1)
	e.want(s.URL, 403, "this link expired at 2026-03-04 06:06:07 UTC: ask for a new one\n")
	// Only who has the right token learns that it expired.
	e.want(s.URL[:len(s.URL)-1]+"A", 404, gone)
}

// TestTampered changes every character of a token in every way that leaves it
// a token to look at.
func TestTampered(t *testing.T) {
	e := newEnv(t)
	e.put(root, "f", "x")
	keys, err := e.cat.ShareKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := e.share(root, "f")
	token := s.URL[strings.LastIndexByte(s.URL, '/')+1:]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range token {
		for _, c := range alphabet {
			other := token[:i] + string(c) + token[i+1:]
			if _, ok, err := open(keys, other); ok != (other == token) || err != nil {
				t.Fatalf("%s: %t %v", other, ok, err)
			}
		}
	}
	for _, other := range []string{"", "A", "AQ", token + "A", token[1:], token[:len(token)-1], token + "=", token + "==",
		strings.ToLower(token), token[:9] + "%0a" + token[9:], token + "." + token, strings.Repeat("A", 5000), "..", "a%2fb"} {
		e.want(e.url+Path+other, 404, gone)
	}
	e.want(s.URL, 200, "x")
	foreign := newEnv(t)
	foreign.put(root, "f", "theirs")
	theirs := foreign.share(root, "f")
	e.want(e.url+strings.TrimPrefix(theirs.URL, foreign.url), 404, gone)
}

func TestRevoke(t *testing.T) {
	e := newEnv(t)
	e.put(root, "f", "x")
	one, two := e.share(root, "f"), e.share(root, "f")
	if one.ID == two.ID || one.URL == two.URL {
		t.Fatal("two links are one")
	}
	if id, ok := ParseID(one.ID.String()); !ok || id != one.ID {
		t.Fatal("an id does not come back")
	}
	for _, s := range []string{"", "zz", strings.ToUpper("abcdef0123456789abcdef01"), one.ID.String() + "00"} {
		if _, ok := ParseID(s); ok {
			t.Errorf("%q is an id", s)
		}
	}
	if err := e.s.Revoke(t.Context(), e.id, one.ID); err != nil {
		t.Fatal(err)
	}
	e.want(one.URL, 404, gone)
	e.want(two.URL, 200, "x")
	if err := e.s.RevokeAll(t.Context(), e.id); err != nil {
		t.Fatal(err)
	}
	e.want(two.URL, 404, gone)
	e.clock.move(time.Millisecond)
	three := e.share(root, "f")
	e.want(three.URL, 200, "x")
	e.close()
	e.open()
	e.want(one.URL, 404, gone)
	e.want(two.URL, 404, gone)
	e.want(three.URL, 200, "x")
}

// TestKeys: keys are rotated, and every link holds to its end.
func TestKeys(t *testing.T) {
	e := newEnv(t)
	e.put(root, "f", "x")
	var links []Share
	for range 5 {
		s, err := e.s.Make(t.Context(), e.id, root, "f", MaxLifetime)
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, s)
		if _, err := e.cat.RotateShareKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.clock.move(30 * time.Hour)
	}
	e.close()
	e.open()
	for _, s := range links {
		e.want(s.URL, 200, "x")
	}
	for _, s := range links {
		e.clock.move(s.Expires.Sub(e.clock.now()) - 1)
		e.want(s.URL, 200, "x")
		e.clock.move(1)
		e.want(s.URL, 403, "")
	}
	e.clock.move(MaxLifetime)
	for _, s := range links {
		e.want(s.URL, 404, gone) // their keys are gone
	}
}

func TestCheckpoint(t *testing.T) {
	e := newEnv(t)
	ctx := t.Context()
	d, err := e.disks.Disk(ctx, e.id)
	if err != nil {
		t.Fatal(err)
	}
	e.put(root, "f", "then")
	if err := d.Checkpoint(ctx, "root", "v1"); err != nil {
		t.Fatal(err)
	}
	e.put(root, "f", "now")
	onRoot, onCheckpoint := e.share(root, "f"), e.share(disk.Ref{Branch: "root", Checkpoint: "v1"}, "f")
	e.want(onRoot.URL, 200, "now")
	e.want(onCheckpoint.URL, 200, "then")
	if err := d.DeleteCheckpoint(ctx, "root", "v1", disk.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.want(onCheckpoint.URL, 404, gone)
	e.want(onRoot.URL, 200, "now")
	if err := e.cat.DeleteDisk(ctx, e.id); err != nil {
		t.Fatal(err)
	}
	e.want(onRoot.URL, 404, gone)
}

func TestAllowedIPs(t *testing.T) {
	e := newEnv(t)
	e.put(root, "f", "x")
	s := e.share(root, "f")
	if _, err := e.cat.SetAllowedIPs(t.Context(), e.id, []string{"192.0.2.0/24"}); err != nil {
		t.Fatal(err)
	}
	e.want(s.URL, 403, "this link can't be opened from your address\n")
	if _, err := e.cat.SetAllowedIPs(t.Context(), e.id, []string{"127.0.0.0/8", "::1"}); err != nil {
		t.Fatal(err)
	}
	e.want(s.URL, 200, "x")
}

// TestRevocationRace: while links are revoked, one by one and all at once, no
// request that begins after a revocation returned is served.
func TestRevocationRace(t *testing.T) {
	e := newEnv(t)
	e.put(root, "f", "x")
	ctx := context.Background()
	for round := range 20 {
		e.clock.move(time.Second)
		s := e.share(root, "f")
		var revoked atomic.Bool
		var wg sync.WaitGroup
		var served atomic.Int64
		for range 4 {
			wg.Go(func() {
				for {
					after := revoked.Load()
					status, _ := e.get(s.URL)
					switch {
					case status == 200 && after:
						t.Error("served after it was revoked")
						return
					case status == 200:
						served.Add(1)
					case status != 404:
						t.Errorf("status %d", status)
						return
					}
					if after {
						return
					}
				}
			})
		}
		for served.Load() == 0 && !t.Failed() {
			status, _ := e.get(s.URL)
			if status != 200 {
				t.Fatalf("before it was revoked: %d", status)
			}
		}
		var err error
		if round%2 == 0 {
			err = e.s.Revoke(ctx, e.id, s.ID)
		} else {
			err = e.s.RevokeAll(ctx, e.id)
		}
		if err != nil {
			t.Error(err)
		}
		revoked.Store(true)
		wg.Wait()
	}
}

// FuzzToken: no bytes that were not sealed are a token, none make the reader
// fail, and what was sealed comes back.
func FuzzToken(f *testing.F) {
	keys := testKeys()
	for _, path := range []string{"f", "ä/b c"} {
		token, err := seal(&keys[1], &Claims{Disk: 1, Branch: 2, Checkpoint: "c", Path: path, Issued: time.Unix(5, 6), Lifetime: time.Hour})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token, path, "v1", int64(7))
	}
	f.Add("", "", "", int64(0))
	f.Add("AQ", "x", "", int64(1))
	f.Fuzz(func(t *testing.T, token, path, checkpoint string, seconds int64) {
		if c, ok, err := open(keys, token); err != nil {
			t.Fatal(err)
		} else if ok {
			again, err := seal(&keys[1], &c)
			if err != nil || again != token {
				t.Fatalf("%q was not sealed here", token)
			}
		}
		if path == "" || disk.CheckPath(path) != nil || len(path) > MaxPath || len(checkpoint) > 63 || seconds < 1 || seconds > int64(MaxLifetime/time.Second) {
			return
		}
		want := Claims{ID: ID{1, 2}, Disk: 3, Branch: 4, Checkpoint: checkpoint, Path: path, Issued: time.Unix(0, seconds), Lifetime: time.Duration(seconds) * time.Second}
		s, err := seal(&keys[0], &want)
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := open(keys, s)
		if err != nil || !ok || !got.Issued.Equal(want.Issued) {
			t.Fatalf("%+v %t %v", got, ok, err)
		}
		got.Issued = want.Issued
		if got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}
