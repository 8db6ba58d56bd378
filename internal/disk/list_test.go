package disk

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

var nastyNames = []string{"a", "a-b", "a.", "a b", "a0", "aa", "a!", "a-", "b", "ä", "a\U0001F600", "é", "~", "0", "\x01", "a\x01",
	strings.Repeat("x", 255), strings.Repeat("x", 254), "a" + strings.Repeat("/", 0) + "b", "\u007f"}

// commonPrefixes groups sorted keys (files, and directories ending in '/') as
// a listing with a delimiter does.
func commonPrefixes(keys []string, prefix string) (out []string) {
	for _, k := range keys {
		if i := strings.IndexByte(k[len(prefix):], '/'); i >= 0 {
			k = k[:len(prefix)+i+1]
		}
		if !(k == prefix && strings.HasSuffix(k, "/")) && (len(out) == 0 || out[len(out)-1] != k) {
			out = append(out, k)
		}
	}
	return out
}

// wantList gives what a listing must answer, by sorting.
func wantList(files, dirs map[string]bool, o ListOptions) (out []string) {
	var keys []string
	for k := range files {
		keys = append(keys, k)
	}
	if o.Delimiter {
		for k := range dirs {
			keys = append(keys, k+"/")
		}
	}
	slices.Sort(keys)
	keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, o.Prefix) })
	if o.Delimiter {
		keys = commonPrefixes(keys, o.Prefix)
	}
	return slices.DeleteFunc(keys, func(k string) bool { return k <= o.StartAfter })
}

// TestListEqualsSort compares listings of random trees, on chains of forks,
// with the sorted keys.
func TestListEqualsSort(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := newEnvOn(rt, nil, Options{NoCompaction: true, GatherMax: -1})
		defer e.close()
		v := e.root()
		files, dirs := map[string]bool{}, map[string]bool{}
		name := rapid.SampledFrom(nastyNames)
		path := func(label string) string {
			return strings.Join(rapid.SliceOfN(name, 1, 3).Draw(rt, label), "/")
		}
		for range rapid.IntRange(0, 40).Draw(rt, "changes") {
			p := path("path")
			if CheckPath(p) != nil {
				continue
			}
			switch rapid.IntRange(0, 9).Draw(rt, "change") {
			case 0:
				if ok, err := v.Remove(ctx, p, RemoveOptions{}); err != nil || ok != files[p] {
					rt.Fatal(p, ok, err)
				}
				delete(files, p)
				continue
			case 1:
				ref := Ref{Branch: fmt.Sprint("f", len(files), "-", e.tables(rt, testDisk))}
				ref.Branch = strings.ReplaceAll(ref.Branch, " ", "_")[:min(60, len(ref.Branch))]
				if err := v.disk.Fork(ctx, v.Ref(), ref.Branch); err == nil {
					v = e.view(ref)
				}
				continue
			case 2:
				if _, err := v.MakeDir(ctx, p, MakeDirOptions{}); err != nil {
					continue
				}
				dirs[p] = true
			default:
				if _, err := tryPut(v, p, nil, PutOptions{}); err != nil {
					continue
				}
				files[p] = true
			}
			for i := range p {
				if p[i] == '/' {
					dirs[p[:i]] = true
				}
			}
		}
		var known []string
		for k := range files {
			known = append(known, k)
		}
		for k := range dirs {
			known = append(known, k+"/", k)
		}
		slices.Sort(known)
		known = append(known, "", "/", "a/", "aa/b", "zz")
		place := rapid.OneOf(rapid.SampledFrom(known), rapid.Map(rapid.SliceOfN(name, 1, 3), func(s []string) string { return strings.Join(s, "/") }),
			rapid.Map(rapid.SampledFrom(known), func(s string) string { return s[:len(s)/2] }), rapid.Map(rapid.SampledFrom(known), func(s string) string { return s + "\U0010FFFF" }),
			rapid.StringN(0, 4, 10))
		for range 15 {
			o := ListOptions{Delimiter: rapid.Bool().Draw(rt, "delimiter"), StartAfter: place.Draw(rt, "start after")}
			if rapid.Bool().Draw(rt, "has prefix") {
				o.Prefix = place.Draw(rt, "prefix")
			}
			var got []string
			for _, k := range listAll(rt, v, o, rapid.IntRange(1, 9).Draw(rt, "page")) {
				got = append(got, k.Key)
				if k.IsPrefix != strings.HasSuffix(k.Key, "/") {
					rt.Fatalf("%q is a prefix: %v", k.Key, k.IsPrefix)
				}
			}
			if want := wantList(files, dirs, o); !slices.Equal(got, want) {
				rt.Fatalf("list %+v\ngot  %q\nwant %q", o, got, want)
			}
		}
	})
}

// TestListDuringWrites pages through a tree while keys come and go: those
// that were there throughout come exactly once, in order.
func TestListDuringWrites(t *testing.T) {
	e := newEnv(t, nil, Options{NoCompaction: true})
	v := e.root()
	var stay []string
	for i := range 120 {
		k := fmt.Sprintf("%c/%s/k%d", 'a'+i%3, nastyNames[i%8], i)
		stay = append(stay, k)
		put(t, v, k, nil)
	}
	slices.Sort(stay)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := fmt.Sprintf("%c/%s/x%d-%d", 'a'+i%3, nastyNames[i%11], w, i%17)
				if _, err := tryPut(v, k, nil, PutOptions{}); err != nil {
					t.Error(err)
					return
				}
				if _, err := tryPut(v, stay[i%len(stay)], []byte("again"), PutOptions{}); err != nil {
					t.Error(err)
					return
				}
				if _, err := v.Remove(ctx, k, RemoveOptions{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for round := range 30 {
		var got []string
		for _, k := range listAll(t, v, ListOptions{}, 1+round) {
			if n := len(got); n > 0 && got[n-1] >= k.Key {
				t.Errorf("%q comes after %q", k.Key, got[n-1])
			}
			got = append(got, k.Key)
		}
		got = slices.DeleteFunc(got, func(k string) bool { return strings.Contains(k, "/x") && !slices.Contains(stay, k) })
		if !slices.Equal(got, stay) {
			t.Errorf("round %d: got %q", round, got)
			break
		}
	}
	close(stop)
	writers.Wait()
}
