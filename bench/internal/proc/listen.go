package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrNoListener is returned when no visible process listens on a port.
var ErrNoListener = errors.New("proc: no process listens on the port")

// Listener returns the process that listens on a TCP port of this machine, IPv4 or
// IPv6. If several share the socket (a parent and its workers), the lowest pid, as a
// rule the parent, is returned.
func Listener(root string, port int) (int, error) {
	inodes := make(map[string]bool)
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return 0, err
		}
		listening(string(b), port, inodes)
	}
	best := 0
	for inode := range inodes {
		pid, err := holder(root, "socket:["+inode+"]")
		if err != nil {
			return 0, err
		}
		if pid != 0 && (best == 0 || pid < best) {
			best = pid
		}
	}
	if best == 0 {
		return 0, fmt.Errorf("%w %d", ErrNoListener, port)
	}
	return best, nil
}

// listening adds to inodes the socket inodes that a table in the form of /proc/net/tcp
// shows listening on port.
func listening(table string, port int, inodes map[string]bool) {
	const listen = "0A" // TCP_LISTEN
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 9 && strings.HasSuffix(f[1], suffix) && f[3] == listen {
			inodes[f[9]] = true
		}
	}
}

// holder returns the lowest pid with a descriptor whose link reads target, or 0.
func holder(root, target string) (int, error) {
	dirs, err := os.ReadDir(root)
	if err != nil {
		return 0, err
	}
	best := 0
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || best != 0 && pid > best {
			continue
		}
		fds := filepath.Join(root, d.Name(), "fd")
		entries, err := os.ReadDir(fds)
		if err != nil {
			continue // ended, or another user's
		}
		for _, e := range entries {
			if link, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil && link == target {
				best = pid
				break
			}
		}
	}
	return best, nil
}
