package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clientTimeout bounds one call of a client; it is there for clients that
// hang, not as a measure.
const clientTimeout = 5 * time.Minute

// run calls a client with the environment of the tests and env, and returns
// its standard output. An error carries what the client said.
func run(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(cleanEnv(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s %.300s: %w\n%s%s", name, strings.Join(args, " "), err, tail(out.Bytes()), tail(errOut.Bytes()))
	}
	return out.Bytes(), nil
}

// cleanEnv is the environment without what would point clients elsewhere.
func cleanEnv() []string {
	env := []string{"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "AWS_EC2_METADATA_DISABLED=true"}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		upper := strings.ToUpper(name)
		if strings.HasPrefix(upper, "AWS_") || strings.HasPrefix(upper, "RCLONE_") || strings.HasPrefix(upper, "ATOLL_") ||
			strings.HasSuffix(upper, "_PROXY") || upper == "LANG" || strings.HasPrefix(upper, "LC_") {
			continue
		}
		env = append(env, v)
	}
	return env
}

func tail(b []byte) []byte { return b[max(0, len(b)-3000):] }

func stderrOf(err error) string {
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return string(ee.Stderr)
	}
	return ""
}

// needProgram finds a client's program; without it the test fails.
func needProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed (`make deps` installs what the tests need): %v", name, err)
	}
	return path
}

// awsEnv tells programs of the AWS family who they are and whom to trust.
// They find no configuration but the given file.
func (d disk) awsEnv(config string) []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + d.AccessKey, "AWS_SECRET_ACCESS_KEY=" + d.SecretKey, "AWS_DEFAULT_REGION=" + d.Region,
		"AWS_CONFIG_FILE=" + config, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_CA_BUNDLE=" + certs.caFile,
		"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
	}
}
