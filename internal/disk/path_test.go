package disk

import (
	"testing"

	"atoll/internal/errs"
)

// TestReplaceKeeps checks what a put over a file keeps: its mode and owner,
// and the old contents under the file's other names and open handles.
func TestReplaceKeeps(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	a, err := tryPut(v, "a", []byte("old"), PutOptions{Mode: 0o640, HasMode: true, UID: 5, GID: 6})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Link(ctx, a.Ino, RootIno, "b", 0); err != nil {
		t.Fatal(err)
	}
	n, err := tryPut(v, "a", []byte("new"), PutOptions{Mode: 0o777, HasMode: true, UID: 1, GID: 1})
	if err != nil {
		t.Fatal(err)
	}
	if n.Mode != 0o640 || n.UID != 5 || n.GID != 6 || n.Ino == a.Ino {
		t.Fatalf("%+v", n)
	}
	mustGet(t, v, "b", []byte("old"))
	if at, err := v.GetAttr(ctx, a.Ino); err != nil || at.Nlink != 1 {
		t.Fatalf("%+v, %v", at, err)
	}
	if err := v.Hold(ctx, n.Ino); err != nil {
		t.Fatal(err)
	}
	put(t, v, "a", []byte("newest"))
	p := make([]byte, 3)
	if _, err := v.ReadAt(ctx, n.Ino, p, 0); err != nil || string(p) != "new" {
		t.Fatalf("%q, %v", p, err)
	}
	if err := v.Unhold(ctx, n.Ino); err != nil {
		t.Fatal(err)
	}
	_, err = v.GetAttr(ctx, n.Ino)
	wantKind(t, err, errs.Stale)
	e.audit(t, testDisk)
}

// TestErrorKinds goes through the ways in which paths are refused.
func TestErrorKinds(t *testing.T) {
	e := newEnv(t, nil, Options{})
	v := e.root()
	put(t, v, "f", []byte("x"))
	put(t, v, "d/g", []byte("y"))
	for name, target := range map[string]string{"abs": "/f", "up": "../f", "gone": "nothing", "loop": "loop", "sys": ".archil/x", "ok": "d/g", "dir": "d"} {
		if _, err := v.Create(ctx, RootIno, name, NewNode{Type: Symlink, Target: target}); err != nil {
			t.Fatal(err)
		}
	}
	const none = errs.Other
	for _, tc := range []struct {
		path     string
		get, put errs.Kind
	}{
		{"f/x", errs.NotDir, errs.NotDir},
		{"d", none, errs.IsDir},
		{"abs", errs.LeavesDisk, errs.Exists},
		{"up", errs.LeavesDisk, errs.Exists},
		{"gone", errs.NotFound, errs.Exists},
		{"loop", errs.Loop, errs.Exists},
		{"sys", errs.NotFound, errs.Reserved},
		{ReservedDir, errs.NotFound, errs.Reserved},
		{ReservedDir + "/x", errs.NotFound, errs.Reserved},
		{ReservedDir + "x", errs.NotFound, none},
		{"d/" + ReservedDir, errs.NotFound, none},
		{"ok", none, none},
		{"dir/h", errs.NotFound, none},
	} {
		_, err := v.Stat(ctx, tc.path, true)
		if err == nil && tc.get != none || err != nil && !errs.Is(err, tc.get) {
			t.Errorf("stat %s: %v", tc.path, err)
		}
		_, err = tryPut(v, tc.path, []byte("put"), PutOptions{})
		if err == nil && tc.put != none || err != nil && !errs.Is(err, tc.put) {
			t.Errorf("put %s: %v", tc.path, err)
		}
	}
	mustGet(t, v, "d/g", []byte("put"))
	mustGet(t, v, "d/h", []byte("put"))
	if ok, err := v.Remove(ctx, "ok", RemoveOptions{}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	mustGet(t, v, "d/g", []byte("put")) // the link went, not the file
	_, err := v.Remove(ctx, ReservedDir+"/x", RemoveOptions{})
	wantKind(t, err, errs.Reserved)
	for _, p := range []string{"f", "f/x", "nothing/x", "gone/x", "loop/x", "abs/x", "d"} {
		if ok, err := v.RemoveDir(ctx, p, RemoveOptions{}); ok || err != nil {
			t.Errorf("remove directory %s: %v, %v", p, ok, err)
		}
	}
	e.audit(t, testDisk)
}
