package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atoll/internal/errs"
)

const (
	keyA = "aa"
	keyB = "bb"
	keyC = "cc"
)

func hexKey(two string) string { return strings.Repeat(two, 32) }

func readKey(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func writeKey(t *testing.T, dir, name, key string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func noFile(t *testing.T, dir, name string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(dir, name)); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", name, err)
	}
}

// TestRotateKeyFile changes the master key of a running server, and starts
// from each state that a crash on the way can leave.
func TestRotateKeyFile(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, testConfig(dir))
	id, u := withUser(t, r)
	first := readKey(t, dir, masterFile)
	got, err := r.client().RotateKey(t.Context(), "")
	if err != nil || got.KeyFile != filepath.Join(dir, masterFile) {
		t.Fatalf("rotate: %+v, %v", got, err)
	}
	second := readKey(t, dir, masterFile)
	if second == first || len(second) != 64 {
		t.Fatalf("the key's file has %d characters, changed: %v", len(second), second != first)
	}
	noFile(t, dir, nextFile)
	opens(t, r, id, u)
	if _, err := r.client().RotateKey(t.Context(), second); !strings.Contains(err.Error(), "has this master key already") {
		t.Errorf("the same key: %v", err)
	}
	if readKey(t, dir, masterFile) != second {
		t.Error("a refused key was written")
	}
	r.end()
	if strings.Contains(r.log.String(), second) {
		t.Error("the key is in the log")
	}

	// The old key alone opens nothing; both do, whichever the store has.
	writeKey(t, dir, masterFile, first)
	if _, err := tryBegin(t, testConfig(dir)); !errs.Is(err, errs.Permission) {
		t.Errorf("started with the old key: %v", err)
	}
	// In order: the store had switched; nothing had begun; the old key's file
	// was lost after it had switched; it is another's.
	for _, keys := range [][2]string{{first, second}, {second, hexKey(keyA)}, {"", hexKey(keyA)}, {hexKey(keyB), hexKey(keyA)}} {
		if keys[0] == "" {
			if err := os.Remove(filepath.Join(dir, masterFile)); err != nil {
				t.Fatal(err)
			}
		} else {
			writeKey(t, dir, masterFile, keys[0])
		}
		writeKey(t, dir, nextFile, keys[1])
		r := begin(t, testConfig(dir))
		opens(t, r, id, u)
		r.end()
		noFile(t, dir, nextFile)
		if readKey(t, dir, masterFile) != keys[1] {
			t.Errorf("%.4s, %.4s: the master key is not the new one", keys[0], keys[1])
		}
		opensWith := begin(t, testConfig(dir))
		opens(t, opensWith, id, u)
		opensWith.end()
	}
	mustBeSound(t, dir)
}

// mustBeSound checks a store that may hold no files.
func mustBeSound(t *testing.T, dir string) {
	t.Helper()
	res, err := Fsck(t.Context(), FsckOptions{Data: dir, Report: func(p string) { t.Error(p) }})
	if err != nil || !res.Clean() {
		t.Errorf("check: %+v, %v", res, err)
	}
}

func TestRotateKeyOfEnvironment(t *testing.T) {
	dir := t.TempDir()
	c := testConfig(dir)
	c.MasterKey = hexKey(keyA)
	r := begin(t, c)
	id, u := withUser(t, r)
	if _, err := r.client().RotateKey(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "ATOLL_MASTER_KEY") {
		t.Errorf("without a key: %v", err)
	}
	if _, err := r.client().RotateKey(t.Context(), "short"); err == nil || !strings.Contains(err.Error(), "32 bytes") {
		t.Errorf("a short key: %v", err)
	}
	got, err := r.client().RotateKey(t.Context(), hexKey(keyB))
	if err != nil || got.KeyFile != "" {
		t.Fatalf("rotate: %+v, %v", got, err)
	}
	opens(t, r, id, u)
	r.end()
	noFile(t, dir, masterFile)
	noFile(t, dir, nextFile)
	if _, err := tryBegin(t, c); !errs.Is(err, errs.Permission) {
		t.Errorf("started with the old key: %v", err)
	}
	for _, keys := range []string{hexKey(keyB), hexKey(keyA) + "," + hexKey(keyB), hexKey(keyB) + ", " + hexKey(keyA)} {
		c.MasterKey = keys
		r := begin(t, c)
		opens(t, r, id, u)
		r.end()
	}
	for _, keys := range []string{hexKey(keyA) + "," + hexKey(keyC), hexKey(keyA) + ",", ",", "a,b"} {
		c.MasterKey = keys
		if _, err := tryBegin(t, c); err == nil {
			t.Errorf("started with %.5q...", keys)
		}
	}
}

// TestRotateKeyFails leaves everything as it was when the new key's file can't
// be written.
func TestRotateKeyFails(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, testConfig(dir))
	id, u := withUser(t, r)
	first := readKey(t, dir, masterFile)
	if err := os.Mkdir(filepath.Join(dir, nextFile+".tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client().RotateKey(t.Context(), ""); err == nil {
		t.Error("rotated without a file for the key")
	}
	opens(t, r, id, u)
	r.end()
	if readKey(t, dir, masterFile) != first {
		t.Error("the key's file changed")
	}
	r = begin(t, testConfig(dir))
	opens(t, r, id, u)
	// What is in the way goes, and it works.
	if err := os.Remove(filepath.Join(dir, nextFile+".tmp")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client().RotateKey(context.Background(), ""); err != nil {
		t.Error(err)
	}
	r.end()
}
