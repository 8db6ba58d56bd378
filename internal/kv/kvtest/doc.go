// Package kvtest is the conformance suite of kv.Store: what every engine must
// pass, whatever it is built on.
//
// Some tests hold a transaction's function until another transaction has
// committed. Callers of a Store must not do that, since an engine may keep
// others' commits back while it repeats a transaction that keeps losing; the
// suite does it in first attempts only, which no engine may treat so.
package kvtest
