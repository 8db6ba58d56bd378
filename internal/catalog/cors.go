package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Limits of a disk's CORS rules, S3's where S3 has one.
const (
	MaxCORSRules  = 100
	maxCORSID     = 255
	maxCORSBytes  = 48 << 10 // of all rules, as JSON; a row holds 64 KiB
	maxCORSMaxAge = 1<<31 - 1
)

// CORSRule is one rule of a disk for web pages of other origins, as S3 has
// them (PutBucketCors).
type CORSRule struct {
	ID             string   `json:"id,omitempty"`
	AllowedOrigins []string `json:"allowedOrigins"` // each with at most one *
	AllowedMethods []string `json:"allowedMethods"` // of GET, PUT, HEAD, POST, DELETE
	AllowedHeaders []string `json:"allowedHeaders,omitempty"`
	ExposeHeaders  []string `json:"exposeHeaders,omitempty"`
	MaxAgeSeconds  int      `json:"maxAgeSeconds,omitempty"`
}

// CheckCORS tells why rules can't be a disk's, with S3's rules and words.
func CheckCORS(rules []CORSRule) error {
	bad := func(i int, format string, args ...any) error {
		return errs.New("set CORS", "", errs.Invalid, fmt.Sprintf("CORS rule %d: ", i+1)+fmt.Sprintf(format, args...))
	}
	if len(rules) > MaxCORSRules {
		return errs.New("set CORS", "", errs.Invalid, fmt.Sprintf("a disk has at most %d CORS rules", MaxCORSRules))
	}
	ids := map[string]bool{}
	size := 0
	for i, r := range rules {
		switch {
		case len(r.ID) > maxCORSID || !utf8.ValidString(r.ID):
			return bad(i, "an id has at most %d bytes of UTF-8", maxCORSID)
		case r.ID != "" && ids[r.ID]:
			return bad(i, "the id %q is another rule's already", r.ID)
		case len(r.AllowedOrigins) == 0 || len(r.AllowedMethods) == 0:
			return bad(i, "allowedOrigins and allowedMethods are needed")
		case r.MaxAgeSeconds < 0 || r.MaxAgeSeconds > maxCORSMaxAge:
			return bad(i, "maxAgeSeconds is a number from 0 to %d", maxCORSMaxAge)
		}
		ids[r.ID] = true
		for _, m := range r.AllowedMethods {
			if !slices.Contains([]string{"GET", "PUT", "HEAD", "POST", "DELETE"}, m) {
				return bad(i, "unsupported method %q: GET, PUT, HEAD, POST and DELETE are there", m)
			}
		}
		for _, o := range r.AllowedOrigins {
			if !plainText(o) || strings.Count(o, "*") > 1 {
				return bad(i, "the origin %q is not one such as https://example.com, with at most one *", o)
			}
		}
		for _, h := range r.AllowedHeaders {
			if !headerName(strings.Replace(h, "*", "x", 1)) {
				return bad(i, "%q is not the name of a header, with at most one *", h)
			}
		}
		for _, h := range r.ExposeHeaders {
			if !headerName(h) {
				return bad(i, "%q is not the name of a header (no * is allowed here)", h)
			}
		}
		size += len(r.ID) + len(strings.Join(slices.Concat(r.AllowedOrigins, r.AllowedMethods, r.AllowedHeaders, r.ExposeHeaders), `","`)) + 150
	}
	if size > maxCORSBytes {
		return errs.New("set CORS", "", errs.Invalid, "the CORS rules are too long together: 48 KiB at most")
	}
	return nil
}

// plainText tells whether s is visible ASCII, and not empty: what a header's
// value can hold without escapes.
func plainText(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			return false
		}
	}
	return s != ""
}

// headerName tells whether s is a token of RFC 9110 without *.
func headerName(s string) bool {
	for _, b := range []byte(s) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("!#$%'+-.^_`|~", b) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// CORS returns a disk's rules, which must not be changed; none: no
// cross-origin access. It answers from memory.
func (c *Catalog) CORS(ctx context.Context, id disk.ID) ([]CORSRule, error) {
	p, err := c.policy(ctx, id)
	if err != nil {
		return nil, err
	}
	return p.cors, nil
}

// SetCORS replaces a disk's rules; none: no cross-origin access.
func (c *Catalog) SetCORS(ctx context.Context, id disk.ID, rules []CORSRule) error {
	if err := CheckCORS(rules); err != nil {
		return err
	}
	err := c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "set CORS"); err != nil {
			return err
		}
		if len(rules) == 0 {
			return t.Delete(ofDisk(prefixCORS, id))
		}
		return setRow(t, ofDisk(prefixCORS, id), rules)
	})
	// Also after an error: the commit may have happened.
	c.policies.drop(id)
	return err
}
