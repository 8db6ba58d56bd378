package disk

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"sync"
	"testing"

	"atoll/internal/errs"
)

func appendTo(t tester, v *View, path string, data []byte) Attr {
	t.Helper()
	a, err := v.Append(ctx, path, data, PutOptions{})
	if err != nil {
		t.Fatalf("append to %s: %v", path, err)
	}
	return a
}

// TestAppendConcurrent appends records from many goroutines: each is there
// once, whole, and behind those that its writer appended before.
func TestAppendConcurrent(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	const writers, each = 8, 60
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := 20
				if i%7 == w%7 {
					n = 100_000 // so that chunks end within records
				}
				appendTo(t, v, "log", appendRecord(w, i, n))
			}
		})
	}
	wg.Wait()
	got, a, err := get(v, "log")
	if err != nil || a.HasMD5 || a.Size != int64(len(got)) {
		t.Fatal(a, err)
	}
	var next [writers]int
	for len(got) > 0 {
		var w, i, n int
		if _, err := fmt.Sscanf(string(got[:19]), "%2d %5d %8d ", &w, &i, &n); err != nil {
			t.Fatal(err)
		}
		if i != next[w] || len(got) < n || !bytes.Equal(got[:n], appendRecord(w, i, n)) {
			t.Fatalf("record %d of writer %d, want %d, or it is torn", i, w, next[w])
		}
		next[w], got = i+1, got[n:]
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d: %d records, want %d", w, n, each)
		}
	}
	if _, err := v.Remove(ctx, "log", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	e.wantEmpty(t)
}

func appendRecord(w, i, n int) []byte {
	return append(fmt.Appendf(nil, "%2d %5d %8d ", w, i, n), bytes.Repeat([]byte{byte('a' + w)}, n-18)...)
}

// TestAppendStaysTidy appends small records: the file is not left in as many
// pieces, and no byte is copied often.
func TestAppendStaysTidy(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	data := randomBytes(1<<20, 3)
	step := 400
	for off := 0; off < len(data); off += step {
		appendTo(t, v, "log", data[off:min(off+step, len(data))])
	}
	mustGet(t, v, "log", data)
	o, err := v.Open(ctx, "log", func(a *Attr) []Range { return []Range{{0, a.Size}} })
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if n := len(o.parts); n > MaxExtents {
		t.Errorf("1 MiB stands in %d pieces", n)
	}
	var stored int64
	for _, s := range e.blob.Segments() {
		stored += s.Payload
	}
	if times := stored / int64(len(data)); times > 10 {
		t.Errorf("each byte was written %d times", times)
	}
}

// TestAppendKeeps looks at what an append keeps of a file and what it is
// refused for.
func TestAppendKeeps(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	data := []byte("first")
	old, err := tryPut(v, "f", data, PutOptions{Mode: 0o600, HasMode: true, UID: 5, Meta: []byte("stays"), ContentMeta: []byte("goes")})
	if err != nil {
		t.Fatal(err)
	}
	o := PutOptions{Mode: 0o777, HasMode: true, UID: 6, Meta: []byte("other"), MD5: md5.Sum(data), HasMD5: true}
	var seen Attr
	o.Check = func(a *Attr) error {
		if a == nil {
			return errs.New("test", "", errs.Precondition, "no new file")
		}
		seen = *a
		return nil
	}
	a, err := v.Append(ctx, "f", []byte(", second"), o)
	if err != nil {
		t.Fatal(err)
	}
	if a.Ino != old.Ino || a.Mode != 0o600 || a.UID != 5 || string(a.Meta) != "stays" || len(a.ContentMeta) > 0 || a.HasMD5 ||
		a.Size != 13 || a.Version == old.Version || seen.Version != old.Version {
		t.Errorf("the file became %+v, Check saw %+v", a, seen)
	}
	mustGet(t, v, "f", []byte("first, second"))
	if again, err := v.Append(ctx, "f", nil, PutOptions{}); err != nil || again.Version != a.Version {
		t.Errorf("appending nothing: %+v, %v", again, err)
	}
	if _, err = v.Append(ctx, "d/new", []byte("x"), o); !errs.Is(err, errs.Precondition) {
		t.Error("Check was not asked about a new file")
	}
}

// TestAppendRefused looks at what an append fails with.
func TestAppendRefused(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	put(t, v, "d/f", []byte("data"))
	if err := v.disk.Checkpoint(ctx, "", "c"); err != nil {
		t.Fatal(err)
	}
	refused := func(v *View, path string, n int, o PutOptions, kind errs.Kind) {
		t.Helper()
		_, err := v.Append(ctx, path, make([]byte, n), o)
		wantKind(t, err, kind)
	}
	refused(v, "d", 1, PutOptions{}, errs.IsDir)
	refused(v, "d/f/g", 1, PutOptions{}, errs.NotDir)
	refused(v, "d//f", 1, PutOptions{}, errs.Invalid)
	refused(v, "d/f", ChunkSize+1, PutOptions{}, errs.TooLarge)
	refused(v, ReservedDir+"/f", 1, PutOptions{}, errs.Reserved)
	refused(e.view(Ref{RootBranch, "c"}), "d/f", 1, PutOptions{}, errs.ReadOnly)
	no := errors.New("no")
	refuse := func(*Attr) error { return errs.E("test", "", errs.Precondition, no) }
	if _, err := v.Append(ctx, "d/f", []byte("x"), PutOptions{Check: refuse}); !errors.Is(err, no) {
		t.Errorf("Check said no, Append %v", err)
	}
	size := MaxSize
	ino := put(t, v, "big", []byte("x")).Ino
	if _, err := v.SetAttr(ctx, ino, SetAttr{Size: &size}); err != nil {
		t.Fatal(err)
	}
	refused(v, "big", 1, PutOptions{}, errs.TooLarge)
	if err := v.disk.SetQuota(ctx, Quota{Bytes: v.disk.Usage().Bytes + 10, Files: v.disk.Usage().Files}); err != nil {
		t.Fatal(err)
	}
	refused(v, "d/f", 11, PutOptions{}, errs.Quota)
	refused(v, "d/g", 1, PutOptions{}, errs.Quota)
	appendTo(t, v, "d/f", []byte("fits"))
	mustGet(t, v, "d/f", []byte("datafits"))
}

// TestAppendToCutParts appends behind the end of a file in parts that was cut
// within one of many small ones.
func TestAppendToCutParts(t *testing.T) {
	for i, size := range []int64{0, 1, 10, 1501, 1502, 1503, 1504, 3000, 3599, 3600, 5000} {
		if i%everyNth != 0 {
			continue
		}
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			e := newEnv(t, nil, Options{NoCompaction: true})
			v := e.root()
			sizes := make([]int, 1200)
			for i := range sizes {
				sizes[i] = 3
			}
			want := putParts(t, v, "f", sizes...)
			a, err := v.Stat(ctx, "f", true)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.disk.Checkpoint(ctx, "", "c"); err != nil {
				t.Fatal(err)
			}
			if _, err := v.SetAttr(ctx, a.Ino, SetAttr{Size: &size}); err != nil {
				t.Fatal(err)
			}
			cut := append(bytes.Clone(want), make([]byte, 5000)...)[:size]
			mustGet(t, v, "f", cut)
			for _, n := range []int{1, 100_000, ChunkSize} {
				more := randomBytes(n, uint64(n))
				cut = append(cut, more...)
				appendTo(t, v, "f", more)
				mustGet(t, v, "f", cut)
			}
			mustGet(t, e.view(Ref{RootBranch, "c"}), "f", want)
			if _, found := e.check(false, nil); len(found) > 0 {
				t.Errorf("check: %v", found)
			}
			e.open()
			v = e.root()
			mustGet(t, v, "f", cut)
			if _, err := v.Remove(ctx, "f", RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
			mustGet(t, e.view(Ref{RootBranch, "c"}), "f", want)
			if err := v.disk.DeleteCheckpoint(ctx, "", "c", DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			e.wantEmpty(t)
		})
	}
}
