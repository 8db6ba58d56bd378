//go:build !race

package disk

const everyNth = 1
