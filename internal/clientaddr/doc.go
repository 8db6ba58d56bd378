// Package clientaddr knows clients by their addresses: which address a request
// came from when there are proxies in front (Resolver), which addresses may use
// something (Allowed), and which have failed to authenticate too often
// (Limiter).
//
// Addresses are always in normal form: IPv4 addresses that are written as IPv6
// ones (::ffff:192.0.2.1) are IPv4, and zones are cut off. The zero netip.Addr
// stands for a client whose address is not known, such as one of a Unix
// socket: it is in no list, and all such clients share one limit.
//
// A Limiter's mutex is held for a few map operations and never while anything
// else is locked.
package clientaddr
