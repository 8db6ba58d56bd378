package catalog

import (
	"context"
	"crypto/sha256"
	"time"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

const (
	// RememberFor is how long Recall finds what Remember kept.
	RememberFor = 24 * time.Hour
	maxAnswer   = 32 << 10
)

// Remembered is the answer to a request that had an Idempotency-Key.
type Remembered struct {
	Request [32]byte // hash of the request
	Status  int
	Answer  []byte
}

type answerRow struct {
	At      time.Time `json:"at"`
	Request []byte    `json:"request"`
	Status  int       `json:"status"`
	Answer  []byte    `json:"answer"`
}

// answerKey keeps keys of any length and bytes short.
func answerKey(id disk.ID, key string) []byte {
	hash := sha256.Sum256([]byte(key))
	return append(ofDisk(prefixAnswer, id), hash[:]...)
}

// Recall finds the answer that Remember kept under a key, for RememberFor.
func (c *Catalog) Recall(ctx context.Context, id disk.ID, key string) (r Remembered, ok bool, err error) {
	var row answerRow
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		ok, err = getRow(r, answerKey(id, key), &row)
		return err
	})
	if err != nil || !ok || c.o.Now().Sub(row.At) >= RememberFor {
		return Remembered{}, false, err
	}
	if len(row.Request) != len(r.Request) {
		return r, false, errs.New("recall answer", id.String(), errs.Corrupt, "a remembered answer has no 32-byte hash of its request")
	}
	return Remembered{Request: [32]byte(row.Request), Status: row.Status, Answer: row.Answer}, true, nil
}

// Remember keeps the answer to a request under its Idempotency-Key, in place
// of an earlier one. An answer has at most 32 KiB.
func (c *Catalog) Remember(ctx context.Context, id disk.ID, key string, r Remembered) error {
	if len(r.Answer) > maxAnswer {
		return errs.New("remember answer", id.String(), errs.TooLarge, "an answer that is remembered has at most 32 KiB")
	}
	row := answerRow{At: c.o.Now().UTC(), Request: r.Request[:], Status: r.Status, Answer: r.Answer}
	return c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "remember answer"); err != nil {
			return err
		}
		return setRow(t, answerKey(id, key), &row)
	})
}
