package main

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"atoll/client"
	"atoll/internal/disk"
	"atoll/internal/kv"
	"atoll/internal/kv/pebblekv"
)

// damageUsage makes every usage figure of a stopped server's store wrong, and
// returns how many there were. The rows are those of docs/formats.md:
// 'd' <disk:8> 'u' <layer:4>, with a tag and varints, of which bytes come first.
func damageUsage(t *testing.T, data string) (rows int) {
	t.Helper()
	k, err := pebblekv.Open(pebblekv.Options{Dir: filepath.Join(data, "meta"), Split: disk.Split})
	if err != nil {
		t.Fatal(err)
	}
	err = k.Update(t.Context(), func(tx kv.Txn) error {
		rows = 0
		it := tx.Scan([]byte{'d'}, []byte{'e'})
		defer it.Close()
		for it.Next() {
			key := it.Key()
			if len(key) != 1+8+1+4 || key[9] != 'u' {
				continue
			}
			rows++
			value := append([]byte(nil), it.Value()...)
			value[1] ^= 1 // the lowest bit of the bytes stored
			if err := tx.Set(append([]byte(nil), key...), value); err != nil {
				return err
			}
		}
		return it.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestFsckRepairs lets a check find wrong figures, repair them and find
// nothing more; then the data is served, and counted right.
func TestFsckRepairs(t *testing.T) {
	data := t.TempDir()
	p := serve(t, data)
	var x access
	mustJSON(t, &x, "disk", "create", "photos", "--data", data)
	x.put(t, "small", "s")
	x.put(t, "dir/large", bulk)
	p.stop()
	must(t, "fsck", "--data", data)
	if n := damageUsage(t, data); n != 1 {
		t.Fatalf("%d usage rows of one disk with one layer", n)
	}
	type result struct {
		Errors, Warnings, Repaired int
		Clean                      bool
		Problems                   []string
	}
	fsck := func(wantCode int, want result, args ...string) {
		t.Helper()
		code, out, errOut := cli(t, nil, append([]string{"fsck", "--data", data, "--json"}, args...)...)
		var got result
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("fsck %v: %q: %v", args, out, err)
		}
		problems := got.Problems
		got.Problems = nil
		if code != wantCode || !reflect.DeepEqual(got, want) || len(problems) != want.Errors+want.Warnings {
			t.Fatalf("fsck %v: exit %d, %+v, %q\n%s\nwant exit %d, %+v", args, code, got, problems, errOut, wantCode, want)
		}
		for _, p := range problems {
			if !strings.Contains(p, "the figures say") || strings.Contains(p, "repaired") != (want.Repaired > 0) {
				t.Errorf("fsck %v: %q", args, p)
			}
		}
	}
	fsck(exitFailed, result{Warnings: 1})
	fsck(exitFailed, result{Warnings: 1}) // to look changed nothing
	fsck(0, result{Warnings: 1, Repaired: 1, Clean: true}, "--repair")
	fsck(0, result{Clean: true})
	fsck(0, result{Clean: true}, "--repair")

	p = serve(t, data)
	x.Endpoint = p.e.S3
	x.wantObject(t, "small", "s")
	x.wantObject(t, "dir/large", bulk)
	x.put(t, "new", "12")
	var disks []client.Disk
	mustJSON(t, &disks, "disk", "ls", "--data", data)
	if len(disks) != 1 || disks[0].TotalDataBytes != int64(len(bulk))+3 {
		t.Errorf("after the repair: %+v", disks)
	}
	p.stop()
	fsck(0, result{Clean: true})
}
