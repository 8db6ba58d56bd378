// Package sigv4 is AWS Signature Version 4 as S3 uses it: parsing and checking
// what a request says of its signature (Authorization header or presigned
// query), signing requests, and decoding aws-chunked bodies. It does no I/O
// but reading the body that it is given, and it knows no credentials: the
// caller looks up the secret between Parse and Verify.
//
//	a, err := sigv4.Parse(r)            // errors are *Error, with an S3 code
//	secret := lookup(a.AccessKeyID)
//	err = verifier.Verify(r, a, secret)
//	p, err := sigv4.ParsePayload(r, a)  // what the body must be checked against
//
// # Canonical form
//
// The canonical path is the decoded path (r.URL.Path, that is the raw path
// decoded once) encoded again with AWS's rules: A-Z a-z 0-9 - . _ ~ and '/'
// stay, everything else is %XX in upper case. There is no clean-up of '//',
// '.' or '..', and a '+' in a path is a '+'. The canonical query is every pair
// but X-Amz-Signature, decoded, encoded, sorted by name and then by value; '+'
// in a query is a space, as AWS and net/url read it, and `?uploads` is
// `uploads=`. A bad escape is refused (InvalidURI) and never skipped.
//
// Some clients (curl --aws-sigv4, hand-made signers) sign the path or the
// query as they send it, which differs where they leave a byte such as '(' or
// '+' unencoded; some sort a query by its decoded names, or not at all. So
// when the canonical form does not match, the raw path is tried too, and the
// query's raw pairs, sorted and as sent. This opens no hole: let S be
// the signed path. The canonical form accepts a raw path R if
// encode(decode(R)) = S, the fallback if R = S; in both cases decode(R) =
// decode(S), so a signature opens exactly one decoded path, whatever the form.
// The same holds for each pair of the query. Runs of tabs in a header value
// are tried as they are and as one space, since signers differ there.
//
// # Decisions
//
//   - x-amz-* headers that are present and not signed are refused, as AWS
//     does (403 AccessDenied). Exempt are x-amz-date, and x-amz-content-sha256
//     where its value is part of the canonical request anyway (header
//     authentication) or says nothing (UNSIGNED-PAYLOAD on a presigned URL).
//   - A header-signed request without x-amz-content-sha256 is taken as one of
//     an empty body if it announces none; else it is refused, as AWS does.
//   - A session token is always an unknown one: 400 InvalidToken.
//   - An Expect header that is signed but gone (net/http takes it out of
//     HTTP/2 requests) counts as `100-continue`.
//   - Repeated names in a query may be re-ordered without breaking a
//     signature; that is so in SigV4 itself. A door should refuse repeated
//     parameters whose order would matter.
//
// # Streams
//
// Verifier.NewChunkReader checks each chunk's signature when its last byte has
// been read, and the trailer's at the end, and hands on the bytes meanwhile: a
// chunk may have any size. A caller that acts on what it read before io.EOF
// acts on bytes that may not be the signer's.
//
// # Caching
//
// Deriving a signing key costs four HMACs; Verifier and Signer keep derived
// keys, bounded in number. A Verifier keeps a key only once a signature made
// with it was right, so strangers can't fill the cache, and an entry is used
// only with the very secret that it was derived from, so the cache never
// authorizes anything by itself; Forget only frees memory early.
//
// All types but ChunkReader are safe for concurrent use; the one lock (of the
// key cache) is a leaf.
package sigv4
