// Package e2e tests the built binary as its users meet it: real S3 clients
// over HTTP and HTTPS, kill -9 under load, cut uploads, full disks, memory.
//
// TestMain builds the binary once. Each test starts servers of its own, on
// free ports of the loopback interface and in temporary directories, and a
// cleanup ends them whatever happens. A client that is not installed fails
// its test; `make deps` installs them all.
//
// Environment:
//
//	ATOLL_E2E_RACE=1     builds the binary with the race detector
//	ATOLL_E2E_SOAK=N     multiplies rounds and sizes (default 1)
package e2e
