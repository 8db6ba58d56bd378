package objmeta

import (
	"encoding/hex"
	"strconv"
	"strings"

	"atoll/internal/disk"
)

// EmptyETag is the quoted MD5 of nothing: the ETag of directories.
const EmptyETag = `"d41d8cd98f00b204e9800998ecf8427e"`

// AppendETag appends a file's quoted ETag: the MD5 of contents that were put
// whole; of those put in parts the MD5 of the parts' MD5s and how many there
// were; else inode and version, which change with the contents and never
// otherwise. The latter two have a '-', so that nobody takes them for an MD5.
func AppendETag(b []byte, a *disk.Attr) []byte {
	if a.IsDir() {
		return append(b, EmptyETag...)
	}
	b = append(b, '"')
	if a.HasMD5 {
		b = hex.AppendEncode(b, a.MD5[:])
	} else if sum, n := parts(a.ContentMeta); n > 0 {
		b = hex.AppendEncode(b, []byte(sum))
		b = append(b, '-')
		b = strconv.AppendInt(b, int64(n), 10)
	} else {
		b = strconv.AppendUint(b, uint64(a.Ino), 16)
		b = append(b, '-')
		b = strconv.AppendUint(b, a.Version, 16)
	}
	return append(b, '"')
}

// parts finds what a ContentMeta says of an upload in parts; n is 0 if there
// was none.
func parts(content []byte) (sum string, n int) {
	if len(content) == 0 {
		return "", 0
	}
	for m := Read(content); m.Next(); {
		if m.Tag == TagParts {
			sum, n = cutCount(m.Value)
		}
	}
	return sum, n
}

// MatchETag tells whether a list of ETags, as in If-Match, has etag (quoted)
// or is "*". Tags may come without quotes, as AWS takes them. A weak tag never
// matches strongly.
func MatchETag(list, etag string, weak bool) bool {
	for list != "" {
		var tag string
		tag, list, _ = strings.Cut(list, ",")
		tag = strings.Trim(tag, " \t")
		if tag == "*" {
			return true
		}
		if rest, ok := strings.CutPrefix(tag, "W/"); ok {
			if !weak {
				continue
			}
			tag = rest
		}
		if tag == etag || len(tag) == len(etag)-2 && tag == etag[1:len(etag)-1] {
			return true
		}
	}
	return false
}
