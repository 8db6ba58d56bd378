package sigv4

import "strconv"

func hexSize(n int) string { return strconv.FormatInt(int64(n), 16) }
