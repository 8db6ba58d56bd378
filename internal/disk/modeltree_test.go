package disk

import (
	"maps"
	"slices"
	"strings"

	"atoll/internal/errs"
)

// The plain model of a view: a tree of nodes that is copied whole at each
// fork and checkpoint.

const modelPage = 1 << 10

// sparse is the contents of a file: pages that were written, zeros elsewhere.
type sparse struct {
	size  int64
	pages map[int64][]byte
}

func (s *sparse) write(p []byte, off int64) {
	if s.pages == nil {
		s.pages = map[int64][]byte{}
	}
	s.size = max(s.size, off+int64(len(p)))
	for len(p) > 0 {
		n, at := off/modelPage, off%modelPage
		if s.pages[n] == nil {
			s.pages[n] = make([]byte, modelPage)
		}
		m := copy(s.pages[n][at:], p)
		p, off = p[m:], off+int64(m)
	}
}

func (s *sparse) read(p []byte, off int64) {
	clear(p)
	for len(p) > 0 {
		n, at := off/modelPage, off%modelPage
		m := min(int64(len(p)), modelPage-at)
		if page := s.pages[n]; page != nil {
			copy(p[:m], page[at:])
		}
		p, off = p[m:], off+m
	}
}

func (s *sparse) truncate(size int64) {
	s.size = size
	for n, p := range s.pages {
		if n*modelPage >= size {
			delete(s.pages, n)
		} else if left := size - n*modelPage; left < modelPage {
			clear(p[left:])
		}
	}
}

func (s *sparse) clone() sparse {
	c := sparse{size: s.size, pages: map[int64][]byte{}}
	for n, p := range s.pages {
		c.pages[n] = slices.Clone(p)
	}
	return c
}

type mnode struct {
	ino            Ino
	typ            Type
	mode, uid, gid uint32
	nlink          int
	target         string
	data           sparse
	version        uint64
	md5            bool
	meta, content  string
	xattrs         map[string]string
	kids           map[string]*mnode // of a directory
	parent         *mnode
}

type mtree struct {
	root  *mnode
	holds map[Ino]int
	lost  map[Ino]*mnode // held, without a name
}

func newTree() *mtree {
	root := &mnode{ino: RootIno, typ: Dir, mode: 0o755, kids: map[string]*mnode{}}
	root.parent = root
	return &mtree{root: root, holds: map[Ino]int{}, lost: map[Ino]*mnode{}}
}

func (t *mtree) clone() *mtree {
	done := map[Ino]*mnode{}
	var dup func(n, parent *mnode) *mnode
	dup = func(n, parent *mnode) *mnode {
		if d := done[n.ino]; d != nil {
			return d
		}
		d := *n
		done[n.ino] = &d
		d.data, d.xattrs, d.parent = n.data.clone(), maps.Clone(n.xattrs), parent
		if n.kids != nil {
			d.kids = map[string]*mnode{}
			for name, k := range n.kids {
				d.kids[name] = dup(k, &d)
			}
		}
		return &d
	}
	c := newTree()
	c.root = dup(t.root, nil)
	c.root.parent = c.root
	return c
}

// each calls fn for every name, parents first, in no particular order.
func (t *mtree) each(fn func(path string, dir *mnode, name string, n *mnode)) {
	var walk func(prefix string, d *mnode)
	walk = func(prefix string, d *mnode) {
		for name, k := range d.kids {
			fn(prefix+name, d, name, k)
			if k.typ == Dir {
				walk(prefix+name+"/", k)
			}
		}
	}
	walk("", t.root)
}

// dirs lists all directories and files all else, each once, in order of inodes.
func (t *mtree) nodes() (dirs, files []*mnode) {
	dirs = append(dirs, t.root)
	seen := map[Ino]bool{}
	t.each(func(_ string, _ *mnode, _ string, n *mnode) {
		if seen[n.ino] {
			return
		}
		seen[n.ino] = true
		if n.typ == Dir {
			dirs = append(dirs, n)
		} else {
			files = append(files, n)
		}
	})
	for _, n := range t.lost {
		files = append(files, n)
	}
	order := func(a, b *mnode) int { return int(a.ino) - int(b.ino) }
	slices.SortFunc(dirs, order)
	slices.SortFunc(files, order)
	return dirs, files
}

func (d *mnode) subdirs() (n int) {
	for _, k := range d.kids {
		if k.typ == Dir {
			n++
		}
	}
	return n
}

// found is where a path leads.
type found struct {
	dir      *mnode // nil for the root itself and what "." and ".." end at
	name     string
	node     *mnode
	missing  int // names that are missing, the last included
	dangling bool
}

// resolve follows a path, links inside by recursion; kind is Other if it
// leads somewhere or to something missing.
func (t *mtree) resolve(path string, follow bool) (f found, kind errs.Kind) {
	links := 0
	return t.resolveFrom(t.root, path, follow, &links)
}

func (t *mtree) resolveFrom(cur *mnode, path string, follow bool, links *int) (f found, kind errs.Kind) {
	names := strings.Split(path, "/")
	for i, name := range names {
		last := i == len(names)-1
		if name == ".." {
			if cur == t.root {
				return f, errs.LeavesDisk
			}
			cur = cur.parent
			f = found{node: cur}
			continue
		}
		k := cur.kids[name]
		f = found{dir: cur, name: name, node: k}
		if k == nil {
			f.missing = len(names) - i
			return f, errs.Other
		}
		if k.typ == Symlink && (!last || follow) {
			if *links++; *links > maxLinks {
				return f, errs.Loop
			}
			if strings.HasPrefix(k.target, "/") {
				return f, errs.LeavesDisk
			}
			if f, kind = t.resolveFrom(cur, k.target, true, links); kind != errs.Other {
				return f, kind
			}
			if f.missing > 0 {
				f.dangling = true
				return f, errs.Other
			}
			k = f.node
		}
		if last {
			return f, errs.Other
		}
		if k.typ != Dir {
			return f, errs.NotDir
		}
		cur = k
	}
	return f, errs.Other
}

// resolvePut follows a path to what a put would replace or make; kind is what
// it would fail with.
func (t *mtree) resolvePut(path string) (found, errs.Kind) {
	f, kind := t.resolve(path, true)
	switch {
	case kind == errs.LeavesDisk || kind == errs.Loop || f.dangling:
		kind = errs.Exists
	case kind != errs.Other || f.node == nil:
	case f.node.typ == Dir:
		kind = errs.IsDir
	case f.node.typ != File:
		kind = errs.Exists
	}
	return f, kind
}

// drop takes one name from a node that is not a directory.
func (t *mtree) drop(n *mnode) {
	if n.nlink--; n.nlink == 0 && t.holds[n.ino] > 0 {
		t.lost[n.ino] = n
	}
}

// keys lists what a flat listing has, in order.
func (t *mtree) keys() (out []string) {
	t.each(func(path string, _ *mnode, _ string, n *mnode) {
		if n.typ == Symlink {
			f, kind := t.resolve(path, true)
			if kind != errs.Other || f.node == nil {
				return
			}
			n = f.node
		}
		if n.typ == File {
			out = append(out, path)
		}
	})
	slices.Sort(out)
	return out
}
