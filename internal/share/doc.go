// Package share makes and serves share URLs: links that show one file of a
// disk to whoever has them, for a time.
//
// # Tokens
//
// A link holds a token and the server keeps nothing of it: the token itself
// says which file is meant and until when, sealed under a key that is in the
// store, so that it survives restarts and holds on every server of the store.
//
//	token  = base64url, no padding, of: version 1, key id (8 bytes),
//	         share id (12 random bytes), sealed claims
//	sealed = AES-256-GCM of the claims; the share id is the nonce, what stands
//	         before it is authenticated too
//	claims = disk id (8), branch id (8), issued (8, Unix nanoseconds),
//	         lifetime in seconds (uvarint), checkpoint (uvarint length and
//	         name; empty: the branch as it is), path (to the end)
//
// Claims are sealed and not only signed: a link tells nothing of the disk and
// its folders. There is one way to write a token, so nobody makes a second one
// out of a first. A branch is named by its own id, and a link follows it when
// it is renamed, rolled back or promoted to; a checkpoint has no other name
// than its name.
//
// The newest key seals; older ones open what is still in its time. A key may
// go once MaxLifetime has passed since another took its place.
//
// # What strangers learn
//
// A token that is malformed, tampered with, unknown, revoked, or whose file,
// branch or disk is gone is answered by one and the same error. Only who has a
// token that was right learns that it expired, or that the disk does not admit
// the client's address.
package share
