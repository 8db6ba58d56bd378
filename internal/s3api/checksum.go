package s3api

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"strings"

	"github.com/minio/crc64nvme"
)

// checksumAlg is one of S3's additional checksums. The numbers are stored.
type checksumAlg uint8

const (
	sumNone checksumAlg = iota
	sumCRC32
	sumCRC32C
	sumCRC64NVME
	sumSHA1
	sumSHA256
	numSums
)

const checksumPrefix = "X-Amz-Checksum-"

// sums has a row for each algorithm: its header, its length in bytes and how
// to compute it.
var sums = [numSums]struct {
	header string
	size   int
	make   func() hash.Hash
}{
	sumCRC32:     {"X-Amz-Checksum-Crc32", 4, func() hash.Hash { return crc32.NewIEEE() }},
	sumCRC32C:    {"X-Amz-Checksum-Crc32c", 4, func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
	sumCRC64NVME: {"X-Amz-Checksum-Crc64nvme", 8, func() hash.Hash { return crc64nvme.New() }},
	sumSHA1:      {"X-Amz-Checksum-Sha1", sha1.Size, sha1.New},
	sumSHA256:    {"X-Amz-Checksum-Sha256", sha256.Size, sha256.New},
}

// checksum is what a request says of its body's checksum.
type checksum struct {
	alg     checksumAlg
	trailer bool   // the value comes behind the body
	want    []byte // raw; nil while it is still to come
}

// sumByHeader returns the algorithm of a header's canonical name.
func sumByHeader(name string) checksumAlg {
	for alg := sumCRC32; alg < numSums; alg++ {
		if sums[alg].header == name {
			return alg
		}
	}
	return sumNone
}

// decodeSum decodes a checksum header's value.
func decodeSum(alg checksumAlg, value string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(b) != sums[alg].size {
		return nil, badRequest("Value for " + strings.ToLower(sums[alg].header) + " header is invalid.")
	}
	return b, nil
}

// requestChecksum finds the one checksum that a request may give, in a header
// or announced in x-amz-trailer.
func (q *request) requestChecksum(streaming bool) (c checksum, err error) {
	for name, v := range q.r.Header {
		if !strings.HasPrefix(name, checksumPrefix) || len(v) == 0 {
			continue
		}
		switch name {
		case "X-Amz-Checksum-Mode", "X-Amz-Checksum-Type", "X-Amz-Checksum-Algorithm":
			continue
		}
		alg := sumByHeader(name)
		switch {
		case alg == sumNone:
			return c, notImplemented("The checksum " + strings.ToLower(name) + " is not implemented.")
		case c.alg != sumNone || len(v) > 1:
			return c, errManySums
		}
		c.alg = alg
		if c.want, err = decodeSum(alg, v[0]); err != nil {
			return c, err
		}
	}
	if name := q.get("X-Amz-Trailer"); name != "" && streaming {
		var canonical string
		for alg := sumCRC32; alg < numSums; alg++ {
			if strings.EqualFold(sums[alg].header, strings.TrimSpace(name)) {
				canonical = sums[alg].header
			}
		}
		switch {
		case canonical == "":
			return c, badRequest("The value specified in the x-amz-trailer header is not supported")
		case c.alg != sumNone:
			return c, errManySums
		}
		c.alg, c.trailer = sumByHeader(canonical), true
	}
	if t := q.get("X-Amz-Checksum-Type"); t != "" && !strings.EqualFold(t, "FULL_OBJECT") {
		return c, badRequest("Value for x-amz-checksum-type header is invalid: only FULL_OBJECT is possible for a PUT.")
	}
	return c, checkSumAlgorithm(q.get("X-Amz-Sdk-Checksum-Algorithm"))
}

// checkSumAlgorithm refuses algorithms that nobody knows. A known one without
// a value is tolerated: it says what an SDK would have done.
func checkSumAlgorithm(name string) error {
	switch strings.ToUpper(name) {
	case "", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "MD5":
		return nil
	}
	return badRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
}

// contentMD5 decodes a Content-MD5 header; nil if there is none.
func (q *request) contentMD5() ([]byte, error) {
	v := q.r.Header["Content-Md5"]
	if v == nil {
		return nil, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(v[0])
	if err != nil || len(b) != md5.Size || len(v) > 1 {
		return nil, &apiError{Status: 400, Code: "InvalidDigest",
			Message: "The Content-MD5 you specified was invalid: it has to be the base64 of the 16 bytes of the body's MD5."}
	}
	return b, nil
}

var errManySums = badRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")

// badDigest is the error of a body that has another digest than was said.
func badDigest(what string) error {
	return &apiError{Status: 400, Code: "BadDigest",
		Message: "The " + what + " you specified did not match the calculated checksum."}
}
