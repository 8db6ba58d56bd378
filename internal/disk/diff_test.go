package disk

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// known is what a view shows of a path, as Diff is to see it.
type known struct {
	attr   Attr
	xattrs string
}

// everything walks a view, directory by directory; paths of directories end
// in '/'.
func everything(t tester, v *View) map[string]known {
	t.Helper()
	out := map[string]known{}
	var walk func(dir Ino, prefix string)
	walk = func(dir Ino, prefix string) {
		entries, err := v.ReadDir(ctx, dir, "", 1<<20)
		if err != nil {
			t.Fatalf("read directory %q: %v", prefix, err)
		}
		for _, e := range entries {
			k := known{attr: e.Attr}
			names, err := v.ListXattr(ctx, e.Attr.Ino)
			if err != nil {
				t.Fatalf("xattrs of %q: %v", e.Name, err)
			}
			for _, n := range names {
				x, err := v.GetXattr(ctx, e.Attr.Ino, n)
				if err != nil {
					t.Fatalf("xattr %q of %q: %v", n, e.Name, err)
				}
				k.xattrs += fmt.Sprintf("%q=%q ", n, x)
			}
			path := prefix + e.Name
			if e.Attr.IsDir() {
				path += "/"
				walk(e.Attr.Ino, path)
			}
			out[path] = k
		}
	}
	walk(RootIno, "")
	return out
}

func sameKnown(a, b known) bool {
	x, y := a.attr, b.attr
	s := x.Type == y.Type && x.Mode == y.Mode && x.UID == y.UID && x.GID == y.GID && string(x.Meta) == string(y.Meta) && a.xattrs == b.xattrs
	if x.IsDir() {
		return s
	}
	same := x.Type != File || x.Ino == y.Ino && x.Version == y.Version || x.HasMD5 && y.HasMD5 && x.MD5 == y.MD5
	return s && same && (x.Type != File || x.Size == y.Size) && x.Rdev == y.Rdev && x.Mtime.Equal(y.Mtime) && x.Target == y.Target &&
		string(x.ContentMeta) == string(y.ContentMeta)
}

// diffByHand compares two whole trees.
func diffByHand(a, b map[string]known) (out []string) {
	for p, k := range a {
		if o, ok := b[p]; !ok {
			out = append(out, p+" removed")
		} else if !sameKnown(k, o) {
			out = append(out, p+" changed")
		}
	}
	for p := range b {
		if _, ok := a[p]; !ok {
			out = append(out, p+" added")
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return strings.Compare(a[:strings.LastIndex(a, " ")], b[:strings.LastIndex(b, " ")])
	})
	return out
}

// diffPages collects a diff page by page.
func diffPages(t tester, d *Disk, a, b Ref, o DiffOptions) (out []string) {
	t.Helper()
	for {
		changes, more, err := d.Diff(ctx, a, b, o)
		if err != nil {
			t.Fatalf("diff %v %v: %v", a, b, err)
		}
		for _, c := range changes {
			out = append(out, c.Path+" "+c.Kind.String())
		}
		if !more {
			return out
		}
		o.StartAfter = changes[len(changes)-1].Path
	}
}

// compareDiffs checks Diff between the machine's views against whole trees.
func (m *machine) compareDiffs() {
	_, refs := m.refs()
	if n := len(refs) - 8; n > 0 { // some of many: each goes with each
		refs = slices.Delete(refs, 0, n)
	}
	trees := map[Ref]map[string]known{}
	for _, r := range refs {
		trees[r] = everything(m.rt, m.view(r))
	}
	for i, a := range refs {
		for j, b := range refs {
			want := diffByHand(trees[a], trees[b])
			o := DiffOptions{Limit: 1 + (i+3*j)%7}
			if got := diffPages(m.rt, m.disk(), a, b, o); !slices.Equal(got, want) {
				m.rt.Fatalf("diff %v %v:\n got %q\nwant %q", a, b, got, want)
			}
			if len(want) == 0 {
				continue
			}
			pick := want[(i+j)%len(want)]
			o.Prefix = pick[:1+(i*5+j)%strings.LastIndex(pick, " ")]
			want = slices.DeleteFunc(slices.Clone(want), func(s string) bool {
				return !strings.HasPrefix(s[:strings.LastIndex(s, " ")], o.Prefix)
			})
			if got := diffPages(m.rt, m.disk(), a, b, o); !slices.Equal(got, want) {
				m.rt.Fatalf("diff %v %v of %q:\n got %q\nwant %q", a, b, o.Prefix, got, want)
			}
		}
	}
}

// TestDiffOrder: a directory's key ends in '/', and names around it, renames
// and changes of type come in the order of keys, however small the pages.
func TestDiffOrder(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	for _, p := range []string{"a/x", "a/y", "a-b", "a.txt", "ab", "b", "keep/a/b/c", "keep/d", "t/1", "z/deep/er/f"} {
		put(t, v, p, []byte(p))
	}
	d := v.Disk()
	if err := d.Checkpoint(ctx, "", "before"); err != nil {
		t.Fatal(err)
	}
	if err := v.Rename(ctx, RootIno, "a", RootIno, "a0", 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Remove(ctx, "b", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, v, "b/in", nil)
	put(t, v, "keep/a/b/c", []byte("new"))
	want := []string{"a/ removed", "a/x removed", "a/y removed", "a0/ added", "a0/x added", "a0/y added",
		"b removed", "b/ added", "b/in added", "keep/a/b/c changed"}
	for limit := 1; limit < 12; limit++ {
		got := diffPages(t, d, Ref{Checkpoint: "before"}, Ref{}, DiffOptions{Limit: limit})
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
	}
	if got := diffPages(t, d, Ref{}, Ref{}, DiffOptions{}); got != nil {
		t.Errorf("a branch differs from itself: %q", got)
	}
}

// TestDiffRandom compares diffs of random trees with prefix directories, in
// all page sizes, against whole walks.
func TestDiffRandom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := newEnvOn(rt, nil, Options{})
		defer e.close()
		v := e.root()
		d := v.Disk()
		seg := rapid.SampledFrom([]string{"a", "a-", "a.b", "a0", "ab", "b", "b!"})
		path := func() string {
			return strings.Join(rapid.SliceOfN(seg, 1, 3).Draw(rt, "path"), "/")
		}
		views := []Ref{{}}
		for i := range rapid.IntRange(4, 40).Draw(rt, "steps") {
			at := rapid.SampledFrom(views).Draw(rt, "view")
			w := e.view(Ref{Branch: at.Branch})
			switch rapid.IntRange(0, 9).Draw(rt, "op") {
			case 0:
				if err := d.Checkpoint(ctx, at.Branch, fmt.Sprint("c", i)); err != nil {
					rt.Fatal(err)
				}
				views = append(views, Ref{Branch: at.Branch, Checkpoint: fmt.Sprint("c", i)})
			case 1:
				if err := d.Fork(ctx, at, fmt.Sprint("b", i)); err != nil {
					rt.Fatal(err)
				}
				views = append(views, Ref{Branch: fmt.Sprint("b", i)})
			case 2, 3:
				_, _ = w.Remove(ctx, path(), RemoveOptions{})
			case 4:
				a, err := w.Stat(ctx, path(), false)
				if err == nil {
					_ = w.Rename(ctx, RootIno, seg.Draw(rt, "from"), a.Ino, seg.Draw(rt, "to"), 0, 0)
				}
			case 5:
				if a, err := w.Stat(ctx, path(), false); err == nil {
					_, _ = w.Link(ctx, a.Ino, RootIno, seg.Draw(rt, "link"), 0)
				}
			case 6:
				if a, err := w.Stat(ctx, path(), false); err == nil {
					_ = w.SetXattr(ctx, a.Ino, "user.x", []byte{byte(i)}, 0, 0)
				}
			default:
				_, _ = tryPut(w, path(), []byte{byte(i)}, PutOptions{})
			}
		}
		a, b := rapid.SampledFrom(views).Draw(rt, "old"), rapid.SampledFrom(views).Draw(rt, "new")
		want := diffByHand(everything(rt, e.view(a)), everything(rt, e.view(b)))
		for limit := 1; limit < 5; limit++ {
			if got := diffPages(rt, d, a, b, DiffOptions{Limit: limit}); !slices.Equal(got, want) {
				rt.Fatalf("diff %v %v, pages of %d:\n got %q\nwant %q", a, b, limit, got, want)
			}
		}
	})
}

// TestDiffCost: a diff reads what has changed, however much there is beside,
// on the same branch and between branches.
func TestDiffCost(t *testing.T) {
	cost := func(files int) (sibling, history int64) {
		e := newEnv(t, nil, Options{NoCompaction: true})
		v := e.root()
		var names []string
		for i := range files {
			names = append(names, fmt.Sprintf("f%06d", i))
		}
		put(t, v, "big/sub/deep/x", nil)
		fill(t, v, "big", names)
		d := v.Disk()
		if err := d.Checkpoint(ctx, "", "base"); err != nil {
			t.Fatal(err)
		}
		if err := d.Fork(ctx, Ref{Checkpoint: "base"}, "other"); err != nil {
			t.Fatal(err)
		}
		put(t, v, "big/sub/deep/x", []byte("1"))
		put(t, v, "big/new", []byte("1"))
		put(t, e.view(Ref{Branch: "other"}), "big/sub/deep/y", nil)
		_, steps := e.counted()
		d, err := e.s.Disk(ctx, testDisk)
		if err != nil {
			t.Fatal(err)
		}
		count := func(a, b Ref, want ...string) int64 {
			before := steps.Load()
			if got := diffPages(t, d, a, b, DiffOptions{}); !slices.Equal(got, want) {
				t.Fatalf("diff %v %v: %q, want %q", a, b, got, want)
			}
			return steps.Load() - before
		}
		sibling = count(Ref{}, Ref{Branch: "other"}, "big/new removed", "big/sub/deep/x changed", "big/sub/deep/y added")
		history = count(Ref{Checkpoint: "base"}, Ref{}, "big/new added", "big/sub/deep/x changed")
		return sibling, history
	}
	s1, h1 := cost(10)
	s2, h2 := cost(5000)
	if s2 > s1 || h2 > h1 || h1 > 150 {
		t.Errorf("reads beside 10 files: %d between siblings, %d in history; beside 5000: %d and %d", s1, h1, s2, h2)
	}
}
