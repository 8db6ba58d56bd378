package disk

import (
	"crypto/md5"
	"fmt"
	"maps"
	"slices"
	"strings"

	"atoll/internal/errs"

	"pgregory.net/rapid"
)

// mupload is a multipart upload in the model.
type mupload struct {
	branch string
	path   string
	id     MultipartID
	parts  map[int][]byte
}

var partSizes = []int{0, 1, 3, 100, 2048, 2049, 70_000, extentSize + 1, ChunkSize + 1}

// part uploads one part, of an upload that is begun if need be.
func (m *machine) part() {
	if len(m.uploads) == 0 || rapid.IntRange(0, 5).Draw(m.rt, "begin") == 0 {
		v, t := m.branch()
		u := &mupload{branch: v.Ref().Branch, path: m.path(), parts: map[int][]byte{}}
		_, kind := t.resolvePut(u.path)
		var err error
		u.id, err = v.CreateMultipart(ctx, u.path, PutOptions{UID: 9, Mode: 0o640, HasMode: true, Meta: []byte("meta")})
		if !m.want("begin upload of "+u.path, err, kind) {
			return
		}
		m.uploads = append(m.uploads, u)
	}
	u := rapid.SampledFrom(m.uploads).Draw(m.rt, "upload")
	number := rapid.IntRange(1, 6).Draw(m.rt, "part")
	data := m.bytes(rapid.SampledFrom(partSizes).Draw(m.rt, "size"))
	putPart(m.rt, m.view(Ref{Branch: u.branch}), u.path, u.id, number, data)
	u.parts[number] = data
}

// complete makes a file of some of the parts of an upload, or aborts it.
func (m *machine) complete() {
	if len(m.uploads) == 0 {
		return
	}
	u := rapid.SampledFrom(m.uploads).Draw(m.rt, "upload")
	v, t := m.view(Ref{Branch: u.branch}), m.branches[u.branch]
	var parts []Part
	n := &mnode{typ: File, mode: 0o640, uid: 9, nlink: 1, meta: "meta", content: "parts"}
	for _, k := range slices.Sorted(maps.Keys(u.parts)) {
		if rapid.IntRange(0, 4).Draw(m.rt, "skip") > 0 {
			parts = append(parts, Part{Number: k, MD5: md5.Sum(u.parts[k])})
			m.border = n.data.size
			n.data.write(u.parts[k], n.data.size)
		}
	}
	if len(parts) == 0 {
		m.abort(u)
		return
	}
	f, kind := t.resolvePut(u.path)
	a, err := v.CompleteMultipart(ctx, u.path, u.id, parts, PutOptions{ContentMeta: []byte("parts")})
	if !m.want("complete "+u.path, err, kind) {
		return
	}
	m.placed(v, t, f, u.path, n, &a)
	m.forget(u)
	_, err = v.Multipart(ctx, u.path, u.id)
	m.want("a completed upload", err, errs.NotFound)
}

func (m *machine) abort(u *mupload) {
	v := m.view(Ref{Branch: u.branch})
	m.want("abort", v.AbortMultipart(ctx, u.path, u.id), errs.Other)
	m.forget(u)
	m.want("abort twice", v.AbortMultipart(ctx, u.path, u.id), errs.NotFound)
}

func (m *machine) forget(u *mupload) {
	m.uploads = slices.DeleteFunc(m.uploads, func(o *mupload) bool { return o == u })
}

func (m *machine) abortAll() {
	for len(m.uploads) > 0 {
		m.abort(m.uploads[0])
	}
}

// compareUploads compares the uploads of all branches, page by page.
func (m *machine) compareUploads() {
	for branch := range m.branches {
		var want []*mupload
		for _, u := range m.uploads {
			if u.branch == branch {
				want = append(want, u)
			}
		}
		slices.SortFunc(want, func(a, b *mupload) int {
			if c := strings.Compare(a.path, b.path); c != 0 {
				return c
			}
			return int(a.id) - int(b.id)
		})
		v := m.view(Ref{Branch: branch})
		var path string
		var id MultipartID
		for more, i := true, 0; more; i++ {
			got, next, err := v.ListMultipart(ctx, "", path, id, 1)
			m.want("list uploads", err, errs.Other)
			if len(want) == 0 && len(got) == 0 && !next {
				break
			}
			if len(got) != 1 || i >= len(want) || got[0].Path != want[i].path || got[0].ID != want[i].id || next != (i+1 < len(want)) {
				m.rt.Fatalf("upload %d of %s is %+v (more: %v), want one of %d", i, branch, got, next, len(want))
			}
			m.compareParts(v, want[i])
			path, id, more = got[0].Path, got[0].ID, next
		}
	}
}

func (m *machine) compareParts(v *View, u *mupload) {
	numbers := slices.Sorted(maps.Keys(u.parts))
	after := 0
	for more := true; more; {
		got, next, err := v.Parts(ctx, u.path, u.id, after, 2)
		m.want("list parts", err, errs.Other)
		if len(got) > len(numbers) || next != (len(got) < len(numbers)) {
			m.rt.Fatalf("%d parts of %s (more: %v), want %d", len(got), u.path, next, len(numbers))
		}
		for i, p := range got {
			data := u.parts[numbers[i]]
			if p.Number != numbers[i] || p.Size != int64(len(data)) || p.MD5 != md5.Sum(data) || len(p.Meta) != 1 {
				m.rt.Fatalf("part %+v of %s, want number %d of %d bytes", p, u.path, numbers[i], len(data))
			}
			after = p.Number
		}
		numbers, more = numbers[len(got):], next
	}
}

// append adds to the end of a file, once or often.
func (m *machine) append() {
	v, t := m.branch()
	path := m.path()
	size := rapid.SampledFrom([]int{0, 1, 40, 3000, 100_000}).Draw(m.rt, "size")
	times := 1
	if size <= 40 && rapid.IntRange(0, 3).Draw(m.rt, "often") == 0 {
		times = rapid.IntRange(2, 90).Draw(m.rt, "times")
	}
	for range times {
		f, kind := t.resolvePut(path)
		data := m.bytes(size)
		a, err := v.Append(ctx, path, data, PutOptions{UID: 4, Meta: []byte("m")})
		if !m.want("append to "+path, err, kind) {
			return
		}
		if f.node == nil {
			n := &mnode{typ: File, mode: 0o644, uid: 4, nlink: 1, meta: "m"}
			n.data.write(data, 0)
			m.placed(v, t, f, path, n, &a)
		} else if f.node.data.write(data, f.node.data.size); size > 0 {
			m.changed(f.node, v)
		}
	}
}

// copy copies a file of any view.
func (m *machine) copy() {
	v, t := m.branch()
	from, src := v, t
	if rapid.IntRange(0, 3).Draw(m.rt, "from a checkpoint") == 0 {
		if p := m.somePoint(); p != nil {
			from, src = m.view(Ref{p.b.name, p.name}), p.tree
		}
	}
	files := src.keys()
	if len(files) == 0 {
		return
	}
	fromPath, path := rapid.SampledFrom(files).Draw(m.rt, "source"), m.path()
	s, _ := src.resolve(fromPath, true)
	if s.node.data.size > 3*ChunkSize { // holes are written out
		return
	}
	f, kind := t.resolvePut(path)
	a, err := v.Copy(ctx, path, from, fromPath, nil, PutOptions{UID: 5})
	if !m.want("copy "+fromPath+" to "+path, err, kind) {
		return
	}
	n := &mnode{typ: File, mode: 0o644, uid: 5, nlink: 1, md5: true, content: s.node.content, data: s.node.data.clone()}
	m.placed(v, t, f, path, n, &a)
}

// GoString keeps rapid's reports readable.
func (u *mupload) GoString() string { return fmt.Sprintf("%s:%s/%d", u.branch, u.path, u.id) }
