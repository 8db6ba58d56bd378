package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"atoll/client"
)

// drawTree draws files and directories, so few that names meet in both roles.
func drawTree(rt *rapid.T, label string) map[string]string {
	tree := map[string]string{}
	name := rapid.SampledFrom([]string{"a", "a-b", "a.txt", "ab", "é +%?#&", "z"})
	for range rapid.IntRange(0, 12).Draw(rt, label) {
		parts := rapid.SliceOfN(name, 1, 3).Draw(rt, "path")
		path := strings.Join(parts, "/")
		fits := true
		for i := range parts {
			if _, file := tree[strings.Join(parts[:i+1], "/")]; file {
				fits = false
			}
		}
		for p := range tree {
			if strings.HasPrefix(p, path+"/") {
				fits = false
			}
		}
		switch {
		case !fits:
		case rapid.IntRange(0, 4).Draw(rt, "kind") == 0:
			tree[path+"/"] = ""
		default:
			tree[path] = strings.Repeat(rapid.StringN(0, 5, -1).Draw(rt, "contents"), rapid.SampledFrom([]int{1, 1, 3000}).Draw(rt, "times"))
		}
	}
	return tree
}

// TestSyncTrees syncs random trees to a disk and on to another directory: it
// is the same then, and a second sync finds nothing to do; and again after the
// first tree became another one.
func TestSyncTrees(t *testing.T) {
	b := bucket(t, connect(t), "trees")
	cases := 0
	rapid.Check(t, func(rt *rapid.T) {
		cases++
		dir, err := os.MkdirTemp(t.TempDir(), "case")
		if err != nil {
			rt.Fatalf("%v", err)
		}
		a, out := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		on := Remote{Bucket: b, Prefix: fmt.Sprintf("case %d/", cases), Name: "trees"}
		o := Options{Delete: true, Checksum: rapid.Bool().Draw(rt, "checksum"), Jobs: rapid.IntRange(1, 4).Draw(rt, "jobs")}
		for round := range 2 {
			if err := os.RemoveAll(a); err != nil {
				rt.Fatalf("%v", err)
			}
			if err := os.Mkdir(a, 0o777); err != nil {
				rt.Fatalf("%v", err)
			}
			write(rt, a, drawTree(rt, fmt.Sprintf("entries of round %d", round)))
			// The times of what is written now are those of this instant, which may
			// be that of what was uploaded before.
			later(rt, a, round)
			for _, leg := range [][2]Tree{{Local{a}, on}, {on, Local{out}}} {
				var ev events
				o.Report = ev.add
				if res, err := Sync(t.Context(), leg[0], leg[1], o); err != nil || res.Failed > 0 {
					rt.Fatalf("round %d: %+v, %v: %+v", round, res, err, ev.all)
				}
				if !o.Checksum && round > 0 {
					continue // times of the future are newer than the upload's
				}
				if res, err := Sync(t.Context(), leg[0], leg[1], o); err != nil || res.Copied+res.Deleted+res.Failed > 0 {
					rt.Fatalf("round %d: a second sync did something: %+v, %v", round, res, err)
				}
			}
			if want, got := read(rt, a), read(rt, out); !maps.Equal(want, got) {
				rt.Fatalf("round %d: the trees differ:\n%q\n%q", round, want, got)
			}
		}
	})
}

// later makes the files of a tree newer than whatever was copied before.
func later(t fatalf, root string, round int) {
	if round == 0 {
		return
	}
	at := time.Now().Add(time.Duration(round) * time.Hour)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chtimes(name, at, at)
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func syncTrees(t *testing.T, from, to Tree, o Options) (Result, *events) {
	t.Helper()
	var ev events
	o.Report = ev.add
	res, err := Sync(t.Context(), from, to, o)
	if err != nil {
		t.Fatal(err)
	}
	return res, &ev
}

// TestSyncDecides goes through what makes a file be copied.
func TestSyncDecides(t *testing.T) {
	c := connect(t)
	b := bucket(t, c, "one")
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": "one", "g": "two"})
	on, here := Remote{Bucket: b, Name: "one"}, Local{dir}
	if res, _ := syncTrees(t, here, on, Options{DryRun: true}); res.Copied != 2 {
		t.Errorf("dry run: %+v", res)
	}
	if _, err := b.Head(t.Context(), "f"); !client.IsNotFound(err) {
		t.Errorf("the dry run copied: %v", err)
	}
	if res, _ := syncTrees(t, here, on, Options{}); res.Copied != 2 || res.Bytes != 6 {
		t.Errorf("first: %+v", res)
	}
	// The same size and an older time: only contents tell.
	write(t, dir, map[string]string{"f": "ONE"})
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "f"), old, old); err != nil {
		t.Fatal(err)
	}
	if res, _ := syncTrees(t, here, on, Options{}); res.Copied != 0 || res.Skipped != 2 {
		t.Errorf("an older file of the same size: %+v", res)
	}
	if res, ev := syncTrees(t, here, on, Options{Checksum: true}); res.Copied != 1 || ev.of(Copied)[0] != "one:/f" {
		t.Errorf("checksum: %+v %v", res, ev.all)
	}
	// Another size, and a newer time.
	write(t, dir, map[string]string{"f": "longer"})
	if res, _ := syncTrees(t, here, on, Options{}); res.Copied != 1 {
		t.Errorf("another size: %+v", res)
	}
	later(t, dir, 1)
	if res, _ := syncTrees(t, here, on, Options{}); res.Copied != 2 {
		t.Errorf("newer files: %+v", res)
	}
	// Without --delete nothing goes; with, all that the source has not.
	write(t, dir, map[string]string{"x/y": "z"})
	syncTrees(t, here, on, Options{})
	if err := os.RemoveAll(filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	if res, _ := syncTrees(t, here, on, Options{}); res.Deleted != 0 {
		t.Errorf("deleted without --delete: %+v", res)
	}
	if res, ev := syncTrees(t, here, on, Options{Delete: true, DryRun: true}); res.Deleted != 2 || fmt.Sprint(ev.of(Deleted)) != "[one:/x one:/x/y]" {
		t.Errorf("dry run: %+v %v", res, ev.all)
	}
	if res, _ := syncTrees(t, here, on, Options{Delete: true}); res.Deleted != 2 {
		t.Errorf("delete: %+v", res)
	}
	// From disk to disk, by the server itself.
	other := Remote{Bucket: bucket(t, c, "two"), Prefix: "copy/", Name: "two"}
	if res, _ := syncTrees(t, on, other, Options{}); res.Copied != 2 {
		t.Errorf("across: %+v", res)
	}
	if res, _ := syncTrees(t, on, other, Options{Checksum: true}); res.Copied != 0 || res.Skipped != 2 {
		t.Errorf("across again: %+v", res)
	}
}

// TestSyncRefuses keeps a mistake from deleting everything.
func TestSyncRefuses(t *testing.T) {
	b := bucket(t, connect(t), "one")
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": "one"})
	on := Remote{Bucket: b, Name: "one"}
	for name, trees := range map[string][2]Tree{
		"a local directory that is not there": {Local{filepath.Join(dir, "none")}, on},
		"a folder that is not there":          {Remote{Bucket: b, Prefix: "none/", Name: "one"}, Local{dir}},
	} {
		if _, err := Sync(t.Context(), trees[0], trees[1], Options{Delete: true}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Sync(t.Context(), Local{filepath.Join(dir, "f")}, on, Options{Delete: true}); err == nil {
		t.Error("a file is synced as a directory")
	}
	// A file that can't be read: nothing is deleted.
	if _, err := b.Put(t.Context(), "extra", strings.NewReader("x"), client.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{".archil/x": "reserved"})
	res, ev := syncTrees(t, Local{dir}, on, Options{Delete: true})
	if res.Failed == 0 || res.Copied != 1 || res.Deleted != 0 || len(ev.of(Warned)) != 1 {
		t.Errorf("a failure: %+v %+v", res, ev.all)
	}
	if _, err := b.Head(t.Context(), "extra"); err != nil {
		t.Errorf("it was deleted: %v", err)
	}
}
