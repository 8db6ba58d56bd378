package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"sync"
	"testing"
)

// What a data directory may take beside a multiple of what it holds.
const (
	// metaFixed is for the write-ahead logs, which Pebble keeps to use them
	// again: six at most, each as large as a memtable of 16 MiB and a little
	// more. The tables that are not compacted yet have the rest.
	metaFixed = 128 << 20
	// blobFixed is for the three segments that are being filled: 32 MiB that
	// are dead, and what is preallocated, in each.
	blobFixed = 128 << 20
)

// TestSpaceComesBack overwrites and deletes objects of sizes that are stored
// in rows, together and alone, until ten times the live bytes were written.
// The whole data directory, metadata included, must come back under a bound;
// nothing may be lost, and a check finds all well.
func TestSpaceComesBack(t *testing.T) {
	s := startServer(t, options{})
	d := s.createDisk("space")
	w := newWire(d)
	t.Cleanup(w.close)
	ctx := t.Context()
	classes := []*churn{
		{name: "inline", size: 1 << 10, objects: 4096}, // of 1 KiB: they stand in the metadata
		{name: "small", size: 64 << 10, objects: 128},
		{name: "large", size: 2 << 20, objects: 6},
	}
	var live, written int64
	var wg sync.WaitGroup
	for i, c := range classes {
		live += c.bytes()
		wg.Go(func() { c.run(ctx, t, w, uint64(i)) })
	}
	wg.Wait()
	for _, c := range classes {
		written += c.written
	}
	if t.Failed() {
		return
	}
	if written < 10*live {
		t.Fatalf("%d bytes were written, %d live", written, live)
	}
	inline := classes[0].bytes()
	awaitSize(t, s.data+"/meta", 4*inline+metaFixed)
	awaitSize(t, s.data+"/blob", 2*(live-inline)+blobFixed)
	awaitSize(t, s.data, 4*live+(192<<20))
	t.Logf("%d MiB live, %d written", live>>20, written>>20)
	for _, c := range classes {
		c.verify(ctx, t, w)
	}
	s.stop()
	if out, err := exec.Command(binary, "fsck", "--data", s.data).CombinedOutput(); err != nil {
		t.Fatalf("fsck: %v\n%s", err, out)
	}
}

// awaitSize waits until a directory takes no more than a limit, in bytes.
func awaitSize(t *testing.T, dir string, limit int64) {
	t.Helper()
	first := diskUsage(t, dir)
	size := first
	await(t, fmt.Sprintf("%s to have at most %d MiB; it has had %d", dir, limit>>20, first>>20), func() bool {
		size = diskUsage(t, dir)
		return size <= limit
	})
	t.Logf("%s: %d MiB, and %d when awaited, of at most %d", dir, first>>20, size>>20, limit>>20)
}

// churn is objects of one size that are written over and over.
type churn struct {
	name    string
	size    int
	objects int
	version []int // of each object; 0: it is deleted
	written int64
}

// bytes is how much of it is live while nothing is deleted.
func (c *churn) bytes() int64 { return int64(c.size * c.objects) }

// churners is how many clients write the objects of one churn.
const churners = 8

func (c *churn) key(i int) string { return fmt.Sprintf("%s/%d/%d", c.name, i%16, i) }

func (c *churn) body(i int) []byte {
	return contents(fmt.Sprint(c.name, " ", i, " ", c.version[i]), c.size)
}

// run writes every object eleven times or more, in a new order each time, and
// deletes some of them in between.
func (c *churn) run(ctx context.Context, t *testing.T, w *wire, seed uint64) {
	c.version = make([]int, c.objects)
	rng := rand.New(rand.NewPCG(seed, 7))
	for round := range 11 * soak {
		work := make(chan int)
		var wg sync.WaitGroup
		for range churners {
			wg.Go(func() {
				for i := range work {
					if c.version[i] > 0 && (i+round)%5 == 0 {
						if err := w.remove(ctx, c.key(i)); err != nil {
							t.Errorf("delete: %v", err)
						}
					}
					c.version[i] = round + 1
					if err := w.put(ctx, c.key(i), c.body(i)); err != nil {
						t.Errorf("put: %v", err)
					}
				}
			})
		}
		for _, i := range rng.Perm(c.objects) {
			work <- i
		}
		close(work)
		wg.Wait()
		c.written += c.bytes()
	}
	for i := range c.objects {
		if i%7 == 0 {
			c.version[i] = 0
			if err := w.remove(ctx, c.key(i)); err != nil {
				t.Errorf("delete: %v", err)
			}
		}
	}
}

// verify reads everything back.
func (c *churn) verify(ctx context.Context, t *testing.T, w *wire) {
	t.Helper()
	keys, err := w.list(ctx, c.name+"/", 1000)
	must(t, "list", err)
	left := 0
	for i := range c.objects {
		if c.version[i] == 0 {
			resp, err := w.do(ctx, http.MethodHead, c.key(i), nil, nil, nil)
			must(t, "head", err)
			resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound {
				t.Errorf("HEAD of the deleted %s: %d", c.key(i), resp.StatusCode)
			}
			continue
		}
		left++
		got, err := w.get(ctx, c.key(i))
		must(t, "get", err)
		sameBytes(t, c.key(i), c.body(i), got)
	}
	if len(keys) != left {
		t.Errorf("%d keys are listed below %s/, %d are there", len(keys), c.name, left)
	}
}
