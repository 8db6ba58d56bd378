package e2e

import (
	"os"
	"testing"
)

// TestJavaScript drives @aws-sdk/client-s3 with its defaults.
func TestJavaScript(t *testing.T) {
	node := needProgram(t, "node")
	if _, err := os.Stat("js/node_modules/@aws-sdk/client-s3"); err != nil {
		t.Fatalf("the SDK for JavaScript is not installed (`make deps` installs what the tests need): %v", err)
	}
	schemes(t, func(t *testing.T, https bool) {
		s := startServer(t, options{https: https})
		d := s.createDisk("photos")
		env := append(d.scriptEnv(t), "NODE_EXTRA_CA_CERTS="+certs.caFile, "NODE_OPTIONS=")
		checkClient(t, d, &script{[]string{node, "js/client.mjs"}, env})
	})
}
