package server

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	minMemory        = 64 << 20
	maxDefaultMemory = 2 << 30
	gcPercent        = 150
)

// defaultMemory is a quarter of the machine's memory, or of what the control
// group may use, and at most 2 GiB.
func defaultMemory() Size {
	ram := int64(8 << 30)
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		ram = int64(info.Totalram) * int64(info.Unit)
	}
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
			ram = min(ram, n)
		}
	}
	return Size(max(minMemory, min(ram/4, maxDefaultMemory)))
}

// split is how the memory budget is divided, in bytes.
type split struct {
	cache    int64 // Pebble's block cache
	rows     int64 // the core's cache of hot rows
	memTable int64 // one memtable; up to four are in memory in a burst
	uploads  int64 // buffers of uploads in the core
	requests int64 // buffers of requests in the S3 door
	heap     int64 // soft limit of Go's heap
}

// divide splits a budget. A sixteenth caches blocks of metadata, a sixty-fourth
// hot rows, and an eighth each goes to the two kinds of buffers; memtables
// beyond 16 MiB gain little, and are replayed after a crash. What is left is
// for everything that has no bound of its own: requests, connections, indexes,
// and the garbage of all this.
func divide(total int64) split {
	s := split{
		cache:    total / 16,
		rows:     min(max(total/64, 1<<20), 64<<20),
		memTable: min(max(total/64, 4<<20), 16<<20),
		uploads:  total / 8,
		requests: total / 8,
		heap:     total,
	}
	if offHeap {
		s.heap = total - s.cache - 2*s.memTable
	}
	return s
}

// limitHeap tells Go's collector of the budget. Little is live, so collecting
// late costs little memory and saves much CPU; near the limit the collector
// works harder by itself. GOGC, if set, is respected.
func limitHeap(s split, getenv func(string) string) {
	debug.SetMemoryLimit(s.heap)
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
