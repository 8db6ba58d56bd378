package client

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"

	"github.com/minio/crc64nvme"
)

func md5Base64(b []byte) string {
	sum := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// MD5ETag returns the MD5 that an ETag is, if it is one.
func MD5ETag(etag string) (sum [md5.Size]byte, ok bool) {
	if len(etag) != 2*md5.Size {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(etag))
	return sum, err == nil
}

// PartsETag returns the ETag of a file that was uploaded in parts of these
// MD5s.
func PartsETag(sums [][md5.Size]byte) string {
	h := md5.New()
	for _, s := range sums {
		h.Write(s[:])
	}
	return hex.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(sums))
}

// check is a checksum that an answer names for its whole contents.
type check struct {
	h    hash.Hash
	want string // raw
}

// checkOf chooses what to verify a whole file by: the checksum that it was
// stored with, or an ETag that is an MD5. nil: there is nothing.
func checkOf(h http.Header) *check {
	for _, alg := range []struct {
		name string
		make func() hash.Hash
	}{
		{"X-Amz-Checksum-Crc64nvme", func() hash.Hash { return crc64nvme.New() }},
		{"X-Amz-Checksum-Crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
		{"X-Amz-Checksum-Crc32", func() hash.Hash { return crc32.NewIEEE() }},
	} {
		v := h.Get(alg.name)
		if v == "" || strings.Contains(v, "-") || h.Get("X-Amz-Checksum-Type") == "COMPOSITE" {
			continue
		}
		if raw, err := base64.StdEncoding.DecodeString(v); err == nil {
			return &check{alg.make(), string(raw)}
		}
	}
	if sum, ok := MD5ETag(unquote(h.Get("ETag"))); ok {
		return &check{md5.New(), string(sum[:])}
	}
	return nil
}

func (c *check) ok() bool { return string(c.h.Sum(nil)) == c.want }
