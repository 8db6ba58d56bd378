// Package server turns a configuration into a running server: it takes the
// data directory, opens the stores, puts the doors in front of them, drains
// and stops.
//
// # The data directory
//
//	FORMAT          "atoll 1": version of the directory's layout; a newer one is refused
//	LOCK            flock of the running server; holds its pid until a clean stop
//	master.key      seals secrets at rest (mode 0600), unless ATOLL_MASTER_KEY is given
//	api.key         the first API key, for the command line (mode 0600)
//	endpoint.json   where the running server listens
//	meta/           the key-value store (Pebble)
//	blob/           the segment log
//
// # Order
//
// Start: LOCK, FORMAT, keys, meta, blob, disks, catalog, what a crash left
// half done, listeners, endpoint.json; only then is the server ready. Stop is
// the reverse: not ready any more, the S3 door drained, the control door
// drained, the disks' jobs, blob, meta, LOCK. Every step that fails on the way
// up takes back those before it.
//
// If requests outlive the drain's time-out their connections are cut; if a
// handler then still runs, the stores are left as a crash would leave them,
// which costs the next start its recovery and nobody a byte.
//
// # Settings
//
// Every setting is a flag, an environment variable and a line of the
// configuration file, in this order of precedence; see Bind and Load.
package server
