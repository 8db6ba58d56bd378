package crashfs

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestCloneWhileReusing clones while another goroutine reuses a file, as
// Pebble does with its logs. Without the lock of this package it deadlocks.
func TestCloneWhileReusing(t *testing.T) {
	fs := New()
	f, err := fs.Create("f0", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	done := make(chan error, 1)
	const rounds = 5000
	go func() {
		for i := range rounds {
			f, err := fs.ReuseForWrite(fmt.Sprintf("f%d", i), fmt.Sprintf("f%d", i+1), vfs.WriteCategoryUnspecified)
			if err != nil {
				done <- err
				return
			}
			f.Close()
		}
		done <- nil
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
			fs.CrashClone(vfs.CrashCloneCfg{})
		}
	}
}
