package disk

import (
	"crypto/md5"
	"fmt"
	"testing"
)

// putPart uploads one part.
func putPart(t tester, v *View, path string, id MultipartID, number int, data []byte) Part {
	t.Helper()
	u, err := v.NewPart(ctx, path, id, number, int64(len(data)))
	if err != nil {
		t.Fatalf("part %d of %s: %v", number, path, err)
	}
	defer u.Abort()
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 300_000)
		if _, err := u.Write(rest[:n]); err != nil {
			t.Fatalf("part %d of %s: %v", number, path, err)
		}
		rest = rest[n:]
	}
	p, err := u.Commit(ctx, md5.Sum(data), []byte{byte(number)})
	if err != nil {
		t.Fatalf("part %d of %s: %v", number, path, err)
	}
	return p
}

func createMultipart(t tester, v *View, path string, o PutOptions) MultipartID {
	t.Helper()
	id, err := v.CreateMultipart(ctx, path, o)
	if err != nil {
		t.Fatalf("multipart upload of %s: %v", path, err)
	}
	return id
}

// putParts makes a file of parts of the given sizes and returns its bytes.
func putParts(t tester, v *View, path string, sizes ...int) []byte {
	t.Helper()
	id := createMultipart(t, v, path, PutOptions{})
	var parts []Part
	var whole []byte
	for i, n := range sizes {
		data := randomBytes(n, uint64(i+1)+uint64(id))
		parts = append(parts, putPart(t, v, path, id, i+1, data))
		whole = append(whole, data...)
	}
	if _, err := v.CompleteMultipart(ctx, path, id, parts, PutOptions{}); err != nil {
		t.Fatalf("complete %s: %v", path, err)
	}
	return whole
}

// TestMultipart follows an upload from its beginning to its completion.
func TestMultipart(t *testing.T) {
	for _, sizes := range [][]int{{0}, {1}, {5 << 20}, {0, 0}, {0, 7, 0}, {3, 2}, {100_000, 70_000, 1}, {5<<20 + 1, 5 << 20, 123}, {ChunkSize, ChunkSize, 0, 2*ChunkSize + 1}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			e := newEnv(t, nil, Options{NoCompaction: true})
			v := e.root()
			whole := putParts(t, v, "d/f", sizes...)
			mustGet(t, v, "d/f", whole)
			e.reopen()
			v = e.root()
			mustGet(t, v, "d/f", whole)
			e.audit(t, testDisk)
			if got, more, err := v.ListMultipart(ctx, "", "", 0, 10); err != nil || more || len(got) > 0 {
				t.Errorf("uploads left: %v, %v, %v", got, more, err)
			}
			for _, remove := range []func() (bool, error){
				func() (bool, error) { return v.Remove(ctx, "d/f", RemoveOptions{}) },
				func() (bool, error) { return v.RemoveDir(ctx, "d", RemoveOptions{}) },
			} {
				if ok, err := remove(); err != nil || !ok {
					t.Fatal(ok, err)
				}
			}
			e.wantEmpty(t)
		})
	}
}

// wantEmpty waits for the jobs and wants nothing on the disk but its root.
func (e *env) wantEmpty(t tester) {
	t.Helper()
	if err := e.s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	e.audit(t, testDisk)
	if u := e.view(Ref{}).Disk().Usage(); u != (Usage{}) {
		t.Errorf("the disk still holds %+v", u)
	}
}
