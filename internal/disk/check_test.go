package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atoll/internal/blob"
	"atoll/internal/kv"
	"atoll/internal/kv/pebblekv"
)

// busy is a store with a history: files of all kinds and sizes, written,
// changed, renamed, linked and removed, in branches and between checkpoints.
type busy struct {
	*env
	rng   *rand.Rand
	d     *Disk
	views []*View
	names int
}

func newBusy(t *testing.T, seed uint64, steps int) *busy {
	e := newEnv(t, nil, Options{})
	b := &busy{env: e, rng: rand.New(rand.NewPCG(seed, 1))}
	b.views = []*View{e.root()}
	b.d = b.views[0].disk
	for range steps {
		b.step()
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// path picks a path of a small tree, so that names meet.
func (b *busy) path() string {
	p := fmt.Sprintf("d%d/f%d", b.rng.IntN(3), b.rng.IntN(5))
	if b.rng.IntN(4) == 0 {
		p = fmt.Sprintf("d%d/s/f%d", b.rng.IntN(3), b.rng.IntN(4))
	}
	return p
}

func (b *busy) size() int {
	sizes := [...]int{0, 1, 1000, 2048, 2049, 70_000, 1 << 20, ChunkSize + 9000}
	return sizes[b.rng.IntN(len(sizes))]
}

// step does one thing; that much of it fails, for want of a file or because
// a name is taken, is meant.
func (b *busy) step() {
	v := b.views[b.rng.IntN(len(b.views))]
	path := b.path()
	a, _ := v.Stat(ctx, path, false)
	dir, _ := v.Stat(ctx, path[:strings.LastIndexByte(path, '/')], false)
	other, _ := v.Stat(ctx, fmt.Sprintf("d%d", b.rng.IntN(3)), false)
	name := path[strings.LastIndexByte(path, '/')+1:]
	newName := fmt.Sprintf("f%d", b.rng.IntN(6))
	switch b.rng.IntN(16) {
	case 0, 1, 2, 3:
		_, _ = tryPut(v, path, randomBytes(b.size(), b.rng.Uint64()), PutOptions{})
	case 4, 5:
		_, _ = v.Remove(ctx, path, RemoveOptions{})
	case 6, 7:
		_, _ = v.WriteAt(ctx, a.Ino, randomBytes(b.size()/3+1, 7), int64(b.rng.IntN(ChunkSize+5000)), 0)
	case 8:
		n := int64(b.size())
		_, _ = v.SetAttr(ctx, a.Ino, SetAttr{Size: &n})
	case 9:
		_ = v.Rename(ctx, dir.Ino, name, other.Ino, newName, RenameFlags(b.rng.IntN(3)), 0)
	case 10:
		_, _ = v.Link(ctx, a.Ino, other.Ino, newName, 0)
	case 11:
		_ = v.SetXattr(ctx, a.Ino, "user."+newName, []byte(name), 0, 0)
		_ = v.RemoveXattr(ctx, a.Ino, "user.f0", 0)
	case 12:
		_, _ = v.Create(ctx, dir.Ino, newName, NewNode{Type: Symlink, Target: "../d1/f0"})
		_, _ = v.Mkdir(ctx, other.Ino, fmt.Sprintf("e%d", b.rng.IntN(2)), NewNode{Mode: 0o755})
	case 13:
		_ = v.Rename(ctx, other.Ino, "e0", dir.Ino, "e1", RenameFlags(b.rng.IntN(3)), 0)
		_ = v.Rmdir(ctx, other.Ino, "e1", 0)
	default:
		b.history(v)
	}
}

// history makes and removes branches and checkpoints.
func (b *busy) history(v *View) {
	b.names++
	name := fmt.Sprintf("n%d", b.names)
	cps, _ := b.d.Checkpoints(ctx, v.Ref().Branch)
	pick := func() string { return cps[b.rng.IntN(len(cps))].Name }
	switch b.rng.IntN(9) {
	case 6:
		if len(cps) > 0 {
			if left, err := b.d.Rollback(ctx, v.Ref().Branch, pick(), MoveOptions{}); err == nil {
				b.moved(v.Ref(), left.Name)
			}
		}
	case 7:
		if left, err := b.d.Promote(ctx, v.Ref().Branch, MoveOptions{Keep: name}); err == nil {
			b.moved(rootRef, left.Name)
		}
	case 8:
		_ = b.d.RenameBranch(ctx, v.Ref().Branch, name)
		if len(cps) > 0 {
			_ = b.d.RenameCheckpoint(ctx, v.Ref().Branch, pick(), name)
		}
	case 0, 1:
		_ = b.d.Checkpoint(ctx, v.Ref().Branch, name)
	case 2:
		if len(cps) > 0 {
			_ = b.d.DeleteCheckpoint(ctx, v.Ref().Branch, pick(), DeleteOptions{Cascade: true})
		}
	case 3, 4:
		from := v.Ref()
		if len(cps) > 0 && b.rng.IntN(2) == 0 {
			from.Checkpoint = pick()
		}
		if len(b.views) < 6 && b.d.Fork(ctx, from, name) == nil {
			b.views = append(b.views, b.view(Ref{Branch: name}))
		}
	case 5:
		if i := b.rng.IntN(len(b.views)); i > 0 {
			_ = b.d.DeleteBranch(ctx, b.views[i].Ref().Branch, DeleteOptions{Cascade: b.rng.IntN(2) == 0})
			b.views = slices.DeleteFunc(b.views, func(v *View) bool { return v.gone.Load() })
		}
	}
}

// moved replaces the view of a branch that shows another state now, and adds
// one of what was left behind.
func (b *busy) moved(ref Ref, left string) {
	for i, v := range b.views {
		if v.gone.Load() {
			b.views[i] = b.view(ref)
		}
	}
	b.views = append(b.views, b.view(Ref{Branch: left}))
}

// check closes the store and checks it; the store stays closed.
func (e *env) check(repair bool, known []ID) (sum Summary, found []Problem) {
	e.t.Helper()
	e.close()
	e.offline(!repair, func(k *pebblekv.Store, b *blob.Store) {
		var err error
		sum, err = Check(ctx, CheckOptions{KV: k, Blob: b, Repair: repair, Known: known,
			Report: func(p Problem) { found = append(found, p) }})
		if err != nil {
			e.t.Fatal(err)
		}
	})
	if n := sum.Errors + sum.Warnings; n != len(found) || sum.Clean() != (n == sum.Repaired) {
		e.t.Fatalf("summary %+v of %d problems", sum, len(found))
	}
	return sum, found
}

// offline runs fn on the two stores while nothing else uses them.
func (e *env) offline(readOnly bool, fn func(*pebblekv.Store, *blob.Store)) {
	e.t.Helper()
	k, err := pebblekv.Open(pebblekv.Options{Dir: "meta", FS: e.fs, Split: Split, ReadOnly: readOnly, CacheBytes: 1 << 20, MemTableBytes: 4 << 20,
		OnFatal: func(err error) { e.t.Errorf("offline: %v", err) }})
	if err != nil {
		e.t.Fatal(err)
	}
	bo := e.bo
	bo.ReadOnly = true
	b, err := blob.Open(bo)
	if err != nil {
		e.t.Fatal(err)
	}
	fn(k, b)
	for _, c := range []io.Closer{b, k} {
		if err := c.Close(); err != nil {
			e.t.Errorf("offline: %v", err)
		}
	}
}

// TestCheckHealthy checks stores that much was done to: there is nothing to
// report, and all that is there was looked at.
func TestCheckHealthy(t *testing.T) {
	for seed := range uint64(5) {
		b := newBusy(t, seed, 200)
		layers := len(b.d.layers)
		sum, found := b.check(false, []ID{testDisk})
		for _, p := range found {
			t.Errorf("seed %d: %v", seed, p)
		}
		if sum.Disks != 1 || sum.Views < 1 || sum.Files == 0 || sum.Rows == 0 || sum.Records < sum.Extents {
			t.Errorf("seed %d: %+v", seed, sum)
		}
		t.Logf("seed %d: %d layers, %+v", seed, layers, sum)
	}
}

// TestCheckWhileWorkIsLeft checks stores whose jobs did not end, whose upload
// was not committed and with a file open that has no name.
func TestCheckWhileWorkIsLeft(t *testing.T) {
	b := newBusy(t, 42, 80)
	v := b.views[0]
	for i := range 4 {
		put(t, v, fmt.Sprintf("big%d", i), randomBytes(ChunkSize+1, uint64(i)))
	}
	if err := b.d.Checkpoint(ctx, "", "last"); err != nil {
		t.Fatal(err)
	}
	if err := b.d.Fork(ctx, Ref{Checkpoint: "last"}, "late"); err != nil {
		t.Fatal(err)
	}
	a := put(t, v, "open", randomBytes(100_000, 3))
	if err := v.Hold(ctx, a.Ino); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Remove(ctx, "open", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	u, err := v.NewUpload(ctx, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(u, bytes.NewReader(make([]byte, 9*ChunkSize))); err != nil {
		t.Fatal(err)
	}
	if !u.staged {
		t.Fatal("nothing was staged")
	}
	b.s.jobs.stop() // from here on work is left for the next start
	for i := range 4 {
		if _, err := v.Remove(ctx, fmt.Sprintf("big%d", i), RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.d.DeleteBranch(ctx, "late", DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.d.DeleteCheckpoint(ctx, "", "last", DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.s.jobs.started = false // it has ended already
	_, found := b.check(false, nil)
	for _, p := range found {
		t.Errorf("with work left: %v", p)
	}
	b.open()
	if err := b.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, found = b.check(true, nil); len(found) > 0 {
		t.Errorf("when it was done: %v", found)
	}
}

// simple makes a store in which everything has a known place: a file of one
// extent, an inline one, a directory, a link, a fork and a checkpoint.
func simple(t *testing.T) *env {
	e := newEnv(t, nil, Options{})
	v := e.root()
	put(t, v, "dir/large", randomBytes(200_000, 1))
	put(t, v, "dir/inline", []byte("short"))
	a := put(t, v, "dir/linked", randomBytes(5000, 2))
	if _, err := v.Link(ctx, a.Ino, RootIno, "second", 0); err != nil {
		t.Fatal(err)
	}
	if err := v.disk.Checkpoint(ctx, "", "cp"); err != nil {
		t.Fatal(err)
	}
	if err := v.disk.Fork(ctx, Ref{}, "fork"); err != nil {
		t.Fatal(err)
	}
	put(t, e.view(Ref{Branch: "fork"}), "dir/large", randomBytes(100_000, 3))
	put(t, v, "new", randomBytes(100_000, 4))
	e.close()
	return e
}

// keysOf lists the keys of the test's disk that begin with table.
func keysOf(t *testing.T, k kv.Store, prefix []byte) (keys, values [][]byte) {
	t.Helper()
	err := k.View(ctx, func(r kv.Reader) error {
		return eachIn(r, prefix, afterPrefix(prefix), func(k, v []byte) error {
			keys, values = append(keys, bytes.Clone(k)), append(values, bytes.Clone(v))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) == 0 {
		t.Fatalf("no rows at %q", prefix)
	}
	return keys, values
}

// damage is a change of rows that a check must find.
type damage struct {
	name   string
	prefix func() []byte // of the rows to choose from; the last is changed
	change func(v []byte) []byte
	add    func(tx kv.Txn) error // instead of prefix and change
	what   string
	safe   bool // can be repaired
}

func metaPrefix(l layer, body []byte) func() []byte {
	return func() []byte { return append(metaHeader(testDisk, l), body...) }
}

func tablePrefix(table byte) func() []byte { return func() []byte { return tableKey(testDisk, table) } }

func remove([]byte) []byte  { return nil }
func garbage([]byte) []byte { return []byte{0x63, 1, 2} }

func changeAttr(fn func(*Attr)) func([]byte) []byte {
	return func(v []byte) []byte {
		var a Attr
		if err := decodeAttr(v, &a); err != nil {
			panic(err)
		}
		fn(&a)
		return appendAttr(nil, &a)
	}
}

func changePoint(fn func(*point)) func([]byte) []byte {
	return func(v []byte) []byte {
		p, err := decodePoint(make([]byte, 8), v)
		if err != nil {
			panic(err)
		}
		fn(p)
		return p.row()
	}
}

func changeBranch(fn func(*branchState)) func([]byte) []byte {
	return func(v []byte) []byte {
		b, err := decodeBranch(2, v)
		if err != nil {
			panic(err)
		}
		fn(b)
		return b.row()
	}
}

func damages() []damage {
	return []damage{
		{name: "extent row missing", prefix: tablePrefix(tabExtent), change: remove, what: ProblemContents},
		{name: "extent row garbage", prefix: tablePrefix(tabExtent), change: garbage, what: ProblemRow},
		{name: "extent elsewhere", prefix: tablePrefix(tabExtent), what: ProblemContents, change: func(v []byte) []byte {
			x, _ := decodeExtent(v)
			x.loc.Offset += 8
			return x.row()
		}},
		{name: "extent leaked", what: ProblemLeak, safe: true, add: func(tx kv.Txn) error {
			x := extent{loc: blob.Loc{Segment: 1, Offset: 4096, Length: 77}, layer: 1, birth: 1}
			return tx.Set(idKey(testDisk, tabExtent, firstID+idBlock-7), x.row())
		}},
		{name: "usage wrong", prefix: tablePrefix(tabUsage), what: ProblemUsage, safe: true, change: func([]byte) []byte {
			u := usageRow{12345, -3, 5}
			return u.row()
		}},
		{name: "usage missing", prefix: tablePrefix(tabUsage), change: remove, what: ProblemUsage, safe: true},
		{name: "counter behind", prefix: tablePrefix(tabCounter), what: ProblemCounter, safe: true,
			change: func([]byte) []byte { return row(firstID) }},
		{name: "counter missing", prefix: tablePrefix(tabCounter), change: remove, what: ProblemCounter, safe: true},
		{name: "branch missing", prefix: tablePrefix(tabBranch), change: remove, what: ProblemHistory},
		{name: "name missing", prefix: tablePrefix(tabName), change: remove, what: ProblemHistory},
		{name: "pin missing", prefix: tablePrefix(tabPin), change: remove, what: ProblemHistory},
		{name: "checkpoint missing", prefix: tablePrefix(tabPoint), change: remove, what: ProblemHistory},
		{name: "checkpoint with other files", prefix: tablePrefix(tabPoint), what: ProblemUsage, change: func(v []byte) []byte {
			p, err := decodePoint(make([]byte, 8), v)
			if err != nil {
				panic(err)
			}
			p.files++
			return p.row()
		}},
		{name: "checkpoint of no branch", what: ProblemHistory, add: func(tx kv.Txn) error {
			p := point{at: level{layer: 7, epoch: 7}, name: "lost"}
			return tx.Set(pointKey(testDisk, p.at), p.row())
		}},
		{name: "checkpoint of the same name", prefix: tablePrefix(tabPoint), what: ProblemHistory, change: changePoint(func(p *point) { p.name = "cp" })},
		{name: "branch forked from nowhere", prefix: tablePrefix(tabBranch), what: ProblemHistory,
			change: changeBranch(func(b *branchState) { b.from.epoch += 5 })},
		{name: "branch with another's checkpoints", prefix: tablePrefix(tabBranch), what: ProblemHistory,
			change: changeBranch(func(b *branchState) { b.spans = append([]pointSpan{{1, 1, 3}}, b.spans...) })},
		{name: "branch that no job removes", prefix: tablePrefix(tabBranch), what: ProblemLeak,
			change: changeBranch(func(b *branchState) { b.dying = true })},
		{name: "branch with another id", prefix: tablePrefix(tabBranch), what: ProblemHistory,
			change: changeBranch(func(b *branchState) { b.id++ })},
		{name: "id of a branch missing", prefix: func() []byte { return branchIDKey(0)[:2] }, change: remove, what: ProblemHistory},
		{name: "id of no branch", what: ProblemHistory, add: func(tx kv.Txn) error {
			return tx.Set(branchIDKey(1), located{testDisk, 9}.row())
		}},
		{name: "layer missing", prefix: tablePrefix(tabLayer), change: remove, what: ProblemHistory},
		{name: "changes missing", prefix: tablePrefix(tabChange), change: remove, what: ProblemHistory},
		{name: "unknown table", what: ProblemRow, add: func(tx kv.Txn) error { return tx.Set(tableKey(testDisk, 'A'), row(1)) }},
		{name: "chunk missing its extent", prefix: metaPrefix(1, []byte{kindData}), change: remove, what: ProblemLeak, safe: true},
		{name: "chunk garbage", prefix: metaPrefix(1, []byte{kindData}), change: garbage, what: ProblemRow},
		{name: "chunk of no file", what: ProblemLeak, add: func(tx kv.Txn) error {
			k := append(metaHeader(testDisk, 1), dataBody(nil, 3, 0)...)
			return tx.Set(binary.BigEndian.AppendUint32(k, ^uint32(1)), []byte{tagInline, 'x'})
		}},
		{name: "entry missing", prefix: metaPrefix(1, entryBody(nil, RootIno, "new")), change: remove, what: ProblemTree},
		{name: "entry of a directory missing", prefix: metaPrefix(1, entryBody(nil, RootIno, "dir")), change: remove, what: ProblemTree},
		{name: "entry garbage", prefix: metaPrefix(1, entryBody(nil, RootIno, "new")), change: garbage, what: ProblemRow},
		{name: "entry of another inode", prefix: metaPrefix(1, entryBody(nil, RootIno, "new")), what: ProblemTree,
			change: changeAttr(func(a *Attr) { a.Ino = 99 })},
		{name: "inode missing", prefix: metaPrefix(1, []byte{kindInode}), change: remove, what: ProblemTree},
		{name: "links wrong", prefix: metaPrefix(1, inodeBody(nil, RootIno)), what: ProblemTree,
			change: changeAttr(func(a *Attr) { a.Nlink += 3 })},
		{name: "parent wrong", prefix: metaPrefix(1, inodeBody(nil, RootIno)), what: ProblemTree,
			change: changeAttr(func(a *Attr) { a.parent = 12 })},
		{name: "link missing", prefix: metaPrefix(1, []byte{kindLink}), change: remove, what: ProblemTree},
		{name: "useless whiteout", what: ProblemLeak, add: func(tx kv.Txn) error {
			k := append(metaHeader(testDisk, 1), entryBody(nil, RootIno, "zzz")...)
			return tx.Set(binary.BigEndian.AppendUint32(k, ^uint32(1)), nil)
		}},
		{name: "row of the future", what: ProblemRow, add: func(tx kv.Txn) error {
			k := append(metaHeader(testDisk, 1), dataBody(nil, 3, 0)...)
			return tx.Set(binary.BigEndian.AppendUint32(k, ^uint32(1000)), []byte{tagInline, 'x'})
		}},
	}
}

// do damages a store.
func (d *damage) do(t *testing.T, k kv.Store) {
	t.Helper()
	var key, value []byte
	if d.add == nil {
		keys, values := keysOf(t, k, d.prefix())
		n := len(keys) - 1
		key, value = keys[n], d.change(values[n])
	}
	err := k.Update(ctx, func(tx kv.Txn) error {
		switch {
		case d.add != nil:
			return d.add(tx)
		case value == nil:
			return tx.Delete(key)
		}
		return tx.Set(key, value)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheckFindsDamage damages a store in all ways that are known. Each is
// found; what can be repaired is, and then nothing is left to find; what can't
// be is left as it is.
func TestCheckFindsDamage(t *testing.T) {
	for i, d := range damages() {
		if i%everyNth != 0 {
			continue
		}
		t.Run(strings.ReplaceAll(d.name, " ", "-"), func(t *testing.T) {
			e := simple(t)
			e.offline(false, func(k *pebblekv.Store, _ *blob.Store) { d.do(t, k) })
			sum, found := e.check(false, nil)
			has := false
			for _, p := range found {
				has = has || p.What == d.what
				if p.Repaired {
					t.Errorf("repaired without being asked: %v", p)
				}
			}
			if !has || sum.Clean() {
				t.Fatalf("no problem %q among %v", d.what, found)
			}
			first := len(found)
			sum, found = e.check(true, nil)
			_, left := e.check(false, nil)
			if d.safe && (!hasRepaired(found, d.what) || d.add != nil && !sum.Clean()) {
				t.Errorf("not repaired: %v", found)
			}
			if d.safe && sum.Clean() && len(left) > 0 {
				t.Errorf("after the repair: %v", left)
			}
			if !d.safe && hasRepaired(found, d.what) {
				t.Errorf("repaired what can't be: %v", found)
			}
			if !d.safe && len(left) == 0 {
				t.Errorf("of %d problems none is left", first)
			}
		})
	}
}

func hasRepaired(found []Problem, what string) bool {
	for _, p := range found {
		if p.What == what && p.Repaired {
			return true
		}
	}
	return false
}

// TestCheckFindsFlippedBytes flips single bytes all over the segment files:
// each flip of what a file holds is found, and none is repaired or makes
// anything else be freed.
func TestCheckFindsFlippedBytes(t *testing.T) {
	e := simple(t)
	names, err := e.fs.List("blob")
	if err != nil {
		t.Fatal(err)
	}
	flips := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".seg") {
			continue
		}
		whole := readAll(t, e, "blob/"+name)
		for off := 512; off < len(whole); off += len(whole)/6 + 1 {
			bad := bytes.Clone(whole)
			bad[off] ^= 0x10
			writeAll(t, e, "blob/"+name, bad)
			sum, found := e.check(true, nil)
			if sum.Errors == 0 || sum.Repaired > 0 {
				t.Errorf("%s, byte %d of %d: %+v, %v", name, off, len(whole), sum, found)
			}
			flips++
		}
		writeAll(t, e, "blob/"+name, whole)
	}
	if _, found := e.check(false, nil); len(found) > 0 || flips == 0 {
		t.Fatalf("%d flips, then: %v", flips, found)
	}
}

func readAll(t *testing.T, e *env, path string) []byte {
	t.Helper()
	f, err := e.fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeAll(t *testing.T, e *env, path string, b []byte) {
	t.Helper()
	f, err := e.fs.Create(path, "unspecified")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCheckComparesDisks reports disks that only the catalog or only the
// store has, and ends when its context does.
func TestCheckComparesDisks(t *testing.T) {
	e := simple(t)
	_, found := e.check(false, []ID{7})
	if len(found) != 2 || found[0].Disk != 7 || found[0].Severity != Error || found[1].Disk != testDisk || found[1].Severity != Warning {
		t.Fatal(found)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	e.offline(true, func(k *pebblekv.Store, b *blob.Store) {
		sum, err := Check(done, CheckOptions{KV: k, Blob: b, Repair: true})
		if err == nil || sum.Repaired > 0 {
			t.Fatal(sum, err)
		}
	})
}

// TestTruncateKeepsXattrs frees contents whose data id is the number of an
// inode that lives on: its extended attributes stay.
func TestTruncateKeepsXattrs(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	a := put(t, v, "f", randomBytes(ChunkSize+10, 1))
	if err := v.SetXattr(ctx, a.Ino, "user.x", []byte("1"), 0, 0); err != nil {
		t.Fatal(err)
	}
	zero := int64(0)
	if _, err := v.SetAttr(ctx, a.Ino, SetAttr{Size: &zero}); err != nil {
		t.Fatal(err)
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if x, err := v.GetXattr(ctx, a.Ino, "user.x"); err != nil || string(x) != "1" {
		t.Fatalf("%q, %v", x, err)
	}
	if _, err := v.Remove(ctx, "f", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}
