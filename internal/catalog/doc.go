// Package catalog knows who exists and who may do what: disks by id and by
// name with their limits, users and share URLs, the API keys of the control
// plane, and the log of what was done with them.
//
// It lives in its own part of the key-value store, beside the disks' data:
//
//	c d <disk id, 8 bytes>                    disk row (JSON)
//	c n <name>                                disk id, 8 bytes: names are unique
//	c p <disk id>                             the disk is being made or deleted
//	c u <access key id>                       S3 user row (JSON, secret sealed)
//	c x <disk id> <access key id>             the S3 users of a disk
//	c t <SHA-256 of the token, 32 bytes>      disk token row (JSON)
//	c y <disk id> <SHA-256 of the token>      the tokens of a disk
//	c k <SHA-256 of the key, 32 bytes>        API key row (JSON)
//	c o <disk id>                             CORS rules (JSON)
//	c h <disk id> <branch's own id>           schedule of checkpoints (JSON)
//	c i <disk id> <SHA-256 of the key>        answer to a request that had an Idempotency-Key (JSON)
//	c s <key id>                              key of share URLs (JSON, sealed)
//	c r <disk id> <share id>                  revoked share (JSON)
//	c q <disk id>                             instant up to which all shares are revoked (JSON)
//	c a <complement of number, 8 bytes>       entry of the audit log (JSON)
//	c b <disk> 00 <complement of number>      the entries about a disk
//	s u | s f | s m | s n                     store's uuid, format version, check values of the master key and of the next one
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
// Credentials, tokens, API keys, a disk's limits and CORS rules, revocations
// and share keys are cached in memory on first use. A removal or change drops
// the entry after its transaction has committed and before it returns, and
// counts a generation on; a look-up that raced with it began with the old
// generation and does not store what it read. So a request that begins after
// a removal returned never sees the removed credential.
//
// # Changing the master key
//
// See RotateMasterKey and ring: for its time each secret is sealed under both
// keys, one row switches, and the old seals go.
//
// # Housekeeping
//
// The catalog has no goroutine of its own: its owner calls Sweep once a
// minute, and Close before it closes the store.
//
// Lock order: a rotation's mutex or a name's stripe (held for a whole creation or deletion), then
// key-value transactions, then a cache's mutex. No lock is held while a cache
// is filled.
package catalog
