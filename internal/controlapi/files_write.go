package controlapi

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"atoll/internal/contenttype"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/fileserve"
	"atoll/internal/objmeta"
)

// writeFile puts the body at a path.
func (a *api) writeFile(c *call) (fileResponse, error) {
	path, dir := c.filePath()
	if dir || path == "" {
		return fileResponse{}, invalid("the path of a file does not end in a slash; POST {\"op\":\"mkdir\"} makes folders")
	}
	o, err := c.putOptions()
	if err != nil {
		return fileResponse{}, err
	}
	v, err := a.view(c)
	if err != nil {
		return fileResponse{}, err
	}
	created := false
	o.Check, err = c.writeConditions(&created)
	if err != nil {
		return fileResponse{}, err
	}
	ctx := c.r.Context()
	u, err := v.NewUpload(ctx, c.r.ContentLength)
	if err != nil {
		return fileResponse{}, err
	}
	defer u.Abort()
	b := &fileBody{r: c.r.Body, rc: http.NewResponseController(c.w)}
	if err := b.copyTo(u); err != nil {
		return fileResponse{}, err
	}
	o.MD5, o.HasMD5 = [16]byte(b.sum.Sum(nil)), true
	if err := checkMD5(c.r.Header.Get("Content-MD5"), o.MD5[:]); err != nil {
		return fileResponse{}, err
	}
	if contenttype.ByName(path) == "" {
		o.ContentMeta = objmeta.AppendField(nil, objmeta.TagSniffedType, contenttype.Sniff(b.first))
	}
	at, err := u.Commit(ctx, path, o)
	if err != nil {
		return fileResponse{}, err
	}
	if created {
		c.status = http.StatusCreated
	}
	res := wireFile(path, &at)
	c.w.Header().Set("ETag", res.ETag)
	return res, nil
}

// fileBody takes a body of any length. The client has fileserve.DefaultStall
// for each piece.
type fileBody struct {
	r     io.Reader
	rc    *http.ResponseController
	first []byte // for sniffing
	sum   hash.Hash
}

func (b *fileBody) copyTo(u *disk.Upload) error {
	b.sum = md5.New()
	piece := make([]byte, 64<<10)
	for {
		// A writer without deadlines is a test's; there is nothing to protect.
		_ = b.rc.SetReadDeadline(time.Now().Add(fileserve.DefaultStall))
		n, err := b.r.Read(piece)
		if n > 0 {
			b.first = append(b.first, piece[:min(n, contenttype.SniffLen-len(b.first))]...)
			b.sum.Write(piece[:n])
			if _, err := u.Write(piece[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			_ = b.rc.SetReadDeadline(time.Time{}) // what comes now may take longer
			return nil
		}
		if err != nil {
			return errs.New("write", "", errs.Canceled, "the request's body could not be read to its end")
		}
	}
}

func checkMD5(header string, sum []byte) error {
	if header == "" {
		return nil
	}
	want, err := base64.StdEncoding.DecodeString(header)
	if err != nil || len(want) != len(sum) {
		return invalid("Content-MD5 is 16 bytes in base64")
	}
	if subtle.ConstantTimeCompare(want, sum) != 1 {
		return invalid("the contents that arrived have not the MD5 that Content-MD5 names: send them again")
	}
	return nil
}

// putOptions reads mode and owner from the headers that the S3 door takes.
func (c *call) putOptions() (o disk.PutOptions, err error) {
	h := c.r.Header
	if v := h.Get("X-Archil-Mode"); v != "" {
		n, err := strconv.ParseUint(v, 8, 32)
		if err != nil {
			return o, invalid("X-Archil-Mode is octal digits, such as 0640")
		}
		o.HasMode = true
		if o.Mode, err = checkMode(n); err != nil {
			return o, err
		}
	}
	for name, id := range map[string]*uint32{"X-Archil-Uid": &o.UID, "X-Archil-Gid": &o.GID} {
		if h.Get(name) == "" {
			continue
		}
		n, err := strconv.ParseUint(h.Get(name), 10, 32)
		if err != nil {
			return o, invalid("%s is a number from 0 to 4294967295", name)
		}
		*id = uint32(n)
	}
	return o, nil
}

// writeConditions makes the check of If-Match and If-None-Match; created tells
// afterwards whether nothing was there.
func (c *call) writeConditions(created *bool) (func(old *disk.Attr) error, error) {
	h := c.r.Header
	match, none := strings.Join(h["If-Match"], ","), strings.TrimSpace(strings.Join(h["If-None-Match"], ","))
	if h["If-None-Match"] != nil && none != "*" {
		return nil, invalid("If-None-Match on a change is *: only if nothing is there")
	}
	if h["If-Match"] != nil && strings.TrimSpace(match) == "" {
		return nil, invalid("If-Match is an ETag, several, or *")
	}
	return func(old *disk.Attr) error {
		*created = old == nil
		switch {
		case none != "" && old != nil:
			return errs.New("write", "", errs.Precondition, "a file of this name is there, and If-None-Match asks that none is")
		case match == "":
			return nil
		case old == nil:
			return errs.New("write", "", errs.Precondition, "there is no such file, and If-Match names one")
		case !objmeta.MatchETag(match, string(objmeta.AppendETag(nil, old)), false):
			return errs.New("write", "", errs.Precondition, "the file is not the one that If-Match names: it was changed")
		}
		return nil
	}, nil
}
