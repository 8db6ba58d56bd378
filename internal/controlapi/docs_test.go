package controlapi

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"atoll/internal/catalog"
)

// TestControlPage keeps docs/control-api.md complete: its table has every route
// and no other, and the page names every field that is sent or read.
func TestControlPage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "control-api.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| \\[`([A-Z]+ /[^` ]*)`\\]").FindAllStringSubmatch(page, -1) {
		listed[m[1]] = true
	}
	var a api
	a.o.ensureDefaults()
	for route := range a.plainRoutes() {
		checkListed(t, listed, "GET "+route)
	}
	for _, rt := range a.routes() {
		checkListed(t, listed, rt.method+" "+rt.path)
	}
	for name := range listed {
		t.Errorf("the page has a route that the code has not: %s", name)
	}
	for _, v := range []any{envelope{}, diskResponse{}, createRequest{}, createResponse{}, userResponse{},
		addUserRequest{}, ServerInfo{}, backupRequest{}, backupResponse{}, catalog.RootAttrs{}} {
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || !regexp.MustCompile("[`\"]"+name+"[`\"]").MatchString(page) {
				t.Errorf("field %q of %T is not on the page", name, v)
			}
		}
	}
}

// checkListed crosses a route off the list.
func checkListed(t *testing.T, listed map[string]bool, route string) {
	t.Helper()
	if !listed[route] {
		t.Errorf("%s is not on the page", route)
	}
	delete(listed, route)
}
