package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options of New. URL and APIKey are needed.
type Options struct {
	URL    string // of the control plane, such as http://127.0.0.1:8080
	APIKey string // with or without its prefix key-

	HTTP      *http.Client // nil: a client of its own
	UserAgent string       // "": atoll-go
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// Client is a control plane's client.
type Client struct {
	base  string
	key   string
	http  *http.Client
	agent string
}

// New makes a client. It makes no request.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a control plane, such as http://127.0.0.1:8080", o.URL)
	}
	if o.APIKey == "" {
		return nil, errors.New("an API key is needed")
	}
	c := &Client{
		base:  strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/"),
		key:   "key-" + strings.TrimPrefix(o.APIKey, "key-"),
		http:  o.HTTP,
		agent: o.UserAgent,
	}
	if c.http == nil {
		c.http = &http.Client{}
	}
	if c.agent == "" {
		c.agent = "atoll-go"
	}
	return c, nil
}

// URL is the control plane's, as the client uses it.
func (c *Client) URL() string { return c.base }

// Error is an answer that refused a request.
type Error struct {
	Status  int    // of HTTP
	Code    string // stable, such as "no_such_disk"; may be empty
	Message string
}

func (e *Error) Error() string { return e.Message }

// StatusOf returns the HTTP status that err carries, or 0.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

type envelope struct {
	Success    bool            `json:"success"`
	Data       json.RawMessage `json:"data"`
	NextCursor string          `json:"nextCursor"`
	Error      string          `json:"error"`
	Code       string          `json:"code"`
}

// do makes one request. in, if not nil, becomes its JSON body; the answer's
// data is decoded into out, if not nil.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) (status int, cursor string, err error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, "", err
		}
		body = bytes.NewReader(b)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", c.key)
	req.Header.Set("User-Agent", c.agent)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, "", err
	}
	return decode(res.StatusCode, b, out)
}

func decode(status int, b []byte, out any) (int, string, error) {
	var env envelope
	if err := json.Unmarshal(b, &env); err != nil {
		return status, "", &Error{Status: status,
			Message: fmt.Sprintf("the answer (status %d) is not of a control plane: is the URL right?", status)}
	}
	if !env.Success || status/100 != 2 {
		msg := env.Error
		if msg == "" {
			msg = fmt.Sprintf("the server answered with status %d", status)
		}
		return status, "", &Error{Status: status, Code: env.Code, Message: msg}
	}
	if out != nil {
		if err := json.Unmarshal(env.Data, out); err != nil {
			return status, "", fmt.Errorf("read the server's answer: %w", err)
		}
	}
	return status, env.NextCursor, nil
}

// Server is what the server says of itself.
type Server struct {
	Version    string `json:"version"`
	Region     string `json:"region"`
	S3Endpoint string `json:"s3Endpoint"` // URL of the S3 API
}

// Server asks the server about itself.
func (c *Client) Server(ctx context.Context) (Server, error) {
	var s Server
	_, _, err := c.do(ctx, http.MethodGet, "/api/server", nil, nil, &s)
	return s, err
}

// Backup makes the server copy its store into dir, an absolute path of a new
// directory on the server's machine. It returns the server's advice.
func (c *Client) Backup(ctx context.Context, dir string) (message string, err error) {
	var res struct {
		Message string `json:"message"`
	}
	_, _, err = c.do(ctx, http.MethodPost, "/api/backup", nil, map[string]string{"dir": dir}, &res)
	return res.Message, err
}

// User is a user of one disk.
type User struct {
	Type        string    `json:"type"` // "s3"
	Identifier  string    `json:"identifier"`
	Nickname    string    `json:"nickname"`
	CreatedAt   time.Time `json:"createdAt"`
	AccessKeyID string    `json:"accessKeyId,omitempty"`
	// SecretAccessKey is known once, when the user is made.
	SecretAccessKey string `json:"secretAccessKey,omitempty"`
}

// AddS3User makes an S3 user of a disk.
func (c *Client) AddS3User(ctx context.Context, diskID, nickname string) (User, error) {
	var u User
	body := map[string]string{"type": "s3", "nickname": nickname}
	_, _, err := c.do(ctx, http.MethodPost, diskPath(diskID)+"/users", nil, body, &u)
	return u, err
}

// Users lists the users of a disk.
func (c *Client) Users(ctx context.Context, diskID string) ([]User, error) {
	var users []User
	_, _, err := c.do(ctx, http.MethodGet, diskPath(diskID)+"/users", nil, nil, &users)
	return users, err
}

// RemoveS3User removes an S3 user of a disk, at once.
func (c *Client) RemoveS3User(ctx context.Context, diskID, identifier string) error {
	_, _, err := c.do(ctx, http.MethodDelete, diskPath(diskID)+"/users/s3", url.Values{"identifier": {identifier}}, nil, nil)
	return err
}

func diskPath(id string) string { return "/api/disks/" + url.PathEscape(id) }
