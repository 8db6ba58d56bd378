package disk

import (
	"fmt"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func benchView(b *testing.B, fs vfs.FS, files int) *View {
	b.Helper()
	e := newEnv(b, fs, Options{NoCompaction: true, ScrubRate: -1})
	v := e.root()
	for i := range files {
		put(b, v, fmt.Sprintf("a/b/f%06d", i), randomBytes(4096, uint64(i)))
	}
	b.ReportAllocs()
	return v
}

func BenchmarkStat(b *testing.B) {
	v := benchView(b, nil, 1000)
	for i := 0; b.Loop(); i++ {
		if _, err := v.Stat(ctx, fmt.Sprintf("a/b/f%06d", i%1000), true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen4K(b *testing.B) {
	v := benchView(b, nil, 1000)
	whole := func(a *Attr) []Range { return []Range{{0, a.Size}} }
	for i := 0; b.Loop(); i++ {
		o, err := v.Open(ctx, fmt.Sprintf("a/b/f%06d", i%1000), whole)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := o.WriteRange(io.Discard, Range{0, o.Attr.Size}); err != nil {
			b.Fatal(err)
		}
		o.Close()
	}
}

func BenchmarkPut4K(b *testing.B) {
	v := benchView(b, nil, 0)
	data := randomBytes(4096, 1)
	for i := 0; b.Loop(); i++ {
		put(b, v, fmt.Sprintf("a/b/f%06d", i), data)
	}
}

func BenchmarkList1000(b *testing.B) {
	v := benchView(b, nil, 3000)
	for b.Loop() {
		l, more, err := v.List(ctx, ListOptions{Prefix: "a/b/", StartAfter: "a/b/f001000", Limit: 1000})
		if err != nil || len(l) != 1000 || !more {
			b.Fatal(len(l), more, err)
		}
	}
}

// BenchmarkCompleteMultipart completes uploads of 10,000 parts.
func BenchmarkCompleteMultipart(b *testing.B) {
	v := benchView(b, nil, 0)
	for b.Loop() {
		b.StopTimer()
		u := manyParts(b, v, "f", MaxParts)
		b.StartTimer()
		if _, err := v.CompleteMultipart(ctx, "f", u.id, u.parts, PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadParts reads a byte anywhere in a file of 10,000 parts.
func BenchmarkReadParts(b *testing.B) {
	v := benchView(b, nil, 0)
	u := manyParts(b, v, "f", MaxParts)
	a, err := v.CompleteMultipart(ctx, "f", u.id, u.parts, PutOptions{})
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 1)
	for i := int64(0); b.Loop(); i++ {
		if _, err := v.ReadAt(ctx, a.Ino, buf, i*7919%a.Size); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend100 appends 100 bytes to a log.
func BenchmarkAppend100(b *testing.B) {
	v := benchView(b, nil, 0)
	data := randomBytes(100, 1)
	for b.Loop() {
		appendTo(b, v, "log", data)
	}
}
