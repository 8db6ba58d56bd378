package disk

import (
	"slices"
	"testing"

	"atoll/internal/blob"
	"atoll/internal/errs"
	"atoll/internal/kv"
	"atoll/internal/kv/pebblekv"
)

// plantReserved gives a disk a reserved directory with a file in it, which
// nothing but the rows can: an entry of another name is moved there.
func plantReserved(t *testing.T) *View {
	t.Helper()
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	for _, p := range []string{".aaa", ".archi", ".archil-b", ".archil.c", ".archild/x", "planted/sub/g", "planted/f", "sub/.archil/f", "z"} {
		put(t, v, p, []byte(p))
	}
	for name, target := range map[string]string{"into": ReservedDir + "/f", "at": ReservedDir, "through": "sub/../" + ReservedDir + "/f"} {
		if _, err := v.Create(ctx, RootIno, name, NewNode{Type: Symlink, Target: target}); err != nil {
			t.Fatal(err)
		}
	}
	own := v.head.id
	e.close()
	e.offline(false, func(k *pebblekv.Store, _ *blob.Store) {
		err := k.Update(ctx, func(tx kv.Txn) error {
			var r reader
			r.init(tx, testDisk, []level{{layer: own, epoch: maxEpoch}})
			r.bounds(r.chain[0], entryBody(nil, RootIno, "planted"))
			key, row, ok, err := tx.First(r.lo, r.hi)
			if err != nil || !ok {
				t.Fatal("the entry to move: ", ok, err)
			}
			version := key[len(key)-versionSz:]
			planted := append(metaHeader(testDisk, own), entryBody(nil, RootIno, ReservedDir)...)
			if err := tx.Set(append(planted, version...), row); err != nil {
				return err
			}
			return tx.Delete(key)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	e.open()
	v = e.view(Ref{})
	// It is there: with its file, for those who go by numbers.
	err := v.read(ctx, func(r *reader) error {
		var dir, file Attr
		ok, err := r.lookup(RootIno, ReservedDir, &dir)
		if err != nil || !ok || dir.Type != Dir {
			t.Fatalf("nothing was planted: %+v, %v", dir, err)
		}
		if ok, err = r.lookup(dir.Ino, "f", &file); err != nil || !ok || file.Type != File {
			t.Fatalf("no file was planted: %+v, %v", file, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestReservedIsNotListed lists a disk that has a reserved directory, from
// every place where it could show.
func TestReservedIsNotListed(t *testing.T) {
	v := plantReserved(t)
	want := []string{".aaa", ".archi", ".archil-b", ".archil.c", ".archild/x", "sub/.archil/f", "z"}
	places := []string{"", ".", ".a", ".aaa", ".arch", ".archi", ".archi/", ".archil", ".archil ", ".archil-", ".archil-b", ".archil.c", ".archil/", ".archil/a", ".archil/f",
		".archil/sub", ".archil/sub/", ".archil/sub/a", ".archil/sub/g", ".archil0", ".archild", ".archild/", "s", "sub", "sub/", "sub/.archil/", "z"}
	files, dirs := map[string]bool{}, map[string]bool{".archild": true, "sub": true, "sub/.archil": true}
	for _, k := range want {
		files[k] = true
	}
	for _, prefix := range places {
		for _, after := range places {
			for i, page := range []int{1, 2, 3, 100, 1, 2, 3, 100} {
				o := ListOptions{Prefix: prefix, StartAfter: after, Delimiter: i < 4}
				var got []string
				for _, k := range listAll(t, v, o, page) {
					got = append(got, k.Key)
				}
				if w := wantList(files, dirs, o); !slices.Equal(got, w) {
					t.Errorf("list %+v in pages of %d: got %q, want %q", o, page, got, w)
				}
			}
		}
	}
}

// TestReservedIsOutOfReach asks for what is in a reserved directory that is
// there, and wants to change it.
func TestReservedIsOutOfReach(t *testing.T) {
	v := plantReserved(t)
	for _, p := range []string{".archil", ".archil/", ".archil/f", ".archil/sub", ".archil/sub/g", ".archil/new"} {
		for _, follow := range []bool{false, true} {
			_, err := v.Stat(ctx, p, follow)
			wantKind(t, err, errs.NotFound)
		}
		_, _, err := get(v, p)
		wantKind(t, err, errs.NotFound)
	}
	for _, p := range []string{"into", "at", "through"} { // symbolic links
		_, err := v.Stat(ctx, p, true)
		wantKind(t, err, errs.NotFound)
		_, _, err = get(v, p)
		wantKind(t, err, errs.NotFound)
		_, err = tryPut(v, p, []byte("x"), PutOptions{})
		wantKind(t, err, errs.Reserved)
	}
	for _, p := range []string{".archil", ".archil/f", ".archil/sub/g", ".archil/new"} {
		_, err := tryPut(v, p, []byte("x"), PutOptions{})
		wantKind(t, err, errs.Reserved)
		_, err = v.MakeDir(ctx, p, MakeDirOptions{})
		wantKind(t, err, errs.Reserved)
		_, err = v.Remove(ctx, p, RemoveOptions{})
		wantKind(t, err, errs.Reserved)
	}
	err := v.read(ctx, func(r *reader) error {
		var dir, file Attr
		if _, err := r.lookup(RootIno, ReservedDir, &dir); err != nil {
			return err
		}
		ok, err := r.lookup(dir.Ino, "f", &file)
		if !ok || file.Size != int64(len("planted/f")) {
			t.Errorf("what was planted: %+v, %v", file, ok)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
