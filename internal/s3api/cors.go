package s3api

import (
	"net/http"
	"slices"
	"strings"

	"atoll/internal/disk"
)

// CORSRule is one rule of a disk for web pages of other origins, as S3 has
// them (PutBucketCors). Origins and headers may have one * each.
type CORSRule struct {
	ID             string
	AllowedOrigins []string
	AllowedMethods []string
	AllowedHeaders []string // what a preflight may ask for
	ExposeHeaders  []string
	MaxAgeSeconds  int
}

// corsPrefix begins the response headers that say what a page may do; they
// stay on errors, so that the page can read them.
const corsPrefix = "Access-Control-"

var (
	errCORS = &apiError{Status: http.StatusForbidden, Code: "AccessForbidden",
		Message: "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request method / " +
			"Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."}
	errCORSMethod = &apiError{Status: http.StatusBadRequest, Code: "BadRequest",
		Message: "Insufficient information. Access-Control-Request-Method must be one of GET, PUT, HEAD, POST and DELETE."}
)

// crossOrigin handles the Origin of a request: it answers a preflight, which
// is then done, and sets the headers of other answers. It comes before the
// signature, which preflights don't have and whose errors a page shall be able
// to read.
func (h *Handler) crossOrigin(q *request) (done bool, err error) {
	preflight := q.r.Method == http.MethodOptions && q.r.Header["Authorization"] == nil
	origin, method := q.get("Origin"), q.r.Method
	var asked []string
	if preflight {
		method = q.get("Access-Control-Request-Method")
		if !isCORSMethod(method) {
			return true, errCORSMethod
		}
		asked = listItems(q.list("Access-Control-Request-Headers"))
	}
	rule := matchCORS(h.corsRules(q), origin, method, asked)
	if rule == nil {
		// The same, whether there is such a disk or not.
		if preflight {
			return true, errCORS
		}
		return false, nil
	}
	q.allowOrigin(rule, origin)
	if !preflight {
		return false, nil
	}
	q.set("Access-Control-Allow-Methods", strings.Join(rule.AllowedMethods, ", "))
	if len(asked) > 0 {
		q.set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(asked, ", ")))
	}
	if rule.MaxAgeSeconds > 0 {
		q.set("Access-Control-Max-Age", itoa(int64(rule.MaxAgeSeconds)))
	}
	q.set("Content-Length", "0")
	q.writeHeader(http.StatusOK)
	return true, nil
}

func isCORSMethod(m string) bool {
	switch m {
	case http.MethodGet, http.MethodPut, http.MethodHead, http.MethodPost, http.MethodDelete:
		return true
	}
	return false
}

// corsRules returns the rules of the disk that the bucket's name means; none
// if there is no such disk, or if it is not open to this client.
func (h *Handler) corsRules(q *request) []CORSRule {
	a, ok := disk.ParseAddress(q.bucket)
	if !ok {
		return nil
	}
	id, _, err := h.o.Disks.Locate(q.ctx, a)
	if err != nil || h.admit(q, id) != nil {
		return nil
	}
	rules, err := h.o.CORS(q.ctx, id)
	if err != nil {
		return nil
	}
	return rules
}

// allowOrigin sets the headers that every allowed answer has.
func (q *request) allowOrigin(rule *CORSRule, origin string) {
	if slices.Contains(rule.AllowedOrigins, "*") {
		q.set("Access-Control-Allow-Origin", "*")
	} else {
		q.set("Access-Control-Allow-Origin", origin)
		q.set("Access-Control-Allow-Credentials", "true")
	}
	if len(rule.ExposeHeaders) > 0 {
		q.set("Access-Control-Expose-Headers", strings.Join(rule.ExposeHeaders, ", "))
	}
	q.set("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
}

// matchCORS returns the first rule that allows the origin, the method and all
// the headers that are asked for; nil: none does.
func matchCORS(rules []CORSRule, origin, method string, asked []string) *CORSRule {
	for i := range rules {
		r := &rules[i]
		if !slices.Contains(r.AllowedMethods, method) || !anyMatches(r.AllowedOrigins, origin, false) {
			continue
		}
		if !slices.ContainsFunc(asked, func(name string) bool { return !anyMatches(r.AllowedHeaders, name, true) }) {
			return r
		}
	}
	return nil
}

// anyMatches tells whether one of the patterns, each with at most one *,
// matches s.
func anyMatches(patterns []string, s string, fold bool) bool {
	if fold {
		s = strings.ToLower(s)
	}
	for _, p := range patterns {
		if fold {
			p = strings.ToLower(p)
		}
		before, after, wild := strings.Cut(p, "*")
		if !wild && p == s || wild && len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after) {
			return true
		}
	}
	return false
}

// listItems splits a comma-separated list.
func listItems(s string) (items []string) {
	for _, item := range strings.Split(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
