package controlapi

import (
	"errors"
	"net/http"
	"time"

	"atoll/internal/errs"
	"atoll/internal/fileserve"
	"atoll/internal/share"
)

// shareRoutes are those that make and serve share URLs.
func (a *api) shareRoutes() []route {
	const shown = "The file as it is when the link is opened, with Range and conditional requests. " +
		"A link that is mistyped, unknown, withdrawn, or whose file is gone is answered 404, one that expired 403."
	served := route{path: share.Path + "{token}", group: "Share URLs", right: rightNone, text: shown,
		success: []int{200, 206, 304}, errors: []int{403, 404, 412, 416}, do: writes("*/*", a.openShare)}
	get, head := served, served
	get.method, get.name, get.summary = "GET", "openShare", "a shared file, without credentials"
	head.method, head.name, head.summary = "HEAD", "headShare", "what GET answers, without the contents"
	return []route{
		{method: "POST", path: "/api/disks/{id}/share", name: "makeShare", group: "Share URLs", summary: "make a link to a file",
			text:  "Whoever has the link can read the file until it expires. Works on branches and checkpoints.",
			right: rightDiskWrite, contents: true, action: "share.create", errors: []int{404, 501}, do: takes(a.makeShare)},
		{method: "POST", path: "/api/disks/{id}/share/{path...}", name: "makeShareOf", group: "Share URLs",
			summary: "make a link to the file at this path",
			right:   rightDiskWrite, contents: true, action: "share.create", errors: []int{404, 501}, do: gives(a.makeShareOf),
			params: []param{{name: "expiresIn", kind: "integer", text: "seconds: 3600, 28800, 86400 (the default) or 604800"}}},
		{method: "DELETE", path: "/api/disks/{id}/share", name: "revokeShares", group: "Share URLs", summary: "withdraw one link, or all of a disk",
			text:  "Requests that begin after the answer get 404.",
			right: rightDiskWrite, action: "share.revoke", errors: []int{501}, do: gives(a.revokeShares),
			params: []param{{name: "id", text: "the link's `id`"},
				{name: "all", kind: "boolean", text: "`true`: every link that was made to a file of this disk, its branches included"}}},
		get, head,
	}
}

type shareRequest struct {
	Key       string `json:"key" need:"true" doc:"path of the file"`
	ExpiresIn *int64 `json:"expiresIn" doc:"seconds, 1 to 604800; 86400 if it is not given"`
}

type shareResponse struct {
	URL       string `json:"url" doc:"opens the file"`
	ExpiresIn int64  `json:"expiresIn" doc:"seconds"`
	ID        string `json:"id" doc:"names the link when it is withdrawn"`
	ExpiresAt string `json:"expiresAt" doc:"time"`
}

func (a *api) makeShare(c *call, in *shareRequest) (shareResponse, error) {
	if in.Key == "" {
		return shareResponse{}, invalid("key is the path of a file")
	}
	lifetime := share.DefaultLifetime
	if in.ExpiresIn != nil {
		if *in.ExpiresIn < 1 || *in.ExpiresIn > int64(share.MaxLifetime/time.Second) {
			return shareResponse{}, invalid("expiresIn is from 1 to 604800 seconds")
		}
		lifetime = time.Duration(*in.ExpiresIn) * time.Second
	}
	return a.share(c, in.Key, lifetime)
}

func (a *api) makeShareOf(c *call) (shareResponse, error) {
	lifetime := share.DefaultLifetime
	if c.r.URL.Query().Has("expiresIn") {
		switch c.query("expiresIn") {
		case "3600":
			lifetime = time.Hour
		case "28800":
			lifetime = 8 * time.Hour
		case "86400":
		case "604800":
			lifetime = share.MaxLifetime
		default:
			return shareResponse{}, invalid("expiresIn is 3600, 28800, 86400 or 604800; POST to /share with a body takes other values")
		}
	}
	return a.share(c, c.r.PathValue("path"), lifetime)
}

func (a *api) share(c *call, key string, lifetime time.Duration) (shareResponse, error) {
	if a.o.Shares == nil {
		return shareResponse{}, errs.New("share", "", errs.Unsupported, "this server makes no links")
	}
	c.target = key
	s, err := a.o.Shares.Make(c.r.Context(), c.disk, c.ref, key, lifetime)
	if err != nil {
		return shareResponse{}, refError(err, c.ref)
	}
	c.details = "link " + s.ID.String() + " until " + timestamp(s.Expires)
	return shareResponse{URL: s.URL, ExpiresIn: int64(lifetime / time.Second), ID: s.ID.String(), ExpiresAt: timestamp(s.Expires)}, nil
}

func (a *api) revokeShares(c *call) (message, error) {
	id, all := c.query("id"), c.query("all")
	if a.o.Shares == nil {
		return message{}, errs.New("share", "", errs.Unsupported, "this server makes no links")
	}
	switch {
	case id != "" && all == "":
		sid, ok := share.ParseID(id)
		if !ok {
			return message{}, invalid("id is that of a link: 24 hex digits")
		}
		c.target = id
		return message{"Link withdrawn"}, a.o.Shares.Revoke(c.r.Context(), c.disk, sid)
	case id == "" && all == "true":
		c.target = "all"
		return message{"All links of the disk withdrawn"}, a.o.Shares.RevokeAll(c.r.Context(), c.disk)
	}
	return message{}, invalid("give either id=... or all=true")
}

func (a *api) openShare(c *call) error {
	if a.o.Shares == nil {
		return &statusError{http.StatusNotFound, "not_found", "this server has no links"}
	}
	err := a.o.Shares.Serve(c.w, c.r, c.r.PathValue("token"), c.from)
	var expired *share.Expired
	if errors.As(err, &expired) {
		return &statusError{http.StatusForbidden, "expired", expired.Error()}
	}
	return serveError(err)
}

// serveError is an error of fileserve in terms of this door.
func serveError(err error) error {
	var beyond *fileserve.Unsatisfiable
	if errors.As(err, &beyond) {
		return &statusError{http.StatusRequestedRangeNotSatisfiable, "range_not_satisfiable", beyond.Error()}
	}
	return err
}
