package disk

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"atoll/internal/errs"
)

func (m *machine) compare() {
	for name, t := range m.branches {
		m.compareView(m.view(Ref{Branch: name}), t)
	}
	for name, b := range m.hist {
		for _, p := range b.points {
			m.compareView(m.view(Ref{name, p.name}), p.tree)
		}
	}
	m.compareDiffs()
	m.compareUploads()
}

func (m *machine) compareView(v *View, t *mtree) {
	var got []string
	for _, e := range listAll(m.rt, v, ListOptions{}, 7) {
		got = append(got, e.Key)
	}
	if want := t.keys(); !slices.Equal(got, want) {
		m.rt.Fatalf("%v lists %q, want %q", v.Ref(), got, want)
	}
	dirs, files := t.nodes()
	for _, d := range dirs {
		m.compareDir(v, d)
	}
	for _, f := range files {
		m.compareAttr(v, f)
		if f.typ == File {
			m.compareData(v, f)
		}
	}
}

func (m *machine) compareDir(v *View, d *mnode) {
	m.compareAttr(v, d)
	entries, err := v.ReadDir(ctx, d.ino, "", 100)
	m.want("read directory", err, errs.Other)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
		if k := d.kids[e.Name]; k != nil && (e.Attr.Ino != k.ino || e.Attr.Type != k.typ || e.Attr.Version != k.version) {
			m.rt.Fatalf("%v: entry %q is %+v, want inode %d", v.Ref(), e.Name, e.Attr, k.ino)
		}
	}
	if want := slices.Sorted(maps.Keys(d.kids)); !slices.Equal(names, want) {
		m.rt.Fatalf("%v: directory %d has %q, want %q", v.Ref(), d.ino, names, want)
	}
	up, err := v.Lookup(ctx, d.ino, "..")
	m.want("look up ..", err, errs.Other)
	if up.Ino != d.parent.ino {
		m.rt.Fatalf("%v: .. of %d is %d, want %d", v.Ref(), d.ino, up.Ino, d.parent.ino)
	}
}

func (m *machine) compareAttr(v *View, n *mnode) {
	a, err := v.GetAttr(ctx, n.ino)
	m.want("attributes", err, errs.Other)
	nlink := n.nlink
	if n.typ == Dir {
		nlink = 2 + n.subdirs()
	}
	got := fmt.Sprintln(a.Ino, a.Type, a.Mode, a.UID, a.GID, a.Nlink, a.Size, a.Version, a.HasMD5, a.Target, string(a.Meta), string(a.ContentMeta))
	want := fmt.Sprintln(n.ino, n.typ, n.mode, n.uid, n.gid, nlink, n.data.size, n.version, n.md5, n.target, n.meta, n.content)
	if got != want {
		m.rt.Fatalf("%v: attributes %swant %s", v.Ref(), got, want)
	}
	if a.Bytes < 0 {
		m.rt.Fatalf("%v: inode %d has %d bytes", v.Ref(), n.ino, a.Bytes)
	}
	names, err := v.ListXattr(ctx, n.ino)
	m.want("list xattrs", err, errs.Other)
	if !slices.Equal(names, slices.Sorted(maps.Keys(n.xattrs))) {
		m.rt.Fatalf("%v: inode %d has xattrs %q, want %q", v.Ref(), n.ino, names, n.xattrs)
	}
	for name, want := range n.xattrs {
		got, err := v.GetXattr(ctx, n.ino, name)
		if m.want("xattr", err, errs.Other); string(got) != want {
			m.rt.Fatalf("%v: xattr %s of %d is %q, want %q", v.Ref(), name, n.ino, got, want)
		}
	}
}

// compareData compares what either side has written; the rest is zeros on
// both.
func (m *machine) compareData(v *View, n *mnode) {
	o, err := v.OpenInode(ctx, n.ino, func(a *Attr) []Range { return []Range{{0, a.Size}} })
	m.want("open", err, errs.Other)
	defer o.Close()
	ranges := []Range{{max(0, n.data.size-100), 100}}
	for _, p := range o.parts {
		ranges = append(ranges, Range{p.off, p.len})
	}
	for page := range n.data.pages {
		ranges = append(ranges, Range{page * modelPage, modelPage})
	}
	for _, r := range ranges {
		r.Len = min(r.Len, n.data.size-r.Off)
		got, want := make([]byte, r.Len), make([]byte, r.Len)
		if _, err := o.ReadAt(got, r.Off); err != nil && err != io.EOF {
			m.rt.Fatalf("%v: read %+v of %d: %v", v.Ref(), r, n.ino, err)
		}
		n.data.read(want, r.Off)
		if !bytes.Equal(got, want) {
			m.rt.Fatalf("%v: contents of %d differ in %+v", v.Ref(), n.ino, r)
		}
	}
	if n.data.size > 3*ChunkSize {
		return
	}
	var whole bytes.Buffer
	k, err := o.WriteRange(&whole, Range{0, n.data.size})
	m.want("read", err, errs.Other)
	if k != n.data.size || k != int64(whole.Len()) {
		m.rt.Fatalf("%v: read %d bytes of %d, want %d", v.Ref(), k, n.ino, n.data.size)
	}
}

// finish deletes everything and wants nothing left.
func (m *machine) finish() {
	for name, t := range m.branches {
		for ino, n := range t.holds {
			for range n {
				m.want("unhold", m.view(Ref{Branch: name}).Unhold(ctx, ino), errs.Other)
			}
		}
		clear(t.holds)
		clear(t.lost)
	}
	m.e.audit(m.rt, testDisk)
	m.compareHistory(true)
	m.reopen()
	for name, b := range m.hist {
		if name != RootBranch {
			m.want("delete branch", m.disk().DeleteBranch(ctx, name, DeleteOptions{Cascade: true}), errs.Other)
			m.forgetBranch(b)
			m.e.audit(m.rt, testDisk)
			m.compareHistory(true)
		}
	}
	for _, p := range slices.Clone(m.hist[RootBranch].points) {
		if !p.gone {
			m.want("delete checkpoint", m.disk().DeleteCheckpoint(ctx, "", p.name, DeleteOptions{Cascade: true}), errs.Other)
			m.forgetPoint(p)
		}
	}
	m.e.audit(m.rt, testDisk)
	m.compareView(m.view(Ref{}), m.branches[RootBranch])
	v, t := m.view(Ref{}), m.branches[RootBranch]
	var empty func(d *mnode)
	empty = func(d *mnode) {
		for name, k := range d.kids {
			if k.typ == Dir {
				empty(k)
				m.want("rmdir", v.Rmdir(ctx, d.ino, name, 0), errs.Other)
			} else {
				m.want("unlink", v.Unlink(ctx, d.ino, name, 0), errs.Other)
			}
		}
	}
	m.abortAll() // those of other branches went with these
	empty(t.root)
	for name := range t.root.xattrs {
		m.want("remove an xattr of the root", v.RemoveXattr(ctx, RootIno, name, 0), errs.Other)
	}
	m.e.opts.uniteRows = 0 // all layers are small enough to be merged
	m.reopen()
	m.e.audit(m.rt, testDisk)
	if got, want := m.e.tables(m.rt, testDisk), "a1 b1 l1 m1 n1 o1"; strings.TrimSuffix(got, " u1") != want {
		m.rt.Fatalf("rows left after deleting all: %s, want %s", got, want)
	}
}
