package s3api

import (
	"strings"

	"atoll/internal/disk"
	"atoll/internal/errs"
)

// maxKey is the length of a key in bytes, as S3 has it.
const maxKey = 1024

// keyPath turns a key into a path of the core: without the slash at its end,
// which says that a directory is meant. The errors are those of a PUT or
// DELETE: 400 for what no path can express, 403 for what is the system's.
func keyPath(key string) (path string, dir bool, err error) {
	if len(key) > maxKey {
		return "", false, errKeyTooLong
	}
	path, dir = strings.CutSuffix(key, "/")
	if path == "" {
		return "", dir, badArgument("The key can't be a file's path: it begins with a slash.")
	}
	if err := disk.CheckPath(path); err != nil {
		if errs.Is(err, errs.NameTooLong) {
			return "", dir, errKeyTooLong
		}
		return "", dir, &apiError{Status: 400, Code: "InvalidArgument", Message: message(errs.Invalid, err), Cause: err}
	}
	if disk.IsReserved(path) {
		return "", dir, errReserved
	}
	return path, dir, nil
}

// readPath is keyPath for GET and HEAD, where a key that no file can have, or
// that is the system's, is simply not there.
func readPath(key string) (path string, dir bool, err error) {
	path, dir, err = keyPath(key)
	if err != nil && len(key) <= maxKey {
		err = errNoKey
	}
	return path, dir, err
}
