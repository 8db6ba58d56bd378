package disk

import (
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"atoll/internal/errs"

	"pgregory.net/rapid"
)

// shape says of each path what Restore has to bring back.
func shape(t tester, v *View) map[string]string {
	t.Helper()
	out := map[string]string{}
	for path, k := range everything(t, v) {
		a := &k.attr
		s := fmt.Sprintf("%d %o %d:%d %s %q %q %s", a.Type, a.Mode, a.UID, a.GID, a.Target, a.Meta, a.ContentMeta, k.xattrs)
		if a.Type == File {
			o, err := v.OpenInode(ctx, a.Ino, func(a *Attr) []Range { return []Range{{0, a.Size}} })
			if err != nil {
				t.Fatalf("open %q: %v", path, err)
			}
			b, err := io.ReadAll(io.NewSectionReader(o, 0, a.Size))
			o.Close()
			if err != nil {
				t.Fatalf("read %q: %v", path, err)
			}
			s += fmt.Sprintf("%d %q %v %x", a.Mtime.UnixNano(), b, a.HasMD5, a.MD5)
		}
		out[path] = s
	}
	return out
}

// mess changes a view at random, over few names.
func mess(rt *rapid.T, v *View, n int) {
	seg := rapid.SampledFrom([]string{"a", "a-", "a.b", "b", "c"})
	path := func() string { return strings.Join(rapid.SliceOfN(seg, 1, 3).Draw(rt, "path"), "/") }
	num := rapid.Uint32Range(0, 0o777)
	for i := range n {
		at, err := v.Stat(ctx, path(), false)
		found := err == nil
		switch op := rapid.IntRange(0, 9).Draw(rt, "op"); {
		case op < 2:
			_, _ = v.Remove(ctx, path(), RemoveOptions{})
		case op == 2:
			_, _ = v.RemoveDir(ctx, path(), RemoveOptions{})
		case op == 3 && found:
			_ = v.Rename(ctx, RootIno, seg.Draw(rt, "from"), at.Ino, seg.Draw(rt, "to"), 0, 0)
		case op == 4 && found:
			_, _ = v.Link(ctx, at.Ino, RootIno, seg.Draw(rt, "link"), 0)
		case op == 5 && found:
			_ = v.SetXattr(ctx, at.Ino, "user.x", []byte{byte(i)}, 0, 0)
		case op == 6 && found:
			mode := num.Draw(rt, "mode")
			_, _ = v.SetAttr(ctx, at.Ino, SetAttr{Mode: &mode})
		case op == 7 && found && at.IsDir():
			_, _ = v.Create(ctx, at.Ino, seg.Draw(rt, "name"), NewNode{Type: Symlink, Mode: 0o777, Target: seg.Draw(rt, "target")})
		default:
			_, _ = tryPut(v, path(), []byte(fmt.Sprint(i)), PutOptions{UID: num.Draw(rt, "uid")})
		}
	}
}

// TestRestoreRandom: after restoring a path of a checkpoint it is what it was
// then, and all else is what it was just now.
func TestRestoreRandom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := newEnvOn(rt, nil, Options{})
		defer e.close()
		v := e.root()
		d := v.Disk()
		mess(rt, v, rapid.IntRange(1, 25).Draw(rt, "first"))
		if err := d.Checkpoint(ctx, "", "then"); err != nil {
			rt.Fatal(err)
		}
		then := shape(rt, e.view(Ref{Checkpoint: "then"}))
		mess(rt, v, rapid.IntRange(1, 25).Draw(rt, "second"))
		paths := []string{""}
		for p := range then {
			paths = append(paths, strings.TrimSuffix(p, "/"))
		}
		path := rapid.SampledFrom(paths).Draw(rt, "restored")
		now := shape(rt, v)
		_, err := d.Restore(ctx, Ref{Checkpoint: "then"}, path, "")
		after := shape(rt, v)
		if err != nil {
			if !errs.Is(err, errs.Exists) && !errs.Is(err, errs.NotDir) || !maps.Equal(now, after) {
				rt.Fatalf("restore %q: %v", path, err)
			}
			return
		}
		below := func(p string) bool {
			return path == "" || strings.TrimSuffix(p, "/") == path || strings.HasPrefix(p, path+"/")
		}
		for p, s := range then {
			if below(p) && after[p] != s {
				rt.Fatalf("%q is %s, and was %s", p, after[p], s)
			}
		}
		for p, s := range after {
			if _, ok := then[p]; below(p) && !ok {
				rt.Fatalf("%q is still there", p)
			}
			if !below(p) && now[p] != s && !strings.HasPrefix(path, p) {
				rt.Fatalf("%q became %s, was %s", p, s, now[p])
			}
		}
		for p := range now {
			if _, ok := after[p]; !ok && !below(p) {
				rt.Fatalf("%q went", p)
			}
		}
		if done, err := d.Restore(ctx, Ref{Checkpoint: "then"}, path, ""); err != nil || done != (Restored{}) {
			rt.Fatalf("restore %q again: %+v, %v", path, done, err)
		}
		if _, problems := e.check(false, nil); len(problems) > 0 {
			rt.Fatalf("%v", problems)
		}
	})
}

func TestRestoreErrors(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	d := v.Disk()
	put(t, v, "dir/file", []byte("1"))
	if err := d.Checkpoint(ctx, "", "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Remove(ctx, "dir/file", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.RemoveDir(ctx, "dir", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Create(ctx, RootIno, "dir", NewNode{Type: Symlink, Target: "elsewhere"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		from Ref
		to   string
		kind errs.Kind
	}{
		{"none", Ref{Checkpoint: "c"}, "", errs.NotFound},
		{"dir/file", Ref{Checkpoint: "c"}, "", errs.Exists},
		{"dir/../x", Ref{Checkpoint: "c"}, "", errs.Invalid},
		{".archil/x", Ref{Checkpoint: "c"}, "", errs.Reserved},
		{"dir", Ref{Checkpoint: "no"}, "", errs.NoView},
		{"dir", Ref{Checkpoint: "c"}, "no", errs.NoView},
	} {
		if _, err := d.Restore(ctx, c.from, c.path, c.to); !errs.Is(err, c.kind) {
			t.Errorf("restore %q of %v on %q: %v, want kind %v", c.path, c.from, c.to, err, c.kind)
		}
	}
	done, err := d.Restore(ctx, Ref{Checkpoint: "c"}, "dir", "")
	if err != nil || done != (Restored{Files: 2, Bytes: 1}) {
		t.Errorf("restore: %+v, %v", done, err)
	}
}
