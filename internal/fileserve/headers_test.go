package fileserve

import (
	"fmt"
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"atoll/internal/contenttype"
	"atoll/internal/disk"
)

// TestRuns goes over every type that there is an extension for.
func TestRuns(t *testing.T) {
	runs := map[string]bool{}
	for _, ext := range strings.Fields("htm html xhtml xht svg svgz xml xsl xslt xul js mjs cjs atom rss mml gpx kml rdf swf wasm eml mht mhtml") {
		if typ := contenttype.ByName("x." + ext); typ != "" {
			runs[typ] = true
			if !Runs(typ) {
				t.Errorf("%s: %s is not sandboxed", ext, typ)
			}
		}
	}
	for _, ext := range strings.Fields("png jpg jpeg gif webp avif bmp ico tif pdf txt md csv css json yaml log go c py mp4 webm mov mp3 ogg wav flac vtt zip gz tar docx xlsx pptx ttf woff2 bin ps eps ts tsx") {
		typ := contenttype.ByName("x." + ext)
		if runs[typ] || typ != "" && Runs(typ) {
			t.Errorf("%s: %s is sandboxed", ext, typ)
		}
	}
	for _, typ := range []string{"", "garbage", "text/html", "TEXT/HTML; charset=utf-8", "text/xml", "application/ld+xml", "image/SVG+xml",
		"text/ecmascript", "application/x-javascript", "text/livescript", "multipart/x-mixed-replace", "text/xsl"} {
		if !Runs(typ) {
			t.Errorf("%q is not sandboxed", typ)
		}
	}
	for _, sniffed := range []string{"<html>", "<?xml version", "%PDF-", "\x89PNG\r\n\x1a\n", "plain", "\x00\x01"} {
		typ := contenttype.Sniff([]byte(sniffed))
		if Runs(typ) != (sniffed[0] == '<') {
			t.Errorf("%q: %s", sniffed, typ)
		}
	}
}

func TestDisposition(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt":         `inline; filename="a.txt"`,
		"a b;c,d.txt":   `inline; filename="a b;c,d.txt"`,
		`say "hi".txt`:  `inline; filename="say _hi_.txt"; filename*=UTF-8''say%20%22hi%22.txt`,
		`back\slash`:    `inline; filename="back_slash"; filename*=UTF-8''back%5Cslash`,
		"100%.txt":      `inline; filename="100_.txt"; filename*=UTF-8''100%25.txt`,
		"naïve.pdf":     `inline; filename="na_ve.pdf"; filename*=UTF-8''na%C3%AFve.pdf`,
		"日本.png":        `inline; filename="__.png"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.png`,
		"a\r\nX: y":     `inline; filename="a__X: y"; filename*=UTF-8''a__X%3A%20y`,
		"a\x7f\x00b":    `inline; filename="a__b"; filename*=UTF-8''a__b`,
		"a\u202efdp.js": `inline; filename="a_fdp.js"; filename*=UTF-8''a_fdp.js`,
		"\xff.bin":      `inline; filename="_.bin"; filename*=UTF-8''_.bin`,
	} {
		if got := Disposition(name); got != want {
			t.Errorf("%q:\n %s, want\n %s", name, got, want)
		}
	}
}

// FuzzDisposition: whatever the name, the header is one line of printable
// ASCII, and what clients read from it is the name, made harmless.
func FuzzDisposition(f *testing.F) {
	for _, s := range []string{"a.txt", "\"", "a\r\nb", "日本", "%41", "\xff", "''", "a;b=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.Contains(name, "/") || len(name) > disk.MaxName {
			return
		}
		h := Disposition(name)
		for i := range len(h) {
			if h[i] < 0x20 || h[i] > 0x7e {
				t.Fatalf("%q has %q", h, h[i])
			}
		}
		kind, params, err := mime.ParseMediaType(h)
		if err != nil || kind != "inline" {
			t.Fatalf("%q: %v", h, err)
		}
		read := params["filename"]
		if !utf8.ValidString(read) || strings.ContainsFunc(read, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			t.Fatalf("%q reads %q", h, read)
		}
		if utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
			return r < 0x20 || r >= 0x7f && r < 0xa0 || isBidi(r)
		}) && read != name {
			t.Fatalf("%q reads %q", h, read)
		}
	})
}

// FuzzRanges: whatever the header, ranges lie within the file, and there is an
// end to them.
func FuzzRanges(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5,3-", "bytes=,,1-1", "bytes=99999999999999999999-", "bytes=1-0", "x"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		out, ok := parseRanges(header, size)
		total := int64(0)
		for _, r := range out {
			if r.Off < 0 || r.Len <= 0 || r.Off > size-r.Len {
				t.Fatalf("%q of %d: %+v", header, size, r)
			}
			total += r.Len
		}
		if total > size || len(out) > maxRanges || !ok && len(out) > 0 {
			t.Fatalf("%q of %d: %d ranges, %d bytes, %t", header, size, len(out), total, ok)
		}
		merged := union(out)
		for i, r := range merged {
			if i > 0 && merged[i-1].Off+merged[i-1].Len >= r.Off {
				t.Fatal(fmt.Sprint(merged))
			}
		}
	})
}
