package catalog

import (
	"fmt"
	"slices"

	"atoll/internal/clientaddr"
	"atoll/internal/disk"
	"atoll/internal/kv"
)

// checkHeader refuses a newer format, whose rows this program would misjudge.
func (c *Checked) checkHeader(r kv.Reader) error {
	format, ok, err := r.Get([]byte(keyFormat))
	if err != nil {
		return err
	}
	if !ok {
		c.problem("the store has no header")
		return nil
	}
	_, err = parseFormat(format)
	return err
}

func (c *Checked) checkTokens(r kv.Reader) error {
	return eachRow(r, prefixToken, func(rest, value []byte) error {
		c.Users++
		var row tokenRow
		if len(rest) != 32 {
			c.problem("a token's row has no 32-byte hash")
			return nil
		}
		if err := decodeRow(value, &row); err != nil {
			c.problem("a token's row can't be read: %v", err)
			return nil
		}
		id := disk.ID(row.Disk)
		_, ok, err := r.Get(tokenOfKey(id, [32]byte(rest)))
		if err != nil {
			return err
		}
		if !ok {
			c.problem("token %.8x is not among the users of its disk %s", rest, id)
		}
		return c.checkDiskOf(r, id, fmt.Sprintf("token %.8x", rest))
	})
}

func (c *Checked) checkTokenIndex(r kv.Reader) error {
	return eachRow(r, prefixTokenOf, func(rest, _ []byte) error {
		if len(rest) != 8+32 {
			c.problem("a row of a disk's tokens has not 40 bytes: %q", rest)
			return nil
		}
		id, err := parseID(rest[:8])
		if err != nil {
			return err
		}
		b, ok, err := r.Get(tokenKey([32]byte(rest[8:])))
		if err != nil {
			return err
		}
		var row tokenRow
		if ok && decodeRow(b, &row) != nil { // reported by checkTokens
			return nil
		}
		if !ok || disk.ID(row.Disk) != id {
			c.problem("disk %s lists token %.8x, which is not its token", id, rest[8:])
		}
		return nil
	})
}

// checkDiskOf reports a row whose disk has no row.
func (c *Checked) checkDiskOf(r kv.Reader, id disk.ID, what string) error {
	d, err := diskState(r, id)
	if err == nil && d.State == "" {
		c.problem("%s: its disk %s does not exist", what, id)
	}
	return err
}

// checkOfDisk goes over the rows that belong to a disk and lead nowhere.
func (c *Checked) checkOfDisk(r kv.Reader) error {
	for _, kind := range []struct {
		prefix, what string
		rest         int // bytes behind the disk's id; -1: any
		row          func() any
	}{
		{prefixCORS, "CORS rules", 0, func() any { return new([]CORSRule) }},
		{prefixAnswer, "a remembered answer", 32, func() any { return new(answerRow) }},
		{prefixSchedule, "a schedule", 8, func() any { return new(Schedule) }},
		{prefixRevoked, "a revoked share", -1, func() any { return new(revokedRow) }},
		{prefixRevokedAll, "the revocation of all shares", 0, func() any { return new(revokedAllRow) }},
	} {
		err := eachRow(r, kind.prefix, func(rest, value []byte) error {
			if len(rest) < 8 || kind.rest >= 0 && len(rest) != 8+kind.rest {
				c.problem("%s: the row's key has the wrong length: %q", kind.what, rest)
				return nil
			}
			if err := decodeRow(value, kind.row()); err != nil {
				c.problem("%s: the row can't be read: %v", kind.what, err)
			}
			id, err := parseID(rest[:8])
			if err != nil {
				return err
			}
			return c.checkDiskOf(r, id, kind.what)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Checked) checkShareKeys(r kv.Reader) error {
	keys, current := 0, 0
	err := eachRow(r, prefixShareKey, func(rest, value []byte) error {
		keys++
		var row shareKeyRow
		if err := decodeRow(value, &row); err != nil {
			c.problem("share key %s: its row can't be read: %v", rest, err)
		} else if row.Until.IsZero() {
			current++
		}
		return nil
	})
	if err == nil && keys > 0 && current != 1 {
		c.problem("%d share keys are the current one, and one must be", current)
	}
	return err
}

func (c *Checked) checkAudit(r kv.Reader) error {
	err := eachRow(r, prefixAudit, func(rest, value []byte) error {
		var e AuditEntry
		seq, err := parseAuditSeq(rest)
		if err == nil {
			err = decodeRow(value, &e)
		}
		if err != nil {
			c.problem("an entry of the audit log can't be read: %v", err)
			return nil
		}
		if e.ID != auditID(seq) {
			c.problem("entry %s of the audit log says that it is %q", auditID(seq), e.ID)
		}
		if e.Disk == "" {
			return nil
		}
		_, ok, err := r.Get(auditOfKey(e.Disk, seq))
		if err == nil && !ok {
			c.problem("entry %s of the audit log is not among those of its disk %s", e.ID, e.Disk)
		}
		return err
	})
	if err != nil {
		return err
	}
	return eachRow(r, prefixAuditOf, func(rest, _ []byte) error {
		n := len(rest) - 9
		if n < 1 || rest[n] != 0 {
			c.problem("a row of a disk's audit log has no disk and number: %q", rest)
			return nil
		}
		seq, err := parseAuditSeq(rest[n+1:])
		if err != nil {
			return err
		}
		b, ok, err := r.Get(auditKey(seq))
		if err != nil {
			return err
		}
		var e AuditEntry
		if ok && decodeRow(b, &e) != nil { // reported above
			return nil
		}
		if e.Disk != string(rest[:n]) {
			c.problem("disk %s lists entry %s of the audit log, which is not about it", rest[:n], auditID(seq))
		}
		return nil
	})
}

// checkUnknown reports rows of no known kind.
func (c *Checked) checkUnknown(r kv.Reader) error {
	known := []string{
		prefixDisk, prefixName, prefixPending, prefixUser, prefixUserOf, prefixAPIKey, prefixToken, prefixTokenOf, prefixCORS,
		prefixAudit, prefixAuditOf, prefixAnswer, prefixSchedule, prefixShareKey, prefixRevoked, prefixRevokedAll,
	}
	for b := range 256 {
		prefix := string([]byte{'c', byte(b)})
		if slices.Contains(known, prefix) {
			continue
		}
		_, _, found, err := r.First([]byte(prefix), after([]byte(prefix)))
		if err != nil {
			return err
		}
		if found {
			c.problem("there are rows of an unknown kind: %q", prefix)
		}
	}
	return nil
}

// checkIPs reports a disk whose limits can't be read.
func (c *Checked) checkIPs(id disk.ID, row *diskRow) {
	if _, err := clientaddr.ParseAllowed(row.AllowedIPs); err != nil {
		c.problem("disk %s: its allowed IPs can't be read: %v", id, err)
	}
}
