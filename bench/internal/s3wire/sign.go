package s3wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"time"
)

const (
	// Unsigned is the payload hash of a request whose body is not signed.
	Unsigned = "UNSIGNED-PAYLOAD"
	// EmptyHash is the hex SHA-256 of an empty body.
	EmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

	amzTime = "20060102T150405Z"
)

// Credentials sign requests for a region.
type Credentials struct {
	AccessKey, SecretKey, Region string
}

// Signer makes AWS Signature V4 Authorization headers. It keeps the signing key of the
// day and the time text of the second, as a server may do on its side.
type Signer struct {
	cred   Credentials
	second int64
	stamp  []byte    // 20060102T150405Z
	mac    hash.Hash // keyed with the day's signing key
	day    string
	buf    []byte
	sum    [sha256.Size]byte
}

// NewSigner returns a signer for the credentials.
func NewSigner(c Credentials) *Signer { return &Signer{cred: c} }

// at moves the signer to a time.
func (s *Signer) at(now time.Time) {
	if sec := now.Unix(); sec != s.second || s.mac == nil {
		s.second = sec
		s.stamp = now.UTC().AppendFormat(s.stamp[:0], amzTime)
		if day := string(s.stamp[:8]); day != s.day || s.mac == nil {
			s.day = day
			s.mac = hmac.New(sha256.New, signingKey(s.cred, day))
		}
	}
}

func signingKey(c Credentials, day string) []byte {
	key := []byte("AWS4" + c.SecretKey)
	for _, part := range []string{day, c.Region, "s3", "aws4_request"} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return key
}

// appendHeaders appends to dst the header lines x-amz-date, x-amz-content-sha256 and
// Authorization for a request. Path and query must be in canonical form already (the
// query sorted); rng is the Range header's value, or empty.
func (s *Signer) appendHeaders(dst []byte, now time.Time, method, host, path, query, rng, payload string) []byte {
	s.at(now)
	signed := "host;x-amz-content-sha256;x-amz-date"
	b := append(s.buf[:0], method...)
	b = append(append(b, '\n'), path...)
	b = append(append(b, '\n'), query...)
	b = append(append(b, "\nhost:"...), host...)
	if rng != "" {
		signed = "host;range;x-amz-content-sha256;x-amz-date"
		b = append(append(b, "\nrange:"...), rng...)
	}
	b = append(append(b, "\nx-amz-content-sha256:"...), payload...)
	b = append(append(b, "\nx-amz-date:"...), s.stamp...)
	b = append(append(b, "\n\n"...), signed...)
	b = append(append(b, '\n'), payload...)
	s.sum = sha256.Sum256(b)

	b = append(append(b[:0], "AWS4-HMAC-SHA256\n"...), s.stamp...)
	b = append(s.appendScope(append(b, '\n')), '\n')
	b = hex.AppendEncode(b, s.sum[:])
	s.mac.Reset()
	s.mac.Write(b)
	sig := s.mac.Sum(s.sum[:0])
	s.buf = b

	dst = append(append(dst, "x-amz-date: "...), s.stamp...)
	dst = append(append(dst, "\r\nx-amz-content-sha256: "...), payload...)
	dst = append(append(dst, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential="...), s.cred.AccessKey...)
	dst = s.appendScope(append(dst, '/'))
	dst = append(append(dst, ", SignedHeaders="...), signed...)
	dst = append(dst, ", Signature="...)
	dst = hex.AppendEncode(dst, sig)
	return append(dst, "\r\n"...)
}

func (s *Signer) appendScope(b []byte) []byte {
	b = append(append(b, s.day...), '/')
	b = append(b, s.cred.Region...)
	return append(b, "/s3/aws4_request"...)
}
