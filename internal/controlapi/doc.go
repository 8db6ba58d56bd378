// Package controlapi is the JSON door of the control plane, with /metrics,
// /healthz and /readyz beside it.
//
// One table (api.routes) says of every route what it is called, what right it
// asks of the API key, what the audit log calls it, and by what Go types it is
// sent and answered. The pipeline (api.run) is driven by it: find the route,
// check the key (route.right; any disk that the key does not open is answered
// as one that is not there), find the disk and the point of its history that
// {id} names, enforce the disk's allowed IPs, receive and decode the body, run
// the handler, write the audit entry. So handlers hold only what is particular
// to them: they get a call and return data or an error. A route of a new file
// goes into a function that returns a []route, called by api.routes, and into TestWalk,
// which does what each route does and misses those that it does not know; all
// that strangers and wrong requests get is tested for every route of the table.
//
// Everything under /api/ wants the header `Authorization: key-...`, also to
// learn that a route does not exist, but for routes of rightNone. Answers are {"success":true,"data":...}
// or {"success":false,"error":"...","code":"..."}; codes and statuses of the
// core's errors come from the table of package errs.
//
// Invariants: no secret is logged or shown twice; no answer is cached; a
// request's body is bounded before it is read (or streamed); a change that
// the audit log could not take is not answered as done; a fault of the
// server's own tells the client nothing but that, and the log everything.
package controlapi
