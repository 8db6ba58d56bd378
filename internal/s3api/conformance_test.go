package s3api

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestConformanceTable checks that every test that docs/s3-conformance.md
// names exists, in the package that it names.
func TestConformanceTable(t *testing.T) {
	doc, err := os.ReadFile("../../docs/s3-conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, pkg := range []string{"internal/s3api", "internal/sigv4", "internal/server", "internal/objmeta"} {
		files, err := filepath.Glob("../../" + pkg + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(src, -1) {
				known[pkg+" "+string(m[1])] = true
			}
		}
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`(?: \\((internal/\\w+)\\))?").FindAllSubmatch(doc, -1) {
		pkg := string(m[2])
		if pkg == "" {
			pkg = "internal/s3api"
		}
		name := pkg + " " + string(m[1])
		named[name] = true
		if !known[name] {
			t.Errorf("docs/s3-conformance.md names %s in %s, which does not exist", m[1], pkg)
		}
	}
	if len(named) < 60 {
		t.Errorf("only %d tests are named", len(named))
	}
}
