package main

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestFillAndList fills small disks in all orders and layouts; the listing
// checks that every key is there, in order.
func TestFillAndList(t *testing.T) {
	for _, order := range []string{"created", "random"} {
		for _, layout := range []string{"flat", "tree"} {
			t.Run(order+" "+layout, func(t *testing.T) {
				args := []string{"-data", t.TempDir(), "-files", "3500", "-order", order, "-layout", layout, "-runs", "2", "-page", "500"}
				var out strings.Builder
				for _, verb := range []string{"fill", "list"} {
					if err := command(context.Background(), append([]string{verb}, args...), &out, &out); err != nil {
						t.Fatalf("%s: %v\n%s", verb, err, out.String())
					}
				}
				if !strings.Contains(out.String(), "all 3500 keys") {
					t.Fatal(out.String())
				}
			})
		}
	}
	if err := command(context.Background(), []string{"fill", "-data", t.TempDir(), "-order", "sideways"}, &strings.Builder{}, &strings.Builder{}); err == nil {
		t.Fatal("an order that there is not was accepted")
	}
}

// TestPlaces compares the keys at places with a sorted list of all.
func TestPlaces(t *testing.T) {
	for _, k := range []keyspace{{files: 2500}, {files: 2500, random: true}, {files: 2500, tree: true}, {files: 2500, random: true, tree: true}} {
		var all []string
		for i := range k.files {
			all = append(all, k.dir(i)+k.name(i))
		}
		slices.Sort(all)
		if n := len(slices.Compact(slices.Clone(all))); n != k.files {
			t.Fatalf("%+v: %d distinct keys", k, n)
		}
		for _, p := range []int{0, 1, 999, 1000, 1700, 2499} {
			if got := k.at(p); got != all[p] {
				t.Errorf("%+v, place %d: %s, want %s", k, p, got, all[p])
			}
		}
	}
}
