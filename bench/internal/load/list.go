package load

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"atoll/bench/internal/s3wire"
)

// cursor is a client's place in a listing that it pages through, again and again.
type cursor struct {
	token string // continuation token, empty at the start
	next  int    // number of the key that comes next
	page  []byte
}

func stepList(c *client) error {
	cur := &c.cursor
	cur.page = cur.page[:0]
	resp, err := c.c.Do(&s3wire.Request{Method: http.MethodGet, Path: "/" + c.r.b.opt.Bucket,
		Query: listQuery(c.r.spec.Op, c.r.b.opt.Prefix+c.r.dir, cur.token), Payload: s3wire.EmptyHash},
		func(p []byte, _ int64) error {
			cur.page = append(cur.page, p...)
			return nil
		})
	if err := want(resp, err, http.StatusOK); err != nil {
		return err
	}
	n := min(PageSize, c.r.spec.Keys-cur.next)
	if err := c.checkPage(n); err != nil {
		return err
	}
	cur.next += n
	cur.token = ""
	if more := element(cur.page, "IsTruncated") == "true"; more != (cur.next < c.r.spec.Keys) {
		return fmt.Errorf("after %d keys of %d IsTruncated is %v", cur.next, c.r.spec.Keys, more)
	}
	if cur.next == c.r.spec.Keys {
		cur.next = 0
		return nil
	}
	if cur.token = html.UnescapeString(element(cur.page, "NextContinuationToken")); cur.token == "" {
		return errors.New("a truncated page without NextContinuationToken")
	}
	return nil
}

// checkPage checks that the page has exactly the n keys that come next: how many and
// the first and last always, all of them every sixteenth time.
func (c *client) checkPage(n int) error {
	page, cur := c.cursor.page, &c.cursor
	if got := bytes.Count(page, []byte("<Key>")); got != n || bytes.Contains(page, []byte("<CommonPrefixes>")) {
		return fmt.Errorf("a page has %d keys instead of %d (or common prefixes)", got, n)
	}
	rest, all := page, c.n%16 == 0
	for i := range n {
		if i > 0 && i < n-1 && !all {
			continue
		}
		if i == n-1 {
			rest = page[bytes.LastIndex(page, []byte("<Key>")):]
		}
		want := c.r.b.opt.Prefix + c.r.key(cur.next+i)
		if got := element(rest, "Key"); got != want {
			return fmt.Errorf("key %d of a page is %q instead of %q", i, got, want)
		}
		rest = rest[bytes.Index(rest, []byte("<Key>"))+1:]
	}
	return nil
}

// element returns the text of the first <name> in an XML document, as it stands there.
func element(doc []byte, name string) string {
	_, after, ok := bytes.Cut(doc, []byte("<"+name+">"))
	if !ok {
		return ""
	}
	text, _, _ := bytes.Cut(after, []byte("<"))
	return string(text)
}

// listQuery returns the canonical query of a ListObjectsV2 page.
func listQuery(op Op, prefix, token string) string {
	var q strings.Builder
	if token != "" {
		q.WriteString("continuation-token=" + escape(token) + "&")
	}
	if op == ListDelim {
		q.WriteString("delimiter=%2F&")
	}
	q.WriteString("list-type=2&max-keys=" + strconv.Itoa(PageSize) + "&prefix=" + escape(prefix))
	return q.String()
}

// escape is AWS's URI encoding of a query value.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
