//go:build cgo

package server

// offHeap tells that Pebble keeps its caches and memtables outside of Go's
// heap.
const offHeap = true
