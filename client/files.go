package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// FileInfo is what the control API tells of a file, folder or link.
type FileInfo struct {
	Path     string    `json:"path"`
	Name     string    `json:"name"`
	Type     string    `json:"type"` // "file", "directory", "symlink", …
	Size     int64     `json:"size"`
	Mode     uint32    `json:"mode"` // permission bits
	UID      uint32    `json:"uid"`
	GID      uint32    `json:"gid"`
	Modified time.Time `json:"modified"`
	ETag     string    `json:"etag,omitempty"`
	Target   string    `json:"target,omitempty"` // of a symbolic link
}

func filePath(disk, path string) string {
	return diskPath(disk) + "/files/" + escapeKey(strings.Trim(path, "/"))
}

// Stat tells what is known of a file, folder or link itself.
func (c *Client) Stat(ctx context.Context, disk, path string) (FileInfo, error) {
	var f FileInfo
	err := c.get(ctx, filePath(disk, path), url.Values{"stat": {"true"}}, &f)
	return f, err
}

type filePage struct {
	Entries []FileInfo `json:"entries"`
}

// ReadDir walks what is right in a folder.
func (c *Client) ReadDir(ctx context.Context, disk, path string) iter.Seq2[FileInfo, error] {
	return listed(ctx, c, filePath(disk, path), url.Values{"list": {"true"}}, func(p *filePage) []FileInfo { return p.Entries })
}

// WriteFile makes or replaces a file; r is read to its end once, so the
// request is sent again only if no connection was made. For large files there
// is Bucket.PutAt.
func (c *Client) WriteFile(ctx context.Context, disk, path string, r io.Reader) error {
	sent := false
	build := func() (*http.Request, error) {
		if sent {
			return nil, fmt.Errorf("%s: no connection could be made", path)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+filePath(disk, path), onRead{r, &sent})
		if err == nil {
			req.Header.Set("Content-Type", "application/octet-stream")
		}
		return req, err
	}
	return c.send(ctx, build, true, func(res *http.Response) error {
		defer res.Body.Close()
		b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil {
			return &brokenError{err}
		}
		_, err = decode(res, b, nil)
		return err
	})
}

// onRead notes that a body was begun.
type onRead struct {
	r    io.Reader
	read *bool
}

func (o onRead) Read(p []byte) (int, error) {
	*o.read = true
	return o.r.Read(p)
}

// RemoveFile deletes a file, a link or an empty folder; recursive: a folder
// with all that is in it.
func (c *Client) RemoveFile(ctx context.Context, disk, path string, recursive bool) error {
	q := url.Values{}
	if recursive {
		q.Set("recursive", "true")
	}
	return c.once(ctx, http.MethodDelete, filePath(disk, path), q, nil, nil)
}

// FileAttrs are what Chmod changes and Mkdir gives; nil: as it is, or the
// default.
type FileAttrs struct {
	Mode *uint32 `json:"mode,omitempty"`
	UID  *uint32 `json:"uid,omitempty"`
	GID  *uint32 `json:"gid,omitempty"`
}

// fileOp is a change that is not one of contents.
func (c *Client) fileOp(ctx context.Context, disk, path, op string, more any) error {
	in := map[string]any{}
	if more != nil {
		b, err := json.Marshal(more)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &in); err != nil {
			return err
		}
	}
	in["op"] = op
	return c.once(ctx, http.MethodPost, filePath(disk, path), nil, in, nil)
}

// Mkdir makes a folder.
func (c *Client) Mkdir(ctx context.Context, disk, path string, a FileAttrs) error {
	return c.fileOp(ctx, disk, path, "mkdir", a)
}

// Rename moves a file or folder within the disk.
func (c *Client) Rename(ctx context.Context, disk, path, to string) error {
	return c.fileOp(ctx, disk, path, "rename", map[string]string{"to": to})
}

// Symlink makes a symbolic link.
func (c *Client) Symlink(ctx context.Context, disk, path, target string) error {
	return c.fileOp(ctx, disk, path, "symlink", map[string]string{"target": target})
}

// Chmod changes the mode and owner of a file or folder.
func (c *Client) Chmod(ctx context.Context, disk, path string, a FileAttrs) error {
	return c.fileOp(ctx, disk, path, "chmod", a)
}
