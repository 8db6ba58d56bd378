package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atoll/client"
	"atoll/internal/transfer"
)

// TestFiles drives files through the command line.
func TestFiles(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	x := &in{t, data, t.TempDir()}
	must(t, "disk", "create", "photos", "--data", data)
	x.file("pics/2026/a b.jpg", "beach")
	x.file("pics/top", "x")
	if err := os.MkdirAll(filepath.Join(x.dir, "pics/empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	x.want(exitUsage, "cp pics photos:/", "atoll: pics is a directory: -r copies it with all that is in it\nSee: atoll cp --help")
	x.want(0, "cp -r pics photos:/", "Copied 2 file(s), 6 B.")
	_, out := x.run("cp", "-r", "-v", "pics/", "photos:/flat")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines) // files are copied while directories are made
	if got := strings.Join(lines, "; "); got != "Copied 2 file(s), 6 B.; copied photos:/flat/2026/a b.jpg; copied photos:/flat/top; made photos:/flat; made photos:/flat/2026; made photos:/flat/empty" {
		t.Errorf("cp -v: %s", got)
	}
	x.want(0, "ls photos:/pics", "- 2026/\n - empty/\n 1 B TIME top")
	x.want(0, "ls -r photos:/pics", "5 B TIME 2026/a b.jpg\n 1 B TIME top")
	x.want(0, "ls photos:/pics/top", "1 B TIME top")
	x.want(0, "ls photos:/pics/empty", "")
	x.want(exitNotFound, "ls photos:/none", "atoll: list photos:/none: file does not exist")
	x.want(exitNotFound, "ls none:/", `atoll: there is no disk "none"; see: atoll disk ls`)
	x.want(0, "cp pics/top photos:/new/name", "Copied 1 file(s), 1 B.")
	x.want(0, "cp photos:/new/name photos:/pics/top out/", "Copied 2 file(s), 2 B.")
	x.want(0, "cp photos:/new/name photos:/new/copy", "Copied 1 file(s), 1 B.")
	x.want(0, "cat photos:/new/copy photos:/pics/top", "xx")
	x.want(exitNotFound, "cat photos:/none", "atoll: open photos:/none: file does not exist")
	x.want(exitNotFound, "cp photos:/none .", "atoll: photos:/none: no such file or directory")
	x.want(exitUsage, "cp a b", "atoll: neither a nor the destination is on a disk (DISK:/PATH): for local files there is cp\nSee: atoll cp --help")
	x.want(0, "sync pics photos:/pics", "Copied 0 file(s), 0 B; 2 the same.")
	x.want(0, "sync photos:/pics back", "Copied 2 file(s), 6 B.")
	x.want(0, "sync photos:/pics back --delete --dry-run", "Would copy 0 file(s), 0 B; 2 the same.")
	x.file("back/extra", "x")
	x.want(0, "sync photos:/pics back --delete -n", "would delete back/extra\nWould copy 0 file(s), 0 B; 2 the same; 1 deleted.")
	x.want(0, "sync photos:/pics back --delete -q", "")
	if _, err := os.Stat(filepath.Join(x.dir, "back/extra")); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	var res transferred
	x.json(&res, "sync photos:/pics other -v")
	done := func(e transferEvent) bool {
		return e.Action == transfer.Copied && e.Path == "other/2026/a b.jpg" && e.Bytes == 5
	}
	if res.Copied != 2 || len(res.Files) != 4 || !slices.ContainsFunc(res.Files, done) {
		t.Errorf("%+v", res)
	}

	c := x.cmd("cp", "-", "photos:/from/stdin")
	c.Stdin = strings.NewReader(bulk)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code, out := x.run("cp", "photos:/from/stdin", "-"); code != 0 || out != bulk {
		t.Errorf("to standard output: exit %d, %d bytes", code, len(out))
	}
	var known []client.Object
	x.json(&known, "cat photos:/from/stdin")
	if len(known) != 1 || known[0].Size != int64(len(bulk)) {
		t.Errorf("%+v", known)
	}
	var listed []listing
	x.json(&listed, "ls photos:/pics")
	if len(listed) != 3 || !listed[0].Folder || listed[2].Name != "top" || listed[2].Size != 1 {
		t.Errorf("%+v", listed)
	}

	x.want(0, "rm photos:/from/stdin", "Deleted photos:/from/stdin.")
	if code, out := x.run("rm", "photos:/from/stdin"); code != exitNotFound {
		t.Errorf("rm of nothing: exit %d %s", code, out)
	}
	if code, out := x.run("rm", "photos:/pics"); code != exitConflict {
		t.Errorf("rm of a folder: exit %d %s", code, out)
	}
	x.want(0, "rm -r photos:/pics", "Deleted photos:/pics.")
	x.want(exitUsage, "rm -r photos:/", "atoll: photos:/ is a whole disk or branch: see atoll disk rm and atoll branch rm\nSee: atoll rm --help")

	x.want(0, "share photos new/name --expires 8h", "Void after TIME; revoke it before with: atoll share photos --revoke ID\nURL/api/shared/TOKEN")
	x.want(exitNotFound, "share photos:/none", "atoll: there is no such file")
	var s client.Share
	x.json(&s, "share photos:/new/name")
	x.want(0, "share photos --revoke "+s.ID, "Revoked ("+s.ID+").")
	x.want(0, "share photos --revoke-all", "Revoked (all).")
	x.want(exitFailed, "share photos:/new/name --expires 8d", "atoll: expiresIn is from 1 to 604800 seconds")
	p.stop()
}
