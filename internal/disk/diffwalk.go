package disk

import (
	"strings"
)

// walk gives the keys of a directory, as a pair of sides has it, in order: a
// directory's key ends in '/', so it comes after `NAME-x` and before `NAMEx`.
type walk interface {
	next() (p *pair, ok bool, err error)
	close() error
}

// nameWalk looks given names up, in name order, and puts directories off
// until their turn has come.
type nameWalk struct {
	f     *differ
	dir   Ino
	names []string
	put   []*pair // directories put off; each is a prefix of the next
}

func (w *nameWalk) next() (*pair, bool, error) {
	for {
		if n := len(w.put); n > 0 && (len(w.names) == 0 || dirBefore(strings.TrimSuffix(w.put[n-1].key, "/"), w.names[0])) {
			p := w.put[n-1]
			w.put = w.put[:n-1]
			return p, true, nil
		}
		if len(w.names) == 0 {
			return nil, false, nil
		}
		name := w.names[0]
		w.names = w.names[1:]
		file, dir, err := w.look(name)
		if err != nil {
			return nil, false, err
		}
		if dir != nil {
			w.put = append(w.put, dir)
		}
		if file != nil {
			return file, true, nil
		}
	}
}

func (w *nameWalk) close() error { return nil }

// look makes a pair of what a name is where it is no directory, and one where
// it is; nil: nowhere.
func (w *nameWalk) look(name string) (file, dir *pair, err error) {
	for i := range w.f.side {
		var a Attr
		ok, err := w.f.side[i].lookup(w.dir, name, &a)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			file, dir = addTo(file, dir, i, name, &a)
		}
	}
	return file, dir, nil
}

// addTo puts what one side has under a name into the pair that it belongs to.
func addTo(file, dir *pair, side int, name string, a *Attr) (*pair, *pair) {
	p, key := &file, name
	if a.IsDir() {
		p, key = &dir, name+"/"
	}
	if *p == nil {
		*p = &pair{key: key}
	}
	(*p).attr[side], (*p).have[side] = *a, true
	return file, dir
}

// dirWalk gives a directory's keys on one side, all of them, in order, those
// from a starting point on.
type dirWalk struct {
	r     *reader
	rows  *merged
	after string // keys up to here are not wanted, but what is below may be
	row   bool   // rows stands at an entry that was not handled
	done  bool
	put   []walkEntry
}

type walkEntry struct {
	key  string
	attr Attr
}

// newDirWalk walks dir. rest is what of the starting point lies in it.
func newDirWalk(r *reader, dir Ino, rest string) (*dirWalk, error) {
	first, _, _ := strings.Cut(rest, "/")
	w := &dirWalk{r: r, after: rest}
	// Directories that come before first as names and after it as keys are
	// its prefixes.
	for n := 1; n < len(first) && n <= MaxName; n++ {
		if first[:n]+"/" < rest {
			continue
		}
		var a Attr
		ok, err := r.lookup(dir, first[:n], &a)
		if err != nil {
			return nil, err
		}
		if ok && a.IsDir() {
			w.put = append(w.put, walkEntry{first[:n] + "/", a})
		}
	}
	w.rows = r.entries(dir, first, "")
	return w, nil
}

// next returns the next key.
func (w *dirWalk) next() (e walkEntry, ok bool, err error) {
	for {
		if !w.row && !w.done {
			w.row = w.rows.next()
			w.done = !w.row
		}
		if w.done && w.rows.err != nil {
			return e, false, w.rows.err
		}
		name := ""
		if !w.done {
			name = nameOf(w.rows.body(), entryNamePos)
		}
		if n := len(w.put); n > 0 && (w.done || dirBefore(strings.TrimSuffix(w.put[n-1].key, "/"), name)) {
			e, w.put = w.put[n-1], w.put[:n-1]
			return e, true, nil
		}
		if w.done {
			return e, false, nil
		}
		w.row = false
		e = walkEntry{key: name}
		if err := decodeEntry(w.rows.value(), &e.attr); err != nil {
			return e, false, err
		}
		if err := w.r.fill(&e.attr); err != nil {
			return e, false, err
		}
		if e.attr.IsDir() {
			w.put = append(w.put, walkEntry{name + "/", e.attr})
			continue
		}
		if name > w.after {
			return e, true, nil
		}
	}
}

// pairWalk merges the walks of two directories; nil: that side has none.
type pairWalk struct {
	w    [2]*dirWalk
	cur  [2]walkEntry
	have [2]bool
	err  error
	p    pair
}

// wholeDirs walks all keys of the directories that a pair has.
func (f *differ) wholeDirs(path string, p *pair) *pairWalk {
	rest := ""
	if strings.HasPrefix(f.o.StartAfter, path) {
		rest = f.o.StartAfter[len(path):]
	}
	// Of a prefix that ends in the directory only what has it is wanted.
	if strings.HasPrefix(f.o.Prefix, path) {
		rest = max(rest, beforeKeys(f.o.Prefix[len(path):]))
	}
	m := &pairWalk{}
	for i := range f.side {
		if p.have[i] && m.err == nil {
			m.w[i], m.err = newDirWalk(&f.side[i], p.attr[i].Ino, rest)
		}
	}
	for i := range m.w {
		m.step(i)
	}
	return m
}

// beforeKeys returns a starting point before all keys that begin with prefix.
func beforeKeys(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix[:len(prefix)-1]
}

func (m *pairWalk) step(i int) {
	m.have[i] = false
	if m.w[i] == nil || m.err != nil {
		return
	}
	m.cur[i], m.have[i], m.err = m.w[i].next()
}

func (m *pairWalk) next() (*pair, bool, error) {
	if m.err != nil || !m.have[0] && !m.have[1] {
		return nil, false, m.close()
	}
	key := m.cur[0].key
	if !m.have[0] || m.have[1] && m.cur[1].key < key {
		key = m.cur[1].key
	}
	m.p = pair{key: key}
	for i := range m.cur {
		if m.have[i] && m.cur[i].key == key {
			m.p.attr[i], m.p.have[i] = m.cur[i].attr, true
			m.step(i)
		}
	}
	return &m.p, true, nil
}

// close ends the walks.
func (m *pairWalk) close() error {
	for _, w := range m.w {
		if w == nil {
			continue
		}
		if err := w.rows.close(); err != nil && m.err == nil {
			m.err = err
		}
	}
	m.w = [2]*dirWalk{}
	return m.err
}
