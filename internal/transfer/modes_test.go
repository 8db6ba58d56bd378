package transfer

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLinksAndModes copies what POSIX has and S3 has not.
func TestLinksAndModes(t *testing.T) {
	c := connect(t)
	b := bucket(t, c, "one")
	dir, on := t.TempDir(), Remote{Bucket: b, Name: "one"}
	write(t, dir, map[string]string{"d/f": "contents", "exec": "#!", ".atoll-x.part": "left"})
	for link, target := range map[string]string{"link": "d/f", "dir-link": "d", "dangling": "none"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"exec": 0o751, "d": 0o700} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	res, ev := syncTrees(t, Local{dir}, on, Options{})
	if res.Copied != 3 || len(ev.of(Warned)) != 2 {
		t.Errorf("%+v %+v", res, ev.all)
	}
	for path, mode := range map[string]uint32{"exec": 0o751, "d": 0o700, "d/f": 0o644, "link": 0o644} {
		f, err := c.Stat(t.Context(), b.Name(), path)
		if err != nil || f.Mode != mode {
			t.Errorf("%s: %+v, %v", path, f, err)
		}
	}
	// A download keeps the mode of what it replaces, and follows a link.
	out := t.TempDir()
	write(t, out, map[string]string{"exec": "old", "real": "old"})
	if err := os.Chmod(filepath.Join(out, "exec"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(out, "link")); err != nil {
		t.Fatal(err)
	}
	syncTrees(t, on, Local{out}, Options{Checksum: true})
	fi, err := os.Stat(filepath.Join(out, "exec"))
	if err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("exec: %v, %v", fi.Mode(), err)
	}
	if got := read(t, out); got["real"] != "contents" || got["exec"] != "#!" {
		t.Errorf("came back: %q", got)
	}
	e, err := on.Stat(t.Context(), "exec")
	if err != nil || !fi.ModTime().Equal(e.Modified) || e.Modified.After(time.Now()) {
		t.Errorf("time %v, %v", fi.ModTime(), e.Modified)
	}
	for _, path := range []string{"../x", "a/../../x", "/x"} {
		if _, err := (Local{out}).place(path); err == nil && path != "/x" {
			t.Errorf("%s leads out of the folder", path)
		}
	}
}
