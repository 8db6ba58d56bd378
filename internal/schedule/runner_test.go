package schedule

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/blob"
	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/kv/pebblekv"
)

// backend is the core as the catalog sees it.
type backend struct{ *disk.Store }

func (b backend) CreateDisk(ctx context.Context, id disk.ID, root catalog.RootAttrs) error {
	return b.Create(ctx, id, disk.CreateOptions{})
}

func (b backend) DeleteDisk(ctx context.Context, id disk.ID) error { return b.Delete(ctx, id) }

func (b backend) Usage(ctx context.Context, id disk.ID) (disk.Usage, error) {
	d, err := b.Disk(ctx, id)
	if err != nil {
		return disk.Usage{}, err
	}
	return d.Usage(), nil
}

// env is a Runner over real stores, with a clock that stands still until it is
// moved.
type env struct {
	t     *testing.T
	fs    vfs.FS
	mu    sync.Mutex
	clock time.Time
	disks *disk.Store
	cat   *catalog.Catalog
	r     *Runner
	id    disk.ID
	close func()
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{t: t, fs: vfs.NewMem(), clock: at(t, "2026-11-23 00:10:00")}
	e.open()
	t.Cleanup(func() { e.close() })
	d, err := e.cat.CreateDisk(t.Context(), catalog.DiskSpec{Name: "d"})
	if err != nil {
		t.Fatal(err)
	}
	e.id = d.Disk.ID
	return e
}

func (e *env) now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.clock
}

func (e *env) move(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clock = e.clock.Add(d)
}

func (e *env) open() {
	e.t.Helper()
	kvs, err := pebblekv.Open(pebblekv.Options{Dir: "meta", FS: e.fs, Split: disk.Split, CacheBytes: 1 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		e.t.Fatal(err)
	}
	blobs, err := blob.Open(blob.Options{Dir: "blob", FS: e.fs, PreallocateBytes: -1})
	if err != nil {
		e.t.Fatal(err)
	}
	if e.disks, err = disk.Open(e.t.Context(), disk.Options{KV: kvs, Blob: blobs, Now: e.now}); err != nil {
		e.t.Fatal(err)
	}
	e.cat, err = catalog.Open(e.t.Context(), catalog.Options{KV: kvs, Backend: backend{e.disks}, MasterKey: catalog.MasterKey{1}, Now: e.now})
	if err != nil {
		e.t.Fatal(err)
	}
	e.close = func() {
		for _, c := range []io.Closer{e.disks, blobs, kvs} {
			if err := c.Close(); err != nil {
				e.t.Error(err)
			}
		}
	}
	e.r = New(Options{Catalog: e.cat, Disks: e.disks, Now: e.now})
}

func (e *env) disk() *disk.Disk {
	e.t.Helper()
	d, err := e.disks.Disk(e.t.Context(), e.id)
	if err != nil {
		e.t.Fatal(err)
	}
	return d
}

func (e *env) set(branch disk.ID, s catalog.Schedule) {
	e.t.Helper()
	if err := e.cat.SetSchedule(e.t.Context(), e.id, branch, s); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) once() {
	e.t.Helper()
	if !e.r.Once(e.t.Context()) {
		e.t.Error("not all was done")
	}
}

// want checks which checkpoints a branch has, by name.
func (e *env) want(branch, names string) {
	e.t.Helper()
	have, err := e.disk().Checkpoints(e.t.Context(), branch)
	if err != nil {
		e.t.Fatal(err)
	}
	var got []string
	for _, c := range have {
		got = append(got, c.Name)
	}
	if s := strings.Join(got, " "); s != names {
		e.t.Errorf("%v: %s has\n %s, want\n %s", e.now(), branch, s, names)
	}
}

func TestRetention(t *testing.T) {
	e := newEnv(t)
	ctx := t.Context()
	e.set(e.id, catalog.Schedule{Hourly: 2, Daily: 2, Weekly: 2})
	if err := e.disk().Checkpoint(ctx, "root", "mine"); err != nil {
		t.Fatal(err)
	}
	for hour := range 15 * 24 {
		e.once()
		if hour%7 == 0 { // a restart
			e.close()
			e.open()
			e.once()
		}
		if hour == 5 { // one that is kept for good, under a name of its own
			if err := e.disk().RenameCheckpoint(ctx, "root", "hourly-20261123-0500", "keep"); err != nil {
				t.Fatal(err)
			}
			e.once()
		}
		e.move(time.Hour)
	}
	e.move(-time.Hour)
	e.want("root", "daily-20261206 daily-20261207 hourly-20261207-2200 hourly-20261207-2300 keep mine weekly-20261130 weekly-20261207")
}

func TestDowntime(t *testing.T) {
	e := newEnv(t)
	e.set(e.id, catalog.Schedule{Hourly: 10})
	e.once()
	e.close()
	e.move(7*time.Hour + 59*time.Minute)
	e.open()
	e.once()
	e.once()
	e.want("root", "hourly-20261123-0000 hourly-20261123-0800")
}

func TestBranches(t *testing.T) {
	e := newEnv(t)
	ctx := t.Context()
	d := e.disk()
	if err := d.Fork(ctx, disk.Ref{}, "dev"); err != nil {
		t.Fatal(err)
	}
	b, err := d.Branch(ctx, "dev")
	if err != nil {
		t.Fatal(err)
	}
	e.set(b.ID, catalog.Schedule{Hourly: 1})
	e.once()
	e.want("dev", "hourly-20261123-0000")
	if err := d.RenameBranch(ctx, "dev", "work"); err != nil {
		t.Fatal(err)
	}
	// One that a branch was forked from stays until that is gone.
	if err := d.Fork(ctx, disk.Ref{Branch: "work", Checkpoint: "hourly-20261123-0000"}, "child"); err != nil {
		t.Fatal(err)
	}
	e.move(time.Hour)
	e.once()
	e.want("work", "hourly-20261123-0000 hourly-20261123-0100")
	if err := d.DeleteBranch(ctx, "child", disk.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.once()
	e.want("work", "hourly-20261123-0100")
	if err := d.DeleteBranch(ctx, "work", disk.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.move(time.Hour)
	e.once()
	if s, err := e.cat.ScheduleOf(ctx, e.id, b.ID); err != nil || s != (catalog.Schedule{}) {
		t.Errorf("the schedule of a branch that is gone: %+v %v", s, err)
	}
	e.want("root", "") // nor what the branch was forked from
}

// sweeps tells of every time that the schedules were gone over.
type sweeps struct {
	Catalog
	done chan struct{}
}

func (s sweeps) Schedules(ctx context.Context, fn func(id, branch disk.ID, s catalog.Schedule) error) error {
	err := s.Catalog.Schedules(ctx, fn)
	s.done <- struct{}{}
	return err
}

func TestRun(t *testing.T) {
	e := newEnv(t)
	done := make(chan struct{})
	e.r = New(Options{Catalog: sweeps{e.cat, done}, Disks: e.disks, Now: e.now})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { e.r.Run(ctx) })
	<-done
	e.want("root", "")
	e.set(e.id, catalog.Schedule{Daily: 3})
	e.r.Changed()
	<-done
	e.want("root", "daily-20261123")
	e.move(24 * time.Hour)
	e.r.Changed()
	<-done
	e.want("root", "daily-20261123 daily-20261124")
	cancel()
	wg.Wait()
}
