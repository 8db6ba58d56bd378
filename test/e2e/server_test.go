package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds a start, recovery included, on a loaded machine.
const startTimeout = 90 * time.Second

// options of a server; the zero value is an HTTP server in a directory of
// its own.
type options struct {
	https   bool
	onePort bool     // both doors on one port
	data    string   // "": a temporary directory
	flags   []string // further flags of serve
	mount   string   // "": none; where a file system of mountSize is mounted for the server alone
}

// server is a running `atoll serve`.
type server struct {
	t       testing.TB
	o       options
	data    string
	logFile string
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
	exit    error         // of the process, valid once done is closed

	S3, Control string // URLs
	apiKey      string
}

// schemes runs a test once over HTTP and once over HTTPS.
func schemes(t *testing.T, f func(t *testing.T, https bool)) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) { f(t, scheme == "https") })
	}
}

// startServer starts a server that ends with the test at the latest.
func startServer(t testing.TB, o options) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{t: t, o: o, data: o.data, logFile: filepath.Join(dir, "log")}
	if s.data == "" {
		s.data = filepath.Join(dir, "data")
	}
	t.Cleanup(s.cleanup)
	s.start()
	return s
}

// start starts the process and waits until it serves.
func (s *server) start() {
	s.t.Helper()
	if err := s.tryStart(); err != nil {
		s.t.Fatalf("start the server: %v\n%s", err, s.logTail())
	}
}

func (s *server) tryStart() error {
	args := []string{"serve", "--data", s.data, "--json"}
	if s.o.onePort {
		args = append(args, "--listen", "127.0.0.1:0")
	} else {
		args = append(args, "--s3-addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0")
	}
	if s.o.https {
		args = append(args, "--tls-cert", certs.certFile, "--tls-key", certs.keyFile)
	}
	log, err := os.OpenFile(s.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := s.o.command(append(args, s.o.flags...))
	cmd.Stdout, cmd.Stderr = in, log
	// The kernel ends the server if the tests die without a cleanup.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	in.Close()
	if err != nil {
		return err
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() { s.exit = cmd.Wait(); close(done) }()
	var ready struct {
		S3, Control string
		APIKey      string
	}
	if err := out.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no endpoints: %w", err)
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		return fmt.Errorf("endpoints %q: %w", line, err)
	}
	s.S3, s.Control = ready.S3, ready.Control
	if ready.APIKey != "" { // shown on the first start only
		s.apiKey = ready.APIKey
	}
	return nil
}

// mountSize is the size of the file system of options.mount.
const mountSize = "384m"

// command runs the binary, in a mount namespace of its own if it needs a small
// file system: no other process sees that, and it goes when the server ends.
func (o options) command(args []string) *exec.Cmd {
	if o.mount == "" {
		return exec.Command(binary, args...)
	}
	const script = `mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"`
	unshare := []string{"--mount"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--user", "--map-root-user")
	}
	unshare = append(unshare, "sh", "-c", script, "sh", mountSize, o.mount, binary)
	return exec.Command("unshare", append(unshare, args...)...)
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// kill ends the process as a power cut would, without a goodbye.
func (s *server) kill() {
	_ = syscall.Kill(-s.pid(), syscall.SIGKILL)
	<-s.done
}

// term asks the process to end. Asked twice it ends at once.
func (s *server) term() { _ = s.cmd.Process.Signal(syscall.SIGTERM) }

// stop ends the process in good order.
func (s *server) stop() {
	s.t.Helper()
	s.term()
	s.wait()
}

// wait waits for the end of a process that was asked to end.
func (s *server) wait() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(startTimeout):
		s.kill()
		s.t.Fatalf("the server did not stop on SIGTERM\n%s", s.logTail())
	}
	if s.exit != nil {
		s.t.Fatalf("the server ended with %v\n%s", s.exit, s.logTail())
	}
}

// cleanup ends the process and looks for what a test might not have seen.
func (s *server) cleanup() {
	if s.cmd != nil {
		s.kill()
	}
	log, err := os.ReadFile(s.logFile)
	if err != nil {
		return
	}
	for _, bad := range []string{"DATA RACE", "panic serving", "panic: ", "fatal error: "} {
		if i := bytes.Index(log, []byte(bad)); i >= 0 {
			s.t.Errorf("the server's log has %q:\n%s", bad, log[i:min(len(log), i+6000)])
		}
	}
	if s.t.Failed() {
		s.t.Logf("end of the server's log:\n%s", s.logTail())
	}
}

func (s *server) logTail() string {
	log, _ := os.ReadFile(s.logFile)
	lines := strings.SplitAfter(string(log), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "")
}

// disk is a disk and the credentials of one of its S3 users.
type disk struct {
	Endpoint  string `json:"s3Endpoint"`
	Bucket    string `json:"bucket"`
	Region    string `json:"region"`
	AccessKey string `json:"accessKeyId"`
	SecretKey string `json:"secretAccessKey"`
}

// createDisk makes a disk with the command line.
func (s *server) createDisk(name string) disk {
	s.t.Helper()
	cmd := exec.Command(binary, "disk", "create", name, "--url", s.Control, "--ca-cert", certs.caFile, "--json")
	cmd.Env = append(cleanEnv(), "ATOLL_API_KEY="+s.apiKey)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("atoll disk create: %v\n%s%s", err, stderrOf(err), s.logTail())
	}
	var d disk
	if err := json.Unmarshal(out, &d); err != nil {
		s.t.Fatalf("atoll disk create: %v in %s", err, out)
	}
	if d.Endpoint != s.S3 {
		s.t.Fatalf("atoll disk create names the endpoint %s, the server %s", d.Endpoint, s.S3)
	}
	return d
}

// moved is the disk at the address that a restarted server has.
func (d disk) moved(s *server) disk {
	d.Endpoint = s.S3
	return d
}
