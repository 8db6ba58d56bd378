package e2e

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// TestBoundedMemory streams a gigabyte (five in the soak: the largest object
// there is) in and out, several requests at a time, and looks at the most
// memory that the server ever held.
func TestBoundedMemory(t *testing.T) {
	size := min(int64(soak), 5) << 30
	s := startServer(t, options{flags: []string{"--memory", "256MiB"}})
	d := s.createDisk("photos")
	w := newWire(d)
	t.Cleanup(w.close)
	must(t, "put", putStream(t.Context(), w, "large", &pattern{left: size}, size))
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if err := getPattern(t, w, "large", size); err != nil {
				t.Errorf("get: %v", err)
			}
		})
		wg.Go(func() {
			const small = 128 << 20
			if err := putStream(t.Context(), w, fmt.Sprint("small ", i), &pattern{left: small}, small); err != nil {
				t.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	limit := int64(400) << 20
	if raceBuild() {
		limit *= 8 // the detector's shadow memory
	}
	peak := peakMemory(t, s.pid())
	t.Logf("peak resident memory: %d MiB", peak>>20)
	if peak > limit {
		t.Errorf("the server held %d MiB of memory; --memory is 256 MiB", peak>>20)
	}
}

// getPattern reads a whole object and checks it.
func getPattern(t *testing.T, w *wire, key string, size int64) error {
	resp, err := w.do(t.Context(), http.MethodGet, key, nil, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength != size {
		return fmt.Errorf("%s, %d bytes", resp.Status, resp.ContentLength)
	}
	return samePattern(resp.Body, size)
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory is the most that a process has had resident, in bytes.
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, "process status", err)
	m := highWater.FindSubmatch(b)
	if m == nil {
		t.Fatalf("no VmHWM in %s", b)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	must(t, "VmHWM", err)
	return n << 10
}
