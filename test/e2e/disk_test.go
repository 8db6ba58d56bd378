package e2e

import (
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestNpmDisk runs the published npm package `disk` over its whole surface:
// with a port a door, and with both doors on one port.
func TestNpmDisk(t *testing.T) {
	node := needProgram(t, "node")
	if _, err := os.Stat("js/node_modules/disk"); err != nil {
		t.Fatalf("the npm package disk is not installed (`make deps` installs what the tests need): %v", err)
	}
	for name, o := range map[string]options{
		"two ports over HTTP":  {},
		"two ports over HTTPS": {https: true},
		"one port":             {onePort: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, o)
			control, err := url.Parse(s.Control)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(node, "js/disk.mjs")
			cmd.Env = append(cleanEnv(), "CONTROL="+s.Control, "S3="+s.S3, "API_KEY="+s.apiKey, "SHARED_HOST="+control.Host,
				"NODE_EXTRA_CA_CERTS="+certs.caFile, "NODE_OPTIONS=")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasSuffix(string(out), " checks\n") {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}
