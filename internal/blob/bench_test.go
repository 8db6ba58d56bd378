package blob

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func benchStore(b *testing.B) *Store {
	o := testOptions(b, vfs.Default, b.TempDir())
	o.SegmentBytes, o.PreallocateBytes = 0, 0
	return mustOpen(b, o)
}

func benchAppendSync(b *testing.B, workers int) {
	s := benchStore(b)
	defer mustClose(b, s)
	data := randBytes(newRand(), 4096)
	b.ReportAllocs()
	b.SetBytes(4096)
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; i < b.N; i += workers {
				loc, err := s.Append(Owner{}, data)
				if err == nil {
					err = s.Sync(bg, loc)
				}
				if err != nil {
					b.Error(err)
					return
				}
				s.Settle(loc)
			}
		}()
	}
	wg.Wait()
	b.StopTimer()
	m := s.Metrics()
	b.ReportMetric(float64(m.Appends)/float64(m.Syncs), "appends/sync")
}

func BenchmarkAppendSync4K(b *testing.B)           { benchAppendSync(b, 1) }
func BenchmarkAppendSync4KParallel16(b *testing.B) { benchAppendSync(b, 16) }

func benchAppend(b *testing.B, size int) {
	s := benchStore(b)
	defer mustClose(b, s)
	data := randBytes(newRand(), size)
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		loc, err := s.Append(Owner{}, data)
		if err != nil {
			b.Fatal(err)
		}
		s.Settle(loc)
	}
}

func BenchmarkAppend4K(b *testing.B) { benchAppend(b, 4096) }
func BenchmarkAppend1M(b *testing.B) { benchAppend(b, 1<<20) }

func BenchmarkReadAt4K(b *testing.B) {
	s := benchStore(b)
	defer mustClose(b, s)
	e := mustAppend(b, s, Owner{}, randBytes(newRand(), 4096))
	p := make([]byte, 4096)
	b.ReportAllocs()
	b.SetBytes(4096)
	for b.Loop() {
		s.Acquire(e.loc.Segment)
		if _, err := s.ReadAt(bg, e.loc, p, 0); err != nil {
			b.Fatal(err)
		}
		s.Release(e.loc.Segment)
	}
}

// BenchmarkWriteRange1M sends over a loopback connection.
func BenchmarkWriteRange1M(b *testing.B) {
	s := benchStore(b)
	defer mustClose(b, s)
	e := mustAppend(b, s, Owner{}, randBytes(newRand(), 1<<20))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(struct{ io.Writer }{io.Discard}, c)
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	b.SetBytes(1 << 20)
	for b.Loop() {
		if _, err := s.WriteRange(c, e.loc, 0, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}
