package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// each calls fn with every command that does something.
func each(c *cobra.Command, fn func(*cobra.Command)) {
	if !c.HasSubCommands() && c.Name() != "help" {
		fn(c)
	}
	for _, s := range c.Commands() {
		each(s, fn)
	}
}

// TestEveryCommand demands help with an example of every command, JSON, and
// a completion of its arguments.
func TestEveryCommand(t *testing.T) {
	root := newRoot(&app{lookupEnv: os.LookupEnv})
	for _, c := range root.Commands() { // groups too
		if c.Name() != "help" && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: example %q", c.CommandPath(), c.Example)
		}
	}
	each(root, func(c *cobra.Command) {
		if c.Short == "" || !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: short %q, example %q", c.CommandPath(), c.Short, c.Example)
		}
		if c.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", c.CommandPath())
		}
	})
}

// TestCompletion completes arguments from the server, and is silent without.
func TestCompletion(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	x := &in{t, data, t.TempDir()}
	must(t, "disk", "create", "photos", "--data", data)
	must(t, "disk", "create", "plans", "--data", data)
	x.file("pics/2026/a b.jpg", "beach")
	x.file("pics/2026.txt", "x")
	for _, line := range []string{"sync pics photos:/pics", "checkpoint create photos monday", "branch create photos draft"} {
		if code, out := x.run(strings.Fields(line)...); code != 0 {
			t.Fatal(out)
		}
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"disk", "rm", "p"}, "photos plans :4"},
		{[]string{"disk", "rm", "pl"}, "plans :4"},
		{[]string{"disk", "rm", "plans", ""}, ":4"},
		{[]string{"branch", "show", "photos.d"}, "photos.draft :4"},
		{[]string{"checkpoint", "rm", "photos.root.m"}, "photos.root.monday :4"},
		{[]string{"branch", "rollback", "photos", "mo"}, "monday :4"},
		{[]string{"ls", "ph"}, "photos:/ :6"},
		{[]string{"ls", "photos:/pics/"}, "photos:/pics/2026.txt photos:/pics/2026/ :6"},
		{[]string{"cat", "photos.draft:/pics/2026/"}, "photos.draft:/pics/2026/a b.jpg :4"},
		{[]string{"cp", "./x", "photos:/p"}, "photos:/pics/ :6"},
		{[]string{"cp", "./p"}, ":0"},
		{[]string{"cp", "beach"}, ":0"},
		{[]string{"ls", "none:/"}, ":4"},
		{[]string{"apikey", "rm", "f"}, "first :4"},
		{[]string{"user", "add", "photos", "--type", "t"}, "s3 token :4"},
	} {
		c := x.cmd(append([]string{"__complete"}, tc.args...)...)
		out, err := c.Output()
		if got := strings.Join(strings.Split(strings.TrimSpace(string(out)), "\n"), " "); err != nil || got != tc.want {
			t.Errorf("complete %q: %q, %v; want %q", tc.args, got, err, tc.want)
		}
	}
	p.stop()
	c := x.cmd("__complete", "disk", "rm", "p")
	if out, err := c.Output(); err != nil || string(out) != ":4\n" {
		t.Errorf("without a server: %q, %v", out, err)
	}
}
