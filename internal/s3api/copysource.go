package s3api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/objmeta"
)

// copySource is what x-amz-copy-source names.
type copySource struct {
	bucket, key string
}

var errCopySource = badArgument("Invalid copy source: x-amz-copy-source must be BUCKET/KEY, percent-encoded as UTF-8.")

// parseCopySource reads an x-amz-copy-source header: BUCKET/KEY or
// /BUCKET/KEY, percent-encoded once, slashes too if the client likes. A '+' is
// a '+'. What follows the last `?versionId=` is no part of the key; an encoded
// question mark is.
func parseCopySource(s string) (c copySource, err error) {
	if i := strings.LastIndex(s, "?versionId="); i >= 0 {
		if v := s[i+len("?versionId="):]; v != "null" && v != "" {
			return c, unsupported("versionId")
		}
		s = s[:i]
	}
	if s, err = url.PathUnescape(s); err != nil {
		return c, errCopySource
	}
	var ok bool
	if c.bucket, c.key, ok = strings.Cut(strings.TrimPrefix(s, "/"), "/"); !ok || c.bucket == "" || c.key == "" {
		return c, errCopySource
	}
	return c, nil
}

// openSource finds the file that a copy is made of, if the credential may
// read it.
func (h *Handler) openSource(q *request) (v *disk.View, path string, dir bool, err error) {
	c, err := parseCopySource(q.list("X-Amz-Copy-Source"))
	if err != nil {
		return nil, "", false, err
	}
	id, ref, err := h.locate(q, c.bucket)
	if err != nil {
		return nil, "", false, err
	}
	if v, err = h.openView(q.ctx, id, ref); err != nil {
		return nil, "", false, err
	}
	path, dir, err = readPath(c.key)
	return v, path, dir, err
}

// sourceError translates an error of reading the source: what can't be read is
// not there, as for a GET.
func sourceError(err error) error {
	if err == nil {
		return nil
	}
	return toAPI(err, true)
}

// checkSource evaluates x-amz-copy-source-if-*; 412 if one does not hold.
func (q *request) checkSource(a *disk.Attr) error {
	etag := string(objmeta.AppendETag(nil, a))
	failed, header := false, ""
	mtime := a.Mtime.Truncate(time.Second)
	const p = "X-Amz-Copy-Source-If-"
	if h := p + "Match"; q.r.Header[h] != nil {
		failed, header = !objmeta.MatchETag(q.list(h), etag, false), h
	} else if t, err := http.ParseTime(q.get(p + "Unmodified-Since")); err == nil {
		failed, header = mtime.After(t), p+"Unmodified-Since"
	}
	if failed {
		return preconditionFailed(strings.ToLower(header))
	}
	if h := p + "None-Match"; q.r.Header[h] != nil {
		failed, header = objmeta.MatchETag(q.list(h), etag, true), h
	} else if t, err := http.ParseTime(q.get(p + "Modified-Since")); err == nil {
		failed, header = !mtime.After(t), p+"Modified-Since"
	}
	if failed {
		return preconditionFailed(strings.ToLower(header))
	}
	return nil
}

// statSource returns the attributes of the source.
func statSource(q *request, v *disk.View, path string, dir bool) (disk.Attr, error) {
	a, err := v.Stat(q.ctx, path, true)
	if err == nil && (a.IsDir() != dir || a.Type != disk.File && a.Type != disk.Dir) {
		err = errs.New("copy", path, errs.NotFound, "no such object")
	}
	if err != nil {
		return a, sourceError(err)
	}
	return a, q.checkSource(&a)
}
