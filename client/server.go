package client

import (
	"context"
	"net/http"
)

// Server is what the server says of itself.
type Server struct {
	Version    string `json:"version"`
	Region     string `json:"region"`
	S3Endpoint string `json:"s3Endpoint"`          // URL of the S3 API
	PublicURL  string `json:"publicUrl,omitempty"` // of share URLs
	S3Profile  string `json:"s3Profile,omitempty"` // "contract" or "extended"
}

// Server asks the server about itself.
func (c *Client) Server(ctx context.Context) (Server, error) {
	var s Server
	err := c.get(ctx, "/api/server", nil, &s)
	return s, err
}

// Backup makes the server copy its store into dir, an absolute path of a new
// directory on the server's machine. It returns the server's advice.
func (c *Client) Backup(ctx context.Context, dir string) (message string, err error) {
	var res struct {
		Message string `json:"message"`
	}
	err = c.once(ctx, http.MethodPost, "/api/backup", nil, map[string]string{"dir": dir}, &res)
	return res.Message, err
}

// RotatedKey is what RotateKey did.
type RotatedKey struct {
	KeyFile string `json:"keyFile,omitempty"` // on the server's machine
	Message string `json:"message"`
}

// RotateKey makes the server seal every secret under another master key; "":
// one that it makes and keeps itself.
func (c *Client) RotateKey(ctx context.Context, masterKey string) (RotatedKey, error) {
	in := map[string]string{}
	if masterKey != "" {
		in["masterKey"] = masterKey
	}
	var res RotatedKey
	err := c.once(ctx, http.MethodPost, "/api/server/rotate-key", nil, in, &res)
	return res, err
}
