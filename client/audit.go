package client

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// AuditEntry is one change that was made through the control API.
type AuditEntry struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Key     string    `json:"key"` // id of the API key
	KeyName string    `json:"keyName"`
	Action  string    `json:"action"` // such as "disk.create"
	Disk    string    `json:"disk,omitempty"`
	Target  string    `json:"target,omitempty"`
	Remote  string    `json:"remote"`
	Status  int       `json:"status"`
	Details string    `json:"details,omitempty"`
}

type auditPage struct {
	Entries []AuditEntry `json:"entries"`
}

// Audit walks the audit log, newest first; of one disk if disk is not "".
func (c *Client) Audit(ctx context.Context, disk string) iter.Seq2[AuditEntry, error] {
	q := url.Values{}
	if disk != "" {
		q.Set("disk", disk)
	}
	return listed(ctx, c, "/api/audit", q, func(p *auditPage) []AuditEntry { return p.Entries })
}
