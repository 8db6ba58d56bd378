package disk

import (
	"fmt"
	"testing"

	"atoll/internal/errs"
)

// TestBulkCreate makes files in bulk, in a plain branch and in one with
// history, and finds them as if they had been put one by one.
func TestBulkCreate(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	if _, err := v.MakeDir(ctx, "many", MakeDirOptions{}); err != nil {
		t.Fatal(err)
	}
	dir, err := v.Stat(ctx, "many", false)
	if err != nil {
		t.Fatal(err)
	}
	const n = 500
	data := func(i int) []byte { return randomBytes(i%(DefaultInlineMax+1), uint64(i)) }
	fill := func(v *View, from int) {
		t.Helper()
		var files []BulkFile
		for i := from; i < from+n; i++ {
			files = append(files, BulkFile{Name: fmt.Sprintf("f%d", i), Data: data(i), Mode: 0o600, UID: 7})
		}
		if err := v.BulkCreate(ctx, dir.Ino, files); err != nil {
			t.Fatal(err)
		}
	}
	fill(v, 0)
	d := v.disk
	if err := d.Checkpoint(ctx, "", "half"); err != nil {
		t.Fatal(err)
	}
	if err := d.Fork(ctx, Ref{}, "f"); err != nil {
		t.Fatal(err)
	}
	fill(v, n)
	fill(e.view(Ref{Branch: "f"}), n)
	wantKind(t, v.BulkCreate(ctx, dir.Ino, []BulkFile{{Name: "g"}, {Name: "f1"}}), errs.Exists)
	wantKind(t, v.BulkCreate(ctx, dir.Ino, []BulkFile{{Name: "h"}, {Name: "h"}}), errs.Exists)
	wantKind(t, v.BulkCreate(ctx, dir.Ino, []BulkFile{{Name: "big", Data: data(DefaultInlineMax)[:0:0]}, {Name: "a/b"}}), errs.Invalid)
	wantKind(t, v.BulkCreate(ctx, dir.Ino, []BulkFile{{Name: "big", Data: randomBytes(DefaultInlineMax+1, 1)}}), errs.TooLarge)
	e.reopen()
	for _, ref := range []Ref{{}, {Branch: "f"}} {
		v = e.view(ref)
		for i := range 2 * n {
			mustGet(t, v, fmt.Sprintf("many/f%d", i), data(i))
		}
		a, err := v.Stat(ctx, "many/f3", false)
		if err != nil || a.Mode != 0o600 || a.UID != 7 || a.Nlink != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		out, more, err := v.List(ctx, ListOptions{Prefix: "many/", Limit: 3 * n})
		if err != nil || more || len(out) != 2*n {
			t.Fatalf("%d entries, %v, %v", len(out), more, err)
		}
	}
	if u := v.disk.Usage(); u.Files != 2*n+1 {
		t.Fatalf("%+v", u)
	}
	if _, found := e.check(false, nil); len(found) > 0 {
		t.Fatal(found)
	}
}
