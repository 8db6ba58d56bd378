package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Root is where Linux mounts the proc file system.
const Root = "/proc"

// tick is the unit of the times in /proc/PID/stat: USER_HZ is 100 in the Linux ABI on
// every architecture that Go runs on, whatever the kernel's own tick.
const tick = 10 * time.Millisecond

// Usage is what a process and its descendants use.
type Usage struct {
	// CPU is user and system time, to 10 ms, that of reaped children included.
	CPU time.Duration
	// RSS is the resident memory now, and Peak the sum of each process's highest, in bytes.
	RSS, Peak int64
}

// Sample returns the usage of process pid and all its living descendants.
func Sample(root string, pid int) (Usage, error) {
	stats, err := readAll(root)
	if err != nil {
		return Usage{}, err
	}
	if _, ok := stats[pid]; !ok {
		return Usage{}, fmt.Errorf("proc: no process %d", pid)
	}
	var u Usage
	for _, p := range family(stats, pid) {
		u.CPU += stats[p].cpu
		rss, peak, err := memory(root, p)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a child that ended meanwhile
		}
		if err != nil {
			return Usage{}, err
		}
		u.RSS += rss
		u.Peak += peak
	}
	return u, nil
}

// stat is what matters of /proc/PID/stat.
type stat struct {
	parent int
	cpu    time.Duration
}

// readAll reads the stat file of every process.
func readAll(root string) (map[int]stat, error) {
	dirs, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	all := make(map[int]stat)
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(root, d.Name(), "stat"))
		if err != nil {
			continue // it ended between the two system calls
		}
		s, err := parseStat(b)
		if err != nil {
			return nil, err
		}
		all[pid] = s
	}
	return all, nil
}

// parseStat parses a stat file. The command name, in parentheses, may itself hold
// spaces and parentheses: what follows the last closing one is regular.
func parseStat(b []byte) (stat, error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return stat{}, fmt.Errorf("proc: bad stat %q", b)
	}
	f := strings.Fields(string(b[i+1:]))
	// f[0] is field 3 of proc(5), the state; ppid is field 4, the four times 14 to 17.
	if len(f) < 15 {
		return stat{}, fmt.Errorf("proc: short stat %q", b)
	}
	parent, err := strconv.Atoi(f[1])
	if err != nil {
		return stat{}, fmt.Errorf("proc: bad parent in stat %q", b)
	}
	s := stat{parent: parent}
	for _, v := range f[11:15] {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("proc: bad time in stat %q", b)
		}
		s.cpu += time.Duration(n) * tick
	}
	return s, nil
}

// family returns pid and all its descendants.
func family(stats map[int]stat, pid int) []int {
	children := make(map[int][]int)
	for p, s := range stats {
		children[s.parent] = append(children[s.parent], p)
	}
	out := []int{pid}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out
}

// memory returns VmRSS and VmHWM of a process, in bytes. A zombie has neither: zero.
func memory(root string, pid int) (rss, peak int64, err error) {
	b, err := os.ReadFile(filepath.Join(root, strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name != "VmRSS" && name != "VmHWM" {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("proc: bad %s of process %d: %q", name, pid, value)
		}
		if name == "VmRSS" {
			rss = kib << 10
		} else {
			peak = kib << 10
		}
	}
	return rss, peak, nil
}
