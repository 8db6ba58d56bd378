package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"atoll/bench/internal/load"
)

const (
	startTime = 30 * time.Second // for a server to accept connections
	stopTime  = 20 * time.Second // for a server to end by itself
)

// server is one server under test.
type server struct {
	name    string
	bench   *load.Bench
	skip    func(load.Op) bool // operations that it does not have
	results []load.Result
}

// keep keeps a result, unless an earlier round's of the same run was cheaper.
func (s *server) keep(r load.Result) {
	i := slices.IndexFunc(s.results, func(o load.Result) bool { return o.Name == r.Name })
	switch {
	case i < 0:
		s.results = append(s.results, r)
	case r.ServerCPU < s.results[i].ServerCPU:
		s.results[i] = r
	}
}

// find returns the result of a run.
func (s *server) find(name string) (load.Result, bool) {
	i := slices.IndexFunc(s.results, func(o load.Result) bool { return o.Name == name })
	if i < 0 {
		return load.Result{}, false
	}
	return s.results[i], true
}

// process is a started program.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

// fleet is all that was started, and the directory that holds all it wrote.
type fleet struct {
	dir     string
	servers []*server

	mu     sync.Mutex
	procs  []*process
	closed bool
}

// startAll starts the servers that the configuration names.
func (f *fleet) startAll(c config) error {
	for _, s := range []struct {
		name, binary string
		start        func(*fleet, config, string) (*server, error)
	}{
		{"bare", c.bare, startBare}, {"versitygw", c.versitygw, startVersitygw},
		{"rclone", c.rclone, startRclone}, {"atoll", c.atoll, startAtoll},
	} {
		if s.binary == "" {
			continue
		}
		dir := filepath.Join(f.dir, s.name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		srv, err := s.start(f, c, dir)
		if err != nil {
			return fmt.Errorf("starting %s: %w", s.name, err)
		}
		srv.name = s.name
		f.servers = append(f.servers, srv)
	}
	if len(f.servers) == 0 {
		return errors.New("no server given: see --bare, --versitygw, --rclone and --atoll")
	}
	return nil
}

// start starts a program in a process group of its own. Its standard error goes to a
// file; its standard output too, unless out is set.
func (f *fleet) start(name string, out io.Writer, env []string, argv ...string) (*process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errors.New("interrupted")
	}
	log, err := os.Create(filepath.Join(f.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, log
	if out == nil {
		cmd.Stdout = log
	}
	cmd.Env = append(os.Environ(), env...)
	// Should compare itself be killed, the kernel ends the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log.Name(), done: make(chan struct{})}
	f.procs = append(f.procs, p)
	go func() {
		_ = cmd.Wait() // a server that ends early shows as failed requests
		close(p.done)
	}()
	return p, nil
}

// ready waits until a server accepts connections.
func (p *process) ready(addr string) error {
	deadline := time.After(startTime)
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return p.failed()
		case <-deadline:
			return fmt.Errorf("it does not listen on %s: %w", addr, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// failed returns an error with what the program said last.
func (p *process) failed() error {
	said, err := os.ReadFile(p.log)
	return errors.Join(fmt.Errorf("it did not start: %s", said[max(0, len(said)-2000):]), err)
}

// stop ends the program and whatever it started.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(stopTime):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // usually nobody is left
	<-p.done
}

// close stops all programs and removes what they wrote.
func (f *fleet) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	for _, p := range f.procs {
		p.stop()
	}
	return os.RemoveAll(f.dir)
}

// freePort returns a port of 127.0.0.1 that nobody uses at the moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
