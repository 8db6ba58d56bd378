// Package fileserve answers GET and HEAD of a file on a disk over HTTP, for
// the doors that show files to people and browsers: share URLs and the files
// of the control API.
//
// The file is opened once and one version of it is served to the last byte:
// conditions, ranges, headers and bytes are all of the same instant. ETag,
// Last-Modified and Content-Type are the S3 door's. Large pieces go by
// sendfile, as long as the ResponseWriter is passed on unwrapped or by a
// wrapper that has ReadFrom.
//
// A disk may hold hostile pages, so every answer forbids guessing types, and
// those that a browser would run come with a Content-Security-Policy that
// takes them their origin and their scripts.
package fileserve
