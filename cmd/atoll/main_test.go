package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"atoll/internal/server"
	"atoll/internal/sigv4"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "atoll-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "atoll")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// cleanEnv is the environment without Atoll's variables, and a home that does
// not exist.
func cleanEnv(extra ...string) []string {
	env := []string{"HOME=/nonexistent"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "ATOLL_") && !strings.HasPrefix(kv, "HOME=") && !strings.HasPrefix(kv, "XDG_") {
			env = append(env, kv)
		}
	}
	return append(env, extra...)
}

// cli runs one command to its end.
func cli(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errOut, cleanEnv(env...)
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// must runs a command that has to succeed and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := cli(t, nil, args...)
	if code != 0 {
		t.Fatalf("atoll %v: exit %d\n%s%s", args, code, out, errOut)
	}
	return out
}

// mustJSON runs a command with --json and reads what it printed.
func mustJSON(t *testing.T, v any, args ...string) {
	t.Helper()
	out := must(t, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("atoll %v: %q: %v", args, out, err)
	}
}

// wantExit runs a command that has to fail.
func wantExit(t *testing.T, code int, text string, env []string, args ...string) {
	t.Helper()
	got, out, errOut := cli(t, env, args...)
	if got != code || !strings.Contains(errOut, text) {
		t.Errorf("atoll %v: exit %d, want %d and %q\n%s%s", args, got, code, text, out, errOut)
	}
}

// proc is a running server.
type proc struct {
	t    *testing.T
	cmd  *exec.Cmd
	data string
	e    server.Endpoints

	mu     sync.Mutex
	stderr bytes.Buffer
	done   chan error
}

func (p *proc) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *proc) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// serve starts a server on a data directory and waits for its endpoints.
func serve(t *testing.T, data string, args ...string) *proc {
	t.Helper()
	p := &proc{t: t, data: data, done: make(chan error, 1)}
	p.cmd = exec.Command(binary, append([]string{"serve", "--data", data, "--json",
		"--s3-addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0", "--memory", "64MiB"}, args...)...)
	p.cmd.Env, p.cmd.Stderr = cleanEnv(), p
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(out).ReadBytes('\n')
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it may have ended
	if readErr != nil {
		t.Fatalf("serve: %v, %v\n%s", readErr, <-p.done, p.log())
	}
	if err := json.Unmarshal(line, &p.e); err != nil {
		t.Fatalf("serve printed %q: %v", line, err)
	}
	return p
}

// end sends a signal and returns how the server ended.
func (p *proc) end(sig syscall.Signal) error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	return <-p.done
}

// stop ends the server in order.
func (p *proc) stop() {
	p.t.Helper()
	if err := p.end(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop: %v\n%s", err, p.log())
	}
}

// s3 sends one signed request.
func (x *access) s3(t *testing.T, method, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, x.Endpoint+"/"+x.Bucket+"/"+key, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(req, x.AccessKeyID, x.SecretAccessKey, x.Region, time.Now(), "UNSIGNED-PAYLOAD")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (x *access) put(t *testing.T, key, body string) {
	t.Helper()
	if status, answer := x.s3(t, "PUT", key, body); status != 200 {
		t.Fatalf("PUT %s: %d %s", key, status, answer)
	}
}

func (x *access) wantObject(t *testing.T, key, body string) {
	t.Helper()
	if status, answer := x.s3(t, "GET", key, ""); status != 200 || answer != body {
		t.Fatalf("GET %s: %d with %d bytes, want %d", key, status, len(answer), len(body))
	}
}
