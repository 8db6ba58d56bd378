// Package blob keeps the contents of files: immutable extents of bytes in a
// log of segment files on a local disk. Which extents are alive, and which
// file they belong to, is known only to the layer above; here an extent is
// named by its place (Loc).
//
// Writing. Append puts an extent at the end of one of a few active segments
// and returns its place; Sync makes it durable, sharing one fdatasync among
// all who wait. Metadata that names an extent may be committed only after
// Sync has returned, so a crash leaves unreferenced bytes and never a dangling
// reference. Between Append and Settle the segment counts as used by an
// upload and can't be removed.
//
// Reading. A reader holds its segments with Acquire and Release, so that they
// stay while it reads; Acquire of a segment that is going away fails, and the
// reader must resolve its extents again. ReadAt and WriteRange check each
// 64 KiB block against its CRC-32C when it is first read after a start and
// remember the outcome; bytes that this process wrote count as checked.
//
// Segments. A segment is written strictly in order by one stream. When it is
// full it is sealed: a footer is appended and the file synced, after which it
// never changes. Open scans the segments that a crash left unsealed, cuts off
// the torn tail and seals them; sealed ones are not scanned. docs/formats.md has
// the layout byte by byte.
//
// Collecting. The compactor above decides what is garbage:
//
//  1. pick a segment whose Info says Sealed and Uploads == 0 (this state is
//     final: no new extent can appear in such a segment);
//  2. only then look up which of its extents (ScanSegment) are still named;
//  3. copy those elsewhere (AppendReserved, Sync), change their names in the
//     metadata, Settle;
//  4. Remove the segment, which waits for its readers.
//
// The counters of live bytes are hints for choosing, never a reason to delete.
//
// Failure. A failed sync can't be repaired by trying again (the kernel may
// have dropped the pages), so it ends the process by Options.OnFatal, and no
// call that waited for it returns success. A failed write leaves the segment
// usable: the next record goes to the same offset.
//
// Lock order: Store.removeMu, segment.sealMu, stream.mu, Store.mu,
// segment.openMu, then the leaf locks (syncState.mu, fdCache.mu, sendPool.mu,
// dirMu, space.mu). Only sealMu (of a segment nobody appends to), removeMu and
// dirMu are held across a sync or a callback; appends and reads take none of
// them.
package blob
