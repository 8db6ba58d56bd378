// Package kv is the narrow seam between Atoll's metadata and the ordered
// key-value engine that keeps it: one interface, and the limits that every
// engine keeps and every caller stays within.
//
// Engines live in packages below this one (pebblekv: embedded, the default)
// and pass the conformance suite in kvtest.
//
// What callers can rely on:
//
//   - Update is serializable: lost updates, write skew and phantoms can't
//     happen. What a transaction read, missing keys and empty ranges
//     included, was still so when it committed.
//   - What Update acknowledged is durable, and every View or Update that
//     starts later sees it.
//   - What a View saw, and what came back from an Update (its error too), a
//     crash does not take back.
//   - A View never waits for a writer.
//   - A key order of plain bytes (bytes.Compare).
//
// What callers must do:
//
//   - The function of an Update may run several times: no effect but through
//     its Txn. It must not start another Update of the same store, nor wait
//     for one.
//   - Close every Iterator before the function returns; keep no slice, Reader
//     or Txn beyond that. Copy what must live longer.
//   - Stay within the limits; larger changes are resumable jobs of small
//     transactions.
//
// Ranges are half-open, [lo, hi). An empty hi stands for the end of the key
// space, except in DeleteRange, where it is refused. A range whose lo is not
// below its hi is empty.
package kv
