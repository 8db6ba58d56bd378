package disk

import (
	"flag"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"atoll/internal/crashfs"
	"atoll/internal/errs"

	"pgregory.net/rapid"
)

// machine runs random programs on a disk and on the model side by side.
type machine struct {
	e        *env
	rt       *rapid.T
	branches map[string]*mtree
	hist     map[string]*mbranch
	seq      uint64     // makes contents differ
	uploads  []*mupload // in parts
	border   int64      // where a part of the last file that was made of parts begins
}

func (m *machine) disk() *Disk {
	d, err := m.e.s.Disk(ctx, testDisk)
	if err != nil {
		m.rt.Fatal(err)
	}
	return d
}

// branch draws a branch.
func (m *machine) branch() (*View, *mtree) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(m.branches))).Draw(m.rt, "branch")
	return m.view(Ref{Branch: name}), m.branches[name]
}

func (m *machine) view(ref Ref) *View {
	v, err := m.disk().View(ctx, ref)
	if err != nil {
		m.rt.Fatal(err)
	}
	return v
}

// want compares an outcome with the kind that the model predicts; Other means
// success.
func (m *machine) want(what string, err error, kind errs.Kind) bool {
	m.rt.Helper()
	if kind == errs.Other && err != nil || kind != errs.Other && !errs.Is(err, kind) {
		m.rt.Fatalf("%s: got %v, want kind %q", what, err, kind)
	}
	return err == nil
}

var modelNames = []string{"a", "b", "a-", "c", "aa"}

func (m *machine) name() string { return rapid.SampledFrom(modelNames).Draw(m.rt, "name") }

func (m *machine) dir(t *mtree) *mnode {
	dirs, _ := t.nodes()
	return rapid.SampledFrom(dirs).Draw(m.rt, "dir")
}

// file draws something that is not a directory; nil if there is nothing.
func (m *machine) file(t *mtree, types ...Type) *mnode {
	_, files := t.nodes()
	files = slices.DeleteFunc(files, func(n *mnode) bool { return len(types) > 0 && !slices.Contains(types, n.typ) })
	if len(files) == 0 {
		return nil
	}
	return rapid.SampledFrom(files).Draw(m.rt, "file")
}

func (m *machine) path() string {
	p := m.name()
	for rapid.IntRange(0, 2).Draw(m.rt, "deeper") == 0 {
		p += "/" + m.name()
	}
	return p
}

func (m *machine) bytes(n int) []byte {
	m.seq++
	return randomBytes(n, m.seq)
}

func (m *machine) fresh(n *mnode, a *Attr) { // takes over what the disk chose
	n.ino, n.version = a.Ino, a.Version
}

func (m *machine) upload() {
	v, t := m.branch()
	path := m.path()
	size := rapid.SampledFrom([]int{0, 1, 40, 100, 2048, 2049, 5000, 70_000, extentSize + 7}).Draw(m.rt, "size")
	data := m.bytes(size)
	o := PutOptions{UID: 7, Mode: 0o600, HasMode: rapid.Bool().Draw(m.rt, "mode"), Meta: data[:min(size, 3)], ContentMeta: []byte("cm")}
	f, kind := t.resolvePut(path)
	a, err := tryPut(v, path, data, o)
	if !m.want("put "+path, err, kind) {
		return
	}
	n := &mnode{typ: File, mode: 0o644, uid: 7, nlink: 1, md5: true, meta: string(o.Meta), content: "cm"}
	if o.HasMode {
		n.mode = 0o600
	}
	n.data.write(data, 0)
	m.placed(v, t, f, path, n, &a)
}

// placed takes over that a file was put at a path.
func (m *machine) placed(v *View, t *mtree, f found, path string, n *mnode, a *Attr) {
	uid := n.uid
	if f.node != nil {
		n.mode, n.uid, n.gid = f.node.mode, f.node.uid, f.node.gid
		t.drop(f.node)
	}
	m.fresh(n, a)
	dir, name := m.parents(v, f, path, uid)
	dir.kids[name] = n
}

// parents makes the directories that a put or MakeDir made on the way, and
// returns the last with the name in it.
func (m *machine) parents(v *View, f found, path string, uid uint32) (*mnode, string) {
	dir, name := f.dir, f.name
	names := strings.Split(path, "/")
	for i := len(names) - f.missing; i < len(names)-1; i++ {
		a, err := v.Lookup(ctx, dir.ino, names[i])
		m.want("look up a made parent", err, errs.Other)
		k := &mnode{ino: a.Ino, typ: Dir, mode: 0o755, uid: uid, kids: map[string]*mnode{}, parent: dir}
		dir.kids[names[i]] = k
		dir, name = k, names[i+1]
	}
	return dir, name
}

func (m *machine) makeDir() {
	v, t := m.branch()
	path := m.path()
	f, kind := t.resolve(path, true)
	switch {
	case kind == errs.LeavesDisk || kind == errs.Loop || f.dangling:
		kind = errs.Exists
	case kind == errs.Other && f.node != nil && f.node.typ != Dir:
		kind = errs.NotDir
	}
	made, err := v.MakeDir(ctx, path, MakeDirOptions{Mode: 0o711, HasMode: true, UID: 3})
	if !m.want("make directory "+path, err, kind) {
		return
	}
	if made != (f.node == nil) {
		m.rt.Fatalf("make directory %s: created is %v", path, made)
	}
	if made {
		dir, name := m.parents(v, f, path, 3)
		a, err := v.Lookup(ctx, dir.ino, name)
		m.want("look up", err, errs.Other)
		dir.kids[name] = &mnode{ino: a.Ino, typ: Dir, mode: 0o711, uid: 3, kids: map[string]*mnode{}, parent: dir}
	}
}

func (m *machine) remove() {
	v, t := m.branch()
	path, dir := m.path(), rapid.Bool().Draw(m.rt, "directory")
	f, kind := t.resolve(path, false)
	there := kind == errs.Other && f.node != nil && f.dir != nil && (f.node.typ == Dir) == dir
	op := v.Remove
	if dir {
		op = v.RemoveDir
		there = there && len(f.node.kids) == 0
	}
	removed, err := op(ctx, path, RemoveOptions{})
	m.want("remove "+path, err, errs.Other)
	if removed != there {
		m.rt.Fatalf("remove %s: removed is %v, want %v", path, removed, there)
	}
	if there {
		delete(f.dir.kids, f.name)
		if !dir {
			t.drop(f.node)
		}
	}
}

func (m *machine) create() {
	v, t := m.branch()
	dir, name := m.dir(t), m.name()
	kind := errs.Other
	if dir.kids[name] != nil {
		kind = errs.Exists
	}
	n := &mnode{mode: 0o640, uid: 1, gid: 2, nlink: 1, parent: dir}
	n.typ = rapid.SampledFrom([]Type{File, File, Dir, Symlink, Symlink, FIFO}).Draw(m.rt, "type")
	nn := NewNode{Type: n.typ, Mode: n.mode, UID: 1, GID: 2}
	make := v.Create
	switch n.typ {
	case Dir:
		n.kids, n.nlink = map[string]*mnode{}, 0
		make = v.Mkdir
	case Symlink:
		n.target = rapid.SampledFrom([]string{"a", "b/a", "..", "../b", "aa", "/a", "a/../b", "c/b"}).Draw(m.rt, "target")
		nn.Target = n.target
		n.data.size = int64(len(n.target))
	}
	a, err := make(ctx, dir.ino, name, nn)
	if m.want("create "+name, err, kind) {
		m.fresh(n, &a)
		dir.kids[name] = n
	}
}

func (m *machine) unlink() {
	v, t := m.branch()
	dir, name := m.dir(t), m.name()
	n := dir.kids[name]
	kind := errs.Other
	if rapid.Bool().Draw(m.rt, "rmdir") {
		switch {
		case n == nil:
			kind = errs.NotFound
		case n.typ != Dir:
			kind = errs.NotDir
		case len(n.kids) > 0:
			kind = errs.NotEmpty
		}
		if m.want("rmdir", v.Rmdir(ctx, dir.ino, name, 0), kind) {
			delete(dir.kids, name)
		}
		return
	}
	if n == nil {
		kind = errs.NotFound
	} else if n.typ == Dir {
		kind = errs.IsDir
	}
	if m.want("unlink", v.Unlink(ctx, dir.ino, name, 0), kind) {
		delete(dir.kids, name)
		t.drop(n)
	}
}

func (m *machine) link() {
	v, t := m.branch()
	n := m.file(t)
	if n == nil {
		return
	}
	dir, name := m.dir(t), m.name()
	kind := errs.Other
	if n.nlink == 0 {
		kind = errs.NotFound
	} else if dir.kids[name] != nil {
		kind = errs.Exists
	}
	_, err := v.Link(ctx, n.ino, dir.ino, name, 0)
	if m.want("link", err, kind) {
		n.nlink++
		dir.kids[name] = n
	}
}

func (m *machine) rename() {
	v, t := m.branch()
	from, to := m.dir(t), m.dir(t)
	name, newName := m.name(), m.name()
	flags := rapid.SampledFrom([]RenameFlags{0, 0, RenameNoReplace, RenameExchange}).Draw(m.rt, "flags")
	a, b := from.kids[name], to.kids[newName]
	below := func(n, dir *mnode) bool {
		for ; dir != t.root; dir = dir.parent {
			if n == dir {
				return true
			}
		}
		return false
	}
	kind, nothing := errs.Other, false
	switch {
	case a == nil:
		kind = errs.NotFound
	case flags == RenameExchange && b == nil:
		kind = errs.NotFound
	case flags == RenameNoReplace && b != nil:
		kind = errs.Exists
	case a == b:
		nothing = true
	case flags != RenameExchange && b != nil && a.typ == Dir && b.typ != Dir:
		kind = errs.NotDir
	case flags != RenameExchange && b != nil && a.typ != Dir && b.typ == Dir:
		kind = errs.IsDir
	case flags != RenameExchange && b != nil && b.typ == Dir && len(b.kids) > 0:
		kind = errs.NotEmpty
	case a.typ == Dir && below(a, to), flags == RenameExchange && b.typ == Dir && below(b, from):
		kind = errs.Invalid
	}
	if !m.want("rename", v.Rename(ctx, from.ino, name, to.ino, newName, flags, 0), kind) || nothing {
		return
	}
	delete(from.kids, name)
	if b != nil && flags == RenameExchange {
		from.kids[name], b.parent = b, from
	} else if b != nil && b.typ != Dir {
		t.drop(b)
	}
	to.kids[newName], a.parent = a, to
}

func (m *machine) setAttr() {
	v, t := m.branch()
	n := m.file(t)
	if n == nil || rapid.IntRange(0, 3).Draw(m.rt, "of a directory") == 0 {
		n = m.dir(t)
	}
	mode := uint32(rapid.IntRange(0, 0o777).Draw(m.rt, "mode"))
	uid := mode & 7
	a, err := v.SetAttr(ctx, n.ino, SetAttr{Mode: &mode, UID: &uid})
	if m.want("set attributes", err, errs.Other) {
		n.mode, n.uid = mode, uid
	}
	if a.Version != n.version {
		m.rt.Fatalf("a change of the mode changed the version")
	}
}

// offset draws a place that is likely to be near a border of chunks.
func (m *machine) offset() int64 {
	base := rapid.SampledFrom([]int64{0, m.border, 100, 2048, m.border + ChunkSize, ChunkSize, 2 * ChunkSize, 300 * ChunkSize}).Draw(m.rt, "base")
	return max(0, base+int64(rapid.IntRange(-60, 60).Draw(m.rt, "offset")))
}

func (m *machine) changed(n *mnode, v *View) {
	a, err := v.GetAttr(ctx, n.ino)
	m.want("attributes", err, errs.Other)
	if a.Version == n.version {
		m.rt.Fatalf("the contents of %d changed, the version did not", n.ino)
	}
	n.version, n.md5, n.content = a.Version, false, ""
}

func (m *machine) truncate() {
	v, t := m.branch()
	n := m.file(t, File)
	if n == nil {
		return
	}
	size := m.offset()
	_, err := v.SetAttr(ctx, n.ino, SetAttr{Size: &size})
	if m.want("truncate", err, errs.Other) && size != n.data.size {
		n.data.truncate(size)
		m.changed(n, v)
	}
}

func (m *machine) writeAt() {
	v, t := m.branch()
	n := m.file(t, File)
	if n == nil {
		return
	}
	p := m.bytes(rapid.SampledFrom([]int{1, 10, 100, 300, 3000, 100_000}).Draw(m.rt, "length"))
	off := m.offset()
	k, err := v.WriteAt(ctx, n.ino, p, off, 0)
	if m.want("write", err, errs.Other) && k == len(p) {
		n.data.write(p, off)
		m.changed(n, v)
	}
}

// scatter writes many small pieces, so that a chunk's references run out.
func (m *machine) scatter() {
	v, t := m.branch()
	n := m.file(t, File)
	if n == nil {
		return
	}
	off, step := m.offset(), int64(rapid.SampledFrom([]int{9, 700, 40_000}).Draw(m.rt, "step"))
	for range rapid.IntRange(10, 80).Draw(m.rt, "pieces") {
		p := m.bytes(5)
		_, err := v.WriteAt(ctx, n.ino, p, off, 0)
		m.want("write", err, errs.Other)
		n.data.write(p, off)
		off += step
	}
	m.changed(n, v)
}

func (m *machine) xattr() {
	v, t := m.branch()
	n := m.file(t)
	if n == nil || rapid.IntRange(0, 3).Draw(m.rt, "of a directory") == 0 {
		n = m.dir(t)
	}
	name := "user." + m.name()
	if _, have := n.xattrs[name]; rapid.Bool().Draw(m.rt, "remove") {
		kind := errs.Other
		if !have {
			kind = errs.NotFound
		}
		if m.want("remove xattr", v.RemoveXattr(ctx, n.ino, name, 0), kind) {
			delete(n.xattrs, name)
		}
		return
	}
	value := m.bytes(rapid.IntRange(0, 50).Draw(m.rt, "length"))
	if m.want("set xattr", v.SetXattr(ctx, n.ino, name, value, 0, 0), errs.Other) {
		if n.xattrs == nil {
			n.xattrs = map[string]string{}
		}
		n.xattrs[name] = string(value)
	}
}

func (m *machine) hold() {
	v, t := m.branch()
	if len(t.holds) > 0 && rapid.Bool().Draw(m.rt, "unhold") {
		ino := rapid.SampledFrom(slices.Sorted(maps.Keys(t.holds))).Draw(m.rt, "held")
		m.want("unhold", v.Unhold(ctx, ino), errs.Other)
		if t.holds[ino]--; t.holds[ino] == 0 {
			delete(t.holds, ino)
			if t.lost[ino] != nil {
				delete(t.lost, ino)
				_, err := v.GetAttr(ctx, ino)
				m.want("attributes of a freed inode", err, errs.Stale)
			}
		}
		return
	}
	if n := m.file(t); n != nil {
		m.want("hold", v.Hold(ctx, n.ino), errs.Other)
		t.holds[n.ino]++
	}
}

// TestModel runs random programs of all operations on several branches, with
// forks, checkpoints, restarts, power cuts and compaction in between.
func TestModel(t *testing.T) {
	set := map[string]string{"rapid.steps": "60", "rapid.nofailfile": "true"}
	if flag.Lookup("rapid.checks").Value.String() == "100" { // not asked for
		set["rapid.checks"] = strconv.Itoa(35 / everyNth)
	}
	for name, value := range set {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		opts := Options{NoCompaction: true, GatherMax: -1, InlineMax: rapid.SampledFrom([]int{0, 64, -1}).Draw(rt, "inline"),
			turnSteps: rapid.SampledFrom([]int{0, 1}).Draw(rt, "turn"), FilterBytes: rapid.SampledFrom([]int64{0, 800, 2000, -1}).Draw(rt, "filters"),
			ListingBytes: rapid.SampledFrom([]int64{0, 5000, -1}).Draw(rt, "listings"), listAll: true,
			uniteRows: rapid.SampledFrom([]int{0, 1}).Draw(rt, "merged at once")}
		e := newEnvOn(rt, crashfs.New(), opts)
		defer e.close()
		e.root()
		m := &machine{e: e, rt: rt, branches: map[string]*mtree{RootBranch: newTree()},
			hist: map[string]*mbranch{RootBranch: {name: RootBranch, id: testDisk}}}
		do := func(fn func()) func(*rapid.T) { return func(rt *rapid.T) { m.rt, m.e.t = rt, rt; fn() } }
		rt.Repeat(map[string]func(*rapid.T){
			"":       func(*rapid.T) { e.s.filters.wait() }, // so that a failure happens again
			"upload": do(m.upload), "upload2": do(m.upload), "remove": do(m.remove), "makeDir": do(m.makeDir),
			"create": do(m.create), "create2": do(m.create), "unlink": do(m.unlink), "link": do(m.link), "rename": do(m.rename), "rename2": do(m.rename),
			"setAttr": do(m.setAttr), "truncate": do(m.truncate), "writeAt": do(m.writeAt), "writeAt2": do(m.writeAt),
			"scatter": do(m.scatter), "part": do(m.part), "part2": do(m.part), "complete": do(m.complete), "append": do(m.append), "copy": do(m.copy), "xattr": do(m.xattr), "hold": do(m.hold), "fork": do(m.fork),
			"checkpoint": do(m.checkpoint), "checkpoint2": do(m.checkpoint), "deleteBranch": do(m.deleteBranch),
			"deleteCheckpoint": do(m.deleteCheckpoint), "deleteCheckpoint2": do(m.deleteCheckpoint), "renameBranch": do(m.renameBranch),
			"renameCheckpoint": do(m.renameCheckpoint), "rollback": do(m.rollback), "rollback2": do(m.rollback), "promote": do(m.promote), "reopen": do(m.reopen), "crash": do(m.crash), "background": do(m.background),
		})
		m.rt, m.e.t = rt, rt
		m.compare()
		m.compareHistory(false)
		m.finish()
	})
}
