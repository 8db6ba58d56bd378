package disk

import (
	"encoding/binary"
	"slices"

	"atoll/internal/kv"
)

// walkViews walks every view of a disk once: branches, checkpoints, and what
// forks began from.
func (d *diskCheck) walkViews() {
	for _, id := range d.layerIDs() {
		l := d.disk.layers[id]
		if !l.hidden {
			d.walkOnce(level{layer: id, epoch: l.epoch}, true)
		}
		if d.removing[id] || d.merging(l) {
			continue
		}
		for _, e := range l.pins {
			d.walkOnce(level{layer: id, epoch: e}, false)
		}
	}
}

// merging tells whether a layer's rows may be on their way into its only
// child: what it shows is what the child shows of it.
func (d *diskCheck) merging(l *layerState) bool {
	return l.hidden && d.queued[l.id] && string(d.owners[l.id]) == string(pinChild)
}

// walkOnce walks a view unless it shows what one shows that was walked
// before: a layer without rows shows what its parent did at the fork.
func (d *diskCheck) walkOnce(at level, head bool) {
	from := at
	for {
		l := d.disk.layers[from.layer]
		lo := metaHeader(d.id, l.id)
		any := false
		d.view(func(r kv.Reader) {
			_, _, ok, err := r.First(lo, afterPrefix(lo))
			any = d.failed(l.id, err) || ok
		})
		if any || l.parent == 0 {
			break
		}
		from, head = level{layer: l.parent, epoch: l.parentEpoch}, false
	}
	n, ok := d.files[from]
	if !ok {
		w := &viewCheck{d: d, at: from, head: head}
		d.disk.mu.Lock()
		w.chain = d.disk.chainLocked(from.layer, from.epoch)
		d.disk.mu.Unlock()
		n = w.walk()
		d.c.sum.Views++
		d.c.sum.Files += n
		d.files[from] = n
	}
	d.files[at] = n
}

// viewCheck compares the entries and inodes of one view.
type viewCheck struct {
	d     *diskCheck
	at    level
	head  bool // of a branch: open files without a name have a row
	chain []level
	files int64

	entered bitset // directories that have an entry
	filled  bitset // directories that have entries
	rooted  bitset // directories that lead to the root

	dir     Ino // whose entries are being walked
	subdirs uint32
}

func (w *viewCheck) wrong(format string, args ...any) {
	w.d.problem(Error, w.at.layer, ProblemTree, format, args...)
}

func (w *viewCheck) walk() int64 {
	for _, s := range []struct {
		kind byte
		fn   func(r *reader, body, v []byte, own bool)
	}{{kindEntry, w.entry}, {kindInode, w.inode}, {kindLink, w.link}, {kindXattr, w.xattr}} {
		w.scan(s.kind, s.fn)
		if s.kind == kindEntry && w.dir != 0 {
			w.d.view(func(k kv.Reader) { w.endDir(w.reader(k)) })
		}
	}
	return w.files
}

func (w *viewCheck) reader(k kv.Reader) *reader {
	r := new(reader)
	r.init(k, w.d.id, w.chain)
	return r
}

// scan calls fn for the visible rows of a kind; own tells that the row stands
// in the view's own layer.
func (w *viewCheck) scan(kind byte, fn func(r *reader, body, v []byte, own bool)) {
	lo, hi := []byte{kind}, []byte{kind + 1}
	for more := true; more; {
		err := w.d.c.o.KV.View(w.d.c.ctx, func(k kv.Reader) error {
			r := w.reader(k)
			m := r.scan(lo, hi)
			for n := 0; m.next(); n++ {
				if n == pageRows {
					lo = slices.Clone(m.body())
					return m.close()
				}
				fn(r, m.body(), m.value(), m.rank() == 0)
			}
			more = false
			return m.close()
		})
		if w.d.failed(w.at.layer, err) {
			return
		}
	}
}

// attrs reads an inode row that has attributes; ok is false if there is none.
func (w *viewCheck) attrs(r *reader, ino Ino, a *Attr) (ok bool) {
	v, err := r.get(inodeBody(nil, ino))
	if w.d.failed(w.at.layer, err) || v == nil || v[0] != tagAttrs {
		return false
	}
	return decodeAttr(v, a) == nil
}

// entry checks an entry against its inode.
func (w *viewCheck) entry(r *reader, body, v []byte, _ bool) {
	dir, name := Ino(binary.BigEndian.Uint64(body[1:])), nameOf(body, entryNamePos)
	if dir != w.dir {
		if w.dir != 0 {
			w.endDir(r)
		}
		w.dir, w.subdirs = dir, 0
		w.filled.set(uint64(dir))
	}
	var a Attr
	if decodeEntry(v, &a) != nil {
		return // reported with its layer
	}
	if a.bare() {
		w.bareEntry(r, dir, name, &a)
		return
	}
	w.name(r, &a)
	p, err := r.get(inodeBody(nil, a.Ino))
	if w.d.failed(w.at.layer, err) {
		return
	}
	to, toName := Ino(0), ""
	if len(p) > 0 && p[0] == tagPointer {
		to, toName, _ = decodePointer(p)
	}
	switch {
	case a.Type == Dir || a.Nlink != 1 || a.parent != dir:
		w.wrong("the attributes in entry %q of directory %d are not those of a file with one name", name, dir)
	case to != dir || toName != name:
		w.wrong("inode %d does not point back at its entry %q of directory %d", a.Ino, name, dir)
	}
}

func (w *viewCheck) bareEntry(r *reader, dir Ino, name string, e *Attr) {
	var a Attr
	if !w.attrs(r, e.Ino, &a) {
		w.wrong("entry %q of directory %d names inode %d, which is not there", name, dir, e.Ino)
		return
	}
	if a.Type != e.Type {
		w.wrong("entry %q of directory %d and inode %d differ in type", name, dir, e.Ino)
	}
	if a.Type == Dir {
		w.subdirs++
		if w.entered.add(uint64(e.Ino)) {
			w.wrong("directory %d has a second entry %q in directory %d", e.Ino, name, dir)
		}
		if a.parent != dir {
			w.wrong("entry %q of directory %d names directory %d, whose parent is %d", name, dir, e.Ino, a.parent)
		}
		if a.name != "" && a.name != name {
			w.wrong("entry %q of directory %d names directory %d, which believes to be called %q", name, dir, e.Ino, a.name)
		}
		return
	}
	h, err := r.get(linkBody(nil, e.Ino, dir, name))
	if !w.d.failed(w.at.layer, err) && h == nil {
		w.wrong("inode %d does not know of its entry %q of directory %d", e.Ino, name, dir)
	}
}

// endDir checks a directory whose entries have all been seen.
func (w *viewCheck) endDir(r *reader) {
	var a Attr
	if !w.attrs(r, w.dir, &a) || a.Type != Dir {
		w.wrong("there are entries of directory %d, which is not there", w.dir)
		return
	}
	if a.Nlink != 2+w.subdirs {
		w.wrong("directory %d has %d links and %d directories in it", w.dir, a.Nlink, w.subdirs)
	}
}

// inode checks an inode against its entries.
func (w *viewCheck) inode(r *reader, body, v []byte, own bool) {
	ino := Ino(binary.BigEndian.Uint64(body[1:]))
	if v[0] == tagPointer {
		w.files++
		dir, name, err := decodePointer(v)
		if err != nil {
			return // reported with its layer
		}
		var a Attr
		ok, err := r.entry(dir, name, &a)
		if err == nil && (!ok || a.Ino != ino || a.bare()) {
			w.wrong("inode %d points at entry %q of directory %d, which is not there or not its own", ino, name, dir)
		}
		return
	}
	var a Attr
	if decodeAttr(v, &a) != nil {
		return
	}
	w.name(r, &a)
	switch {
	case a.Type == Dir:
		w.directory(r, &a)
	case a.Nlink == 0:
		if w.head && own {
			_, ok, err := r.kv.Get(orphanKey(w.d.id, w.at.layer, ino))
			if !w.d.failed(w.at.layer, err) && !ok {
				w.d.problem(Warning, w.at.layer, ProblemLeak, "inode %d has no name and nobody has it open", ino)
			}
		}
	case a.Nlink == 1:
		w.wrong("inode %d has one name, but its attributes are not in its entry", ino)
	default:
		w.files++
		left, err := r.links(ino)
		if !w.d.failed(w.at.layer, err) && len(left) != int(a.Nlink) {
			w.wrong("inode %d has %d names and says %d", ino, len(left), a.Nlink)
		}
	}
}

func (w *viewCheck) directory(r *reader, a *Attr) {
	ino := uint64(a.Ino)
	if a.Ino != RootIno {
		w.files++
		if !w.entered.has(ino) {
			w.wrong("directory %d has no entry in directory %d", ino, a.parent)
		}
	} else if a.parent != RootIno {
		w.wrong("the root directory has the parent %d", a.parent)
	}
	if !w.filled.has(ino) && a.Nlink != 2 {
		w.wrong("directory %d has %d links and no directories in it", ino, a.Nlink)
	}
	// Its way up must end at the root; what was found so far is known.
	var path []uint64
	onPath := map[uint64]bool{}
	for at := *a; at.Ino != RootIno && !w.rooted.has(uint64(at.Ino)); {
		n := uint64(at.Ino)
		if onPath[n] {
			w.wrong("directory %d lies below itself", n)
			break
		}
		onPath[n] = true
		path = append(path, n)
		if up := at.parent; !w.attrs(r, up, &at) || at.Type != Dir {
			w.wrong("directory %d has the parent %d, which is no directory", n, up)
			break
		}
	}
	for _, n := range path {
		w.rooted.set(n)
	}
}

// link checks one name of an inode with several.
func (w *viewCheck) link(r *reader, body, _ []byte, _ bool) {
	ino, dir, name := Ino(binary.BigEndian.Uint64(body[1:])), Ino(binary.BigEndian.Uint64(body[9:])), nameOf(body, 17)
	var a, e Attr
	ok, err := r.entry(dir, name, &e)
	switch {
	case err != nil: // reported with its layer
	case !ok || e.Ino != ino || !e.bare():
		w.wrong("inode %d has the name %q in directory %d, which is not there or not its own", ino, name, dir)
	case !w.attrs(r, ino, &a) || a.Nlink < 2:
		w.wrong("inode %d has the name %q in directory %d, but not several names", ino, name, dir)
	}
}

// xattr checks that an extended attribute has an inode.
func (w *viewCheck) xattr(r *reader, body, _ []byte, own bool) {
	ino := binary.BigEndian.Uint64(body[1:])
	if !own || !w.head || w.d.unnamed.has(ino) {
		return
	}
	v, err := r.get(inodeBody(nil, Ino(ino)))
	if !w.d.failed(w.at.layer, err) && v == nil {
		w.d.problem(Warning, w.at.layer, ProblemLeak, "inode %d is gone and still has extended attributes", ino)
	}
}
