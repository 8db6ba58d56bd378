package server

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written with or without a unit: 512MiB, 2g, 0.
// It is a pflag.Value. Units are powers of 1024 whatever their spelling.
type Size int64

var sizeUnits = map[string]int64{
	"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
}

// Set reads a size.
func (s *Size) Set(text string) error {
	t := strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(t, "abcdefghijklmnopqrstuvwxyz ")
	unit := strings.TrimSpace(t[len(digits):])
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "ib"), "b")
	factor, ok := sizeUnits[unit]
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || n < 0 || n*float64(factor) > 1<<60 {
		return fmt.Errorf("%q is not a size such as 512MiB or 2GiB", text)
	}
	*s = Size(n * float64(factor))
	return nil
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		name string
		n    Size
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= u.n && s%u.n == 0 {
			return strconv.FormatInt(int64(s/u.n), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Type names the kind of value in help texts.
func (*Size) Type() string { return "size" }
