package errs

import "syscall"

// Mapping is what a kind becomes at each door.
type Mapping struct {
	Kind   Kind
	Name   string        // stable wire code of the control API and the native protocol
	Errno  syscall.Errno // for mounts
	S3Code string        // for the S3 door
	Status int           // HTTP status, of S3 and of the control API
}

// Table has one row a kind, indexed by Kind. S3 codes follow AWS's list of
// error responses where AWS has the case
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
var table = [numKinds]Mapping{
	Other:        {Other, "internal", syscall.EIO, "InternalError", 500},
	NotFound:     {NotFound, "not_found", syscall.ENOENT, "NoSuchKey", 404},
	Exists:       {Exists, "exists", syscall.EEXIST, "OperationAborted", 409},
	NotDir:       {NotDir, "not_a_directory", syscall.ENOTDIR, "OperationAborted", 409},
	IsDir:        {IsDir, "is_a_directory", syscall.EISDIR, "OperationAborted", 409},
	NotEmpty:     {NotEmpty, "not_empty", syscall.ENOTEMPTY, "OperationAborted", 409},
	NameTooLong:  {NameTooLong, "name_too_long", syscall.ENAMETOOLONG, "KeyTooLongError", 400},
	Invalid:      {Invalid, "invalid", syscall.EINVAL, "InvalidArgument", 400},
	Delegated:    {Delegated, "delegated", syscall.EROFS, "OperationAborted", 409},
	Reserved:     {Reserved, "reserved", syscall.EPERM, "AccessDenied", 403},
	Quota:        {Quota, "quota_exceeded", syscall.EDQUOT, "QuotaExceeded", 507},
	NoSpace:      {NoSpace, "no_space", syscall.ENOSPC, "InsufficientStorage", 507},
	ReadOnly:     {ReadOnly, "read_only", syscall.EROFS, "AccessDenied", 403},
	Stale:        {Stale, "stale", syscall.ESTALE, "OperationAborted", 409},
	Corrupt:      {Corrupt, "corrupt", syscall.EIO, "InternalError", 500},
	Loop:         {Loop, "too_many_links", syscall.ELOOP, "NoSuchKey", 404},
	Precondition: {Precondition, "precondition_failed", syscall.EAGAIN, "PreconditionFailed", 412},
	NoView:       {NoView, "no_such_branch", syscall.ENOENT, "NoSuchBucket", 404},
	NoDisk:       {NoDisk, "no_such_disk", syscall.ENODEV, "NoSuchBucket", 404},
	Overloaded:   {Overloaded, "overloaded", syscall.EBUSY, "SlowDown", 503},
	TooLarge:     {TooLarge, "too_large", syscall.EFBIG, "EntityTooLarge", 400},
	Permission:   {Permission, "permission_denied", syscall.EACCES, "AccessDenied", 403},
	Unsupported:  {Unsupported, "not_supported", syscall.EOPNOTSUPP, "NotImplemented", 501},
	LeavesDisk:   {LeavesDisk, "leaves_disk", syscall.EXDEV, "NoSuchKey", 404},
	Canceled:     {Canceled, "canceled", syscall.EINTR, "RequestTimeout", 400},
}

// Map returns the row of a kind; a number that no kind has maps as Other.
func Map(k Kind) Mapping {
	if int(k) >= len(table) {
		k = Other
	}
	return table[k]
}

// FromName returns the kind that has the wire code name, or Other.
func FromName(name string) Kind {
	for _, m := range table {
		if m.Name == name {
			return m.Kind
		}
	}
	return Other
}

// FromErrno returns the first kind that maps to errno, or Other.
func FromErrno(errno syscall.Errno) Kind {
	for _, m := range table {
		if m.Errno == errno && m.Kind != Other {
			return m.Kind
		}
	}
	return Other
}

var texts = [numKinds]string{
	Other: "internal error", NotFound: "not found", Exists: "already exists",
	NotDir: "not a directory", IsDir: "is a directory", NotEmpty: "directory not empty",
	NameTooLong: "name too long", Invalid: "invalid argument",
	Delegated: "another client holds the right to write here",
	Reserved:  "reserved path", Quota: "quota exceeded", NoSpace: "no space left",
	ReadOnly: "read-only", Stale: "stale handle", Corrupt: "stored data is corrupt",
	Loop: "too many symbolic links", Precondition: "a condition does not hold",
	NoView: "no such branch", NoDisk: "no such disk", Overloaded: "too busy, try again",
	TooLarge: "too large", Permission: "permission denied", Unsupported: "not supported",
	LeavesDisk: "a symbolic link leaves the disk", Canceled: "canceled",
}

// String returns the kind's plain text.
func (k Kind) String() string {
	if int(k) >= len(texts) {
		k = Other
	}
	return texts[k]
}
