package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestEveryPart runs all parts once, at a small size, and one again on what is
// there then.
func TestEveryPart(t *testing.T) {
	args := []string{"-data", t.TempDir(), "-files", "2000", "-depth", "9", "-writes", "4", "-siblings", "3", "-own", "5",
		"-ops", "16", "-rounds", "1", "-victim", "2000", "-seconds", "0"}
	var out bytes.Buffer
	if err := command(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), append(args, "-only", "fork"), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"fork ", "checkpoint ", "GET 100 B, cold", "LIST 1000, flat over the tree", "PUT 4 KiB, new, 1 client", "LIST the own folder, all by turns", "delete a branch"} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("no row %q in\n%s", row, out.String())
		}
	}
}

// TestFlags refuses what can't be measured.
func TestFlags(t *testing.T) {
	for _, args := range [][]string{{}, {"-data", "x", "-files", "1500"}, {"-data", "x", "-depth", "1"}, {"-nonsense"}} {
		if err := command(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
