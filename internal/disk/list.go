package disk

import (
	"context"
	"strings"

	"atoll/internal/errs"
)

// List returns one page of the view's keys in S3 order, which is byte order
// of whole keys with a directory's key ending in '/': `a-b`, `a.txt`, `a/b`,
// `ab`. more tells whether keys follow the page.
//
// Files are keys; a symbolic link is one if it resolves to a file inside the
// disk, and has that file's attributes. With Delimiter each directory comes
// as one entry; without, what is in it comes. The reserved directory,
// dangling links, devices, pipes and sockets are left out. Each page is of
// one instant, and costs what it returns wherever it starts.
func (v *View) List(ctx context.Context, o ListOptions) (out []ListEntry, more bool, err error) {
	err = v.read(ctx, func(r *reader) error {
		l := lister{r: r, o: &o, out: out[:0]}
		defer l.close()
		if err := l.run(); err != nil {
			return err
		}
		out, more = l.out, l.more
		return nil
	})
	if err != nil {
		return nil, false, errs.E("list", o.Prefix, errs.KindOf(err), err)
	}
	return out, more, nil
}

// lister walks a tree in S3 order. Within a directory it walks the entries in
// name order. A directory that it meets is put off: its key has a '/' at the
// end, so siblings such as `a-b` come before `a/`. Those put off form a
// stack, for each is a prefix of the next; the top comes first.
type lister struct {
	r     *reader
	o     *ListOptions
	out   []ListEntry
	more  bool
	stack []*frame
}

// frame is the walk of one directory.
type frame struct {
	prefix string // of its keys: "" or ending in '/'
	rows   *merged
	have   bool // rows stands at an entry, cur, that was not handled yet
	done   bool
	cur    string
	after  string // names up to this one are done
	put    []putOff
}

// putOff is a directory whose turn is yet to come.
type putOff struct {
	name string
	ino  Ino
	rest string // of its keys only those after this one count
}

func (l *lister) close() {
	for _, f := range l.stack {
		_ = f.rows.close()
	}
}

func (l *lister) run() error {
	dir, ok, err := l.start()
	if err != nil || !ok {
		return err
	}
	i := strings.LastIndexByte(l.o.Prefix, '/') + 1
	prefix, names := l.o.Prefix[:i], l.o.Prefix[i:]
	rest := ""
	switch s := l.o.StartAfter; {
	case strings.HasPrefix(s, prefix):
		rest = s[len(prefix):]
	case s > prefix: // everything that has the prefix comes before it
		return nil
	}
	if err := l.push(dir, prefix, names, rest); err != nil {
		return err
	}
	for len(l.stack) > 0 && !l.more {
		if err := l.step(l.stack[len(l.stack)-1]); err != nil {
			return err
		}
	}
	return nil
}

// start finds the directory that the prefix leads into. A prefix that no path
// has, or that leads through a link or a file, has no keys.
func (l *lister) start() (dir Ino, ok bool, err error) {
	dir = RootIno
	rest := l.o.Prefix
	for {
		name, tail, more := strings.Cut(rest, "/")
		if !more {
			return dir, true, nil
		}
		if name == "" || len(name) > MaxName || strings.IndexByte(name, 0) >= 0 || l.hidden(dir, name) {
			return 0, false, nil
		}
		var a Attr
		ok, err := l.r.entry(dir, name, &a)
		if err != nil || !ok || a.Type != Dir {
			return 0, false, err
		}
		dir, rest = a.Ino, tail
	}
}

func (l *lister) hidden(dir Ino, name string) bool { return dir == RootIno && name == ReservedDir }

// push begins the walk of a directory: of entries whose names begin with
// names and whose keys, without the directory's prefix, come after rest.
func (l *lister) push(dir Ino, prefix, names, rest string) error {
	f := &frame{prefix: prefix, after: rest}
	l.stack = append(l.stack, f)
	from := max(names, rest)
	before := ""
	if names != "" {
		before = string(afterPrefix([]byte(names)))
	}
	f.rows = l.r.entries(dir, from, before)
	if rest == "" {
		return f.rows.err
	}
	// Directories before rest in name order whose keys come after it: proper
	// prefixes of rest's first component, and that component itself.
	first, _, inside := strings.Cut(rest, "/")
	for n := max(1, len(names)); n <= len(first) && n <= MaxName; n++ {
		name := first[:n]
		whole := n == len(first)
		if name+"/" <= rest && !(whole && inside && !l.o.Delimiter) || !strings.HasPrefix(name, names) {
			continue
		}
		var a Attr
		ok, err := l.r.entry(dir, name, &a)
		if err != nil {
			return err
		}
		if !ok || a.Type != Dir || l.hidden(dir, name) {
			continue
		}
		p := putOff{name: name, ino: a.Ino}
		if whole && inside {
			p.rest = rest[n+1:]
		}
		f.put = append(f.put, p)
	}
	return f.rows.err
}

// step handles the next thing of a directory: an entry, a directory that was
// put off and whose turn it is, or the end.
func (l *lister) step(f *frame) error {
	for !f.have && !f.done {
		if !f.rows.next() {
			f.done = true
			if f.rows.err != nil {
				return f.rows.err
			}
			break
		}
		f.cur = nameOf(f.rows.body(), entryNamePos)
		f.have = f.cur > f.after // the rows may begin at the name itself
	}
	if n := len(f.put); n > 0 && (f.done || dirBefore(f.put[n-1].name, f.cur)) {
		p := f.put[n-1]
		f.put = f.put[:n-1]
		return l.directory(f, p)
	}
	if f.done {
		l.stack = l.stack[:len(l.stack)-1]
		return f.rows.close()
	}
	f.have = false
	return l.entry(f)
}

// dirBefore tells whether the keys of directory dir come before name.
func dirBefore(dir, name string) bool {
	n := min(len(dir), len(name))
	if dir[:n] != name[:n] {
		return dir[:n] < name[:n]
	}
	return len(name) > len(dir) && name[len(dir)] > '/'
}

// directory handles a directory whose turn it is.
func (l *lister) directory(f *frame, p putOff) error {
	key := f.prefix + p.name + "/"
	if l.o.Delimiter {
		l.emit(ListEntry{Key: key, IsPrefix: true})
		return nil
	}
	return l.push(p.ino, key, "", p.rest)
}

// entry handles an entry in name order.
func (l *lister) entry(f *frame) error {
	name := f.cur
	if len(l.stack) == 1 && f.prefix == "" && name == ReservedDir {
		return nil
	}
	v := f.rows.value()
	if len(v) > 1 && v[0] == tagBare && Type(v[1]) == Dir {
		var a Attr
		if err := decodeEntry(v, &a); err != nil {
			return err
		}
		f.put = append(f.put, putOff{name: name, ino: a.Ino})
		return nil
	}
	e := ListEntry{Key: f.prefix + name}
	if err := decodeEntry(v, &e.Attr); err != nil {
		return err
	}
	switch e.Attr.Type {
	case File:
		if err := l.r.fill(&e.Attr); err != nil {
			return err
		}
	case Symlink:
		ok, err := l.target(&e)
		if err != nil || !ok {
			return err
		}
	default:
		return nil
	}
	l.emit(e)
	return nil
}

// target puts the attributes of the file that a link resolves to.
func (l *lister) target(e *ListEntry) (ok bool, err error) {
	p, err := l.r.find("list", e.Key, true)
	switch errs.KindOf(err) {
	case errs.NotFound, errs.NotDir, errs.Loop, errs.LeavesDisk, errs.Reserved:
		if err != nil {
			return false, nil
		}
	}
	if err != nil || p.attr.Type != File {
		return false, err
	}
	e.Attr = p.attr
	return true, nil
}

func (l *lister) emit(e ListEntry) {
	if len(l.out) >= l.o.Limit {
		l.more = true
		return
	}
	l.out = append(l.out, e)
}
