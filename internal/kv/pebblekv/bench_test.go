package pebblekv

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/kv"
)

const benchKeys = 100_000

// benchKey looks like a directory entry: prefix, name, NUL, version.
func benchKey(buf []byte, n int) []byte {
	buf = append(buf[:0], "0123456789abcdef"...)
	buf = fmt.Appendf(buf, "file-%08d.txt", n)
	buf = append(buf, 0)
	return binary.BigEndian.AppendUint64(buf, ^uint64(1))
}

func benchStore(b *testing.B, fs vfs.FS, dir string) *Store {
	b.Helper()
	s, err := Open(Options{Dir: dir, FS: fs, Split: testSplit})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	value := make([]byte, 120)
	for i := 0; i < benchKeys; {
		err := s.Update(context.Background(), func(t kv.Txn) error {
			for end := i + 100; i < end; i++ {
				binary.LittleEndian.PutUint64(value, uint64(i))
				if err := t.Set(benchKey(nil, i), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Compact(context.Background()); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkViewFirst(b *testing.B) {
	s := benchStore(b, vfs.NewMem(), "db")
	var lo, hi []byte
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		err := s.View(context.Background(), func(r kv.Reader) error {
			for range 2 {
				n = (n + 7919) % benchKeys
				lo = benchKey(lo, n)
				hi = append(append(hi[:0], lo[:len(lo)-8]...), 255, 255, 255, 255, 255, 255, 255, 255)
				binary.BigEndian.PutUint64(lo[len(lo)-8:], 0)
				if _, _, ok, err := r.First(lo, hi); !ok || err != nil {
					return fmt.Errorf("key %d: %v %w", n, ok, err)
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkViewFirstAbsent(b *testing.B) {
	s := benchStore(b, vfs.NewMem(), "db")
	var lo, hi []byte
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		err := s.View(context.Background(), func(r kv.Reader) error {
			for range 2 {
				n = (n + 7919) % benchKeys
				lo = benchKey(lo, n)
				lo[len(lo)-10] = 'x'
				hi = append(append(hi[:0], lo[:len(lo)-8]...), 255, 255, 255, 255, 255, 255, 255, 255)
				if _, _, ok, err := r.First(lo, hi); ok || err != nil {
					return fmt.Errorf("key %d: %v %w", n, ok, err)
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan1000(b *testing.B) {
	s := benchStore(b, vfs.NewMem(), "db")
	hi := benchKey(nil, benchKeys)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n = (n + 7919) % (benchKeys - 1000)
		err := s.View(context.Background(), func(r kv.Reader) error {
			it := r.Scan(benchKey(nil, n), hi)
			defer it.Close()
			for range 1000 {
				if !it.Next() || len(it.Value()) != 120 {
					return fmt.Errorf("short scan: %w", it.Err())
				}
			}
			return it.Err()
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// update4 is the shape of a create: two reads, four writes.
func update4(s *Store, n int) error {
	return s.Update(context.Background(), func(t kv.Txn) error {
		var value [120]byte
		for i := range 4 {
			k := benchKey(nil, n*4+i)
			if i < 2 {
				if _, _, _, err := t.First(k, append(k[:len(k)-8:len(k)-8], 255, 255)); err != nil {
					return err
				}
			}
			if err := t.Set(k, value[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkUpdate4Mem(b *testing.B) {
	s := benchStore(b, vfs.NewMem(), "db")
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if err := update4(s, n%benchKeys); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate4Disk(b *testing.B) {
	s := benchStore(b, vfs.Default, b.TempDir())
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			var n atomic.Int64
			b.SetParallelism(max(1, writers/2))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := update4(s, int(n.Add(1))%benchKeys); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
