package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
)

var errRepeats = errors.New("the server repeats a page of the list")

// listed walks a paged list of the control API. items takes them out of a
// page's data. An error ends the walk.
func listed[P, T any](ctx context.Context, c *Client, path string, q url.Values, items func(*P) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := clone(q)
		if !q.Has("limit") {
			q.Set("limit", "100")
		}
		for {
			var page P
			a, err := c.do(ctx, call{method: http.MethodGet, path: path, query: q, out: &page})
			if err == nil && a.cursor != "" && a.cursor == q.Get("cursor") {
				err = errRepeats
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range items(&page) {
				if !yield(v, nil) {
					return
				}
			}
			if a.cursor == "" {
				return
			}
			q.Set("cursor", a.cursor)
		}
	}
}

func clone(q url.Values) url.Values {
	out := url.Values{}
	for k, v := range q {
		out[k] = v
	}
	return out
}

// whole is items of a page that is the list itself.
func whole[T any](p *[]T) []T { return *p }

// Collect gathers a walk's values. At an error it returns those before it.
func Collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	out := []T{}
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}
