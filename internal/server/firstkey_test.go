package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atoll/client"
)

// TestKeyFileWithoutRow is the first start cut off between writing the key's
// file and its row: the next start makes another key.
func TestKeyFileWithoutRow(t *testing.T) {
	const lost = "key-abcdefghijklmnopqrstuvwxyz"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, apiKeyFile), []byte(lost+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := begin(t, testConfig(dir))
	defer r.end()
	if r.key == lost || r.e.FirstAPIKey != r.key {
		t.Errorf("key %q, shown %q", r.key, r.e.FirstAPIKey)
	}
	r.wantKey(r.key, true)
	r.wantKey(lost, false)
}

// wantKey tells whether the server accepts a key.
func (r *running) wantKey(key string, ok bool) {
	r.t.Helper()
	c, err := client.New(client.Options{URL: r.e.Control, APIKey: key})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := c.Server(r.t.Context()); (err == nil) != ok || !ok && client.StatusOf(err) != 401 {
		r.t.Errorf("key %s: %v, want accepted: %v", key, err, ok)
	}
}

// TestNoKeyLeft starts on stores whose API keys have expired, open too little,
// or are gone: the start makes one that opens everything, shows it once, and
// leaves the others alone.
func TestNoKeyLeft(t *testing.T) {
	const warning = "no valid API key of this store opens everything"
	expiring := func(r *running, clock *fakeClock) (valid, invalid []string) {
		end := clock.Now().Add(time.Hour)
		return nil, []string{r.addKey(client.NewAPIKey{Name: "short", ExpiresAt: &end})}
	}
	for name, tc := range map[string]struct {
		others func(r *running, clock *fakeClock) (valid, invalid []string)
		env    func(invalid []string) string // ATOLL_API_KEY of the second start
		taken  bool                          // and that becomes the key
	}{
		"narrow": {others: func(r *running, _ *fakeClock) (valid, invalid []string) {
			id, _ := withUser(t, r)
			return []string{r.addKey(client.NewAPIKey{Name: "disk", Disks: []string{id}}),
				r.addKey(client.NewAPIKey{Name: "reader", ReadOnly: true})}, nil
		}},
		"expired": {others: expiring},
		"none":    {others: func(*running, *fakeClock) (valid, invalid []string) { return nil, nil }},
		"the environment's is new": {others: func(*running, *fakeClock) (valid, invalid []string) { return nil, nil },
			env: func([]string) string { return "key-brought-0123456789" }, taken: true},
		"the environment's has expired": {others: expiring,
			env: func(invalid []string) string { return invalid[0] }},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &fakeClock{now: time.Now()}
			c := testConfig(t.TempDir())
			c.Now = clock.Now
			r := begin(t, c)
			first := r.key
			valid, invalid := tc.others(r, clock)
			for k, err := range r.client().APIKeys(t.Context()) {
				if err == nil && k.Name == "first" {
					err = r.client().DeleteAPIKey(t.Context(), k.ID)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			r.end()
			clock.add(time.Hour)
			if tc.env != nil {
				c.APIKey = tc.env(invalid)
			}
			r = begin(t, c)
			if tc.taken {
				if r.key != c.APIKey || r.e.FirstAPIKey != "" {
					t.Errorf("key %q, shown %q", r.key, r.e.FirstAPIKey)
				}
			} else if r.key == first || r.e.FirstAPIKey != r.key {
				t.Errorf("key %q, shown %q", r.key, r.e.FirstAPIKey)
			}
			if !strings.Contains(r.log.String(), warning) || strings.Contains(r.log.String(), r.key) {
				t.Errorf("log: %s", r.log)
			}
			made := r.addKey(client.NewAPIKey{Name: "made with it"})
			check := func() {
				t.Helper()
				for _, k := range append(valid, r.key, made) {
					r.wantKey(k, true)
				}
				for _, k := range append(invalid, first) {
					r.wantKey(k, false)
				}
			}
			check()
			r.end()
			r = begin(t, c)
			defer r.end()
			if r.e.FirstAPIKey != "" || strings.Contains(r.log.String(), warning) {
				t.Errorf("again: %q, %s", r.e.FirstAPIKey, r.log)
			}
			check()
		})
	}
}

// addKey makes an API key.
func (r *running) addKey(k client.NewAPIKey) string {
	r.t.Helper()
	made, err := r.client().CreateAPIKey(r.t.Context(), k)
	if err != nil {
		r.t.Fatal(err)
	}
	return made.Token
}
