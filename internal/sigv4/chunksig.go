package sigv4

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
)

const (
	chunkAlgorithm   = algorithm + "-PAYLOAD"
	trailerAlgorithm = algorithm + "-TRAILER"
	chunkExtension   = ";chunk-signature="
	trailerSignature = "X-Amz-Trailer-Signature"

	// minChunk is the least size of all signed chunks but the last, in bytes.
	minChunk = 8 << 10
	// signatureLen is the length of a signature in hex.
	signatureLen = 2 * sha256.Size
)

// Errors of a ChunkReader of signed chunks.
var (
	// ErrChunkSignature is a signature of a chunk or trailer that does not fit.
	ErrChunkSignature = &Error{CodeSignatureDoesNotMatch, "The signature of a chunk of the request body, or of its trailer, does not match what we calculated. " +
		"Check your key and signing method."}
	// ErrChunkTooSmall is a chunk below 8 KiB that is not the last one.
	ErrChunkTooSmall = &Error{CodeInvalidChunkSize, "Only the last chunk is allowed to have a size less than 8192 bytes"}
)

// NewChunkReader decodes r as ChunkReader does, with signed chunks:
//
//	HEX-SIZE ;chunk-signature=SIGNATURE CRLF bytes CRLF ...
//
// (STREAMING-AWS4-HMAC-SHA256-PAYLOAD) and, if trailer, a signed trailer
// behind them (the same with -TRAILER). Each signature covers the one before
// it, and the first one the request's, which Verify has accepted for a and
// secret. Bytes are handed on before the end of their chunk shows whether they
// are the signer's: none counts until Read has returned io.EOF.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func (v *Verifier) NewChunkReader(r io.Reader, a *Auth, secret string, decodedLen int64, trailer bool) *ChunkReader {
	key := v.keys.get(cacheKey{a.AccessKeyID, a.Date, a.Region}, secret, v.maxKeys())
	if key == nil {
		key = deriveKey(secret, a.Date, a.Region)
	}
	c := NewChunkReader(r, decodedLen)
	c.signer = &chunkSigner{key: key, sum: sha256.New(), size: minChunk, trailer: trailer}
	c.signer.head = append(c.signer.head, a.stamp...)
	c.signer.head = append(c.signer.head, '\n')
	c.signer.head = append(appendScope(c.signer.head, a.Date, a.Region), '\n')
	c.signer.last = append(c.signer.last, a.Signature...)
	return c
}

// chunkSigner follows the chain of signatures of one body.
type chunkSigner struct {
	key     *signingKey
	head    []byte // lines of the time and the scope, of every string to sign
	last    []byte // the signature before, in hex
	want    []byte // what the current chunk says of itself
	sum     hash.Hash
	size    int64 // of the current chunk
	trailer bool
	buf     []byte
}

// open takes the signature out of a chunk's first line and returns the line
// without it.
func (s *chunkSigner) open(line []byte) ([]byte, error) {
	size, rest, ok := bytes.Cut(line, []byte(chunkExtension))
	if !ok || len(rest) != signatureLen+2 {
		return nil, ErrMalformedChunk
	}
	s.want = append(s.want[:0], rest[:signatureLen]...)
	// The line end behind the size; the bytes there are in s.want.
	return append(size, rest[signatureLen:]...), nil
}

// begin notes the size of a chunk that is not the one of no bytes.
func (s *chunkSigner) begin(size int64) error {
	if s.size < minChunk {
		return ErrChunkTooSmall
	}
	s.size = size
	return nil
}

// add takes bytes of the current chunk, and at its end tells whether its
// signature is right.
func (s *chunkSigner) add(p []byte, end bool) bool {
	s.sum.Write(p)
	if !end {
		return true
	}
	b := append(s.buf[:0], chunkAlgorithm+"\n"...)
	b = append(b, s.head...)
	b = append(b, s.last...)
	b = append(b, "\n"+EmptySHA256+"\n"...)
	return s.check(b, s.want)
}

// check finishes a string to sign with the sum, and compares its signature
// with the one given, which is the last one from now on.
func (s *chunkSigner) check(b, want []byte) bool {
	var sum [sha256.Size]byte
	b = hex.AppendEncode(b, s.sum.Sum(sum[:0]))
	s.sum.Reset()
	n := len(b)
	b = s.key.appendSignature(b, b)
	s.buf = b
	s.last = append(s.last[:0], b[n:]...)
	return subtle.ConstantTimeCompare(s.last, want) == 1
}

// awaits tells whether the signature of a trailer is still to come.
func (s *chunkSigner) awaits(trailer http.Header) bool {
	return s != nil && s.trailer && trailer[trailerSignature] == nil
}

// checkTrailer checks the signature in a trailer, and takes it out.
func (s *chunkSigner) checkTrailer(h http.Header) error {
	if !s.trailer {
		if len(h) > 0 {
			return ErrMalformedTrailer
		}
		return nil
	}
	v := h[trailerSignature]
	if len(v) != 1 {
		return ErrMalformedTrailer
	}
	delete(h, trailerSignature)
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			s.sum.Write([]byte(strings.ToLower(name) + ":" + value + "\n"))
		}
	}
	b := append(s.buf[:0], trailerAlgorithm+"\n"...)
	b = append(b, s.head...)
	b = append(b, s.last...)
	b = append(b, '\n')
	if !s.check(b, []byte(v[0])) {
		return ErrChunkSignature
	}
	return nil
}
