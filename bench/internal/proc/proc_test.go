package proc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fakeProc makes a proc file system of the given processes.
func fakeProc(t *testing.T, procs map[int]string, status map[int]string) string {
	t.Helper()
	root := t.TempDir()
	for pid, stat := range procs {
		dir := filepath.Join(root, fmt.Sprint(pid))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "stat"), stat)
		if s, ok := status[pid]; ok {
			write(t, filepath.Join(dir, "status"), s)
		}
	}
	return root
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// statLine is a stat file with the fields that matter.
func statLine(pid, parent int, comm string, utime, stime, cutime, cstime int) string {
	return fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 100 0 0 0 %d %d %d %d 20 0 9 0 4242 1000000 500\n",
		pid, comm, parent, utime, stime, cutime, cstime)
}

func TestSampleCountsTheWholeFamilyOnce(t *testing.T) {
	root := fakeProc(t, map[int]string{
		1:   statLine(1, 0, "init", 1000, 1000, 1000, 1000),
		50:  statLine(50, 1, "server) S 1 (", 1, 2, 3, 4),
		60:  statLine(60, 50, "worker one", 10, 20, 30, 40),
		61:  statLine(61, 50, "ended", 100, 200, 0, 0), // no status: it ended meanwhile
		70:  statLine(70, 60, "grandchild", 1000, 2000, 0, 0),
		500: statLine(500, 1, "stranger", 7777, 7777, 7777, 7777),
	}, map[int]string{
		50: "Name:\tserver\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n",
		60: "Name:\tworker\nVmHWM:\t      20 kB\nVmRSS:\t      10 kB\n",
		70: "Name:\tzombie\nState:\tZ (zombie)\n",
	})
	u, err := Sample(root, 50)
	if err != nil {
		t.Fatal(err)
	}
	if want := (10 + 100 + 300 + 3000) * 10 * time.Millisecond; u.CPU != want {
		t.Errorf("CPU is %v, want %v", u.CPU, want)
	}
	if u.RSS != 1034<<10 || u.Peak != 2068<<10 {
		t.Errorf("RSS is %d and Peak %d, want %d and %d", u.RSS, u.Peak, 1034<<10, 2068<<10)
	}
	if _, err := Sample(root, 51); err == nil {
		t.Error("a process that is not there has a usage")
	}
}

func TestParseStatRefusesNonsense(t *testing.T) {
	for _, bad := range []string{"", "1 (x", "1 (x) S 1 2", "1 (x) S one 1 1 0 -1 0 0 0 0 0 1 2 3 4 5",
		"1 (x) S 1 1 1 0 -1 0 0 0 0 0 1 2 x 4 5"} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a stat file: %+v", bad, s)
		}
	}
}

func TestListenerInFakeTables(t *testing.T) {
	root := fakeProc(t, map[int]string{7: statLine(7, 1, "a", 0, 0, 0, 0), 9: statLine(9, 7, "b", 0, 0, 0, 0)}, nil)
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	write(t, filepath.Join(root, "net/tcp"), head+
		"   0: 0100007F:2328 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0 0 111 1\n"+
		"   1: 0100007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 222 1\n")
	write(t, filepath.Join(root, "net/tcp6"), head+
		"   0: 00000000000000000000000001000000:2328 0:0000 0A 00000000:00000000 00:00000000 00000000  0 0 333 1\n")
	for pid, links := range map[int][]string{7: {"/dev/null", "socket:[333]"}, 9: {"socket:[111]", "socket:[333]", "socket:[222]"}} {
		dir := filepath.Join(root, fmt.Sprint(pid), "fd")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for i, l := range links {
			if err := os.Symlink(l, filepath.Join(dir, fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for port, want := range map[int]int{9000: 7, 9001: 9} {
		if pid, err := Listener(root, port); err != nil || pid != want {
			t.Errorf("Listener(%d) is %d, %v; want %d", port, pid, err, want)
		}
	}
	if _, err := Listener(root, 9002); !errors.Is(err, ErrNoListener) {
		t.Errorf("Listener(9002) fails with %v", err)
	}
}

func TestOnThisProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pid, err := Listener(Root, l.Addr().(*net.TCPAddr).Port)
	if err != nil || pid != os.Getpid() {
		t.Errorf("Listener is %d, %v; want this process, %d", pid, err, os.Getpid())
	}
	u, err := Sample(Root, os.Getpid())
	if err != nil || u.RSS == 0 || u.Peak < u.RSS/2 {
		t.Errorf("Sample is %+v, %v", u, err)
	}
}
