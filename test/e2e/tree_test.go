package e2e

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// treeFiles is the number of files in a tree of makeTree.
const treeFiles = 500

// oddNames are what clients and servers get wrong: characters that URLs, XML,
// shells and forms treat specially, both forms of é, and names that sort
// around '/'.
var oddNames = []string{
	"space in name.txt", " leading space", "trailing space ", "plus+sign", "a+b c", "percent%", "percent%41", "%2F", "%2e%2e",
	"amp&ersand", "question?mark", "q?a=b&c=d", "hash#tag", "tilde~", "~tilde", "quote'single", `quote"double`, `back\slash`,
	"semi;colon", "colon:", "comma,", "equals=", "at@", "dollar$HOME", "star*", "(paren)", "[bracket]", "{brace}", "{a,b}", "pipe|",
	"caret^", "back`tick", "less<than>", "<xml>&amp;", "bang!", "-dash", "--flag", "_", ".hidden", "..dots", "...", "dot.",
	"é composed", "e\u0301 decomposed", "ünïcödé", "日本語.txt", "Ελληνικά", "русский", "עברית", "emoji 😀", "🚀", "👩‍👩‍👧", "\U0001F3F4",
	"\uFF5E", "\uE000", "a-b", "a.txt", "ab", "a!", "a0", "A", "Z", "aa",
	"a long name: " + strings.Repeat("long ", 37) + "end", // clients add suffixes of their own while they download
}

// oddDirs hold the same names again. `a` sorts among the files of the root.
var oddDirs = []string{
	"", "a", "a b+c%20&d?e#f~g", "日本/🚀 emoji", "100%/deep/er/and/deeper", "quote's \"double\"", "a.d",
}

// makeTree writes a tree with odd names under a new directory and returns it
// with the relative paths of its files, sorted as S3 sorts keys.
func makeTree(t testing.TB) (root string, keys []string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "tree")
	for _, dir := range oddDirs {
		for _, name := range oddNames {
			keys = append(keys, filepath.Join(dir, name))
		}
	}
	keys = append(keys, "large.bin")
	for i := 0; len(keys) < treeFiles; i++ {
		keys = append(keys, fmt.Sprintf("many/%d/file %03d.txt", i%3, i))
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) != treeFiles {
		t.Fatalf("the tree has %d names", len(keys))
	}
	for _, key := range keys {
		writeFile(t, filepath.Join(root, key), contents(key, sizeOf(key)))
	}
	return root, keys
}

// sizeOf picks a size by name: mostly small ones, some empty, one that takes
// several chunks inside the server.
func sizeOf(key string) int {
	if key == "large.bin" {
		return 5<<20 + 12345
	}
	r := seeded(key)
	switch n := r.IntN(40); {
	case n < 3:
		return 0
	case n < 30:
		return 1 + r.IntN(3000)
	case n < 39:
		return 4000 + r.IntN(20000)
	}
	return 100_000 + r.IntN(200_000)
}

func seeded(seed string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(seed))
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

// contents are n bytes that depend on the seed.
func contents(seed string, n int) []byte {
	h := fnv.New64a()
	h.Write([]byte(seed))
	var key [32]byte
	copy(key[:], fmt.Sprintf("%016x", h.Sum64()))
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files lists the files below root by their relative paths, sorted as bytes.
func files(t testing.TB, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		all = append(all, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// sameTrees checks that two directories hold the same files, byte by byte.
func sameTrees(t testing.TB, want, got string) {
	t.Helper()
	w, g := files(t, want), files(t, got)
	sameKeys(t, w, g)
	for _, f := range w {
		a := readFile(t, filepath.Join(want, f))
		b, err := os.ReadFile(filepath.Join(got, f))
		if err != nil {
			continue // told by sameKeys
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%q differs: %d bytes, want %d", f, len(b), len(a))
		}
	}
}

// sameKeys checks that two sorted lists are the same and tells how they differ.
func sameKeys(t testing.TB, want, got []string) {
	t.Helper()
	for _, k := range want {
		if _, ok := slices.BinarySearch(got, k); !ok {
			t.Errorf("missing: %q", k)
		}
	}
	for _, k := range got {
		if _, ok := slices.BinarySearch(want, k); !ok {
			t.Errorf("unexpected: %q", k)
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
}
