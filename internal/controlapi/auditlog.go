package controlapi

import (
	"time"

	"atoll/internal/catalog"
	"atoll/internal/errs"
)

// auditRoutes show the audit log.
func (a *api) auditRoutes() []route {
	return []route{
		{method: "GET", path: "/api/audit", name: "listAudit", group: "Audit log", summary: "who changed what, newest first",
			text:  "Every change that was asked for with a valid API key is there, done or refused.",
			right: rightAccountRead, do: gives(a.listAudit),
			params: append([]param{{name: "disk", text: "only changes of this disk, which may be gone"}}, paging()...)},
	}
}

// auditEntry is catalog.AuditEntry on the wire.
type auditEntry struct {
	ID      string    `json:"id" doc:"rises with time"`
	Time    time.Time `json:"time" doc:"when it was answered"`
	Key     string    `json:"key" doc:"id of the API key"`
	KeyName string    `json:"keyName" doc:"its name then"`
	Action  string    `json:"action" doc:"such as disk.create"`
	Disk    string    `json:"disk,omitempty" doc:"id of the disk"`
	Target  string    `json:"target,omitempty" doc:"what of the disk, or what else"`
	Remote  string    `json:"remote" doc:"address of the client"`
	Status  int       `json:"status" doc:"HTTP status of the answer"`
	Details string    `json:"details,omitempty" doc:"how"`
}

type auditResponse struct {
	Entries []auditEntry `json:"entries" doc:"newest first"`
}

func (a *api) listAudit(c *call) (auditResponse, error) {
	limit, before, err := c.page()
	if err != nil {
		return auditResponse{}, err
	}
	id := c.query("disk")
	if id != "" {
		addr, err := parseAddress(id)
		if err != nil {
			return auditResponse{}, err
		}
		d, _, err := a.o.Disks.Locate(c.r.Context(), addr)
		if errs.Is(err, errs.NoDisk) {
			d, err = addr.ID, nil // its entries outlive a disk
		}
		if err != nil {
			return auditResponse{}, err
		}
		id = d.String()
	}
	entries, more, err := a.o.Catalog.AuditLog(c.r.Context(), id, before, limit)
	if err != nil {
		return auditResponse{}, err
	}
	if more {
		c.next = cursor(entries[len(entries)-1].ID)
	}
	return auditResponse{wireEntries(entries)}, nil
}

func wireEntries(entries []catalog.AuditEntry) []auditEntry {
	list := make([]auditEntry, 0, len(entries))
	for _, e := range entries {
		e.Time = e.Time.UTC().Truncate(time.Millisecond)
		list = append(list, auditEntry(e))
	}
	return list
}
