//go:build race

package disk

// everyNth is how many of a long row of cases run: under the race detector,
// which is ten times slower, a part; all of them run without it.
const everyNth = 5
