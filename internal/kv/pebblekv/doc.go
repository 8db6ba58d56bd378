// Package pebblekv keeps a kv.Store in Pebble, embedded in the process.
//
// # How a transaction runs
//
// Pebble publishes a batch to readers before the batch's log record is synced.
// To let no reader see what a crash could take back, each commit leaves a Pebble
// snapshot, taken right after its batch was published and before any other
// could be. When the commit's sync has ended, its snapshot becomes the durable
// one, unless a later commit's already is. A View runs on the durable snapshot,
// so it never waits. An Update runs on the newest published snapshot and is
// answered after its own snapshot is installed as durable; an Update that
// wrote nothing or failed is answered when what it read is durable.
//
// Update is optimistic: it records the keys and ranges that it read, buffers
// its writes, and is validated under a mutex against what was committed since its
// snapshot. A transaction that loses runs again; one that keeps losing shuts a
// gate on the others' commits (see gate) and wins.
//
// Concurrent commits share syncs: a batch is queued to the log under the mutex,
// and waits for its sync outside of it.
//
// # Locks
//
// commitMu, then stateMu; Pebble's own come below commitMu and are never taken
// under stateMu. Neither is held across a sync, a caller's function or OnFatal's
// default; the gate is not a lock.
//
// # Failure
//
// A failed write or sync of the log, or of the files that tables and the
// manifest live in, ends the process through Options.OnFatal: after a failed
// sync nobody knows what is on disk, but a restart finds out. A full disk ends
// the process only if it hits the log; flushes and compactions are tried again.
// Nothing is acknowledged before its sync succeeded, so nothing acknowledged
// is lost.
package pebblekv
