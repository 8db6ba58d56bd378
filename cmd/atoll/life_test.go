package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"atoll/client"
)

// in runs commands against one server, in a directory of their own.
type in struct {
	t    *testing.T
	data string
	dir  string
}

func (x *in) cmd(args ...string) *exec.Cmd {
	c := exec.CommandContext(x.t.Context(), binary, args...)
	c.Dir, c.Env = x.dir, cleanEnv("ATOLL_DATA="+x.data, "TZ=UTC", "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	return c
}

// run runs a command and returns its exit code and what it printed.
func (x *in) run(args ...string) (code int, out string) {
	x.t.Helper()
	c := x.cmd(args...)
	b, err := c.CombinedOutput()
	if c.ProcessState == nil {
		x.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(b)
}

// Times, ids, keys and other things that differ from run to run.
var varying = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
	{regexp.MustCompile(`dsk-[0-9a-f]{16}`), "DSK"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "HASH"},
	{regexp.MustCompile(`\b(key-|adt_)[0-9A-Za-z]+`), "SECRET"},
	{regexp.MustCompile(`…[0-9A-Za-z]{4}\b`), "…LAST"},
	{regexp.MustCompile(`ATL[A-Z0-9]{17}`), "ACCESSKEY"},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "URL"},
	{regexp.MustCompile(`URL/api/shared/\S+`), "URL/api/shared/TOKEN"},
	{regexp.MustCompile(`--revoke \S+`), "--revoke ID"},
	{regexp.MustCompile(`-before-[0-9-]+`), "-before-TIME"},
	{regexp.MustCompile(` +`), " "},
}

func steady(s string) string {
	for _, v := range varying {
		s = v.re.ReplaceAllString(s, v.with)
	}
	return strings.TrimSpace(strings.ReplaceAll(s, " \n", "\n"))
}

// want runs a command line, words parted by spaces, and compares what it
// prints.
func (x *in) want(code int, line, want string) {
	x.t.Helper()
	got, out := x.run(strings.Fields(line)...)
	if out = steady(out); got != code || out != want {
		x.t.Errorf("atoll %s: exit %d, want %d\n--- printed\n%s\n--- want\n%s", line, got, code, out, want)
	}
}

// json runs a command with --json.
func (x *in) json(v any, line string) {
	x.t.Helper()
	code, out := x.run(append(strings.Fields(line), "--json")...)
	if err := json.Unmarshal([]byte(out), v); code != 0 || err != nil {
		x.t.Fatalf("atoll %s --json: exit %d, %v\n%s", line, code, err, out)
	}
}

func (x *in) file(name, contents string) {
	x.t.Helper()
	name = filepath.Join(x.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(contents), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

// TestDiskLife drives a disk's settings through the command line.
func TestDiskLife(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	x := &in{t, data, t.TempDir()}
	x.want(exitUsage, "disk create photos --root-mode 1750", `atoll: --root-mode "1750" is not an octal mode such as 750
See: atoll disk create --help`)
	must(t, "disk", "create", "photos", "--quota-bytes", "1GiB", "--root-mode", "750", "--root-uid", "7", "--data", data)
	x.want(0, "disk show photos", `name photos
id DSK
status available
region aws-us-east-1
size 0 B
files 0
root uid 7, gid 0, mode 0750
users 1
allowed IPs all
created TIME`)
	x.want(0, "disk quota photos", "photos USED QUOTA\nbytes 0 B 1.0 GiB\nfiles 0 none")
	x.want(0, "disk quota photos --files 100", "photos USED QUOTA\nbytes 0 B 1.0 GiB\nfiles 0 100")
	x.want(0, "disk quota photos --bytes 0 --files 0", "photos USED QUOTA\nbytes 0 B none\nfiles 0 none")
	x.want(exitUsage, "disk quota photos --bytes lots", `atoll: invalid argument "lots" for "--bytes" flag: "lots" is not a size such as 512MiB or 2GiB
See: atoll disk quota --help`)

	x.want(0, "ips ls photos", "Every address may use disk photos.")
	x.want(0, "ips set photos 192.0.2.0/24 2001:db8::1", "192.0.2.0/24\n2001:db8::1")
	x.want(0, "ips add photos 127.0.0.1", "192.0.2.0/24\n2001:db8::1\n127.0.0.1")
	x.want(0, "ips rm photos 192.0.2.0/24", "2001:db8::1\n127.0.0.1")
	x.want(exitNotFound, "ips rm photos 192.0.2.9", "atoll: none of them is in the list; see: atoll ips ls photos")
	x.want(exitUsage, "ips add photos", "atoll: atoll ips add takes a DISK and addresses or networks\nSee: atoll ips add --help")
	if code, out := x.run("ips", "set", "photos", "300.1.1.1"); code != exitFailed {
		t.Errorf("no address: exit %d %s", code, out)
	}
	x.want(0, "ips set photos", "Every address may use disk photos.")

	x.want(0, "cors get photos", "[]")
	x.want(0, "cors set photos --origin https://example.com", "Disk photos has 1 CORS rule(s).")
	var rules []client.CORSRule
	x.json(&rules, "cors get photos")
	if len(rules) != 1 || fmt.Sprint(rules[0]) != "{ [https://example.com] [GET HEAD] [] [] 0}" {
		t.Errorf("rules %+v", rules)
	}
	x.file("s3.json", `{"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["PUT"], "MaxAgeSeconds": 60}]}`)
	x.want(0, "cors set photos s3.json", "Disk photos has 1 CORS rule(s).")
	x.file("ours.json", `[{"allowedOrigins": ["*"], "allowedMethods": ["PUT"]}, {"allowedOrigins": ["http://a"], "allowedMethods": ["GET"]}]`)
	x.want(0, "cors set photos ours.json", "Disk photos has 2 CORS rule(s).")
	x.want(exitUsage, "cors set photos", "atoll: either a FILE or --origin is needed\nSee: atoll cors set --help")
	x.want(0, "cors rm photos", "Disk photos has no CORS rules.")

	x.want(0, "user add photos --type token --nickname mine", "New user of disk photos (token, HASH), whose token is shown only now:\n\n SECRET")
	var users []client.User
	x.json(&users, "user ls photos")
	for _, u := range users {
		if u.Type == client.UserToken {
			x.want(0, "user rm photos "+u.Identifier+" --type token", "Removed user HASH of disk photos.")
		}
	}
	x.want(0, "user ls photos", "IDENTIFIER TYPE NICKNAME CREATED\nACCESSKEY s3 created with the disk TIME")

	var key client.APIKey
	x.json(&key, "apikey create ci --disk photos --read-only --expires 30d --description build")
	x.want(0, "apikey ls", `ID NAME KEY OPENS CREATED LAST USED EXPIRES
HASH ci …LAST DSK, to read TIME never TIME
HASH first …LAST all disks TIME TIME never`)
	limited := []string{"ATOLL_URL=" + p.e.Control, "ATOLL_API_KEY=" + key.Token}
	wantExit(t, exitOK, "", limited, "disk", "show", "photos")
	wantExit(t, exitFailed, "may only read", limited, "disk", "quota", "photos", "--files", "5")
	x.want(0, "apikey rm ci", "Revoked API key ci (HASH).")
	wantExit(t, exitFailed, "does not know the API key", limited, "disk", "show", "photos")
	x.want(exitNotFound, "apikey rm ci", `atoll: there is no API key "ci"; see: atoll apikey ls`)

	x.want(0, "audit photos --limit 2", `TIME KEY FROM ACTION DISK TARGET STATUS DETAILS
TIME ci 127.0.0.1 quota.set DSK 403
TIME first 127.0.0.1 user.remove DSK HASH 200 token`)
	var log []client.AuditEntry
	x.json(&log, "audit --limit 0")
	if len(log) < 10 || log[len(log)-1].Action != "disk.create" {
		t.Errorf("audit log %+v", log)
	}
	p.stop()
}
