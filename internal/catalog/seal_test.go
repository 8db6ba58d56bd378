package catalog

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"atoll/internal/errs"
)

func TestSeal(t *testing.T) {
	s, err := newSealer(testKey, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	row := []byte("cuATL")
	a, err := s.seal(row, "secret")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.seal(row, "secret")
	if err != nil || bytes.Equal(a, b) {
		t.Fatalf("sealing twice gives the same bytes (err %v)", err)
	}
	if got, err := s.open(row, a); err != nil || got != "secret" {
		t.Fatalf("open: %q, %v", got, err)
	}
	if _, err := s.open([]byte("cuXXX"), a); !errs.Is(err, errs.Corrupt) {
		t.Errorf("opened in another row: %v", err)
	}
	for i := range a {
		bad := bytes.Clone(a)
		bad[i] ^= 1
		if _, err := s.open(row, bad); !errs.Is(err, errs.Corrupt) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := s.open(row, a[:i]); !errs.Is(err, errs.Corrupt) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
	other, err := newSealer(MasterKey{5}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.open(row, a); err == nil || !strings.Contains(err.Error(), "another master key") {
		t.Errorf("opened under another key: %v", err)
	}
}

func TestMasterKey(t *testing.T) {
	k, err := NewMasterKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{k.Hex(), " " + k.Hex() + "\n", strings.ToUpper(k.Hex()),
		base64.StdEncoding.EncodeToString(k[:]), base64.RawURLEncoding.EncodeToString(k[:])} {
		if got, err := ParseMasterKey(form); err != nil || got != k {
			t.Errorf("parse %d characters: %v", len(form), err)
		}
	}
	for _, form := range []string{"", "abc", k.Hex()[2:], k.Hex() + "00", strings.Repeat("z", 64)} {
		_, err := ParseMasterKey(form)
		wantKind(t, err, errs.Invalid)
	}
	if s := fmt.Sprintf("%v %s %#v", k, k, k); strings.Contains(s, k.Hex()) {
		t.Error("printing the key shows it")
	}
	if _, err := NewMasterKey(failingReader{}); err == nil {
		t.Error("a key without randomness")
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

// TestRandomText checks that each character is as likely as any other, which
// a plain modulo would not give. The source is exhaustive, so the counts are
// exact.
func TestRandomText(t *testing.T) {
	for _, alphabet := range []string{upperAlnum, base62} {
		src := make([]byte, 0, 256*64)
		for range 64 {
			for b := range 256 {
				src = append(src, byte(b))
			}
		}
		usable := (256 - 256%len(alphabet)) * 64
		text, err := randomText(bytes.NewReader(src), alphabet, usable)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range alphabet {
			if n, want := strings.Count(text, string(c)), usable/len(alphabet); n != want {
				t.Errorf("%q occurs %d times, want %d", c, n, want)
			}
		}
	}
	if _, err := randomText(failingReader{}, base62, 1); err == nil {
		t.Error("random text without randomness")
	}
}
