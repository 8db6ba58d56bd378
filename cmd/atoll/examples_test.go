package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"atoll/client"
)

// TestExamples runs every example of every help text, each on a disk photos
// and in a directory that has what it speaks of.
func TestExamples(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	elsewhere := map[string]string{
		"atoll serve":      "runs a server",
		"atoll fsck":       "wants a store that no server uses",
		"atoll backup":     "writes outside of the test's directory",
		"atoll key rotate": "changes the key of the server",
	}
	// What examples make is there already, for others to use.
	undo := map[string]string{
		"atoll disk create photos":              "disk rm photos",
		"atoll branch create photos draft":      "branch rm photos.draft",
		"atoll checkpoint create photos monday": "checkpoint rm photos.root.monday",
	}
	var n int
	each(newRoot(&app{lookupEnv: os.LookupEnv}), func(c *cobra.Command) {
		if elsewhere[c.CommandPath()] != "" {
			return
		}
		x := &in{t, data, t.TempDir()}
		for _, line := range strings.Split(c.Example, "\n") {
			x.prepare()
			n++
			for from, to := range x.stand() {
				line = strings.ReplaceAll(line, from, to)
			}
			if first := undo[strings.TrimSpace(line)]; first != "" {
				if code, out := x.run(strings.Fields(first)...); code != 0 {
					t.Fatalf("%s: exit %d %s", first, code, out)
				}
			}
			sh := x.cmd()
			sh.Path, sh.Args = "/bin/sh", []string{"sh", "-ec", line}
			if out, err := sh.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", strings.TrimSpace(line), err, out)
			}
		}
	})
	if n < 50 {
		t.Errorf("%d examples", n)
	}
	p.stop()
}

// prepare makes what the examples speak of.
func (x *in) prepare() {
	x.t.Helper()
	for _, line := range []string{
		"disk rm photos --yes", "disk rm builds --yes",
	} {
		x.run(strings.Fields(line)...) // most of them are not there
	}
	var keys []client.APIKey
	x.json(&keys, "apikey ls")
	for _, k := range keys {
		if k.Name == "ci" {
			x.run("apikey", "rm", k.ID)
		}
	}
	x.file("beach.jpg", "sand")
	x.file("rules.json", "[]")
	for _, name := range []string{"2026/beach.jpg", "2026/blurred.jpg", "2026/holiday/1.jpg", "2025/old.jpg", "list.txt"} {
		x.file("pics/"+name, name)
	}
	for _, line := range []string{
		"disk create photos", "apikey create ci", "sync pics photos:/", "checkpoint create photos monday",
		"branch create photos draft", "checkpoint create photos.draft monday", "ips set photos 127.0.0.1 192.0.2.7 ::1",
	} {
		if code, out := x.run(strings.Fields(line)...); code != 0 {
			x.t.Fatalf("atoll %s: exit %d\n%s", line, code, out)
		}
	}
}

// stand are the words in examples that stand for others.
func (x *in) stand() map[string]string {
	var disks []client.Disk
	x.json(&disks, "disk ls")
	var users []client.User
	x.json(&users, "user ls photos")
	var token client.User
	x.json(&token, "user add photos --type token")
	var s client.Share
	x.json(&s, "share photos:/list.txt")
	return map[string]string{
		"dsk-0123456789abcdef": disks[0].ID, "ATLXXXXXXXXXXXXXXXXX": users[0].Identifier,
		" IDENTIFIER ": " " + token.Identifier + " ", "--revoke 5f1c0a4e": "--revoke " + s.ID,
	}
}
