package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgress draws a line for people only.
func TestProgress(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var nobody *os.File
	for _, w := range []any{new(bytes.Buffer), f, nobody, nil} {
		if isTerminal(w) {
			t.Errorf("%T is a terminal", w)
		}
	}
	if p := newProgress(new(bytes.Buffer), false); p != nil || p.meter() != nil {
		t.Error("it draws where nobody looks")
	} else {
		p.end()
	}
	var out bytes.Buffer
	p := newProgress(&out, true)
	p.Expect(3 << 20)
	p.Add(1 << 20)
	p.Add(1 << 20)
	p.Add(-(1 << 20)) // it has to be sent again
	if _, err := p.Write([]byte("atoll: a line above\n")); err != nil {
		t.Fatal(err)
	}
	p.Add(2 << 20)
	p.end()
	if !strings.Contains(out.String(), "atoll: a line above\n") {
		t.Errorf("drawn: %q", out.String())
	}
	if d, n := p.done.Load(), p.total.Load(); d != n || n != 3<<20 {
		t.Errorf("%d of %d", d, n)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]string{
		"90": "1m30s", "90s": "1m30s", "8h": "8h", "1.5h": "1h30m", "7d": "168h", "2w": "336h", "90m": "1h30m", "20m": "20m",
		"": "", "0": "", "-1h": "", "d": "", "8 h": "", "1e30w": "",
	} {
		var d duration
		err := d.Set(text)
		if (err == nil) != (want != "") || d.String() != want {
			t.Errorf("%q: %s, %v", text, d.String(), err)
		}
	}
}
