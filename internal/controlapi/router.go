package controlapi

import (
	"net/http"
	"net/url"
	"sort"
	"strings"
)

// node is a point of the tree of paths. Paths are taken as they were sent:
// there are no redirects, and an escaped slash does not end a segment.
type node struct {
	methods map[string]*route // of the path that ends here; nil: none does
	next    map[string]*node  // by literal segment
	param   *node             // for any other segment that is not empty
	tail    *node             // takes the whole rest, even an empty one
	name    string            // of the parameter that leads here
}

func newRouter(routes []route) *node {
	root := new(node)
	for i := range routes {
		rt := &routes[i]
		n := root
		for seg := range strings.SplitSeq(rt.path[1:], "/") {
			n = n.child(seg)
		}
		if n.methods == nil {
			n.methods = map[string]*route{}
		}
		n.methods[rt.method] = rt
	}
	return root
}

// child is the node behind one segment of a route's path.
func (n *node) child(seg string) *node {
	name, isParam := strings.CutPrefix(strings.TrimSuffix(seg, "}"), "{")
	name, isTail := strings.CutSuffix(name, "...")
	switch {
	case isTail:
		if n.tail == nil {
			n.tail = &node{name: name}
		}
		return n.tail
	case isParam:
		if n.param == nil {
			n.param = &node{name: name}
		}
		return n.param
	}
	if n.next == nil {
		n.next = map[string]*node{}
	}
	if n.next[seg] == nil {
		n.next[seg] = new(node)
	}
	return n.next[seg]
}

// find returns the methods of a request's path and sets its path values; nil:
// there is no such route.
func (n *node) find(r *http.Request) map[string]*route {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/")
	for more := true; ok && more; {
		var seg string
		rest := path
		seg, path, more = strings.Cut(path, "/")
		seg, err := url.PathUnescape(seg)
		if err != nil {
			return nil
		}
		switch {
		case n.next[seg] != nil:
			n = n.next[seg]
		case n.param != nil && seg != "" && seg != "." && seg != "..":
			n = n.param
			r.SetPathValue(n.name, seg)
		case n.tail != nil:
			all, err := url.PathUnescape(rest)
			if err != nil {
				return nil
			}
			r.SetPathValue(n.tail.name, all)
			return n.tail.methods
		default:
			return nil
		}
	}
	if !ok {
		return nil
	}
	return n.methods
}

// patternOf is the path of the route that methods belong to, for metrics.
func patternOf(methods map[string]*route) string {
	for _, rt := range methods {
		return rt.path
	}
	return "other"
}

// allowed lists methods, for the header Allow.
func allowed(methods map[string]*route) string {
	names := make([]string, 0, len(methods))
	for name := range methods {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}
