// Package catalog knows who exists and who may do what: disks by id and by
// name, their S3 users, and the API keys of the control plane.
//
// It lives in its own part of the key-value store, beside the disks' data:
//
//	c d <disk id, 8 bytes>                    disk row (JSON)
//	c n <name>                                disk id, 8 bytes: names are unique
//	c p <disk id>                             the disk is being made or deleted
//	c u <access key id>                       S3 user row (JSON, secret sealed)
//	c x <disk id> <access key id>             the users of a disk
//	c k <SHA-256 of the key, 32 bytes>        API key row (JSON)
//	s u | s f | s m                           store's uuid, format version, check value of the master key
//
// Rows are JSON: there are few, they are read once and then cached, and a
// field can be added without a new format.
//
// # Making and deleting disks
//
// A disk is two things: its catalog row and its state in the core. They can't
// change in one transaction, so the row goes first and says what is under
// way, and Resume finishes after a crash what had begun:
//
//	make:   row "creating" + name + pending -> core makes the disk -> row "available", pending gone
//	delete: row "deleting" + pending, name gone -> core deletes the disk -> users, row and pending gone
//
// A disk that is being deleted does not exist for anyone, and its name is free
// at once.
//
// # Secrets
//
// S3 secrets are needed in the clear to check signatures, so they are sealed
// with AES-256-GCM under a key derived from the master key; the row's key is
// authenticated with them, so a sealed secret moved to another row does not
// open. API keys are only compared, so a SHA-256 of them is kept. A plain hash
// is enough, and a slow one would only cost CPU on every request: the keys
// are 256 bits of randomness, which no dictionary covers. Keys brought by the
// operator must be long for the same reason.
//
// # Caches and locks
//
// Credentials and API keys are cached in memory on first use. A removal drops
// the entry after its transaction has committed and before it returns, and
// counts a generation on; a look-up that raced with it began with the old
// generation and does not store what it read. So a request that begins after
// a removal returned never sees the removed credential.
//
// Lock order: a name's stripe (held for a whole creation or deletion), then
// key-value transactions, then a cache's mutex. No lock is held while a cache
// is filled.
package catalog
