package disk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"atoll/internal/crashfs"
	"atoll/internal/errs"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

var refNames = []string{"x", "y", "z"}

// mbranch is the model of a branch's place in the history; its tree stands in
// machine.branches.
type mbranch struct {
	name   string
	id     ID
	from   *mpoint
	left   bool
	points []*mpoint // in order
}

type mpoint struct {
	name string
	auto bool
	gone bool
	tree *mtree
	b    *mbranch
}

func (b *mbranch) point(name string) *mpoint {
	for _, p := range b.points {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (b *mbranch) add(name string, t *mtree, auto bool) *mpoint {
	p := &mpoint{name: name, auto: auto, tree: t.clone(), b: b}
	b.points = append(b.points, p)
	return p
}

// GoString keeps failures short.
func (n *mnode) GoString() string { return fmt.Sprintf("inode %d", n.ino) }

// refs lists all branches and checkpoints.
func (m *machine) refs() (branches, all []Ref) {
	for name, b := range m.hist {
		branches = append(branches, Ref{Branch: name})
		for _, p := range b.points {
			all = append(all, Ref{name, p.name})
		}
	}
	all = append(all, branches...)
	for _, rs := range [][]Ref{branches, all} {
		slices.SortFunc(rs, func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	}
	return branches, all
}

// someBranch draws a branch, or a name that none has.
func (m *machine) someBranch() string {
	branches, _ := m.refs()
	names := slices.Clone(refNames)
	for _, r := range branches {
		names = append(names, r.Branch)
	}
	return rapid.SampledFrom(names).Draw(m.rt, "branch")
}

// somePoint draws a checkpoint; nil if there is none.
func (m *machine) somePoint() *mpoint {
	_, all := m.refs()
	all = slices.DeleteFunc(all, func(r Ref) bool { return r.Checkpoint == "" })
	if len(all) == 0 {
		return nil
	}
	r := rapid.SampledFrom(all).Draw(m.rt, "checkpoint")
	return m.hist[r.Branch].point(r.Checkpoint)
}

func (m *machine) addBranch(b *mbranch, t *mtree) {
	info, err := m.disk().Branch(ctx, b.name)
	m.want("get branch", err, errs.Other)
	b.id = info.ID
	m.branches[b.name], m.hist[b.name] = t, b
}

func (m *machine) fork() {
	_, all := m.refs()
	ref, name := rapid.SampledFrom(all).Draw(m.rt, "from"), rapid.SampledFrom(refNames).Draw(m.rt, "new branch")
	kind := errs.Other
	if m.branches[name] != nil {
		kind = errs.Exists
	}
	if !m.want("fork", m.disk().Fork(ctx, ref, name), kind) {
		return
	}
	b := m.hist[ref.Branch]
	p := b.point(ref.Checkpoint)
	if p == nil {
		auto := "fork-" + name
		for n := 2; b.point(auto) != nil; n++ {
			auto = fmt.Sprint("fork-", name, "-", n)
		}
		p = b.add(auto, m.branches[b.name], true)
	}
	m.addBranch(&mbranch{name: name, from: p}, p.tree.clone())
}

func (m *machine) checkpoint() {
	v, t := m.branch()
	name := rapid.SampledFrom(refNames).Draw(m.rt, "name")
	b := m.hist[v.Ref().Branch]
	kind := errs.Other
	if b.point(name) != nil {
		kind = errs.Exists
	}
	if m.want("checkpoint", m.disk().Checkpoint(ctx, b.name, name), kind) {
		b.add(name, t, false)
	}
}

// dependents lists the branches that were forked from a checkpoint.
func (m *machine) dependents(p *mpoint) (out []*mbranch) {
	for _, b := range m.hist {
		if b.from == p && !b.left {
			out = append(out, b)
		}
	}
	return out
}

func (m *machine) deleteCheckpoint() {
	p := m.somePoint()
	if p == nil {
		return
	}
	cascade := rapid.Bool().Draw(m.rt, "cascade")
	deps := m.dependents(p)
	ref := Ref{p.b.name, p.name}
	kind := errs.Other
	if len(deps) > 0 && !cascade {
		kind = errs.NotEmpty
	}
	err := m.disk().DeleteCheckpoint(ctx, ref.Branch, ref.Checkpoint, DeleteOptions{Cascade: cascade})
	if !m.want("delete checkpoint", err, kind) {
		m.named(err, deps)
		return
	}
	m.forgetPoint(p)
	_, err = m.disk().View(ctx, ref)
	m.want("open a deleted checkpoint", err, errs.NoView)
}

// named wants an error to name branches.
func (m *machine) named(err error, deps []*mbranch) {
	for _, b := range deps {
		if err != nil && !strings.Contains(errs.Text(err), b.name) {
			m.rt.Fatalf("%v does not name %s", err, b.name)
		}
	}
}

func (m *machine) deleteBranch() {
	name := m.someBranch()
	cascade := rapid.Bool().Draw(m.rt, "cascade")
	b := m.hist[name]
	kind := errs.Other
	var deps []*mbranch
	switch {
	case name == RootBranch:
		kind = errs.Invalid
	case b == nil:
		kind = errs.NoView
	case !cascade:
		for _, p := range b.points {
			deps = append(deps, m.dependents(p)...)
		}
		if len(deps) > 0 {
			kind = errs.NotEmpty
		}
	}
	var old *View
	if b != nil {
		old = m.view(Ref{Branch: name})
	}
	err := m.disk().DeleteBranch(ctx, name, DeleteOptions{Cascade: cascade})
	if m.want("delete branch", err, kind) {
		m.forgetBranch(b)
		_, err := old.Stat(ctx, "", false)
		m.want("look into a deleted branch", err, errs.NoView)
		_, _, err = m.e.s.Locate(ctx, Address{ID: b.id})
		m.want("locate a deleted branch", err, errs.NoDisk)
	}
	m.named(err, deps)
}

func (m *machine) forgetBranch(b *mbranch) {
	delete(m.branches, b.name)
	delete(m.hist, b.name)
	m.uploads = slices.DeleteFunc(m.uploads, func(u *mupload) bool { return u.branch == b.name })
	for _, p := range slices.Clone(b.points) {
		m.forgetPoint(p)
	}
	if p := b.from; p != nil && p.auto && !b.left && !p.gone && len(m.dependents(p)) == 0 {
		m.forgetPoint(p)
	}
}

// moveUploads gives a branch's uploads in parts to another.
func (m *machine) moveUploads(from, to string) {
	for _, u := range m.uploads {
		if u.branch == from {
			u.branch = to
		}
	}
}

// forgetPoint removes a checkpoint, and what depends on it.
func (m *machine) forgetPoint(p *mpoint) {
	if p.gone {
		return
	}
	p.gone = true
	p.b.points = slices.DeleteFunc(p.b.points, func(q *mpoint) bool { return q == p })
	for _, b := range m.dependents(p) {
		m.forgetBranch(b)
	}
}

func (m *machine) renameBranch() {
	old, name := m.someBranch(), rapid.SampledFrom([]string{"x", "y", "z", "w", RootBranch}).Draw(m.rt, "new name")
	b := m.hist[old]
	kind := errs.Other
	switch {
	case old == RootBranch:
		kind = errs.Invalid
	case b == nil:
		kind = errs.NoView
	case m.hist[name] != nil && name != old:
		kind = errs.Exists
	}
	var v *View
	if b != nil {
		v = m.view(Ref{Branch: old})
	}
	if !m.want("rename branch", m.disk().RenameBranch(ctx, old, name), kind) {
		return
	}
	t := m.branches[old]
	delete(m.branches, old)
	delete(m.hist, old)
	b.name = name
	m.branches[name], m.hist[name] = t, b
	m.moveUploads(old, name)
	if m.view(Ref{Branch: name}) != v || v.Ref().Branch != name {
		m.rt.Fatal("a view does not follow its branch's name")
	}
}

func (m *machine) renameCheckpoint() {
	p := m.somePoint()
	if p == nil {
		return
	}
	name := rapid.SampledFrom(refNames).Draw(m.rt, "new name")
	kind := errs.Other
	if q := p.b.point(name); q != nil && q != p {
		kind = errs.Exists
	}
	if m.want("rename checkpoint", m.disk().RenameCheckpoint(ctx, p.b.name, p.name, name), kind) && name != p.name {
		p.name, p.auto = name, false
	}
}

func (m *machine) rollback() {
	p := m.somePoint()
	if p == nil {
		return
	}
	b := p.b
	m.move("roll back", b, p.tree, p, func(o MoveOptions) (BranchInfo, error) {
		return m.disk().Rollback(ctx, b.name, p.name, o)
	})
}

func (m *machine) promote() {
	branches, _ := m.refs()
	b := m.hist[rapid.SampledFrom(branches).Draw(m.rt, "branch").Branch]
	root := m.hist[RootBranch]
	if b == root {
		_, err := m.disk().Promote(ctx, RootBranch, MoveOptions{})
		m.want("promote the root branch", err, errs.Invalid)
		return
	}
	common := b.from
	for common != nil && !common.gone && common.b != root {
		common = common.b.from
	}
	if common != nil && common.gone {
		common = nil
	}
	m.move("promote", root, m.branches[b.name], common, func(o MoveOptions) (BranchInfo, error) {
		return m.disk().Promote(ctx, b.name, o)
	})
}

// move gives a branch another state; keep is the last of its checkpoints
// that stays with it.
func (m *machine) move(what string, b *mbranch, to *mtree, keep *mpoint, do func(MoveOptions) (BranchInfo, error)) {
	o := MoveOptions{Force: rapid.Bool().Draw(m.rt, "force")}
	if rapid.Bool().Draw(m.rt, "keep as") {
		o.Keep = rapid.SampledFrom(refNames).Draw(m.rt, "keep")
	}
	t := m.branches[b.name]
	kind := errs.Other
	if len(t.holds) > 0 && !o.Force {
		kind = errs.Delegated
	} else if m.hist[o.Keep] != nil {
		kind = errs.Exists
	}
	old := m.view(Ref{Branch: b.name})
	u := startUploadOf(m.rt, old, m.bytes(extentSize+3))
	info, err := do(o)
	if !m.want(what, err, kind) {
		u.Abort()
		return
	}
	_, err = u.Commit(ctx, "late", PutOptions{})
	m.want("commit to what was left behind", err, errs.Stale)
	u.Abort()
	_, err = old.Stat(ctx, "", false)
	m.want("look into what was left behind", err, errs.Stale)
	if o.Keep != "" && info.Name != o.Keep || CheckRefName(info.Name) != nil {
		m.rt.Fatalf("left behind as %q, want %q", info.Name, o.Keep)
	}
	left := &mbranch{name: info.Name, left: true, from: keep}
	i := 0
	if keep != nil {
		i = slices.Index(b.points, keep) + 1
	}
	left.points = slices.Clone(b.points[i:])
	b.points = b.points[:i:i]
	for _, p := range left.points {
		p.b = left
	}
	m.branches[b.name] = to.clone()
	clear(t.holds)
	clear(t.lost)
	m.addBranch(left, t)
	m.moveUploads(b.name, left.name)
	if left.id != info.ID {
		m.rt.Fatalf("the id of what was left behind is %s, and %s", info.ID, left.id)
	}
}

func (m *machine) reopen() {
	if _, found := m.e.check(false, nil); len(found) > 0 {
		m.rt.Fatalf("check: %v", found)
	}
	m.e.open()
	m.forgetHolds()
}

// crash cuts the power: what was not synced is lost, in part or wholly, and
// all that was acknowledged is there when the store is opened again.
func (m *machine) crash() {
	e, fs := m.e, m.e.fs.(*crashfs.MemFS)
	cut := fs.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: rapid.SampledFrom([]int{0, 50, 100}).Draw(m.rt, "kept"),
		RNG:                 rand.New(rand.NewPCG(rapid.Uint64().Draw(m.rt, "seed"), 0)),
	})
	if !orderly(cut) {
		return
	}
	e.close()
	e.fs, e.bo.FS = cut, cut
	e.open()
	m.forgetHolds()
	m.compare()
	m.compareHistory(false)
}

// forgetHolds: what is held by no name and by a client that is gone goes.
func (m *machine) forgetHolds() {
	for _, t := range m.branches {
		clear(t.holds)
		clear(t.lost)
	}
}

func (m *machine) background() {
	if err := m.e.s.Wait(ctx); err != nil {
		m.rt.Fatal(err)
	}
	if _, err := m.e.s.Compact(ctx); err != nil {
		m.rt.Fatal(err)
	}
	m.compareHistory(true)
}

// compareHistory compares what is told of branches and checkpoints; settled
// means that no job is left.
func (m *machine) compareHistory(settled bool) {
	d := m.disk()
	infos, err := d.Branches(ctx)
	m.want("list branches", err, errs.Other)
	if len(infos) != len(m.hist) {
		m.rt.Fatalf("branches %+v, want %d", infos, len(m.hist))
	}
	var bytes int64
	for _, i := range infos {
		b := m.hist[i.Name]
		if b == nil || i.ID != b.id {
			m.rt.Fatalf("branch %+v, want %+v", i, b)
		}
		var from Ref
		if b.from != nil && !b.from.gone {
			from = Ref{b.from.b.name, b.from.name}
		}
		if files := m.branches[i.Name].files(); i.From != from || i.Files != files || i.Bytes < 0 || i.Retained < 0 {
			m.rt.Fatalf("branch %+v, want it from %v with %d files", i, from, files)
		}
		bytes += i.Bytes + i.Retained
		id, ref, err := m.e.s.Locate(ctx, Address{ID: i.ID})
		if err != nil || id != testDisk || ref.Branch != i.Name && ref != (Ref{}) {
			m.rt.Fatalf("%s is located at %s %v, %v", i.ID, id, ref, err)
		}
		m.comparePoints(b)
	}
	if u := d.Usage(); settled && bytes != u.Bytes || u.Files != m.branches[RootBranch].files() {
		m.rt.Fatalf("usage %+v, the branches have %d bytes: %+v", u, bytes, infos)
	}
}

func (m *machine) comparePoints(b *mbranch) {
	cps, err := m.disk().Checkpoints(ctx, b.name)
	m.want("list checkpoints", err, errs.Other)
	if len(cps) != len(b.points) {
		m.rt.Fatalf("checkpoints of %s: %+v, want %d", b.name, cps, len(b.points))
	}
	for _, c := range cps {
		p := b.point(c.Name)
		if p == nil || c.Branch != b.name || c.Auto != p.auto || c.Files != p.tree.files() {
			m.rt.Fatalf("checkpoint %+v of %s, want %+v", c, b.name, p)
		}
	}
}

// files counts what has a name, the root directory excepted.
func (t *mtree) files() int64 {
	dirs, files := t.nodes()
	return int64(len(dirs) - 1 + len(files) - len(t.lost))
}
