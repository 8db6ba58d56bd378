package disk

import (
	"crypto/md5"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"atoll/internal/blob"
	"atoll/internal/crashfs"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A world is what a disk shows: of each branch and checkpoint its paths with
// what each holds.
type world map[Ref]map[string]string

func (w world) clone() world {
	c := world{}
	for ref, files := range w {
		c[ref] = maps.Clone(files)
	}
	return c
}

func (w world) equal(o world) bool {
	return maps.EqualFunc(w, o, func(a, b map[string]string) bool { return maps.Equal(a, b) })
}

// crashStep is one atomic operation: on the disk, and on the world.
type crashStep struct {
	name string
	do   func(e *env) error
	then func(w world)
}

// powerCut takes a copy of the file system as after a power cut before every
// sync, opens the stores on it and checks them.
type powerCut struct {
	t     *testing.T
	mem   *crashfs.MemFS
	bo    blob.Options
	rng   *rand.Rand
	steps []crashStep
	fsck  bool // run Check, too

	mu     sync.Mutex
	on     bool
	acked  int     // steps acknowledged
	worlds []world // by number of steps done
	cuts   int
}

func (c *powerCut) String() string { return "power cut" }

func (c *powerCut) MaybeError(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
	default:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.on || c.t.Failed() {
		return nil
	}
	c.cuts++
	if c.cuts%everyNth != 0 {
		return nil
	}
	// In a goroutine of its own, so that a fatal failure does not end the
	// store's.
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.check(0)
		if c.cuts%3 == 0 && !c.t.Failed() {
			c.check(c.rng.IntN(101))
		}
	}()
	<-done
	return nil
}

// orderly tells whether the file that says which manifest counts is not there
// before that manifest. Pebble makes one after the other with one sync of the
// directory: file systems keep that order, the in-memory one draws each
// directory entry on its own.
func orderly(fs vfs.FS) bool {
	names, err := fs.List("meta")
	if err != nil {
		return false
	}
	for _, n := range names {
		if strings.HasPrefix(n, "marker.manifest.") && !slices.Contains(names, n[strings.LastIndexByte(n, '.')+1:]) {
			return false
		}
	}
	return true
}

// check opens a copy after a power cut that lost all but some of what was not
// synced. All steps that were acknowledged are there, the next one wholly or
// not at all, and the rows are sound.
func (c *powerCut) check(percent int) {
	t := &crashT{T: c.t, at: fmt.Sprintf("cut %d, %d%% of what was not synced, after step %d", c.cuts, percent, c.acked)}
	clone := c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng})
	if !orderly(clone) {
		return
	}
	e := &env{t: t, fs: clone, bo: c.bo,
		opts: Options{NoCompaction: true, GatherMax: -1, FilterBytes: int64(c.cuts%3) * 600, ListingBytes: int64(c.cuts%2) * 5000, listAll: true}}
	e.bo.FS = e.fs
	if c.fsck { // as it is, jobs half done
		if _, found := e.check(false, nil); len(found) > 0 {
			t.Errorf("check before the start: %v", found)
			return
		}
	}
	e.open()
	got := worldOf(t, e)
	next := c.acked
	if !got.equal(c.worlds[next]) {
		if next++; next >= len(c.worlds) || !got.equal(c.worlds[next]) {
			t.Errorf("neither what was acknowledged nor the next step (%s)\ngot  %v\nwant %v", c.steps[min(c.acked, len(c.steps)-1)].name, got, c.worlds[c.acked])
		}
	}
	if !c.t.Failed() {
		e.audit(t, testDisk)
	}
	if !c.t.Failed() && c.fsck {
		if _, found := e.check(false, nil); len(found) > 0 {
			t.Errorf("check: %v", found)
		}
		e.open()
	}
	if !c.t.Failed() && c.cuts%4 == 0 {
		put(t, e.root(), "after", []byte("the crash"))
		if c.cuts%8 == 0 {
			e.collect()
		}
		got[Ref{Branch: RootBranch}]["after"] = digest([]byte("the crash"))
		e.reopen()
		if again := worldOf(t, e); !again.equal(got) {
			t.Errorf("after another restart\ngot  %v\nwant %v", again, got)
		}
	}
	e.close()
}

// crashT says where it failed.
type crashT struct {
	*testing.T
	at string
}

func (t *crashT) Errorf(format string, args ...any) { t.T.Errorf(t.at+": "+format, args...) }
func (t *crashT) Fatalf(format string, args ...any) { t.T.Fatalf(t.at+": "+format, args...) }

func digest(b []byte) string {
	n := uint64(len(b))
	for _, c := range b {
		n = n*1099511628211 + uint64(c)
	}
	return fmt.Sprintf("%d:%x", len(b), n)
}

// worldOf reads everything that a disk shows.
func worldOf(t testing.TB, e *env) world {
	t.Helper()
	w := world{}
	d := e.root().disk
	branches, err := d.Branches(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range branches {
		refs := []Ref{{Branch: b.Name}}
		points, err := d.Checkpoints(ctx, b.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			refs = append(refs, Ref{b.Name, p.Name})
		}
		for _, ref := range refs {
			w[ref] = map[string]string{}
			v := e.view(ref)
			for _, k := range listAll(t, v, ListOptions{}, 50) {
				data, _, err := get(v, k.Key)
				if err != nil {
					t.Fatalf("get %s: %v", k.Key, err)
				}
				w[ref][k.Key] = digest(data)
			}
		}
	}
	return w
}

var rootRef = Ref{Branch: RootBranch}

func stepPut(ref Ref, path string, size int, seed uint64) crashStep {
	data := randomBytes(size, seed)
	return crashStep{"put " + path, func(e *env) error {
		_, err := tryPut(e.view(ref), path, data, PutOptions{})
		return err
	}, func(w world) { w[ref][path] = digest(data) }}
}

func stepRemove(ref Ref, path string) crashStep {
	return crashStep{"remove " + path, func(e *env) error {
		_, err := e.view(ref).Remove(ctx, path, RemoveOptions{})
		return err
	}, func(w world) { delete(w[ref], path) }}
}

func stepRename(ref Ref, from, to string, flags RenameFlags) crashStep {
	return crashStep{"rename " + from, func(e *env) error {
		return e.view(ref).Rename(ctx, RootIno, from, RootIno, to, flags, 0)
	}, func(w world) {
		f := w[ref]
		a, b := f[from], f[to]
		delete(f, from)
		f[to] = a
		if flags == RenameExchange {
			f[from] = b
		}
	}}
}

// stepInode changes the file path, whose contents become want.
func stepInode(ref Ref, name, path string, want []byte, do func(v *View, ino Ino) error) crashStep {
	return crashStep{name + " " + path, func(e *env) error {
		v := e.view(ref)
		a, err := v.Stat(ctx, path, false)
		if err != nil {
			return err
		}
		return do(v, a.Ino)
	}, func(w world) { w[ref][path] = digest(want) }}
}

func stepDisk(name string, do func(d *Disk) error, then func(w world)) crashStep {
	return crashStep{name, func(e *env) error { return do(e.root().disk) }, then}
}

func stepQuiet(name string, do func(e *env)) crashStep {
	return crashStep{name, func(e *env) error { do(e); return nil }, func(world) {}}
}

func crashScript() []crashStep {
	fork, cp, auto := Ref{Branch: "f"}, Ref{RootBranch, "c"}, Ref{RootBranch, "fork-f"}
	g, left := Ref{Branch: "g"}, Ref{Branch: "left"}
	b, sparse := randomBytes(5000, 2), make([]byte, ChunkSize+50)
	copy(sparse, b)
	copy(sparse[ChunkSize-50:], randomBytes(100, 50))
	first := slices.Clone(sparse[:ChunkSize])
	return []crashStep{
		stepPut(rootRef, "a", 10, 1),
		stepPut(rootRef, "b", 5000, 2),
		stepPut(rootRef, "d/e/f", 200_000, 3),
		stepPut(rootRef, "a", 4000, 4),
		stepDisk("checkpoint", func(d *Disk) error { return d.Checkpoint(ctx, "", "c") }, func(w world) { w[cp] = maps.Clone(w[rootRef]) }),
		stepPut(rootRef, "a", 20, 5),
		stepRemove(rootRef, "d/e/f"),
		stepDisk("fork", func(d *Disk) error { return d.Fork(ctx, Ref{}, "f") }, func(w world) {
			w[fork], w[auto] = maps.Clone(w[rootRef]), maps.Clone(w[rootRef])
		}),
		stepInode(rootRef, "write", "b", first, func(v *View, ino Ino) error {
			_, err := v.WriteAt(ctx, ino, sparse[ChunkSize-50:ChunkSize], ChunkSize-50, 0)
			return err
		}),
		stepInode(rootRef, "write", "b", sparse, func(v *View, ino Ino) error {
			_, err := v.WriteAt(ctx, ino, sparse[ChunkSize:], ChunkSize, 0)
			return err
		}),
		stepPut(fork, "g", 300_000, 6),
		stepRename(fork, "a", "b", 0),
		stepRename(rootRef, "a", "b", RenameExchange),
		stepRemove(fork, "g"),
		stepQuiet("jobs and compaction", (*env).collect),
		stepDisk("roll back", func(d *Disk) error {
			_, err := d.Rollback(ctx, "", "c", MoveOptions{Keep: "left"})
			return err
		}, func(w world) {
			w[left], w[Ref{"left", "fork-f"}] = w[rootRef], w[auto]
			w[rootRef] = maps.Clone(w[cp])
			delete(w, auto)
		}),
		stepPut(rootRef, "a", 5001, 11),
		stepPut(left, "a", 5002, 12),
		stepDisk("fork the checkpoint", func(d *Disk) error { return d.Fork(ctx, cp, "g") }, func(w world) { w[g] = maps.Clone(w[cp]) }),
		stepPut(g, "a", 5003, 13),
		stepDisk("rename", func(d *Disk) error { return d.RenameBranch(ctx, "g", "h") }, func(w world) {
			w[Ref{Branch: "h"}] = w[g]
			delete(w, g)
		}),
		stepDisk("rename checkpoint", func(d *Disk) error { return d.RenameCheckpoint(ctx, "", "c", "b") }, func(w world) {
			w[Ref{RootBranch, "b"}] = w[cp]
			delete(w, cp)
		}),
		stepDisk("promote", func(d *Disk) error {
			_, err := d.Promote(ctx, "h", MoveOptions{Keep: "old"})
			return err
		}, func(w world) {
			w[Ref{Branch: "old"}] = w[rootRef]
			w[rootRef] = maps.Clone(w[Ref{Branch: "h"}])
		}),
		stepQuiet("restart", (*env).reopen),
		stepPut(rootRef, "a", 6000, 14),
		stepDisk("delete a fork", func(d *Disk) error { return d.DeleteBranch(ctx, "f", DeleteOptions{}) }, func(w world) {
			delete(w, fork)
			delete(w, Ref{"left", "fork-f"})
		}),
		stepDisk("delete what was left", func(d *Disk) error { return d.DeleteBranch(ctx, "left", DeleteOptions{}) }, func(w world) { delete(w, left) }),
		stepQuiet("jobs and compaction", (*env).collect),
		stepDisk("delete what was promoted", func(d *Disk) error { return d.DeleteBranch(ctx, "h", DeleteOptions{}) }, func(w world) { delete(w, Ref{Branch: "h"}) }),
		stepDisk("delete checkpoint", func(d *Disk) error { return d.DeleteCheckpoint(ctx, "", "b", DeleteOptions{}) }, func(w world) { delete(w, Ref{RootBranch, "b"}) }),
		stepDisk("delete what was the root", func(d *Disk) error { return d.DeleteBranch(ctx, "old", DeleteOptions{}) }, func(w world) { delete(w, Ref{Branch: "old"}) }),
		stepQuiet("jobs and compaction", (*env).collect),
		stepPut(rootRef, "h", 900_000, 7),
		stepPut(rootRef, "h", 900_001, 8),
		stepPut(rootRef, "i", 900_002, 9),
		stepRemove(rootRef, "h"),
		stepQuiet("restart", (*env).reopen),
		stepQuiet("jobs and compaction", (*env).collect),
		stepQuiet("an upload that is given up", func(e *env) { startUpload(e.t.(*testing.T), e.root(), 29<<20).Abort() }),
		stepPut(rootRef, "j", 29<<20, 10),
		stepRemove(rootRef, "j"),
	}
}

// partsScript uploads in parts, before and after a checkpoint, and changes
// what comes of it.
func partsScript() []crashStep {
	point := Ref{RootBranch, "p"}
	var id MultipartID
	var many uploaded
	var listed []byte
	for i := range 40 {
		listed = append(listed, partBytes(i+1)...)
	}
	begin := stepQuiet("begin a multipart upload", func(e *env) { id = createMultipart(e.t, e.root(), "m", PutOptions{}) })
	part := func(number int, data []byte) crashStep {
		return stepQuiet(fmt.Sprint("part ", number), func(e *env) { putPart(e.t, e.root(), "m", id, number, data) })
	}
	one, two, end := randomBytes(5000, 60), randomBytes(200_001, 61), randomBytes(3000, 62)
	whole := slices.Concat(one, two)
	written := slices.Clone(whole)
	copy(written[4990:], end[:10])
	over := slices.Clone(written)
	copy(over[5000:], end[10:30])
	appended := slices.Concat(over[:100_000], end)
	return []crashStep{
		stepPut(rootRef, "a", 10, 1),
		begin,
		part(1, one),
		stepDisk("checkpoint", func(d *Disk) error { return d.Checkpoint(ctx, "", "p") }, func(w world) { w[point] = maps.Clone(w[rootRef]) }),
		part(2, end),
		part(2, two),
		part(3, one),
		{"complete", func(e *env) error {
			parts := []Part{{Number: 1, MD5: md5.Sum(one)}, {Number: 2, MD5: md5.Sum(two)}}
			_, err := e.root().CompleteMultipart(ctx, "m", id, parts, PutOptions{})
			return err
		}, func(w world) { w[rootRef]["m"] = digest(whole) }},
		stepInode(rootRef, "write", "m", written, func(v *View, ino Ino) error {
			_, err := v.WriteAt(ctx, ino, end[:10], 4990, 0)
			return err
		}),
		stepInode(rootRef, "write", "m", over, func(v *View, ino Ino) error {
			_, err := v.WriteAt(ctx, ino, end[10:30], 5000, 0)
			return err
		}),
		stepInode(rootRef, "truncate", "m", over[:100_000], func(v *View, ino Ino) error {
			size := int64(100_000)
			_, err := v.SetAttr(ctx, ino, SetAttr{Size: &size})
			return err
		}),
		{"append", func(e *env) error {
			_, err := e.root().Append(ctx, "m", end, PutOptions{})
			return err
		}, func(w world) { w[rootRef]["m"] = digest(appended) }},
		stepRemove(rootRef, "m"),
		begin,
		part(1, one),
		stepQuiet("abort", func(e *env) {
			if err := e.root().AbortMultipart(ctx, "m", id); err != nil {
				e.t.Fatal(err)
			}
		}),
		stepDisk("delete checkpoint", func(d *Disk) error { return d.DeleteCheckpoint(ctx, "", "p", DeleteOptions{}) }, func(w world) { delete(w, point) }),
		stepQuiet("many parts", func(e *env) { many = manyParts(e.t, e.root(), "n", 40) }),
		{"complete", func(e *env) error {
			_, err := e.root().CompleteMultipart(ctx, "n", many.id, many.parts, PutOptions{})
			return err
		}, func(w world) { w[rootRef]["n"] = digest(listed) }},
		stepRemove(rootRef, "n"), // in several steps
		stepQuiet("jobs and compaction", (*env).collect),
	}
}

func TestPowerCuts(t *testing.T) { runPowerCuts(t, crashScript(), false, 60) }

func TestPowerCutsOfParts(t *testing.T) { runPowerCuts(t, partsScript(), true, 30) }

// runPowerCuts runs a script, with at least so many power cuts.
func runPowerCuts(t *testing.T, steps []crashStep, fsck bool, atLeast int) {
	mem := crashfs.New()
	c := &powerCut{t: t, mem: mem, rng: rand.New(rand.NewPCG(1, 2)), steps: steps, fsck: fsck,
		bo: blob.Options{Dir: "blob", PreallocateBytes: -1, SegmentBytes: 8 << 20}}
	e := &env{t: t, fs: errorfs.Wrap(mem, c), bo: c.bo, opts: Options{NoCompaction: true, GatherMax: -1}}
	e.bo.FS = e.fs
	e.open()
	e.root()
	w := world{rootRef: {}}
	c.worlds = append(c.worlds, w)
	for _, s := range c.steps {
		w = w.clone()
		s.then(w)
		c.worlds = append(c.worlds, w)
	}
	c.mu.Lock()
	c.on = true
	c.mu.Unlock()
	for i, s := range c.steps {
		if err := s.do(e); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		c.mu.Lock()
		c.acked = i + 1
		c.mu.Unlock()
	}
	c.mu.Lock()
	c.on = false
	c.mu.Unlock()
	if got := worldOf(t, e); !got.equal(w) {
		t.Errorf("at the end\ngot  %v\nwant %v", got, w)
	}
	e.audit(t, testDisk)
	e.close()
	if c.cuts < atLeast {
		t.Errorf("only %d power cuts", c.cuts)
	}
	t.Logf("%d power cuts", c.cuts)
}
