package transfer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"atoll/client"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// stopping is a meter that ends a transfer when enough was copied.
type stopping struct {
	after int64
	n     atomic.Int64
	stop  context.CancelFunc
}

func (s *stopping) Expect(int64) {}
func (s *stopping) Add(n int64) {
	if s.n.Add(n) >= s.after {
		s.stop()
	}
}

// copyOne copies one file, as far as the meter lets it.
func copyOne(t *testing.T, from Tree, path string, to Tree, o Options) (Result, *events) {
	t.Helper()
	e, err := from.Stat(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if s, ok := o.Meter.(*stopping); ok {
		s.stop = stop
	}
	var ev events
	o.Report = ev.add
	res, err := Copy(ctx, []Item{{From: from, Entry: e, To: to, Path: path}}, o)
	if (err != nil) != (ctx.Err() != nil) {
		t.Fatalf("%v: %+v", err, ev.all)
	}
	return res, &ev
}

// TestInterruptedUpload stops an upload in parts and continues it.
func TestInterruptedUpload(t *testing.T) {
	b := bucket(t, connect(t), "one")
	dir, on := t.TempDir(), Remote{Bucket: b, Name: "one"}
	data := pattern(40 << 20)
	if err := os.WriteFile(filepath.Join(dir, "big"), data, 0o640); err != nil {
		t.Fatal(err)
	}
	half := &stopping{after: 22 << 20}
	if res, _ := copyOne(t, Local{dir}, "big", on, Options{PartSize: 5 << 20, Meter: half}); res.Copied != 0 {
		t.Fatalf("not interrupted: %+v", res)
	}
	uploads, err := client.Collect(b.Uploads(t.Context(), ""))
	if err != nil || len(uploads) != 1 {
		t.Fatalf("uploads %+v, %v", uploads, err)
	}
	parts, err := client.Collect(b.Parts(t.Context(), "big", uploads[0].ID))
	if err != nil || len(parts) == 0 || len(parts) == 8 {
		t.Fatalf("%d parts are there, %v", len(parts), err)
	}
	if res, ev := copyOne(t, Local{dir}, "big", on, Options{PartSize: 5 << 20}); res.Copied != 1 {
		t.Fatalf("%+v", ev.all)
	}
	if left, err := client.Collect(b.Uploads(t.Context(), "")); err != nil || len(left) != 0 {
		t.Errorf("uploads stay: %+v, %v", left, err)
	}
	// The whole file has a checksum, though its parts came in two goes.
	r, err := b.Get(t.Context(), "big", client.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !r.Verified() {
		t.Error("a file that was uploaded in parts can't be verified")
	}
	o, err := b.Head(t.Context(), "big")
	if err != nil || !strings.HasSuffix(o.ETag, "-8") {
		t.Errorf("%+v, %v", o, err)
	}
	// Back again, interrupted too.
	out := t.TempDir()
	if res, _ := copyOne(t, on, "big", Local{out}, Options{Meter: &stopping{after: 10 << 20}}); res.Copied != 0 {
		t.Fatalf("not interrupted: %+v", res)
	}
	var ev events
	if _, err := Sync(t.Context(), on, Local{out}, Options{Report: ev.add, Checksum: true, PartSize: 5 << 20}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(out, "big"))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("other contents came back: %v", err)
	}
	if same, err := (&run{o: Options{PartSize: 5 << 20}}).matches(Local{out}, &Entry{Path: "big", Size: int64(len(data))}, o.ETag); err != nil || !same {
		t.Errorf("the ETag of parts does not match its file: %v", err)
	}
	wantAlone(t, out, "big")
}

// wantAlone demands that a directory has one entry: no partial file stays.
func wantAlone(t *testing.T, dir, name string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 || list[0].Name() != name {
		t.Errorf("the directory has %v, %v", list, err)
	}
}

// TestPartialFiles continues a download by what is there of it: nothing is
// asked for twice, what is damaged is found, and another version starts anew.
func TestPartialFiles(t *testing.T) {
	b := bucket(t, connect(t), "one")
	data := string(pattern(300 << 10))
	put := func(data string) Entry {
		if _, err := b.Put(t.Context(), "d/f", strings.NewReader(data), client.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		e, err := Remote{Bucket: b}.Stat(t.Context(), "d/f")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := put(data)
	out := t.TempDir()
	on, here := Remote{Bucket: b, Name: "one"}, Local{out}
	partial := partialName(filepath.Join(out, "d", "f"), b.Name()+"/d/f", e.ETag)
	for _, tc := range []struct {
		name, have string
		damaged    bool
	}{
		{"none", "", false}, {"half", data[:150<<10], false}, {"all", data, false}, {"too much", data + "more", false},
		{"damaged", "x" + data[1:150<<10], true},
	} {
		if err := os.RemoveAll(filepath.Join(out, "d")); err != nil {
			t.Fatal(err)
		}
		write(t, out, map[string]string{"d/": ""})
		if err := os.WriteFile(partial, []byte(tc.have), 0o666); err != nil {
			t.Fatal(err)
		}
		if res, ev := copyOne(t, on, "d/f", here, Options{}); (res.Failed > 0) != tc.damaged || tc.damaged && !errors.Is(ev.all[0].Err, client.ErrChecksum) {
			t.Fatalf("%s: %+v", tc.name, ev.all)
		}
		if tc.damaged { // the damaged file is gone, so that the next try is a good one
			copyOne(t, on, "d/f", here, Options{})
		}
		if got := read(t, out); got["d/f"] != data || len(got) != 2 {
			t.Errorf("%s: other contents", tc.name)
		}
	}
	// A partial file of an older version is of no use, and goes.
	if err := os.WriteFile(partial, []byte(data[:10]), 0o666); err != nil {
		t.Fatal(err)
	}
	put("new")
	copyOne(t, on, "d/f", here, Options{})
	if got := read(t, out); got["d/f"] != "new" || len(got) != 2 {
		t.Errorf("a new version: %q", got)
	}
}
