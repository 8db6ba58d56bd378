package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestFullDisk fills a small file system: uploads are refused as S3 clients
// understand it, nothing acknowledged suffers, deletes still work, and with
// the space that they give back the server takes uploads again.
func TestFullDisk(t *testing.T) {
	const object = 4 << 20
	data := filepath.Join(t.TempDir(), "small")
	must(t, "mkdir", os.Mkdir(data, 0o755))
	s := startServer(t, options{data: filepath.Join(data, "data"), mount: data, flags: []string{"--memory", "128MiB"}})
	d := s.createDisk("photos")
	w := newWire(d)
	t.Cleanup(w.close)
	body := func(i int) []byte { return contents(fmt.Sprint("full ", i), object) }
	name := func(i int) string { return fmt.Sprintf("dir/%03d", i) }
	stored, err := 0, error(nil)
	for ; stored < 200; stored++ {
		if err = w.put(t.Context(), name(stored), body(stored)); err != nil {
			break
		}
	}
	fullError(t, err)
	if stored == 0 {
		t.Fatal("nothing could be stored at all")
	}
	// A small object is refused too, or stored whole: never anything between.
	if err := w.put(t.Context(), "small", body(0)[:100]); err == nil {
		got, err := w.get(t.Context(), "small")
		must(t, "get", err)
		sameBytes(t, "a small object on a full disk", body(0)[:100], got)
		must(t, "delete", w.remove(t.Context(), "small"))
	} else {
		fullError(t, err)
	}
	keys, err := w.list(t.Context(), "", 1000)
	must(t, "list", err)
	if len(keys) != stored {
		t.Errorf("%d keys are listed, %d were acknowledged", len(keys), stored)
	}
	for i := range stored {
		got, err := w.get(t.Context(), name(i))
		must(t, "get", err)
		sameBytes(t, name(i), body(i), got)
	}
	for i := range stored {
		must(t, "delete on a full disk", w.remove(t.Context(), name(i)))
	}
	// The space comes back, as much as there was.
	for i := range stored {
		await(t, "space for uploads", func() bool {
			err := w.put(t.Context(), name(i), body(i))
			if err != nil {
				fullError(t, err)
			}
			return err == nil
		})
		if i > stored/2 {
			break
		}
	}
	got, err := w.get(t.Context(), name(0))
	must(t, "get", err)
	sameBytes(t, "after recovery", body(0), got)
}

// fullError checks the answer to an upload that finds no space.
func fullError(t *testing.T, err error) {
	t.Helper()
	var se *statusError
	if !errors.As(err, &se) || se.status != http.StatusInsufficientStorage || !bytes.Contains(se.body, []byte("<Code>InsufficientStorage</Code>")) {
		t.Fatalf("an upload to a full disk: %v, want 507 InsufficientStorage", err)
	}
}
