// Package disk is the core: disks with their branches and checkpoints, the trees
// of files in them, listings, uploads, delegations, and the background work that
// gives space back. It knows no protocol. Rows are in a kv.Store, contents in a
// blob.Store; docs/design.md says why it is as it is, docs/formats.md has the rows.
//
// # How it hangs together
//
// A Store holds all disks, a Disk one of them, a View one branch (to read and
// write) or one checkpoint (to read). Operations are methods of View, in a file
// each kind: by path (object.go, put.go, remove.go), by inode (node.go, rename.go,
// write.go, setattr.go, xattr.go), listings (list.go), uploads (upload.go), those in
// parts (multipart.go; parts.go says where the bytes of such files are), append.go
// and copy.go.
//
// Reads run in one kv View. Changes are functions over a txn; the disk's committer
// (commit.go) merges those that wait into one transaction. Jobs (jobs.go) do what is
// too large for a transaction, the compactor moves contents, the scrubber reads them.
// Check goes over a store that nobody uses.
//
// # Invariants
//
//   - An acknowledged change is durable, and contents are durable before a row
//     names them.
//   - The committer is the only writer of a live disk's rows but for t rows, which
//     the compactor changes too, and the counter of ids. What Disk keeps in memory
//     (layers, usage, delegations) follows a commit; it never runs ahead of one.
//   - A name is a file or a directory, never both; attributes stand in one row.
//   - What a pinned epoch of a layer shows does not change. Rows of a hidden layer
//     move into its only child (unite.go), where they show the same.
//   - A checkpoint is one branch's: the one whose spans have its layer and epoch. A
//     rollback or promotion gives a branch another head layer; views of the old one
//     are gone before anybody sees the new one.
//   - An extent is named by versions of one chunk only, and ids never come again.
//   - A part table changes only to lose parts that begin behind the file's end; a
//     data id is a part of one file at most, and then no inode names it.
//   - The row cache is exact (rowcache.go), and a layer's filter never says "not
//     here" of what a reader's snapshot has (filterset.go).
//   - What the levels of a chain between the first and the last show together never
//     changes while a view has them, so lists of it are kept (frozen.go). Rows move
//     between layers, if at all, from a hidden layer into its only child, in commits
//     after the one that hid it.
//   - Nothing is deleted on suspicion: a read error stops the compactor, and counters
//     of live bytes only choose candidates.
//
// # Locks
//
// Store.mu and compactor.mu, then Disk.seq, then Disk.mu; below these, and holding
// nothing else, are the leaf locks: committer.mu, jobRunner.mu, bufferPool.mu, frozenSet.mu,
// filterSet.mu (then layerFilter.mu) and those of the row cache. Store.mu is held while a disk is opened, created or
// deleted, and compactor.mu for a whole pass, I/O included; Disk.seq while the
// counter's row moves on. Disk.mu and the leaf locks are never held across I/O.
package disk
