// Package errs holds the one error type that crosses Atoll's layers.
//
// An Error says what was being done (Op), to what (Path), what class of thing
// went wrong (Kind) and why (Err). Kinds are few, numbered and append-only:
// numbers may be stored and sent. One table (table.go) maps each kind to its
// errno, S3 code, HTTP status and wire code; nothing else in the project maps
// errors.
package errs
