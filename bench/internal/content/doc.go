// Package content makes the bodies that the load generator stores and checks.
//
// A body is a pure function of (seed, size), so any range of any object can be
// produced or verified without keeping it: the generator holds one few-MiB pool of
// random bytes whatever the sizes under test. Each 64 KiB block is a slice of the pool
// taken at a place that depends on seed and block number, and begins with a stamp of
// both, so bodies differ from one another, do not compress (a server that compresses
// gains nothing), and a block served in the wrong place is noticed.
package content
