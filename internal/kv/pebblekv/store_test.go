package pebblekv

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/kv"
	"atoll/internal/kv/kvtest"
)

// openTest opens a store that is closed, and checked for leaks, when the test
// ends.
func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	if o.OnFatal == nil {
		o.OnFatal = func(err error) { t.Errorf("fatal: %v", err) }
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTest(t, s) })
	return s
}

func closeTest(t testing.TB, s *Store) {
	t.Helper()
	m := s.Metrics()
	if m.Snapshots != 1 || m.OpenTableIters != 0 {
		t.Errorf("%d snapshots and %d table iterators are open", m.Snapshots, m.OpenTableIters)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestConformance(t *testing.T) {
	for _, tc := range []struct {
		name  string
		split func([]byte) int
	}{{"split", kvtest.Split}, {"whole", nil}} {
		t.Run(tc.name, func(t *testing.T) {
			kvtest.Run(t, func(t *testing.T) kv.Store {
				return openTest(t, Options{Dir: "db", FS: vfs.NewMem(), Split: tc.split})
			})
		})
	}
}
