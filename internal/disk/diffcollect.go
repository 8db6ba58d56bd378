package disk

import (
	"encoding/binary"
	"slices"

	"atoll/internal/errs"
)

// changeSet is what may differ between two views.
type changeSet struct {
	// names are those that have changed, by directory, and those of
	// directories that lead to them.
	names  map[Ino]map[string]struct{}
	inodes map[Ino]struct{} // whose rows have changed
	xattrs map[Ino]bool     // whose extended attributes have changed
}

func (c *changeSet) name(dir Ino, name string) (fresh bool) {
	m := c.names[dir]
	if m == nil {
		m = map[string]struct{}{}
		c.names[dir] = m
	}
	_, there := m[name]
	m[name] = struct{}{}
	return !there
}

func sorted(names map[string]struct{}) []string {
	out := make([]string, 0, len(names))
	for n := range names {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// collect finds which rows may differ: all rows of the layers that only one
// side has, and of the newest layer that both have those that changed between
// the epochs at which they read it, which its change index lists.
func (f *differ) collect() error {
	f.changed = changeSet{map[Ino]map[string]struct{}{}, map[Ino]struct{}{}, map[Ino]bool{}}
	a, b := f.side[0].chain, f.side[1].chain
	ia, ib := commonLayer(a, b)
	for _, own := range [][]level{a[:ia], b[:ib]} {
		for _, l := range own {
			if err := f.layerRows(l); err != nil {
				return err
			}
		}
	}
	if ia < len(a) {
		from, to := a[ia].epoch, b[ib].epoch
		if from > to {
			from, to = to, from
		}
		if err := f.indexRows(a[ia].layer, from, to); err != nil {
			return err
		}
	}
	if err := f.inodeNames(); err != nil {
		return err
	}
	return f.lead()
}

// commonLayer finds the first layer that both chains have; without one, the
// chains' ends.
func commonLayer(a, b []level) (ia, ib int) {
	for ia := range a {
		for ib := range b {
			if a[ia].layer == b[ib].layer {
				return ia, ib
			}
		}
	}
	return len(a), len(b)
}

// layerRows notes the rows of a layer, read at an epoch.
func (f *differ) layerRows(l level) error {
	r := &f.side[0]
	head := metaHeader(r.disk, l.layer)
	for _, kind := range [...]byte{kindEntry, kindInode, kindXattr} {
		lo := append(head[:len(head):len(head)], kind)
		err := eachIn(r.kv, lo, afterPrefix(lo), func(k, _ []byte) error {
			n := len(k) - versionSz
			if epoch(^binary.BigEndian.Uint32(k[n:])) <= l.epoch {
				f.note(k[len(head):n])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// indexRows notes the rows of a layer that changed in epochs (from, to]. from
// is pinned, so the index has them.
func (f *differ) indexRows(l layer, from, to epoch) error {
	if from == to {
		return nil
	}
	r := &f.side[0]
	lo := layerEpochKey(r.disk, tabChange, l, from+1)
	hi := layerEpochKey(r.disk, tabChange, l, to+1)
	return eachIn(r.kv, lo, hi, func(k, _ []byte) error {
		f.note(k[len(lo):])
		return nil
	})
}

// note takes the body of a row that has changed.
func (f *differ) note(body []byte) {
	if len(body) < 9 {
		return
	}
	ino := Ino(binary.BigEndian.Uint64(body[1:]))
	switch body[0] {
	case kindEntry:
		f.changed.name(ino, nameOf(body, entryNamePos))
	case kindInode:
		f.changed.inodes[ino] = struct{}{}
	case kindXattr:
		f.changed.xattrs[ino] = true
		f.changed.inodes[ino] = struct{}{}
	}
}

// inodeNames notes the names of inodes whose rows have changed: of
// directories theirs, of files with several links all of them. A file with
// one link has its attributes in its entry, so that has changed too, unless
// it was just an extended attribute.
func (f *differ) inodeNames() error {
	for ino := range f.changed.inodes {
		for i := range f.side {
			if err := f.namesOf(&f.side[i], ino); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *differ) namesOf(r *reader, ino Ino) error {
	var a Attr
	switch err := r.inode(ino, &a); {
	case errs.Is(err, errs.Stale): // not there on this side
		return nil
	case err != nil:
		return err
	case a.Type == Dir:
		_, err := f.climb(r, ino, &a)
		return err
	case a.Nlink == 1:
		if !f.changed.xattrs[ino] {
			return nil
		}
		dir, name, _, err := r.where(ino)
		f.changed.name(dir, name)
		return err
	}
	links, err := r.links(ino)
	for _, l := range links {
		f.changed.name(l.dir, l.name)
	}
	return err
}

// lead notes the way from the root to every directory with changed names, on
// both sides.
func (f *differ) lead() error {
	dirs := make([]Ino, 0, len(f.changed.names))
	for dir := range f.changed.names {
		dirs = append(dirs, dir)
	}
	for i := range f.side {
		r := &f.side[i]
		climbed := map[Ino]bool{}
		for _, dir := range dirs {
			for dir != RootIno && !climbed[dir] {
				climbed[dir] = true
				var a Attr
				err := r.inode(dir, &a)
				if errs.Is(err, errs.Stale) {
					break
				}
				if err != nil {
					return err
				}
				if dir, err = f.climb(r, dir, &a); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// climb notes a directory's name in its parent, which it returns.
func (f *differ) climb(r *reader, dir Ino, a *Attr) (Ino, error) {
	if dir == RootIno {
		return RootIno, nil
	}
	name, err := r.dirName(dir, a)
	if err == nil {
		f.changed.name(a.parent, name)
	}
	return a.parent, err
}

// dirName returns a directory's name in its parent. Directories made before
// they kept it are looked for.
func (r *reader) dirName(dir Ino, a *Attr) (string, error) {
	if a.name != "" {
		return a.name, nil
	}
	m := r.entries(a.parent, "", "")
	for m.next() {
		var e Attr
		if err := decodeEntry(m.value(), &e); err != nil {
			_ = m.close()
			return "", err
		}
		if e.Ino == dir {
			name := nameOf(m.body(), entryNamePos)
			return name, m.close()
		}
	}
	if err := m.close(); err != nil {
		return "", err
	}
	return "", errs.New("look up", "", errs.Corrupt, "a directory's entry is missing")
}
