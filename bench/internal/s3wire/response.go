package s3wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Error is a response other than 2xx.
type Error struct {
	Method, Path string
	Status       int
	// Body is the beginning of the error document.
	Body string
}

// Error says what was asked and what came back.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: status %d %s", e.Method, e.Path, e.Status, e.Body)
}

// header is a parsed response head.
type header struct {
	status  int
	length  int64 // -1 if absent
	chunked bool
	close   bool
}

var errHead = errors.New("malformed response head")

// read parses a response head, skipping interim (1xx) ones.
func (h *header) read(br *bufio.Reader) error {
	for {
		if err := h.readOne(br); err != nil {
			return err
		}
		if h.status/100 != 1 {
			return nil
		}
	}
}

func (h *header) readOne(br *bufio.Reader) error {
	line, err := readLine(br)
	if err != nil {
		return err
	}
	// HTTP/1.1 200 OK
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return errHead
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return errHead
	}
	*h = header{status: status, length: -1, close: line[7] == '0'}
	for {
		if line, err = readLine(br); err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return errHead
		}
		if err := h.field(name, bytes.TrimSpace(value)); err != nil {
			return err
		}
	}
}

// field notes one header field. Names are told apart by length first: most are not
// wanted.
func (h *header) field(name, value []byte) error {
	switch len(name) {
	case len("connection"):
		if bytes.EqualFold(name, []byte("connection")) {
			h.close = bytes.EqualFold(value, []byte("close"))
		}
	case len("content-length"):
		if bytes.EqualFold(name, []byte("content-length")) {
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil || n < 0 {
				return errHead
			}
			h.length = n
		}
	case len("transfer-encoding"):
		if bytes.EqualFold(name, []byte("transfer-encoding")) {
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	return nil
}

// readLine returns a line without its ending, valid until the next read.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			err = errHead
		} else if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// body reads a response's body into sink and returns its length.
func (c *Conn) body(sink Sink) (int64, error) {
	switch {
	case c.resp.status == 204 || c.resp.status == 304:
		return 0, nil
	case c.resp.chunked:
		return c.chunked(sink)
	case c.resp.length < 0:
		return 0, errors.New("response has neither Content-Length nor chunks")
	}
	return c.resp.length, c.exactly(c.resp.length, 0, sink)
}

// exactly reads n bytes that lie at offset off of the body.
func (c *Conn) exactly(n, off int64, sink Sink) error {
	for n > 0 {
		p := c.in[:min(n, int64(len(c.in)))]
		// One Read at a time for large bodies: waiting for a full buffer would only
		// cost wake-ups.
		k, err := io.ReadAtLeast(c.br, p, min(len(p), 64<<10))
		if err != nil {
			return err
		}
		if sink != nil {
			if err := sink(p[:k], off); err != nil {
				return err
			}
		}
		n, off = n-int64(k), off+int64(k)
	}
	return nil
}

func (c *Conn) chunked(sink Sink) (int64, error) {
	var off int64
	for {
		line, err := readLine(c.br)
		if err != nil {
			return off, err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
		if err != nil || n < 0 {
			return off, errors.New("malformed chunk size")
		}
		if n == 0 {
			return off, c.trailer()
		}
		if err := c.exactly(n, off, sink); err != nil {
			return off, err
		}
		off += n
		if line, err = readLine(c.br); err != nil || len(line) != 0 {
			return off, errors.Join(err, errors.New("malformed chunk end"))
		}
	}
}

func (c *Conn) trailer() error {
	for {
		line, err := readLine(c.br)
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

// failure makes the Error of a non-2xx response from the beginning of its body.
func (c *Conn) failure(r *Request, status int) error {
	e := &Error{Method: r.Method, Path: r.Path, Status: status}
	if r.Method == "HEAD" {
		return e
	}
	// Whatever goes wrong while reading the explanation, the status is the news.
	_, _ = c.body(func(p []byte, _ int64) error {
		e.Body += string(p[:min(len(p), max(0, 600-len(e.Body)))])
		return nil
	})
	return e
}
