package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// binary, certs and soak are set once by TestMain, before any test runs.
var (
	binary string       // the built server
	certs  certificates // of the HTTPS servers
	soak   = 1          // scale of the long tests
)

func TestMain(m *testing.M) {
	code, err := setup(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// setup builds what all tests share, runs them and cleans up.
func setup(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "atoll-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if v := os.Getenv("ATOLL_E2E_SOAK"); v != "" {
		if soak, err = strconv.Atoi(v); err != nil || soak < 1 {
			return 0, fmt.Errorf("ATOLL_E2E_SOAK=%q is not a positive number", v)
		}
	}
	if certs, err = makeCertificates(dir); err != nil {
		return 0, err
	}
	binary = filepath.Join(dir, "atoll")
	args := []string{"build", "-o", binary}
	if raceBuild() {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "atoll/cmd/atoll")...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// raceBuild tells whether the binary is built with the race detector.
func raceBuild() bool { return os.Getenv("ATOLL_E2E_RACE") == "1" }
