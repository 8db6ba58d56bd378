package disk

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"atoll/internal/blob"
	"atoll/internal/kv/pebblekv"
)

// TestCheckFindsDamagedParts damages what belongs to contents in parts.
func TestCheckFindsDamagedParts(t *testing.T) {
	table := metaPrefix(1, []byte{kindData})
	for _, d := range []damage{
		{name: "part table missing", prefix: table, change: remove, what: ProblemContents},
		{name: "part table garbage", prefix: table, change: garbage, what: ProblemRow},
		{name: "part table not ascending", prefix: table, what: ProblemRow, change: func(v []byte) []byte {
			p, err := decodePartRow(v)
			if err != nil {
				panic(err)
			}
			return appendPartRow(nil, nil, []partRef{p.ref(1), p.ref(0)})
		}},
		{name: "part of a file forgotten", prefix: table, what: ProblemLeak, change: func(v []byte) []byte {
			p, err := decodePartRow(v)
			if err != nil {
				panic(err)
			}
			return appendPartRow(nil, nil, []partRef{p.ref(0)})
		}},
		{name: "upload missing", prefix: tablePrefix(tabUpload), change: remove, what: ProblemLeak},
		{name: "upload garbage", prefix: tablePrefix(tabUpload), change: garbage, what: ProblemRow},
		{name: "part missing", prefix: tablePrefix(tabPart), change: remove, what: ProblemLeak},
		{name: "part garbage", prefix: tablePrefix(tabPart), change: garbage, what: ProblemRow},
	} {
		t.Run(strings.ReplaceAll(d.name, " ", "-"), func(t *testing.T) {
			e := newEnv(t, nil, Options{NoCompaction: true})
			v := e.root()
			id := createMultipart(t, v, "under way", PutOptions{})
			putPart(t, v, "under way", id, 1, make([]byte, 3000))
			putParts(t, v, "done", 3000, 10)
			if sum, found := e.check(false, nil); !sum.Clean() {
				t.Fatal(found)
			}
			e.offline(false, func(k *pebblekv.Store, _ *blob.Store) { d.do(t, k) })
			_, found := e.check(false, nil)
			for _, p := range found {
				if p.What == d.what {
					return
				}
			}
			t.Errorf("no problem %q among %v", d.what, found)
		})
	}
}

// TestPartRowsGolden compares rows of contents in parts and of uploads with
// the bytes that docs/formats.md gives them.
func TestPartRowsGolden(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	in := MultipartInfo{Started: at, Options: PutOptions{Mode: 0o640, HasMode: true, UID: 1, GID: 2, Meta: []byte("m"), ContentMeta: []byte("c")}}
	part := Part{Number: 3, Size: 300, MD5: [16]byte{1, 15: 2}, Time: at, Meta: []byte("p"), data: 18}
	whole := Attr{Ino: 20, Type: File, Mode: 0o644, Nlink: 1, Size: 7, Bytes: 7, Version: 21, parent: 1, Mtime: at, Ctime: at, Btime: at, Data: 20, parts: true}
	for _, g := range []struct {
		name string
		row  []byte
		want string
	}{
		{"key of an upload", multipartKey(testDisk, 2, "a/b", 16)[tablePos:], "77" + "00000002" + "612f62" + "00" + "0000000000000010"},
		{"upload", in.row(), "06" + "8080a8b1e39fe7cb17" + "01" + "a003" + "01" + "02" + "016d" + "0163"},
		{"key of a part", partKey(testDisk, 2, 16, 3)[tablePos:], "76" + "00000002" + "0000000000000010" + "00000003"},
		{"part", part.row(), "06" + "12" + "ac02" + "8080a8b1e39fe7cb17" + "01000000000000000000000000000002" + "70"},
		{"key of a part table's second row", dataBody(nil, 20, partTable+1), "64" + "0000000000000014" + "80000001"},
		{"part table", appendPartRow(nil, []int64{7}, []partRef{{0, 16}, {5, 18}}),
			"0701" + "0000000000000007" + "0000000000000000" + "0000000000000010" + "0000000000000005" + "0000000000000012"},
		{"attributes", appendAttr(nil, &whole), "0108c0" + "14a40300000107071501" + "8080d0e2c6bfce972f" + "0000" + "14"},
		{"to be freed", row(reapList, 16, 18), "06" + "02" + "10" + "12"},
	} {
		if got := hex.EncodeToString(g.row); got != g.want {
			t.Errorf("%s: %s, want %s", g.name, got, g.want)
		}
	}
}
