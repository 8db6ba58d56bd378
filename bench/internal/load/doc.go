// Package load puts an S3 server under closed-loop load and measures what each
// operation costs it.
//
// A run is one operation repeated by a number of clients, each with one connection and
// one request in flight. First the objects that the operation needs are stored and each
// client does a few operations that do not count; then all start together. The server's
// CPU time is read right before the start and after the last reply, so what it defers
// (flushes, compaction) counts only as far as it happens in between, or within
// Options.Settle. After the run what was written or deleted is checked by reading a
// sample back. Any failed request, wrong status, length or byte is an error, and a run
// with errors measures nothing.
package load
