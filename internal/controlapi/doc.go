// Package controlapi is the JSON door of the control plane, with /metrics,
// /healthz and /readyz beside it.
//
//	GET    /api/disks                          ?limit= &cursor= &name=
//	POST   /api/disks                          {"name", "rootAttrs"?}: 201, or 200 if it exists as asked for
//	GET    /api/disks/{id}
//	DELETE /api/disks/{id}
//	GET    /api/disks/{id}/users
//	POST   /api/disks/{id}/users               {"type":"s3", "nickname"?}
//	DELETE /api/disks/{id}/users/s3            ?identifier=
//	GET    /api/server                         version, region, S3 endpoint
//	POST   /api/backup                         {"dir"}
//
// Everything under /api/ wants the header `Authorization: key-...`, also to
// learn that a route does not exist. Answers are {"success":true,"data":...}
// or {"success":false,"error":"...","code":"..."}; codes and statuses of the
// core's errors come from the table of package errs.
//
// Invariants: no secret is logged or shown twice; no answer is cached; a
// request's body is bounded before it is read; a fault of the server's own
// tells the client nothing but that, and the log everything.
package controlapi
