package s3wire

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"atoll/bench/internal/content"
)

const (
	chunk   = 256 << 10        // unit of body reads and writes, in bytes
	timeout = 60 * time.Second // longest that one request may take
)

// Target is an endpoint.
type Target struct {
	// Host is the Host header's value, Addr the address to dial.
	Host, Addr string
	// TLS is set for https.
	TLS *tls.Config
}

// ParseTarget parses an endpoint URL; with insecure, any TLS certificate is accepted.
func ParseTarget(endpoint string, insecure bool) (Target, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return Target{}, err
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" {
		return Target{}, fmt.Errorf("endpoint %q is not http(s)://HOST[:PORT]", endpoint)
	}
	t := Target{Host: u.Host}
	port := u.Port()
	switch u.Scheme {
	case "http":
		port = orElse(port, "80")
	case "https":
		port = orElse(port, "443")
		t.TLS = &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: insecure, NextProtos: []string{"http/1.1"}}
	default:
		return Target{}, fmt.Errorf("endpoint %q is not http(s)://HOST[:PORT]", endpoint)
	}
	t.Addr = net.JoinHostPort(u.Hostname(), port)
	return t, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Request is one S3 request. Path and Query are sent as they are, so they must be
// escaped canonically, the query's parameters sorted.
type Request struct {
	Method, Path, Query string
	// Range is the Range header's value, or empty.
	Range string
	// Body is sent if HasBody is set.
	Body    content.Body
	HasBody bool
	// Payload is the value of x-amz-content-sha256.
	Payload string
}

// Response is what came back; the body went to the sink.
type Response struct {
	Status int
	// Length is the Content-Length header, -1 if there was none.
	Length int64
	// Read is the number of body bytes read.
	Read int64
}

// Sink receives a body in pieces: p is valid during the call only and lies at offset off.
type Sink func(p []byte, off int64) error

// Conn is one connection to a target, dialled when first needed.
type Conn struct {
	target Target
	signer *Signer
	nc     net.Conn
	br     *bufio.Reader
	out    []byte
	in     []byte
	resp   header
	// Sent and Received count body bytes.
	Sent, Received int64
}

// NewConn returns a connection that is not dialled yet.
func NewConn(t Target, c Credentials) *Conn {
	return &Conn{target: t, signer: NewSigner(c)}
}

// Close closes the connection, if there is one.
func (c *Conn) Close() {
	if c.nc != nil {
		_ = c.nc.Close() // nothing is lost: each response was read whole
		c.nc = nil
	}
}

func (c *Conn) dial() error {
	nc, err := net.DialTimeout("tcp", c.target.Addr, timeout)
	if err != nil {
		return err
	}
	if c.target.TLS != nil {
		nc = tls.Client(nc, c.target.TLS)
	}
	c.nc = nc
	if c.br == nil {
		c.br = bufio.NewReaderSize(nc, 16<<10)
		c.in = make([]byte, chunk)
	} else {
		c.br.Reset(nc)
	}
	return nil
}

// Do sends a request and reads the whole response. The body of a success goes to sink
// (nil discards it); that of a failure is returned in an *Error.
func (c *Conn) Do(r *Request, sink Sink) (Response, error) {
	if c.nc == nil {
		if err := c.dial(); err != nil {
			return Response{}, err
		}
	}
	resp, err := c.do(r, sink)
	if err != nil || c.resp.close {
		// After an S3 error the connection would still be good, but errors end a run.
		c.Close()
	}
	return resp, err
}

func (c *Conn) do(r *Request, sink Sink) (Response, error) {
	now := time.Now()
	if err := c.nc.SetDeadline(now.Add(timeout)); err != nil {
		return Response{}, err
	}
	// A server may refuse a large body early and close: its answer tells more than the
	// failed write, so it is read all the same.
	sendErr := c.send(r, now)
	if err := c.resp.read(c.br); err != nil {
		if sendErr != nil {
			err = sendErr
		}
		return Response{}, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	resp := Response{Status: c.resp.status, Length: c.resp.length}
	if resp.Status/100 != 2 {
		return resp, c.failure(r, resp.Status)
	}
	if sendErr != nil {
		return resp, fmt.Errorf("%s %s: answered %d before the body was sent: %w", r.Method, r.Path, resp.Status, sendErr)
	}
	var err error
	if r.Method != "HEAD" {
		resp.Read, err = c.body(sink)
		c.Received += resp.Read
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	return resp, err
}

// send writes the request; a small body goes out in the same write as the header.
func (c *Conn) send(r *Request, now time.Time) error {
	b := append(c.out[:0], r.Method...)
	b = append(append(b, ' '), r.Path...)
	if r.Query != "" {
		b = append(append(b, '?'), r.Query...)
	}
	b = append(append(b, " HTTP/1.1\r\nHost: "...), c.target.Host...)
	b = append(b, "\r\n"...)
	if r.Range != "" {
		b = append(append(append(b, "Range: "...), r.Range...), "\r\n"...)
	}
	b = c.signer.appendHeaders(b, now, r.Method, c.target.Host, r.Path, r.Query, r.Range, r.Payload)
	if r.HasBody {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, r.Body.Size, 10), "\r\n"...)
	}
	b = append(b, "\r\n"...)
	c.out = b
	if !r.HasBody {
		_, err := c.nc.Write(b)
		return err
	}
	for off := int64(0); ; {
		n := int(min(chunk-int64(len(b))%chunk, r.Body.Size-off))
		at := len(b)
		b = grow(b, n)
		r.Body.Fill(b[at:], off)
		off += int64(n)
		c.Sent += int64(n)
		if _, err := c.nc.Write(b); err != nil {
			return err
		}
		c.out, b = b, b[:0]
		if off == r.Body.Size {
			return nil
		}
	}
}

// grow lengthens b by n bytes of any value.
func grow(b []byte, n int) []byte {
	if len(b)+n <= cap(b) {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}
