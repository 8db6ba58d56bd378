// Package crashfs is the in-memory file system that tests cut the power of:
// Pebble's, with one fault worked around. Its ReuseForWrite, Link and Lock take
// the lock that CrashClone waits for twice, one inside the other, so a clone
// made meanwhile by another goroutine deadlocks (Pebble v2.1.7).
//
// Lock order: MemFS.mu here, then those of Pebble's.
package crashfs
