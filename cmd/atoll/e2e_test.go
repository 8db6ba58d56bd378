package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"atoll/client"
)

// bulk is contents that do not fit into a metadata row.
var bulk = strings.Repeat("0123456789abcdef", 20<<10)

func TestDisksAndUsers(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serve(t, data)
	if !strings.HasPrefix(p.e.FirstAPIKey, "key-") {
		t.Errorf("first key %q", p.e.FirstAPIKey)
	}
	var x access
	mustJSON(t, &x, "disk", "create", "photos", "--data", data)
	if x.Bucket != x.DiskID || x.Region != "us-east-1" || x.Endpoint != p.e.S3 || x.Name != "photos" {
		t.Errorf("created %+v", x)
	}
	x.put(t, "a/hello.txt", "hello")
	x.wantObject(t, "a/hello.txt", "hello")

	var disks []client.Disk
	mustJSON(t, &disks, "disk", "ls", "--data", data)
	if len(disks) != 1 || disks[0].ID != x.DiskID || disks[0].Status != "available" || disks[0].TotalDataBytes != 5 {
		t.Errorf("disks: %+v", disks)
	}
	if out := must(t, "disk", "ls", "--data", data); !strings.Contains(out, "NAME") || !strings.Contains(out, x.DiskID) {
		t.Errorf("disk ls: %s", out)
	}
	wantExit(t, exitConflict, "exists already", nil, "disk", "create", "photos", "--data", data)
	wantExit(t, exitFailed, "letters, digits", nil, "disk", "create", "a.b", "--data", data)

	// A second user, named by disk name and by id; removed, it is refused at once.
	for _, name := range []string{"photos", x.DiskID} {
		var y access
		mustJSON(t, &y, "user", "add", name, "--nickname", "lap", "--data", data)
		y.wantObject(t, "a/hello.txt", "hello")
		if out := must(t, "user", "ls", name, "--data", data); !strings.Contains(out, y.AccessKeyID) || !strings.Contains(out, "lap") {
			t.Errorf("user ls: %s", out)
		}
		must(t, "user", "rm", name, y.AccessKeyID, "--data", data)
		if status, body := y.s3(t, "GET", "a/hello.txt", ""); status != 403 || !strings.Contains(body, "InvalidAccessKeyId") {
			t.Errorf("the removed user: %d %s", status, body)
		}
	}
	var users []client.User
	mustJSON(t, &users, "user", "ls", "photos", "--data", data)
	if len(users) != 1 || users[0].Type != client.UserS3 || users[0].SecretAccessKey != "" {
		t.Errorf("users: %+v", users)
	}
	wantExit(t, exitNotFound, "no disk", nil, "user", "add", "none", "--data", data)
	wantExit(t, exitNotFound, "User not found", nil, "user", "rm", "photos", "ATL", "--data", data)
	wantExit(t, exitNotFound, "no disk", nil, "disk", "rm", "dsk-0000000000000000", "--data", data)

	if out := must(t, "disk", "rm", "photos", "--data", data); !strings.Contains(out, x.DiskID) {
		t.Errorf("disk rm: %s", out)
	}
	if status, _ := x.s3(t, "GET", "a/hello.txt", ""); status != 403 {
		t.Errorf("the deleted disk: %d", status)
	}
	p.stop()
	if strings.Contains(p.log(), x.SecretAccessKey) || strings.Contains(p.log(), p.e.FirstAPIKey) {
		t.Error("a secret is in the log")
	}
}

// TestPastedLines checks that what disk create prints for people is complete.
func TestPastedLines(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data, "--s3-url", "https://s3.example.com")
	out := must(t, "disk", "create", "photos", "--data", data)
	for _, want := range []string{
		"AWS_ACCESS_KEY_ID=ATL", "AWS_SECRET_ACCESS_KEY=", "AWS_DEFAULT_REGION=us-east-1", "--endpoint-url https://s3.example.com",
		"addressing_style path", "multipart_threshold 5GB", "multipart_threshold=5 * 1024**3", `boto3.client("s3", endpoint_url="https://s3.example.com"`, `{"addressing_style": "path"}`, "s3://dsk-",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	p.stop()
}

// TestWhereTheServerIs goes through the ways to name a server and its key.
func TestWhereTheServerIs(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	url, key := "ATOLL_URL="+p.e.Control, "ATOLL_API_KEY="+p.e.FirstAPIKey
	xdg := t.TempDir()
	if err := os.Symlink(data, filepath.Join(xdg, "atoll")); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		env  []string
		args []string
	}{
		"data flag":                     {nil, []string{"--data", data}},
		"data flag beats environment":   {[]string{"ATOLL_URL=http://127.0.0.1:1", "ATOLL_API_KEY=key-wrong"}, []string{"--data", data}},
		"data variable":                 {[]string{"ATOLL_DATA=" + data}, nil},
		"default directory":             {[]string{"XDG_DATA_HOME=" + xdg}, nil},
		"url and key":                   {[]string{url, key}, nil},
		"key without prefix":            {[]string{url, strings.Replace(key, "key-", "", 1)}, nil},
		"url flag beats variable":       {[]string{"ATOLL_URL=http://127.0.0.1:1", key}, []string{"--url", p.e.Control}},
		"url on loopback with data dir": {[]string{url, "ATOLL_DATA=" + data}, nil},
	} {
		if code, out, errOut := cli(t, tc.env, append([]string{"disk", "ls"}, tc.args...)...); code != 0 {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errOut)
		}
	}
	wantExit(t, exitFailed, "does not know the API key from ATOLL_API_KEY", []string{url, "ATOLL_API_KEY=key-wrong"}, "disk", "ls")
	wantExit(t, exitUsage, "no API key for http://192.0.2.1", []string{"ATOLL_URL=http://192.0.2.1", "ATOLL_DATA=" + data}, "disk", "ls")
	wantExit(t, exitUsage, "no API key", []string{url}, "disk", "ls")
	wantExit(t, exitUsage, "not the URL", []string{"ATOLL_URL=ftp://x", key}, "disk", "ls")
	wantExit(t, exitUnreachable, "atoll serve --data", nil, "disk", "ls", "--data", t.TempDir())
	p.stop()
	wantExit(t, exitUnreachable, "Is the server running?", []string{url, key}, "disk", "ls")
}

func TestSecondServerRefused(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	wantExit(t, exitFailed, fmt.Sprintf("another atoll (pid %d) uses the data directory %s", p.cmd.Process.Pid, data), nil,
		"serve", "--data", data, "--s3-addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0")
	wantExit(t, exitFailed, "another atoll (pid", nil, "fsck", "--data", data)
	p.stop()
}

// TestKillAndRestart kills a server and looks for what it had acknowledged.
func TestKillAndRestart(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	var x access
	mustJSON(t, &x, "disk", "create", "photos", "--data", data)
	want := map[string]string{}
	for round := range 3 {
		for i := range 5 {
			small, large := fmt.Sprintf("r%d/small%d", round, i), fmt.Sprintf("r%d/large%d", round, i)
			want[small], want[large] = small, large+bulk
			x.put(t, small, want[small])
			x.put(t, large, want[large])
		}
		if err := p.end(syscall.SIGKILL); err == nil {
			t.Fatal("a killed server ended well")
		}
		if said := strings.Contains(p.log(), "store recovered: the last server did not stop in order"); said != (round > 0) {
			t.Errorf("round %d: it says that it recovered: %v\n%s", round, said, p.log())
		}
		// A check changes nothing: the next start still has to recover.
		if out := must(t, "fsck", "--data", data); !strings.Contains(out, "0 errors") {
			t.Errorf("fsck after a kill: %s", out)
		}
		p = serve(t, data)
		x.Endpoint = p.e.S3
		for key, body := range want {
			x.wantObject(t, key, body)
		}
	}
	p.stop()
	if out := must(t, "fsck", "--data", data); !strings.Contains(out, "0 errors") {
		t.Errorf("fsck: %s", out)
	}
	p = serve(t, data)
	p.stop()
	if log := p.log(); strings.Contains(log, "recovered:") || !strings.Contains(log, "store opened") {
		t.Errorf("a clean start says that it recovered:\n%s", log)
	}
}

func TestBackupAndFsck(t *testing.T) {
	data, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	p := serve(t, data)
	var x access
	mustJSON(t, &x, "disk", "create", "photos", "--data", data)
	x.put(t, "small", "s")
	x.put(t, "large", bulk)
	if out := must(t, "backup", copied, "--data", data); !strings.Contains(out, "master key is not in the backup") {
		t.Errorf("backup: %s", out)
	}
	wantExit(t, exitConflict, "not empty", nil, "backup", copied, "--data", data)
	x.put(t, "later", "l")
	p.stop()
	wantExit(t, exitFailed, "master key is missing", nil, "serve", "--data", copied)
	key, err := os.ReadFile(filepath.Join(data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "master.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "fsck", "--data", copied)
	p = serve(t, copied)
	x.Endpoint = p.e.S3
	x.wantObject(t, "small", "s")
	x.wantObject(t, "large", bulk)
	if status, _ := x.s3(t, "GET", "later", ""); status != 404 {
		t.Errorf("an object from after the backup: %d", status)
	}
	p.stop()
	wantExit(t, exitFailed, "holds no Atoll store", nil, "fsck", "--data", t.TempDir())
	var res struct {
		Clean bool
		Files int
	}
	mustJSON(t, &res, "fsck", "--data", data)
	if !res.Clean || res.Files < 3 {
		t.Errorf("fsck: %+v", res)
	}
}

// TestFsckFindsDamage flips a byte of a segment.
func TestFsckFindsDamage(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	var x access
	mustJSON(t, &x, "disk", "create", "photos", "--data", data)
	x.put(t, "large", bulk)
	p.stop()
	segments, err := filepath.Glob(filepath.Join(data, "blob", "*"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range segments {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(b), bulk[:4096]); i >= 0 {
			b[i+100] ^= 1
			damaged++
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if damaged == 0 {
		t.Fatal("no segment holds the object")
	}
	// Neither is a repair: the object has a name, and stays.
	for _, args := range [][]string{{"fsck", "--data", data}, {"fsck", "--data", data, "--repair"}, {"fsck", "--data", data}} {
		code, out, _ := cli(t, nil, args...)
		if code != exitFailed || !strings.Contains(out, "error:") || !strings.Contains(out, " 0 repaired") {
			t.Errorf("%v: exit %d\n%s", args, code, out)
		}
	}
	p = serve(t, data)
	x.Endpoint = p.e.S3
	if status, _ := x.s3(t, "HEAD", "large", ""); status != 200 {
		t.Errorf("the damaged object after a repair: %d", status)
	}
	p.stop()
}

func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := serve(t, t.TempDir())
		if err := p.end(sig); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		if !strings.Contains(p.log(), "msg=stopped") {
			t.Errorf("%v: %s", sig, p.log())
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"no-such"}, {"disk", "no-such"}, {"--no-such"}, {"disk", "ls", "--no-such"}, {"disk", "create"}, {"disk", "create", "a", "b"},
		{"user", "rm", "a"}, {"disk", "ls", "x"}, {"backup"}, {"fsck", "x"}, {"version", "x"}, {"serve", "x"},
		{"serve", "--memory", "lots"}, {"serve", "--data", "x", "--log-level", "loud"}, {"serve", "--config", "/no/such"},
	} {
		wantExit(t, exitUsage, "See: atoll", nil, args...)
	}
	wantExit(t, exitUsage, "ATOLL_MEMORY", []string{"ATOLL_MEMORY=x"}, "serve")
}

// TestHelp demands help with an example of every command.
func TestHelp(t *testing.T) {
	root := newRoot(&app{lookupEnv: os.LookupEnv})
	for _, path := range [][]string{
		{"serve"}, {"disk", "create"}, {"disk", "ls"}, {"disk", "rm"}, {"user", "add"}, {"user", "ls"}, {"user", "rm"}, {"backup"}, {"fsck"}, {"version"},
	} {
		cmd, _, err := root.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		if cmd.Short == "" || !strings.Contains(cmd.Example, "atoll "+strings.Join(path, " ")) {
			t.Errorf("%v: short %q, example %q", path, cmd.Short, cmd.Example)
		}
	}
	if out := must(t, "disk", "create", "--help"); !strings.Contains(out, "Examples:") {
		t.Errorf("help: %s", out)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out := must(t, "completion", shell); !strings.Contains(out, "atoll") {
			t.Errorf("completion %s: %q", shell, out)
		}
	}
	if out := must(t, "__complete", "disk", ""); !strings.Contains(out, "create") || !strings.Contains(out, "rm") {
		t.Errorf("completing disk: %s", out)
	}
	if out := must(t, "version"); !strings.HasPrefix(out, "atoll ") {
		t.Errorf("version: %s", out)
	}
}
