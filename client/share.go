package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Share is a URL that shows one file to whoever has it.
type Share struct {
	URL       string    `json:"url"`
	ID        string    `json:"id"` // to revoke it
	ExpiresIn int64     `json:"expiresIn"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Share makes a share URL of a file; expires is rounded down to seconds, 0: a
// day.
func (c *Client) Share(ctx context.Context, disk, key string, expires time.Duration) (Share, error) {
	in := map[string]any{"key": key}
	if expires != 0 {
		in["expiresIn"] = int64(expires / time.Second)
	}
	var res Share
	err := c.once(ctx, http.MethodPost, diskPath(disk)+"/share", nil, in, &res)
	return res, err
}

// RevokeShare makes one share URL void.
func (c *Client) RevokeShare(ctx context.Context, disk, id string) error {
	return c.once(ctx, http.MethodDelete, diskPath(disk)+"/share", url.Values{"id": {id}}, nil, nil)
}

// RevokeShares makes all share URLs of a disk void that were made so far.
func (c *Client) RevokeShares(ctx context.Context, disk string) error {
	return c.once(ctx, http.MethodDelete, diskPath(disk)+"/share", url.Values{"all": {"true"}}, nil, nil)
}
