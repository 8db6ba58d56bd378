// Package s3api is the S3 door: an http.Handler that serves disks as S3
// buckets. What it promises, rule by rule with the test of each, is in
// docs/s3-conformance.md.
//
// # Order of checks
//
// Every request goes through the same steps, so that nobody learns anything
// before its turn:
//
//	request id, target -> signature (who) -> bucket (theirs?) -> operation
//	(offered?) -> admission (room?) -> headers (right?) -> body -> core
//
// Nothing reads the body before the last two, so a request with
// `Expect: 100-continue` that is refused earlier never sends it: net/http
// sends the 100 at the first Read.
//
// # Keys
//
// The path of the URL is decoded once, by net/http; there is no clean-up. What
// follows the bucket's name is the key; `/bucket` and `/bucket/` both mean the
// bucket. A key that no file path can express is refused and never another
// key's alias.
//
// # Query parameters
//
// Each operation has the parameters that it knows, and x-id, which says
// nothing. Presigned requests may carry any x-amz-* header in the query
// instead (clients hoist them there): it then counts as that header. Any other
// parameter is taken for a sub-resource and answered 501, never ignored.
//
// # Responses
//
// Header values of one response lie in one array of strings; it must outlive
// the handler, because net/http writes the header after it returns, so it is
// not pooled. The http.ResponseWriter goes to the core unwrapped: only so a
// large GET becomes a sendfile.
//
// Locks: the two fair shares (places and memory) have the only ones, leaves.
package s3api
