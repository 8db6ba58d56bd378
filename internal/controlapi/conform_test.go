package controlapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// conformer holds real requests and answers against the published description,
// and remembers which of it they have shown.
type conformer struct {
	*bench
	doc    object
	router *node
	done   map[string]bool // route NAME with success, or with 501
	seen   map[string]bool // SCHEMA.FIELD, in an answer or a request
}

func newConformer(b *bench) *conformer {
	b.t.Helper()
	c := &conformer{bench: b, router: newRouter(table()), done: map[string]bool{}, seen: map[string]bool{}}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, httptest.NewRequest("GET", "/api/openapi.json", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		b.t.Fatalf("the description: %d %v", w.Code, w.Header())
	}
	if err := json.Unmarshal(w.Body.Bytes(), &c.doc); err != nil {
		b.t.Fatal(err)
	}
	c.done["getOpenApi"] = true
	return c
}

// call makes a request, checks it and its answer against the description of
// the route of that name, and returns the answer's data.
func (c *conformer) call(name, method, target, body string, status int, header ...string) any {
	c.t.Helper()
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Header.Set("Authorization", c.key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rt := c.router.find(req)[method]
	if rt == nil || rt.name != name {
		c.t.Fatalf("%s %s is not %s", method, target, name)
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, req)
	if w.Code != status {
		c.t.Fatalf("%s %s %s: %d %s, want %d", method, target, body, w.Code, w.Body, status)
	}
	op := c.doc["paths"].(object)[strings.ReplaceAll(rt.path, "...}", "}")].(object)[strings.ToLower(method)].(object)
	if rt.do.in != nil && body != "" && status < 300 {
		c.check(name+" request", schemaOf(op["requestBody"]), decoded(c.t, body))
	}
	res, ok := op["responses"].(object)[fmt.Sprint(status)].(object)
	if !ok {
		c.t.Fatalf("%s: status %d is not described", name, status)
	}
	if status < 300 || status == http.StatusNotImplemented {
		c.done[name] = true
	}
	if ref, ok := res["$ref"].(string); ok {
		res = c.resolve(ref)
	}
	if w.Header().Get("Content-Type") != "application/json" || method == http.MethodHead {
		return w.Body.String()
	}
	answer := decoded(c.t, w.Body.String())
	c.check(name+" answer", schemaOf(res), answer)
	return answer.(object)["data"]
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// schemaOf finds the schema of a JSON body or answer.
func schemaOf(v any) object {
	return v.(object)["content"].(object)["application/json"].(object)["schema"].(object)
}

func (c *conformer) resolve(ref string) object {
	var v any = c.doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		v = v.(object)[part]
	}
	return v.(object)
}

// check holds a value against a schema, and against unknown fields, which
// only requests are forbidden by the description.
func (c *conformer) check(at string, schema object, v any) {
	c.t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema, at = c.resolve(ref), ref[strings.LastIndexByte(ref, '/')+1:]
	}
	if want, ok := schema["const"]; ok && v != want {
		c.t.Errorf("%s is %v, not %v", at, v, want)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		c.t.Errorf("%s is %v, none of %v", at, v, enum)
	}
	switch schema["type"] {
	case "string":
		s, ok := v.(string)
		if _, err := time.Parse(time.RFC3339Nano, s); !ok || schema["format"] == "date-time" && err != nil {
			c.t.Errorf("%s is no %v: %v", at, schema["format"], v)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			c.t.Errorf("%s is no boolean: %v", at, v)
		}
	case "integer":
		if n, ok := v.(float64); !ok || n != float64(int64(n)) || schema["minimum"] != nil && n < 0 {
			c.t.Errorf("%s is no integer: %v", at, v)
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			c.t.Errorf("%s is no list: %v", at, v)
		}
		for _, e := range list {
			c.check(at+"[]", schema["items"].(object), e)
		}
	case "object":
		c.checkObject(at, schema, v)
	}
}

func (c *conformer) checkObject(at string, schema object, v any) {
	c.t.Helper()
	o, ok := v.(object)
	if !ok {
		c.t.Errorf("%s is no object: %v", at, v)
		return
	}
	props, ok := schema["properties"].(object)
	if !ok {
		return
	}
	for name, e := range o {
		p, ok := props[name].(object)
		if !ok {
			c.t.Errorf("%s has the field %s, which is not described", at, name)
			continue
		}
		c.seen[at+"."+name] = true
		c.check(at+"."+name, p, e)
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := o[name.(string)]; !ok {
			c.t.Errorf("%s lacks the field %s", at, name)
		}
	}
}

// whole tells which routes were never done, and which fields never shown.
func (c *conformer) whole() {
	c.t.Helper()
	structs := map[string]reflect.Type{}
	for _, rt := range table() {
		if !c.done[rt.name] {
			c.t.Errorf("%s was never done", rt.name)
		}
		if slices.Contains(rt.errors, 501) && rt.do.out == nil && rt.action != "server.backup" {
			continue // what it would take and give is never seen
		}
		checkDocs(c.t, rt.name, rt.do.in, structs)
		checkDocs(c.t, rt.name, rt.do.out, structs)
	}
	for name, typ := range structs {
		for _, f := range fieldsOf(typ) {
			if !c.seen[name+"."+f.name] {
				c.t.Errorf("%s.%s was never seen", name, f.name)
			}
		}
	}
}
