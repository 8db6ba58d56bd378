package controlapi

import (
	"context"

	"atoll/internal/catalog"
	"atoll/internal/errs"
)

// record writes the audit entry of a change, done or refused. What could not
// be recorded is not answered as done.
func (a *api) record(c *call, status int) error {
	e := catalog.AuditEntry{
		Key: c.key.ID, KeyName: c.key.Name, Action: c.rt.action, Target: bounded(c.target),
		Remote: c.from.String(), Status: status, Details: bounded(c.details),
	}
	if c.disk != 0 {
		e.Disk = c.disk.String()
	}
	// The change is done: that the client went away is no reason to forget it.
	if err := a.o.Catalog.Audit(context.WithoutCancel(c.r.Context()), e); err != nil {
		return errs.E("write audit log", c.rt.action, errs.Other, err)
	}
	return nil
}

// bounded keeps what clients sent from filling the log.
func bounded(s string) string {
	const most = 1 << 10
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
