package sigv4

import (
	"encoding/hex"
	"net/http"
	"strings"
)

// PayloadKind says how a request's body is to be read and checked.
type PayloadKind uint8

// The kinds of bodies.
const (
	// PayloadUnsigned is a plain body that the signature does not cover.
	PayloadUnsigned PayloadKind = iota
	// PayloadSHA256 is a plain body with the given SHA-256.
	PayloadSHA256
	// PayloadUnsignedTrailer is an aws-chunked body with a trailer: see
	// ChunkReader.
	PayloadUnsignedTrailer
	// PayloadStreamingSigned is an aws-chunked body with signed chunks: see
	// Verifier.NewChunkReader.
	PayloadStreamingSigned
)

// Payload is the classification of x-amz-content-sha256.
type Payload struct {
	Kind   PayloadKind
	SHA256 [32]byte // of a PayloadSHA256

	// Of a PayloadStreamingSigned:
	HMAC    bool // signed as NewChunkReader knows it; else by another algorithm, which nobody here does
	Trailer bool // with a signed trailer
}

// ParsePayload classifies the body of r. With a nil Auth (a request that is
// authenticated by other means) the header is read, and its absence means
// PayloadUnsigned. Errors are *Error.
func ParsePayload(r *http.Request, a *Auth) (Payload, error) {
	if a != nil {
		return parsePayload(a.PayloadHash)
	}
	switch hash, n := single(r.Header, "X-Amz-Content-Sha256"); n {
	case 0:
		return Payload{}, nil
	case 1:
		return parsePayload(hash)
	}
	return Payload{}, errHash
}

func parsePayload(hash string) (Payload, error) {
	switch hash {
	case UnsignedPayload:
		return Payload{Kind: PayloadUnsigned}, nil
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return Payload{Kind: PayloadUnsignedTrailer}, nil
	case StreamingPayload, StreamingPayloadTrailer:
		return Payload{Kind: PayloadStreamingSigned, HMAC: true, Trailer: hash == StreamingPayloadTrailer}, nil
	case "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER":
		return Payload{Kind: PayloadStreamingSigned}, nil
	}
	p := Payload{Kind: PayloadSHA256}
	if len(hash) != hex.EncodedLen(len(p.SHA256)) {
		return Payload{}, errHash
	}
	// The conversion to bytes stays on the stack: 64 bytes through a copy.
	var src [64]byte
	copy(src[:], hash)
	if _, err := hex.Decode(p.SHA256[:], src[:]); err != nil {
		return Payload{}, errHash
	}
	return p, nil
}

// HasAWSChunked tells whether a Content-Encoding value names aws-chunked, and
// returns the value without it, which is what an object's stored
// Content-Encoding must be.
func HasAWSChunked(contentEncoding string) (rest string, ok bool) {
	if !strings.Contains(strings.ToLower(contentEncoding), "aws-chunked") {
		return contentEncoding, false
	}
	var keep []string
	for _, c := range strings.Split(contentEncoding, ",") {
		c = strings.TrimSpace(c)
		if strings.EqualFold(c, "aws-chunked") {
			ok = true
		} else if c != "" {
			keep = append(keep, c)
		}
	}
	return strings.Join(keep, ","), ok
}
