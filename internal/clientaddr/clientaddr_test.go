package clientaddr

import (
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/errs"
)

func TestParseAllowed(t *testing.T) {
	got, err := ParseAllowed([]string{
		"192.0.2.7", "192.0.2.7/24", "192.0.2.99/24", "::ffff:198.51.100.1", "::ffff:10.1.2.3/104",
		"2001:DB8::1", "2001:db8::1/32", "0.0.0.0/0", "::/0", "203.0.113.5/32",
	})
	want := []string{"192.0.2.7", "192.0.2.0/24", "198.51.100.1", "10.0.0.0/8", "2001:db8::1", "2001:db8::/32", "0.0.0.0/0", "::/0", "203.0.113.5"}
	if err != nil || !slices.Equal(got.Strings(), want) {
		t.Errorf("%q, %v, want %q", got.Strings(), err, want)
	}
	if none, err := ParseAllowed(nil); err != nil || none.Strings() == nil || len(none) != 0 {
		t.Errorf("none: %v, %v", none, err)
	}
	for _, bad := range []string{"", "x", "192.0.2", "192.0.2.0/33", "192.0.2.7:80", "fe80::1%eth0", "::ffff:0:0/95", " 192.0.2.7", "192.0.2.7 ", "192.0.2.0/-1", strings.Repeat("é", 500)} {
		_, err := ParseAllowed([]string{"192.0.2.1", bad})
		if !errs.Is(err, errs.Invalid) || len(errs.Text(err)) > 250 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestContains(t *testing.T) {
	l, err := ParseAllowed([]string{"192.0.2.0/24", "2001:db8::/32", "198.51.100.9"})
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]bool{
		"192.0.2.1": true, "192.0.3.1": false, "198.51.100.9": true, "198.51.100.8": false,
		"2001:db8:1::5": true, "2001:db9::": false, "::ffff:192.0.2.1": true,
	} {
		if got := l.Contains(Normal(netip.MustParseAddr(s))); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	if l.Contains(netip.Addr{}) || Allowed(nil).Contains(netip.MustParseAddr("192.0.2.1")) {
		t.Error("an unknown address, or an empty list")
	}
	a := netip.MustParseAddr("10.0.0.1")
	if n := testing.AllocsPerRun(100, func() { l.Contains(a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestResolver(t *testing.T) {
	trusted, err := ParseAllowed([]string{"10.0.0.0/8", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		remote string
		xff    []string
		want   string
	}{
		{"192.0.2.1:1234", nil, "192.0.2.1"},
		{"192.0.2.1:1234", []string{"203.0.113.9"}, "192.0.2.1"}, // not a trusted proxy's word
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"[::ffff:10.0.0.1]:1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"6.6.6.6, 203.0.113.9, 10.2.2.2"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"6.6.6.6", " 203.0.113.9 ,\t10.2.2.2"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"6.6.6.6,203.0.113.9", "10.2.2.2", "fd00::2"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"203.0.113.9:5678"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"[2001:db8::7]:5678"}, "2001:db8::7"},
		{"10.0.0.1:1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"[fd00::1%eth0]:1", []string{"fe80::7%eth1"}, "fe80::7"},
		{"10.0.0.1:1", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"}, // all trusted: the farthest
		{"10.0.0.1:1", []string{"203.0.113.9, unknown, 10.2.2.2"}, "10.2.2.2"},
		{"10.0.0.1:1", []string{"203.0.113.9,"}, "10.0.0.1"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"@", []string{"203.0.113.9"}, ""},
		{"", nil, ""},
	} {
		r := &http.Request{RemoteAddr: tc.remote, Header: http.Header{"Forwarded": {"for=198.51.100.1"}}}
		if tc.xff != nil {
			r.Header["X-Forwarded-For"] = tc.xff
		}
		got := NewResolver(trusted).Addr(r)
		if tc.want == "" && got.IsValid() || tc.want != "" && got.String() != tc.want {
			t.Errorf("%s %q: %v, want %q", tc.remote, tc.xff, got, tc.want)
		}
	}
	var none *Resolver
	r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {"203.0.113.9"}}}
	if got := none.Addr(r); got.String() != "10.0.0.1" {
		t.Errorf("no Resolver: %v", got)
	}
}

func FuzzResolver(f *testing.F) {
	f.Add("10.0.0.1:1", "6.6.6.6, 203.0.113.9, 10.2.2.2")
	f.Add("[fd00::1]:1", "[2001:db8::7]:5,fe80::1%x")
	trusted, err := ParseAllowed([]string{"10.0.0.0/8", "fd00::/8"})
	if err != nil {
		f.Fatal(err)
	}
	res := NewResolver(trusted)
	f.Fuzz(func(t *testing.T, remote, xff string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {xff}}}
		got := res.Addr(r)
		if got != Normal(got) {
			t.Errorf("%v is not in normal form", got)
		}
		direct := (*Resolver)(nil).Addr(r)
		if !trusted.Contains(direct) && got != direct {
			t.Errorf("believed %q of %v", xff, direct)
		}
		// What a client puts in front of the header changes nothing unless
		// everything behind it was trusted.
		if got.IsValid() && !trusted.Contains(got) {
			r.Header["X-Forwarded-For"] = []string{"6.6.6.6", xff}
			if again := res.Addr(r); again != got {
				t.Errorf("%v became %v", got, again)
			}
		}
	})
}

func FuzzParseAllowed(f *testing.F) {
	for _, s := range []string{"192.0.2.7/24", "::ffff:10.1.2.3/104", "2001:db8::/32", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseAllowed([]string{s})
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("kind %v", errs.KindOf(err))
			}
			return
		}
		again, err := ParseAllowed(l.Strings())
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Errorf("%q: %v, then %v, %v", s, l, again, err)
		}
		if !l.Contains(l[0].Addr()) || l[0] != l[0].Masked() {
			t.Errorf("%q: %v is not in normal form", s, l)
		}
	})
}

// clock is set by the tests.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestLimiter(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	l := NewLimiter(LimiterOptions{Burst: 3, Refill: 10 * time.Second, Now: c.now})
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 3 {
		if ok, _ := l.Allow(a); !ok {
			t.Fatalf("refused after %d failures", i)
		}
		l.Failed(a)
	}
	if ok, wait := l.Allow(a); ok || wait != 10*time.Second {
		t.Fatalf("after the burst: %v, %v", ok, wait)
	}
	if ok, _ := l.Allow(b); !ok {
		t.Fatal("another address is refused")
	}
	if ok, _ := l.Allow(netip.MustParseAddr("::ffff:192.0.2.1")); ok {
		t.Fatal("the same address in another form is let in")
	}
	for range 100 { // more failures than can be make it wait no longer than an empty bucket
		l.Failed(a)
	}
	c.t = c.t.Add(4 * time.Second)
	if ok, wait := l.Allow(a); ok || wait != 6*time.Second {
		t.Fatalf("4 s later: %v, %v", ok, wait)
	}
	c.t = c.t.Add(6 * time.Second)
	if ok, _ := l.Allow(a); !ok {
		t.Fatal("10 s later it is still refused")
	}
	l.Failed(a)
	if ok, _ := l.Allow(a); ok {
		t.Fatal("one token was there, and two were given")
	}
	c.t = c.t.Add(time.Hour)
	for i := range 3 {
		if ok, _ := l.Allow(a); !ok {
			t.Fatalf("an hour later: refused after %d", i)
		}
		l.Failed(a)
	}
	if ok, _ := l.Allow(a); ok {
		t.Fatal("the bucket overflowed")
	}
	if n := testing.AllocsPerRun(100, func() { l.Allow(a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLimiterOfNetworks(t *testing.T) {
	l := NewLimiter(LimiterOptions{Burst: 1, Now: (&clock{time.Unix(1000, 0)}).now})
	l.Failed(netip.MustParseAddr("2001:db8:1:2:3::1"))
	for s, want := range map[string]bool{"2001:db8:1:2:ffff::7": false, "2001:db8:1:3::1": true} {
		if ok, _ := l.Allow(netip.MustParseAddr(s)); ok != want {
			t.Errorf("%s: %v", s, ok)
		}
	}
	l.Failed(netip.Addr{})
	if ok, _ := l.Allow(netip.Addr{}); ok {
		t.Error("clients without an address are not limited")
	}
	var none *Limiter
	none.Failed(netip.Addr{})
	if ok, _ := none.Allow(netip.Addr{}); !ok {
		t.Error("no Limiter refuses")
	}
	if ok, _ := NewLimiter(LimiterOptions{}).Allow(netip.Addr{}); !ok {
		t.Error("the zero options refuse")
	}
}

// TestLimiterIsBounded floods a limiter with addresses: it keeps no more than
// it may, and does not forget the one that has failed most.
func TestLimiterIsBounded(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	l := NewLimiter(LimiterOptions{Burst: 5, MaxTracked: 50, Now: c.now})
	bad := netip.MustParseAddr("192.0.2.1")
	for range 5 {
		l.Failed(bad)
	}
	for i := range 5000 {
		l.Failed(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if len(l.m) > 50 {
		t.Errorf("%d addresses", len(l.m))
	}
	if ok, _ := l.Allow(bad); ok {
		t.Error("the flood made it forget")
	}
	c.t = c.t.Add(time.Hour)
	l.Failed(netip.MustParseAddr("198.51.100.1"))
	if len(l.m) > 2 {
		t.Errorf("%d addresses an hour later", len(l.m))
	}
}
