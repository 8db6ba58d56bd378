package sigv4

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
)

const (
	// maxChunkLine bounds a chunk-size line and a trailer line, in bytes. It
	// is also the decoder's buffer, so a longer line can't be held at all.
	maxChunkLine = 1024
	// maxTrailers bounds the number of trailer lines; clients send one.
	maxTrailers = 16
)

// Errors of ChunkReader. The body is of no use after any of them.
var (
	// ErrMalformedChunk is an encoding that breaks its rules.
	ErrMalformedChunk = &Error{CodeInvalidRequest, "The aws-chunked encoding of the request body is malformed."}
	// ErrMalformedTrailer is a bad or oversized trailer.
	ErrMalformedTrailer = &Error{CodeMalformedTrailer, "The request contained trailing data that was not well-formed or did not conform to our published schema."}
	// ErrIncomplete is a body that ends early or decodes to less than announced.
	ErrIncomplete = &Error{CodeIncompleteBody, "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header."}
	// ErrTooLong is a body that would decode to more than announced.
	ErrTooLong = &Error{CodeIncompleteBody, "The request body is longer than specified by the x-amz-decoded-content-length HTTP header."}
)

// ChunkReader decodes aws-chunked with unsigned chunks and a trailer
// (STREAMING-UNSIGNED-PAYLOAD-TRAILER):
//
//	HEX-SIZE CRLF bytes CRLF ... 0 CRLF *( name:value CRLF ) CRLF
//
// or with signed chunks, as Verifier.NewChunkReader makes it.
//
// As in the field, the lines of the trailer may end in LF alone, and the body
// may end right after a complete line of the trailer: that it was not cut off
// is what HTTP's own framing says. It is not safe for concurrent use.
type ChunkReader struct {
	r       *bufio.Reader
	left    int64 // decoded bytes still to come, of those announced
	chunk   int64 // bytes left of the current chunk
	started bool  // a chunk was read, so a CRLF comes before the next size
	err     error // sticky
	trailer http.Header
	signer  *chunkSigner // nil: the chunks are not signed
}

// NewChunkReader decodes r. decodedLen is the announced number of decoded
// bytes (x-amz-decoded-content-length), not negative. Read until io.EOF, not
// only the announced bytes: the end of the body is checked last.
func NewChunkReader(r io.Reader, decodedLen int64) *ChunkReader {
	return &ChunkReader{r: bufio.NewReaderSize(r, maxChunkLine), left: max(decodedLen, 0)}
}

// Read returns decoded bytes, never more in all than were announced. io.EOF
// comes only after the trailer was read and the length was right.
func (c *ChunkReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if c.chunk == 0 {
		if c.err = c.next(); c.err != nil {
			return 0, c.err
		}
	}
	if int64(len(p)) > c.chunk {
		p = p[:c.chunk]
	}
	n, err := c.r.Read(p)
	c.chunk -= int64(n)
	c.left -= int64(n)
	switch {
	case err != nil:
		c.err = cut(err)
	case c.signer != nil && !c.signer.add(p[:n], c.chunk == 0):
		c.err = ErrChunkSignature
	}
	if n > 0 {
		// The error, if any, is for the next call.
		return n, nil
	}
	return 0, c.err
}

// Trailer returns the trailer's headers, with canonical names. It is nil
// before Read has returned io.EOF.
func (c *ChunkReader) Trailer() http.Header {
	if c.err != io.EOF {
		return nil
	}
	return c.trailer
}

// next reads up to the first byte of the next chunk, or the end of the body,
// which is io.EOF.
func (c *ChunkReader) next() error {
	if c.started {
		if err := c.expectCRLF(); err != nil {
			return err
		}
	}
	c.started = true
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return lineError(err, ErrMalformedChunk)
	}
	if c.signer != nil {
		if line, err = c.signer.open(line); err != nil {
			return err
		}
	}
	size, ok := chunkSize(line)
	switch {
	case !ok:
		return ErrMalformedChunk
	case size > c.left:
		return ErrTooLong
	case size > 0:
		c.chunk = size
		if c.signer != nil {
			return c.signer.begin(size)
		}
		return nil
	case c.left > 0:
		return ErrIncomplete
	}
	if c.signer != nil && !c.signer.add(nil, true) {
		return ErrChunkSignature
	}
	return c.readTrailer()
}

// expectCRLF reads the line end behind a chunk's bytes.
func (c *ChunkReader) expectCRLF() error {
	var b [2]byte
	for i := range b {
		var err error
		if b[i], err = c.r.ReadByte(); err != nil {
			return cut(err)
		}
	}
	if b != [2]byte{'\r', '\n'} {
		return ErrMalformedChunk
	}
	return nil
}

// chunkSize parses a line of hexadecimal digits and CRLF. Extensions (a chunk
// signature is one) have no place in an unsigned body.
func chunkSize(line []byte) (int64, bool) {
	n := len(line) - 2
	if n < 1 || n > 16 || line[n] != '\r' {
		return 0, false
	}
	var size uint64
	for _, b := range line[:n] {
		d := unhex(b)
		if d < 0 {
			return 0, false
		}
		size = size<<4 | uint64(d)
	}
	return int64(size), size <= 1<<63-1
}

// readTrailer reads the trailer and checks that nothing follows.
func (c *ChunkReader) readTrailer() error {
	trailer := make(http.Header, 1)
	for n := 0; ; n++ {
		line, err := c.r.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil {
			return lineError(err, ErrMalformedTrailer)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" && n < maxTrailers && c.signer.awaits(trailer) {
			continue // some signers put an empty line before the signature
		}
		if text == "" {
			if err := c.expectEnd(); err != nil {
				return err
			}
			break
		}
		name, value, ok := strings.Cut(text, ":")
		name = strings.ToLower(name)
		if !ok || n == maxTrailers || !lowerToken(name) {
			return ErrMalformedTrailer
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		trailer[key] = append(trailer[key], strings.Trim(value, " \t"))
	}
	if c.signer != nil {
		if err := c.signer.checkTrailer(trailer); err != nil {
			return err
		}
	}
	c.trailer = trailer
	return io.EOF
}

// expectEnd reads the end of the body, before which some encoders write
// another line end.
func (c *ChunkReader) expectEnd() error {
	for n := 0; ; n++ {
		b, err := c.r.ReadByte()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return cut(err)
		case b != '\r' && b != '\n' || n == 4:
			return ErrMalformedTrailer
		}
	}
}

// lineError is the error for a line that could not be read: too long, or cut.
func lineError(err error, tooLong *Error) error {
	if errors.Is(err, bufio.ErrBufferFull) {
		return tooLong
	}
	return cut(err)
}

// cut turns an end that comes too early into ErrIncomplete; other errors of
// the body stay what they are.
func cut(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrIncomplete
	}
	return err
}
