package load

import (
	"fmt"
	"slices"
	"time"
)

// Op is an operation to repeat.
type Op string

// The operations.
const (
	Get       Op = "get"        // whole objects, picked at random
	Head      Op = "head"       // the same
	Put       Op = "put"        // new keys in one flat directory
	Overwrite Op = "overwrite"  // keys that exist, each always by the same client
	Delete    Op = "delete"     // keys that exist, each once
	Range     Op = "range"      // RangeSize bytes at random places of one object
	ListDelim Op = "list-delim" // pages of PageSize with delimiter=/, one after the other
	ListFlat  Op = "list-flat"  // the same without a delimiter
	Mixed     Op = "mixed"      // 60% get, 15% head, 15% overwrite, 5% put, 5% delete
)

// Ops returns all operations.
func Ops() []Op {
	return []Op{Get, Head, Put, Overwrite, Delete, Range, ListDelim, ListFlat, Mixed}
}

const (
	// RangeSize is what one range request asks for, in bytes.
	RangeSize = 64 << 10
	// PageSize is the max-keys of a listing.
	PageSize = 1000

	largeSize = 256 << 10 // from here on bodies have few seeds, their hashes kept
	largeSeed = 4
)

// Spec is one run.
type Spec struct {
	// Name is what reports call the run; empty is made from the rest.
	Name string
	// Op is the operation.
	Op Op
	// Size is the objects' size in bytes; zero is 4 KiB, 256 MiB for Range and 64 bytes for listings.
	Size int64
	// Clients is the number of connections; zero is 16.
	Clients int
	// Duration ends the run; zero is 3 s unless Count is set. A Delete ends when its
	// Count keys are gone, or after Duration if that is set too.
	Duration time.Duration
	// Count ends the run after that many operations, if not zero. For Delete zero is 10,000.
	Count int64
	// Keys is the number of objects to choose from; zero is 1,000 (fewer of large
	// ones), 10,000 for listings.
	Keys int
}

// withDefaults fills what is zero, and refuses what cannot be run.
func (s Spec) withDefaults() (Spec, error) {
	if !slices.Contains(Ops(), s.Op) {
		return s, fmt.Errorf("unknown operation %q", s.Op)
	}
	list := s.Op == ListDelim || s.Op == ListFlat
	switch {
	case s.Size != 0:
	case s.Op == Range:
		s.Size = 256 << 20
	case list:
		s.Size = 64
	default:
		s.Size = 4 << 10
	}
	if s.Clients == 0 {
		s.Clients = 16
	}
	if s.Op == Delete && s.Count == 0 {
		s.Count = 10_000
	}
	if s.Duration == 0 && s.Count == 0 {
		s.Duration = 3 * time.Second
	}
	switch {
	case s.Op == Range:
		s.Keys = 1
	case s.Keys != 0:
	case list:
		s.Keys = 10_000
	case s.Size >= largeSize:
		s.Keys = 2 * largeSeed
	default:
		s.Keys = 1000
	}
	// A client overwrites keys of its own only, so it knows what they hold.
	s.Keys = max(s.Keys, 0)
	if s.Op == Overwrite || s.Op == Mixed {
		s.Keys = max(s.Keys, s.Clients)
	}
	if s.Size < 0 || s.Clients < 0 || s.Duration < 0 || s.Count < 0 || s.Keys == 0 ||
		s.Op == Range && s.Size < RangeSize {
		return s, fmt.Errorf("%s: a size, number of clients, duration, count or number of keys makes no sense", s.Op)
	}
	if s.Name == "" {
		s.Name = fmt.Sprintf("%s %s, %d clients", s.Op, FormatSize(s.Size), s.Clients)
	}
	return s, nil
}

// FormatSize writes a size in binary units.
func FormatSize(n int64) string {
	for _, u := range []struct {
		shift int
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if n >= 1<<u.shift && n%(1<<u.shift) == 0 {
			return fmt.Sprintf("%d %s", n>>u.shift, u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// Result is what a run measured. Figures about the server are zero if its process is
// not known.
type Result struct {
	Name    string `json:"name"`
	Op      Op     `json:"op"`
	Size    int64  `json:"size"`
	Clients int    `json:"clients"`
	// Ops is the number of operations that succeeded, Errors of those that did not or
	// whose result was wrong; Messages are the first few of these.
	Ops      int64    `json:"ops"`
	Errors   int64    `json:"errors"`
	Messages []string `json:"messages,omitempty"`

	Seconds   float64 `json:"seconds"`
	OpsPerSec float64 `json:"ops_per_second"`
	// MBPerSec counts body bytes both ways, in 10^6 bytes.
	MBPerSec float64 `json:"mb_per_second"`
	// Latencies are in microseconds.
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
	Max float64 `json:"max_us"`
	// CPU time is in microseconds an operation: the server's with its children, and
	// this program's own.
	ServerCPU float64 `json:"server_cpu_us_per_op"`
	ClientCPU float64 `json:"client_cpu_us_per_op"`
	// RSS is the server's resident memory after the run, Peak its highest so far, in bytes.
	RSS  int64 `json:"server_rss_bytes"`
	Peak int64 `json:"server_peak_rss_bytes"`
	// Counters is how far each of Options.Metrics grew.
	Counters map[string]float64 `json:"counters,omitempty"`
}
