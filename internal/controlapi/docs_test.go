package controlapi

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/openapi.json, docs/api.md and the table of docs/control-api.md anew")

// table is the table of routes, of a door that nothing calls.
func table() []route {
	var a api
	a.o.ensureDefaults()
	return a.routes()
}

// TestDescription checks that docs/openapi.json and docs/api.md are what the
// code says.
func TestDescription(t *testing.T) {
	description, err := openAPI(table())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "openapi.json", string(description))
	same(t, "api.md", page(table()))
}

// same checks a page of docs, or writes it.
func same(t *testing.T, name, want string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", name)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/%s is not what the code says: run go test ./internal/controlapi -run 'TestDescription|TestControlPage' -update", name)
	}
}

// TestDescriptionIsWhole checks that everything in the table is explained, and
// that nothing has two meanings.
func TestDescriptionIsWhole(t *testing.T) {
	names, structs := map[string]string{}, map[string]reflect.Type{}
	for _, rt := range table() {
		at := rt.method + " " + rt.path
		if other := names[rt.name]; other != "" || rt.name == "" {
			t.Errorf("%s: the name %q is %s's", at, rt.name, other)
		}
		names[rt.name] = at
		if rt.group == "" || rt.summary == "" {
			t.Errorf("%s is not explained", at)
		}
		changes := rt.right == rightDiskWrite || rt.right == rightAccountWrite
		if changes && rt.action == "" || rt.action != "" && (rt.right == rightDiskRead || rt.right == rightAccountRead || rt.right == rightNone) {
			t.Errorf("%s: right %d with the audit action %q", at, rt.right, rt.action)
		}
		for _, p := range rt.params {
			if p.name == "" || p.text == "" {
				t.Errorf("%s: parameter %q is not explained", at, p.name)
			}
		}
		for _, p := range pathParams(rt.path) {
			if pathTexts[p] == "" {
				t.Errorf("%s: {%s} is not explained", at, p)
			}
		}
		for _, status := range rt.refusals() {
			if statusTexts[status] == "" {
				t.Errorf("%s: status %d is not explained", at, status)
			}
		}
		for _, typ := range []reflect.Type{rt.do.in, rt.do.out} {
			checkDocs(t, at, typ, structs)
		}
	}
}

// checkDocs checks the fields of a type and of what it holds.
func checkDocs(t *testing.T, at string, typ reflect.Type, structs map[string]reflect.Type) {
	for typ != nil && (typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map) {
		typ = typ.Elem()
	}
	if typ == nil || typ.Kind() != reflect.Struct || !strings.HasSuffix(typ.PkgPath(), "controlapi") || typ == reflect.TypeFor[none]() {
		return
	}
	name := schemaName(typ)
	if structs[name] == typ {
		return
	}
	if structs[name] != nil {
		t.Errorf("%s and %s are both called %s", typ, structs[name], name)
	}
	structs[name] = typ
	for _, f := range fieldsOf(typ) {
		if f.name == "" || f.doc == "" {
			t.Errorf("%s: field %q of %s is not explained", at, f.name, typ)
		}
		checkDocs(t, at, f.typ, structs)
	}
}

// TestControlPage keeps the table of docs/control-api.md as the code's, and
// the page's links right.
func TestControlPage(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "control-api.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "| route | what it does |\n| --- | --- |\n", "\n\n"
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no table of routes")
	}
	var rows []string
	for _, rt := range table() {
		rows = append(rows, fmt.Sprintf("| [`%s %s`](api.md#%s) | %s |", rt.method, rt.path, strings.ToLower(rt.name), rt.summary))
	}
	var a api
	a.o.ensureDefaults()
	for _, p := range slices.Sorted(maps.Keys(a.plainRoutes())) {
		rows = append(rows, fmt.Sprintf("| [`GET %s`](#health-and-metrics) | text, without a key |", p))
	}
	same(t, "control-api.md", head+begin+strings.Join(rows, "\n")+end+tail)
	headings := strings.ReplaceAll(strings.ToLower(page(table())), "### object ", "### object-")
	for _, name := range regexp.MustCompile(`api\.md#([a-z0-9-]+)`).FindAllStringSubmatch(string(b), -1) {
		if !strings.Contains(headings, "\n### "+name[1]+"\n") {
			t.Errorf("the page links to api.md#%s, which is not there", name[1])
		}
	}
	for _, status := range statuses(table()) {
		if !strings.Contains(string(b), fmt.Sprintf("\n| %d |", status)) {
			t.Errorf("the page does not say when the status is %d", status)
		}
	}
}

func statuses(routes []route) []int {
	var all []int
	for _, rt := range routes {
		all = append(all, rt.refusals()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// page writes the description as a page for people.
func page(routes []route) string {
	var b strings.Builder
	b.WriteString("# Routes of the control API\n\n" +
		"Made from the code; [openapi.json](openapi.json) says the same to programs, and a server answers it at `/api/openapi.json`. " +
		"What is common to all routes, with examples: [the control API](control-api.md).\n")
	s := &schemas{inputs: map[reflect.Type]bool{}}
	var objects []reflect.Type
	group := ""
	for i := range routes {
		rt := &routes[i]
		if rt.group != group {
			group = rt.group
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		if rt.do.in != nil {
			s.markInput(rt.do.in)
		}
		writeRoute(&b, rt)
		objects = appendStructs(objects, rt.do.in)
		objects = appendStructs(objects, rt.do.out)
	}
	b.WriteString("\n## Objects\n")
	slices.SortFunc(objects, func(x, y reflect.Type) int { return strings.Compare(schemaName(x), schemaName(y)) })
	for _, typ := range objects {
		fmt.Fprintf(&b, "\n### Object %s\n\n| field | type | meaning |\n| --- | --- | --- |\n", schemaName(typ))
		for _, f := range fieldsOf(typ) {
			text := f.doc
			if f.needed {
				text = "needed: " + text
			} else if !s.inputs[typ] && f.omittable {
				text = "may be missing: " + text
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, typeWords(f.typ), text)
		}
	}
	return b.String()
}

func writeRoute(b *strings.Builder, rt *route) {
	fmt.Fprintf(b, "\n### %s\n\n`%s %s`: %s.", rt.name, rt.method, rt.path, rt.summary)
	if rt.text != "" {
		b.WriteString(" " + rt.text)
	}
	fmt.Fprintf(b, " %s\n", rt.right.needs())
	if len(rt.params)+len(pathParams(rt.path)) > 0 {
		b.WriteString("\n| parameter | in | meaning |\n| --- | --- | --- |\n")
	}
	for _, name := range pathParams(rt.path) {
		fmt.Fprintf(b, "| `%s` | path | %s |\n", name, pathTexts[name])
	}
	for _, p := range rt.params {
		text := p.text
		if p.required {
			text = "needed: " + text
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", p.name, p.where(), text)
	}
	b.WriteString("\n")
	switch {
	case rt.do.stream != "":
		fmt.Fprintf(b, "Body: `%s`, of any size. ", rt.do.stream)
	case rt.do.optional:
		fmt.Fprintf(b, "Body: %s, or nothing. ", typeWords(rt.do.in))
	case rt.do.in != nil:
		fmt.Fprintf(b, "Body: %s. ", typeWords(rt.do.in))
	}
	done := strings.Trim(strings.ReplaceAll(fmt.Sprint(rt.successes()), " ", ", "), "[]")
	switch {
	case rt.do.raw != "" && rt.method == http.MethodHead:
		fmt.Fprintf(b, "Answer: %s without a body.", done)
	case rt.do.raw != "" && rt.do.out != nil:
		fmt.Fprintf(b, "Answer: %s with `%s`, or %s.", done, rt.do.raw, typeWords(rt.do.out))
	case rt.do.raw != "":
		fmt.Fprintf(b, "Answer: %s with `%s`.", done, rt.do.raw)
	case rt.do.out != nil:
		fmt.Fprintf(b, "Answer: %s with %s.", done, typeWords(rt.do.out))
	default:
		fmt.Fprintf(b, "Answer: %s without data.", done)
	}
	fmt.Fprintf(b, " Refusals: %s.\n", strings.Trim(strings.ReplaceAll(fmt.Sprint(rt.refusals()), " ", ", "), "[]"))
}

// appendStructs adds the structs that a type holds and that are not in list.
func appendStructs(list []reflect.Type, typ reflect.Type) []reflect.Type {
	if typ == nil {
		return list
	}
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return appendStructs(list, typ.Elem())
	case reflect.Struct:
		if !strings.HasSuffix(typ.PkgPath(), "controlapi") || typ == reflect.TypeFor[none]() || slices.Contains(list, typ) {
			return list
		}
		list = append(list, typ)
		for _, f := range fieldsOf(typ) {
			list = appendStructs(list, f.typ)
		}
	}
	return list
}

// typeWords names a type for people.
func typeWords(t reflect.Type) string {
	s := &schemas{named: object{}, types: map[reflect.Type]bool{}, inputs: map[reflect.Type]bool{}}
	o := s.of(t)
	if ref, ok := o["$ref"].(string); ok {
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		return fmt.Sprintf("[%s](#object-%s)", name, strings.ToLower(name))
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch o["type"] {
	case "array":
		return "list of " + typeWords(t.Elem())
	case "object":
		if t.Kind() == reflect.Map {
			return "object of " + typeWords(t.Elem())
		}
		return "object"
	case "string":
		if o["format"] != nil {
			return "time"
		}
		return "string"
	case nil:
		return "anything"
	}
	return o["type"].(string)
}
