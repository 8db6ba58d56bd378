package catalog

import (
	"io"

	"atoll/internal/errs"
)

const (
	upperAlnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	base62     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

	accessKeyPrefix = "ATL"
	accessKeyLen    = 20 // as AWS's, prefix included: 17 random characters, 87 bits
	secretLen       = 40 // as AWS's: 238 bits
	apiSecretLen    = 43 // 256 bits
)

// randomText draws n characters of the alphabet from r, each with the same
// probability: bytes that would favour the alphabet's head are thrown away.
func randomText(r io.Reader, alphabet string, n int) (string, error) {
	limit := 256 - 256%len(alphabet)
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		if _, err := io.ReadFull(r, buf[:]); err != nil {
			return "", errs.E("draw random text", "", errs.Other, err)
		}
		for _, b := range buf {
			if int(b) < limit && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out), nil
}
