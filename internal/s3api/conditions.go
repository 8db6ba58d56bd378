package s3api

import (
	"net/http"
	"strings"
	"time"

	"atoll/internal/disk"
	"atoll/internal/objmeta"
)

// checkRead evaluates the conditions of a GET or HEAD in the order of RFC
// 9110, 13.2.2, which is AWS's: If-Match beats If-Unmodified-Since and
// If-None-Match beats If-Modified-Since. It returns 200, 304 or 412; failed
// names the header of a 412. Dates that don't parse are no conditions.
func (q *request) checkRead(etag string, mtime time.Time) (status int, failed string) {
	h := q.r.Header
	mtime = mtime.Truncate(time.Second)
	if h["If-Match"] != nil {
		if !objmeta.MatchETag(q.list("If-Match"), etag, false) {
			return http.StatusPreconditionFailed, "If-Match"
		}
	} else if v := h["If-Unmodified-Since"]; v != nil {
		if t, err := http.ParseTime(v[0]); err == nil && mtime.After(t) {
			return http.StatusPreconditionFailed, "If-Unmodified-Since"
		}
	}
	if h["If-None-Match"] != nil {
		if objmeta.MatchETag(q.list("If-None-Match"), etag, true) {
			return http.StatusNotModified, ""
		}
	} else if v := h["If-Modified-Since"]; v != nil {
		if t, err := http.ParseTime(v[0]); err == nil && !mtime.After(t) {
			return http.StatusNotModified, ""
		}
	}
	return http.StatusOK, ""
}

// ifRange tells whether a Range header counts: an If-Range header that names
// another version makes it void.
func (q *request) ifRange(etag string, mtime time.Time) bool {
	v := q.get("If-Range")
	if v == "" {
		return true
	}
	if t, err := http.ParseTime(v); err == nil {
		return mtime.Truncate(time.Second).Equal(t)
	}
	return objmeta.MatchETag(v, etag, false) && v != "*"
}

// writeConditions are the conditions of a PUT or DELETE.
type writeConditions struct {
	ifMatch string // empty: none
	absent  bool   // If-None-Match: *
}

func (c *writeConditions) any() bool { return c.ifMatch != "" || c.absent }

// writeConditions reads the conditions of a PUT or DELETE. Those that S3 has
// for reading only are refused, as AWS does.
func (q *request) writeConditions() (c writeConditions, err error) {
	h := q.r.Header
	if h["If-Modified-Since"] != nil || h["If-Unmodified-Since"] != nil {
		return c, notImplemented("If-Modified-Since and If-Unmodified-Since are for reading; use If-Match or If-None-Match: *.")
	}
	if h["If-None-Match"] != nil {
		if strings.TrimSpace(q.list("If-None-Match")) != "*" || q.op == OpDeleteObject {
			return c, notImplemented("Of If-None-Match only `*` on a PUT is implemented: create the object if it is not there.")
		}
		c.absent = true
	}
	if h["If-Match"] != nil {
		if c.absent {
			return c, notImplemented("If-Match and If-None-Match can't be given together.")
		}
		if c.ifMatch = q.list("If-Match"); strings.TrimSpace(c.ifMatch) == "" {
			return c, badArgument("If-Match is empty; give an ETag or *.")
		}
	}
	return c, nil
}

// check evaluates the conditions on what is there, nil for nothing.
func (c *writeConditions) check(old *disk.Attr) error {
	if c.absent && old != nil {
		return preconditionFailed("If-None-Match")
	}
	if c.ifMatch == "" {
		return nil
	}
	if old == nil {
		return errNoKey
	}
	if !objmeta.MatchETag(c.ifMatch, string(objmeta.AppendETag(nil, old)), false) {
		return preconditionFailed("If-Match")
	}
	return nil
}
