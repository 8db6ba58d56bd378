package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// The types of users.
const (
	UserS3    = "s3"    // an access key for the S3 API
	UserToken = "token" // a disk token, for mounts
)

// User is a user of one disk.
type User struct {
	Type        string    `json:"type"` // UserS3 or UserToken
	Identifier  string    `json:"identifier"`
	Nickname    string    `json:"nickname"`
	CreatedAt   time.Time `json:"createdAt"`
	AccessKeyID string    `json:"accessKeyId,omitempty"`
	TokenSuffix string    `json:"tokenSuffix,omitempty"`
	// SecretAccessKey and Token are known once, when the user is made.
	SecretAccessKey string `json:"secretAccessKey,omitempty"`
	Token           string `json:"token,omitempty"`
}

// AddUser makes a user of a disk.
func (c *Client) AddUser(ctx context.Context, disk, typ, nickname string) (User, error) {
	var u User
	err := c.once(ctx, http.MethodPost, diskPath(disk)+"/users", nil, map[string]string{"type": typ, "nickname": nickname}, &u)
	return u, err
}

// AddS3User makes an S3 user of a disk.
func (c *Client) AddS3User(ctx context.Context, disk, nickname string) (User, error) {
	return c.AddUser(ctx, disk, UserS3, nickname)
}

// EachUser walks the users of a disk.
func (c *Client) EachUser(ctx context.Context, disk string) iter.Seq2[User, error] {
	return listed(ctx, c, diskPath(disk)+"/users", nil, whole[User])
}

// Users lists the users of a disk.
func (c *Client) Users(ctx context.Context, disk string) ([]User, error) {
	return Collect(c.EachUser(ctx, disk))
}

// RemoveUser removes a user of a disk, at once.
func (c *Client) RemoveUser(ctx context.Context, disk, typ, identifier string) error {
	return c.once(ctx, http.MethodDelete, diskPath(disk)+"/users/"+url.PathEscape(typ), url.Values{"identifier": {identifier}}, nil, nil)
}

// RemoveS3User removes an S3 user of a disk, at once.
func (c *Client) RemoveS3User(ctx context.Context, disk, identifier string) error {
	return c.RemoveUser(ctx, disk, UserS3, identifier)
}
