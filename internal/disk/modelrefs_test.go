package disk

import (
	"maps"
	"slices"
	"strings"

	"atoll/internal/errs"

	"pgregory.net/rapid"
)

var refNames = []string{"x", "y", "z"}

func (m *machine) fork() {
	var from []Ref
	for b := range m.branches {
		from = append(from, Ref{Branch: b})
	}
	for r := range m.points {
		from = append(from, r)
	}
	slices.SortFunc(from, func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	ref, name := rapid.SampledFrom(from).Draw(m.rt, "from"), rapid.SampledFrom(refNames).Draw(m.rt, "new branch")
	kind := errs.Other
	if m.branches[name] != nil {
		kind = errs.Exists
	}
	if m.want("fork", m.disk().Fork(ctx, ref, name), kind) {
		if ref.Checkpoint == "" {
			m.branches[name] = m.branches[ref.Branch].clone()
		} else {
			m.branches[name] = m.points[ref].clone()
		}
	}
}

func (m *machine) checkpoint() {
	v, t := m.branch()
	ref := Ref{Branch: v.ref.Branch, Checkpoint: rapid.SampledFrom(refNames).Draw(m.rt, "checkpoint")}
	if m.points[ref] != nil {
		m.want("delete checkpoint", m.disk().DeleteCheckpoint(ctx, ref.Branch, ref.Checkpoint, DeleteOptions{Cascade: true}), errs.Other)
		delete(m.points, ref)
		_, err := m.disk().View(ctx, ref)
		m.want("open a deleted checkpoint", err, errs.NoView)
		return
	}
	if m.want("checkpoint", m.disk().Checkpoint(ctx, ref.Branch, ref.Checkpoint), errs.Other) {
		m.points[ref] = t.clone()
	}
}

func (m *machine) deleteBranch() {
	name := rapid.SampledFrom(refNames).Draw(m.rt, "branch")
	kind := errs.Other
	if m.branches[name] == nil {
		kind = errs.NoView
	}
	if m.want("delete branch", m.disk().DeleteBranch(ctx, name, DeleteOptions{Cascade: true}), kind) {
		m.forgetBranch(name)
	}
}

func (m *machine) forgetBranch(name string) {
	delete(m.branches, name)
	maps.DeleteFunc(m.points, func(r Ref, _ *mtree) bool { return r.Branch == name })
	m.uploads = slices.DeleteFunc(m.uploads, func(u *mupload) bool { return u.branch == name })
}

func (m *machine) reopen() {
	if _, found := m.e.check(false, nil); len(found) > 0 {
		m.rt.Fatalf("check: %v", found)
	}
	m.e.open()
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
}
