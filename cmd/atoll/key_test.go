package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeyRotate changes the master key of a running server, to one of the
// server's own and to one from a file; credentials hold, also after a restart.
func TestKeyRotate(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	var x access
	mustJSON(t, &x, "disk", "create", "a", "--data", data)
	x.put(t, "k", "v")
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(data, "master.key"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	first := read()
	out := must(t, "key", "rotate", "--data", data)
	second := read()
	if second == first || !strings.Contains(out, "master key") || strings.Contains(out, second) {
		t.Errorf("changed: %v, printed %q", second != first, out)
	}
	x.wantObject(t, "k", "v")
	file := filepath.Join(t.TempDir(), "new.key")
	third := strings.Repeat("5a", 32)
	if err := os.WriteFile(file, []byte(third+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "key", "rotate", "--key-file", file, "--data", data)
	if read() != third {
		t.Error("the given key is not the master key")
	}
	if code, _, text := cli(t, nil, "key", "rotate", "--key-file", file, "--data", data); code == exitOK || !strings.Contains(text, "already") {
		t.Errorf("the same key again: %d %s", code, text)
	}
	if code, _, text := cli(t, nil, "key", "rotate", "--key-file", file+".none", "--data", data); code == exitOK {
		t.Errorf("a file that is not there: %d %s", code, text)
	}
	p.stop()
	p = serve(t, data)
	x.Endpoint = p.e.S3
	x.wantObject(t, "k", "v")
	p.stop()
}
