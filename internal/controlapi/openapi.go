package controlapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// pathTexts say what the parameters of paths are.
var pathTexts = map[string]string{
	"id":    "address: the id of a disk or a branch, or DISK.BRANCH or DISK.BRANCH.CHECKPOINT",
	"name":  "name",
	"type":  "type of the user: s3 or token",
	"path":  "path of a file or folder, each segment percent-encoded",
	"token": "from a share URL",
}

// statusTexts say what the statuses of refusals mean here.
var statusTexts = map[int]string{
	400: "The request can't be right whatever the state: a field, a parameter, the size or form of the body.",
	401: "No API key, or not a valid one.",
	403: "The API key may not do this, the client's address is not allowed, or the path is reserved.",
	404: "What the request names is not there, or not for this API key.",
	409: "The present state does not allow it.",
	412: "A condition of the request does not hold.",
	416: "The file has no such range.",
	422: "The Idempotency-Key was sent with another request.",
	429: "Too many wrong credentials from this address; the header Retry-After says how long to wait, in seconds.",
	500: "A fault of the server's own; its log has the reason.",
	501: "Known, and not offered.",
	503: "The server is too busy; try again.",
	507: "The disk's quota, or the server's space, is used up.",
}

// refusals lists the statuses of a route's refusals.
func (rt *route) refusals() []int {
	list := append([]int{400, 500}, rt.errors...)
	if rt.right != rightNone {
		list = append(list, 401, 429)
	}
	switch rt.right {
	case rightDiskRead, rightDiskWrite:
		list = append(list, 404)
		if rt.contents || rt.right == rightDiskWrite {
			list = append(list, 403)
		}
	case rightAccountRead, rightAccountWrite:
		list = append(list, 403)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// successes lists the statuses of a route's successes.
func (rt *route) successes() []int {
	if len(rt.success) == 0 {
		return []int{http.StatusOK}
	}
	return rt.success
}

// needs says what right a route asks for.
func (r right) needs() string {
	return [...]string{
		rightNone: "Needs no API key.", rightKey: "Needs any API key.",
		rightDiskRead:    "Needs an API key that opens the disk.",
		rightDiskWrite:   "Needs an API key that may change the disk.",
		rightAccountRead: "Needs an API key that is not limited to some disks.", rightAccountWrite: "Needs an API key that is neither limited to some disks nor read-only.",
	}[r]
}

// pathParams lists the names in a path's braces.
func pathParams(path string) []string {
	var names []string
	for seg := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(seg, "{"); ok {
			names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."))
		}
	}
	return names
}

// openAPI describes routes in OpenAPI 3.1, as indented JSON. All of it comes
// from the table of routes and the Go types in it.
func openAPI(routes []route) ([]byte, error) {
	s := &schemas{named: object{}, types: map[reflect.Type]bool{}, inputs: map[reflect.Type]bool{}}
	for _, rt := range routes {
		if rt.do.in != nil {
			s.markInput(rt.do.in)
		}
	}
	paths := map[string]object{}
	var tags []object
	responses := object{}
	for i := range routes {
		rt := &routes[i]
		path := strings.ReplaceAll(rt.path, "...}", "}")
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path][strings.ToLower(rt.method)] = s.operation(rt)
		if !slices.ContainsFunc(tags, func(t object) bool { return t["name"] == rt.group }) {
			tags = append(tags, object{"name": rt.group})
		}
		for _, status := range rt.refusals() {
			responses[statusName(status)] = object{"description": statusTexts[status],
				"content": jsonContent(object{"$ref": "#/components/schemas/Error"})}
		}
	}
	s.named["Error"] = object{"type": "object", "required": []string{"success", "error", "code"}, "properties": object{
		"success": object{"const": false},
		"error":   object{"type": "string", "description": "why, for people; it may change"},
		"code":    object{"type": "string", "description": "why, for programs; it stays"}}}
	b, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{"title": "Atoll control API", "version": "1",
			"description": "JSON over HTTP on the control address of an Atoll server. docs/control-api.md explains what is common to all routes."},
		"servers":  []object{{"url": "/"}},
		"security": []object{{"apiKey": []string{}}},
		"tags":     tags,
		"paths":    paths,
		"components": object{"schemas": s.named, "responses": responses,
			"securitySchemes": object{"apiKey": object{"type": "apiKey", "in": "header", "name": "Authorization",
				"description": "An API key with its prefix key-, and without Bearer."}}},
	}, "", "  ")
	return append(b, '\n'), err
}

func statusName(status int) string { return "Status" + strconv.Itoa(status) }

func jsonContent(schema object) object {
	return object{"application/json": object{"schema": schema}}
}

// operation describes one route.
func (s *schemas) operation(rt *route) object {
	op := object{"operationId": rt.name, "summary": rt.summary, "tags": []string{rt.group},
		"description": strings.TrimSpace(rt.text + "\n\n" + rt.right.needs())}
	if rt.right == rightNone {
		op["security"] = []object{}
	}
	params := []object{}
	for _, name := range pathParams(rt.path) {
		params = append(params, object{"in": "path", "name": name, "required": true,
			"description": pathTexts[name], "schema": object{"type": "string"}})
	}
	for _, p := range rt.params {
		params = append(params, object{"in": p.where(), "name": p.name, "required": p.required,
			"description": p.text, "schema": object{"type": p.jsonType()}})
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	switch {
	case rt.do.stream != "":
		op["requestBody"] = object{"required": true, "content": object{rt.do.stream: object{}}}
	case rt.do.in != nil:
		op["requestBody"] = object{"required": !rt.do.optional, "content": jsonContent(s.of(rt.do.in))}
	}
	responses := object{}
	for _, status := range rt.refusals() {
		responses[strconv.Itoa(status)] = object{"$ref": "#/components/responses/" + statusName(status)}
	}
	for _, status := range rt.successes() {
		responses[strconv.Itoa(status)] = s.success(rt)
	}
	op["responses"] = responses
	return op
}

func (p *param) where() string {
	if p.in == "" {
		return "query"
	}
	return p.in
}

func (p *param) jsonType() string {
	if p.kind == "" {
		return "string"
	}
	return p.kind
}

// pages tells whether a route's answers may go on.
func (rt *route) pages() bool {
	return slices.ContainsFunc(rt.params, func(p param) bool { return p.name == "cursor" })
}

// success describes the answer of a route that did what was asked.
func (s *schemas) success(rt *route) object {
	res := object{"description": "Done."}
	if rt.method == http.MethodHead {
		return res
	}
	content := object{}
	if rt.do.raw == "" || rt.do.out != nil {
		content = jsonContent(s.envelope(rt))
	}
	if rt.do.raw != "" {
		content[rt.do.raw] = object{}
	}
	res["content"] = content
	return res
}

// envelope describes the frame of a route's data.
func (s *schemas) envelope(rt *route) object {
	props, required := object{"success": object{"const": true}}, []string{"success"}
	if rt.do.out != nil {
		props["data"] = s.of(rt.do.out)
		required = append(required, "data")
	}
	if rt.pages() {
		props["nextCursor"] = object{"type": "string", "description": "the parameter cursor of the next page; missing on the last one"}
	}
	return object{"type": "object", "properties": props, "required": required}
}

// descriptionRoutes serve the description.
func (a *api) descriptionRoutes() []route {
	return []route{
		{method: "GET", path: "/api/openapi.json", name: "getOpenApi", group: "Server", summary: "this API, described in OpenAPI 3.1",
			right: rightNone, do: writes("application/json", a.describe)},
	}
}

func (a *api) describe(c *call) error {
	b, err := openAPI(a.routes())
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = c.w.Write(b) // the client went away: nobody is left to tell
	return nil
}
