package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Options of New. URL and APIKey are needed.
type Options struct {
	URL    string // of the control plane, such as http://127.0.0.1:8080
	APIKey string // with or without its prefix key-

	// S3URL is the S3 endpoint; "": the one that GET /api/server tells.
	S3URL string

	HTTP      *http.Client // nil: a client of its own
	UserAgent string       // "": atoll-go

	// Retries is how often a request is sent again that may be; 0: 3,
	// negative: never.
	Retries int

	// For tests. Nil: the real ones.
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration) error
	Random func() float64 // in [0, 1)
	NewID  func() string  // of an Idempotency-Key
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// Client is a control plane's client.
type Client struct {
	base string
	key  string
	o    Options

	s3mu sync.Mutex
	s3   string // endpoint, once known
}

// New makes a client. It makes no request.
func New(o Options) (*Client, error) {
	base, err := cleanURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("%q is not the URL of a control plane, such as http://127.0.0.1:8080", o.URL)
	}
	if o.APIKey == "" {
		return nil, errors.New("an API key is needed")
	}
	c := &Client{base: base, key: "key-" + strings.TrimPrefix(o.APIKey, "key-"), o: o}
	if o.S3URL != "" {
		if c.s3, err = cleanURL(o.S3URL); err != nil {
			return nil, fmt.Errorf("%q is not the URL of an S3 endpoint, such as http://127.0.0.1:9000", o.S3URL)
		}
	}
	c.o.ensureDefaults()
	return c, nil
}

func (o *Options) ensureDefaults() {
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	if o.UserAgent == "" {
		o.UserAgent = "atoll-go"
	}
	if o.Retries == 0 {
		o.Retries = 3
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Random == nil {
		o.Random = mathrand.Float64
	}
	if o.NewID == nil {
		o.NewID = newUUID
	}
}

// newUUID makes a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func cleanURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", errors.New("not an http URL")
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/"), nil
}

// URL is the control plane's, as the client uses it.
func (c *Client) URL() string { return c.base }

type envelope struct {
	Success    bool            `json:"success"`
	Data       json.RawMessage `json:"data"`
	NextCursor string          `json:"nextCursor"`
	Error      string          `json:"error"`
	Code       string          `json:"code"`
}

// call is one request of the control API.
type call struct {
	method, path string
	query        url.Values
	header       http.Header
	in           any  // its JSON body, if not nil
	out          any  // takes the answer's data, if not nil
	once         bool // it must not be carried out twice
}

// answered is what is known of an answer beside its data.
type answered struct {
	status int
	cursor string
}

// do makes one request.
func (c *Client) do(ctx context.Context, x call) (a answered, err error) {
	var body []byte
	if x.in != nil {
		if body, err = json.Marshal(x.in); err != nil {
			return a, err
		}
	}
	target := c.base + x.path
	if len(x.query) > 0 {
		target += "?" + x.query.Encode()
	}
	build := func() (*http.Request, error) {
		var r io.Reader
		if x.in != nil {
			r = bytes.NewReader(body)
		}
		req, err := http.NewRequestWithContext(ctx, x.method, target, r)
		if err != nil {
			return nil, err
		}
		for name, v := range x.header {
			req.Header[name] = v
		}
		if x.in != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		return req, nil
	}
	err = c.send(ctx, build, x.once, func(res *http.Response) error {
		defer res.Body.Close()
		b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil {
			return &brokenError{err}
		}
		a.status = res.StatusCode
		a.cursor, err = decode(res, b, x.out)
		return err
	})
	return a, err
}

func decode(res *http.Response, b []byte, out any) (cursor string, err error) {
	status := res.StatusCode
	var env envelope
	if err := json.Unmarshal(b, &env); err != nil {
		return "", &Error{Status: status, retryAfter: res.Header.Get("Retry-After"),
			Message: fmt.Sprintf("the answer (status %d) is not of a control plane: is the URL right?", status)}
	}
	if !env.Success || status/100 != 2 {
		msg := env.Error
		if msg == "" {
			msg = fmt.Sprintf("the server answered with status %d", status)
		}
		return "", &Error{Status: status, Code: env.Code, Message: msg, retryAfter: res.Header.Get("Retry-After")}
	}
	if out != nil {
		if err := json.Unmarshal(env.Data, out); err != nil {
			return "", fmt.Errorf("read the server's answer: %w", err)
		}
	}
	return env.NextCursor, nil
}

// get asks for path and decodes the data.
func (c *Client) get(ctx context.Context, path string, q url.Values, out any) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: path, query: q, out: out})
	return err
}

// once makes a request that must not be carried out twice.
func (c *Client) once(ctx context.Context, method, path string, q url.Values, in, out any) error {
	_, err := c.do(ctx, call{method: method, path: path, query: q, in: in, out: out, once: true})
	return err
}

// put replaces what is at path; doing so twice is doing it once.
func (c *Client) put(ctx context.Context, path string, in, out any) error {
	_, err := c.do(ctx, call{method: http.MethodPut, path: path, in: in, out: out})
	return err
}

func diskPath(address string) string { return "/api/disks/" + url.PathEscape(address) }
