// Package s3wire is the load generator's own S3 client: HTTP/1.1 over one connection,
// one request at a time, signed with AWS Signature V4, allocating next to nothing for
// each request. It exists because the generator shares the machine's cores with the
// server under test; what a general client spends on each request would be taken from
// the server and show up as noise. It is no client for anything else: it knows only the
// few requests the generator makes.
//
// A Conn and a Signer belong to one goroutine.
package s3wire
