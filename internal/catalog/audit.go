package catalog

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// maxAuditText bounds each text of an entry, in bytes; longer ones are cut.
const maxAuditText = 4 << 10

// AuditEntry is one change that was made through the control API.
type AuditEntry struct {
	ID      string    `json:"id"` // rises with time
	Time    time.Time `json:"time"`
	Key     string    `json:"key"`     // id of the API key
	KeyName string    `json:"keyName"` // its name then
	Action  string    `json:"action"`  // such as "disk.create"
	Disk    string    `json:"disk,omitempty"`
	Target  string    `json:"target,omitempty"` // what of the disk, or what else
	Remote  string    `json:"remote"`           // address of the client
	Status  int       `json:"status"`           // HTTP status of the answer
	Details string    `json:"details,omitempty"`
}

// Rows of the log lie newest first: their keys hold the complement of the
// entry's number, since scans only go forward.
func auditKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(prefixAudit), ^seq)
}

func auditOf(d string) []byte { return append(append([]byte(prefixAuditOf), d...), 0) }

func auditOfKey(d string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(auditOf(d), ^seq)
}

func auditID(seq uint64) string { return fmt.Sprintf("%016x", seq) }

func parseAuditSeq(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, errs.New("read audit log", "", errs.Corrupt, "a row of the audit log has no 8-byte number")
	}
	return ^binary.BigEndian.Uint64(b), nil
}

// lastAudit finds the number of the newest entry; 0: there is none.
func lastAudit(r kv.Reader) (uint64, error) {
	key, _, ok, err := r.First([]byte(prefixAudit), after([]byte(prefixAudit)))
	if err != nil || !ok {
		return 0, err
	}
	return parseAuditSeq(key[len(prefixAudit):])
}

func cutText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxAuditText {
		s = strings.ToValidUTF8(s[:maxAuditText], "")
	}
	return s
}

// Audit appends an entry to the audit log, durably; ID and Time are set here.
// Entries of a disk outlive it.
func (c *Catalog) Audit(ctx context.Context, e AuditEntry) error {
	for _, s := range []*string{&e.Key, &e.KeyName, &e.Action, &e.Target, &e.Remote, &e.Details} {
		*s = cutText(*s)
	}
	e.Disk = strings.ReplaceAll(cutText(e.Disk), "\x00", "")
	e.Disk = strings.ToValidUTF8(e.Disk[:min(len(e.Disk), 500)], "") // it is in a key
	seq := c.auditSeq.Add(1)
	e.ID, e.Time = auditID(seq), c.o.Now().UTC()
	return c.o.KV.Update(ctx, func(t kv.Txn) error {
		if err := setRow(t, auditKey(seq), &e); err != nil || e.Disk == "" {
			return err
		}
		return t.Set(auditOfKey(e.Disk, seq), nil)
	})
}

// AuditLog returns at most limit entries, newest first, older than the entry
// whose id is before ("": from the newest), of one disk if d is not "". A
// page costs what it returns.
func (c *Catalog) AuditLog(ctx context.Context, d, before string, limit int) (entries []AuditEntry, more bool, err error) {
	var older uint64
	if before != "" {
		older, err = strconv.ParseUint(before, 16, 64)
		if err != nil || len(before) != 16 {
			return nil, false, errs.New("read audit log", "", errs.Invalid, "before is not the id of an entry of the audit log")
		}
	}
	prefix := []byte(prefixAudit)
	if d != "" {
		prefix = auditOf(d)
	}
	lo := prefix
	if before != "" {
		lo = append(binary.BigEndian.AppendUint64(append([]byte(nil), prefix...), ^older), 0)
	}
	err = c.o.KV.View(ctx, func(r kv.Reader) error {
		entries, more = nil, false
		it := r.Scan(lo, after(prefix))
		defer it.Close()
		for it.Next() {
			if len(entries) == limit {
				more = true
				return nil
			}
			e, err := auditEntry(r, d, it.Key()[len(prefix):], it.Value())
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return it.Err()
	})
	return entries, more, err
}

// auditEntry reads the entry of a row of the log, or of a disk's index into it.
func auditEntry(r kv.Reader, d string, rest, value []byte) (e AuditEntry, err error) {
	if d == "" {
		return e, decodeRow(value, &e)
	}
	seq, err := parseAuditSeq(rest)
	if err != nil {
		return e, err
	}
	ok, err := getRow(r, auditKey(seq), &e)
	if err == nil && !ok {
		err = errs.New("read audit log", d, errs.Corrupt, "an indexed entry of the audit log has no row")
	}
	return e, err
}
