package s3api

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"atoll/internal/disk"
)

// FuzzKeyPath: a key that is taken names a path that names the key again, so
// no two keys are one file; and the path has nothing that could lead away.
func FuzzKeyPath(f *testing.F) {
	for _, k := range append(append([]string{"a", "a/b", "a/", ".archil", ".archil/x", ".archilx", strings.Repeat("s", 256)}, oddKeys...), badKeys...) {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, key string) {
		path, dir, err := keyPath(key)
		if err != nil {
			e := toAPI(err, false)
			if e.Status != 400 && e.Status != 403 {
				t.Fatalf("%q: %d %s", key, e.Status, e.Code)
			}
			return
		}
		back := path
		if dir {
			back += "/"
		}
		if back != key {
			t.Fatalf("%q became %q", key, back)
		}
		if path == "" || len(path) > maxKey || !utf8.ValidString(path) || disk.IsReserved(path) {
			t.Fatalf("%q is taken", key)
		}
		for seg := range strings.SplitSeq(path, "/") {
			if seg == "" || seg == "." || seg == ".." || len(seg) > 255 || strings.Contains(seg, "\x00") {
				t.Fatalf("%q is taken with the segment %q", key, seg)
			}
		}
	})
}

// FuzzToken: what was made is read back, and what is read was made.
func FuzzToken(f *testing.F) {
	f.Add("")
	f.Add("a/b")
	f.Add(string(appendToken(nil, "a/b")))
	f.Add("AWEvYg")
	f.Fuzz(func(t *testing.T, s string) {
		if s != "" {
			if key, ok := parseToken(string(appendToken(nil, s))); !ok || key != s {
				t.Fatalf("%q came back as %q, %v", s, key, ok)
			}
		}
		if key, ok := parseToken(s); ok && string(appendToken(nil, key)) != s {
			t.Fatalf("%q is a second token of %q", s, key)
		}
	})
}

// FuzzRange: whatever the header, the range lies within the object.
func FuzzRange(f *testing.F) {
	for _, h := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=9-1", "bytes=0-1,2-3", "bytes=99999999999999999999-", "x"} {
		f.Add(h, int64(10))
		f.Add(h, int64(0))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 || size > disk.MaxSize {
			return
		}
		r, res := parseRange(header, size)
		switch res {
		case rangePart:
			if r.Off < 0 || r.Len < 1 || r.Off+r.Len > size {
				t.Fatalf("%q of %d: %+v", header, size, r)
			}
		default:
			if r.Off != 0 || r.Len != size {
				t.Fatalf("%q of %d: %+v", header, size, r)
			}
		}
	})
}

// FuzzDeleteObjects parses arbitrary documents, and reads back keys that were
// written into one.
func FuzzDeleteObjects(f *testing.F) {
	f.Add([]byte(deleteDoc(true, "a", "b")), "key")
	f.Add([]byte("<Delete><Object><Key>a</Key><VersionId>x</VersionId></Object></Delete>"), " <&>\r\n")
	f.Add([]byte("<!DOCTYPE x [<!ENTITY a 'b'>]><Delete><Object><Key>&a;</Key></Object></Delete>"), "x")
	f.Fuzz(func(t *testing.T, doc []byte, key string) {
		if req, err := parseDelete(doc); err == nil && (len(req.items) == 0 || len(req.items) > maxDeleteKeys) {
			t.Fatalf("%d items", len(req.items))
		}
		for _, r := range key {
			if r == utf8.RuneError || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
				return // XML has no way to say it
			}
		}
		if key == "" || !utf8.ValidString(key) {
			return
		}
		req, err := parseDelete([]byte(deleteDoc(false, key)))
		if err != nil || len(req.items) != 1 || req.items[0].key != key {
			t.Fatalf("%q: %+v, %v", key, req, err)
		}
	})
}

// FuzzXML: escaped text is well-formed whatever it was.
func FuzzXML(f *testing.F) {
	for _, k := range oddKeys {
		f.Add(k)
	}
	f.Add("\xff\x00]]>")
	f.Fuzz(func(t *testing.T, s string) {
		doc := appendElement(nil, "a", s)
		var got string
		if err := xml.Unmarshal(doc, &got); err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		if !bytes.ContainsRune(doc, utf8.RuneError) && got != s {
			t.Fatalf("%q came back as %q", s, got)
		}
	})
}

// FuzzQuery parses arbitrary queries.
func FuzzQuery(f *testing.F) {
	f.Add("list-type=2&prefix=a%20b&x-id=x")
	f.Add("a=%zz")
	f.Add("X-Amz-Signature=1&uploads&&=")
	f.Fuzz(func(t *testing.T, raw string) {
		q := &request{r: new(http.Request)}
		if err := q.parseQuery(raw); err != nil {
			if e := toAPI(err, false); e.Status != 400 {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		for _, p := range q.query {
			if p.name == "x-id" || isAuthParam(p.name) {
				t.Fatalf("%q has %q", raw, p.name)
			}
		}
	})
}
