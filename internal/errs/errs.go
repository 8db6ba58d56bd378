package errs

import (
	"errors"
	"strings"
)

// Kind classifies an error. The numbers are append-only.
type Kind uint8

// The kinds. Other is the kind of every error that is not an *Error.
const (
	Other        Kind = iota // a fault of the server's own
	NotFound                 // no such file, directory or attribute
	Exists                   // the name is taken
	NotDir                   // a path component is not a directory
	IsDir                    // the operation does not apply to a directory
	NotEmpty                 // the directory has entries
	NameTooLong              // a component or the whole path is too long
	Invalid                  // an argument can't be right whatever the state
	Delegated                // another client holds the exclusive right to write here
	Reserved                 // the path belongs to the system (.archil)
	Quota                    // over the disk's quota
	NoSpace                  // the store's reserve of free space is reached
	ReadOnly                 // the view can't be written
	Stale                    // the handle's or the upload's object is gone
	Corrupt                  // stored bytes fail their checksum or don't parse
	Loop                     // too many symbolic links
	Precondition             // a condition given by the caller does not hold
	NoView                   // no such branch or checkpoint
	NoDisk                   // no such disk
	Overloaded               // a limit of memory or requests in flight is reached
	TooLarge                 // larger than any file or object may be
	Permission               // the credential does not allow it
	Unsupported              // known, and not offered
	LeavesDisk               // a symbolic link points outside of the disk
	Canceled                 // the caller gave up
	numKinds
)

// Error is the error type of all layers. The zero Err is allowed.
type Error struct {
	Op   string // operation, such as "put" or "rename"
	Path string // what it was applied to; may be empty
	Kind Kind
	Err  error // cause; may be nil
}

// E makes an *Error.
func E(op, path string, kind Kind, err error) error {
	return &Error{Op: op, Path: path, Kind: kind, Err: err}
}

// New makes an *Error whose cause is a plain text.
func New(op, path string, kind Kind, text string) error {
	return &Error{Op: op, Path: path, Kind: kind, Err: errors.New(text)}
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
	}
	if e.Path != "" {
		b.WriteByte(' ')
		b.WriteString(e.Path)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Err == nil || e.Kind != Other {
		b.WriteString(e.Kind.String())
		if e.Err != nil {
			b.WriteString(": ")
		}
	}
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost *Error in err's chain whose kind
// is not Other, or Other.
func KindOf(err error) Kind {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return Other
		}
		if e.Kind != Other {
			return e.Kind
		}
		err = e.Err
	}
	return Other
}

// Is tells whether err is of the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Text returns the innermost explanation of err that is fit to be shown to a
// client: the cause's text without operation and path, or the kind's.
func Text(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return Other.String()
	}
	if e.Err == nil {
		return e.Kind.String()
	}
	var inner *Error
	if errors.As(e.Err, &inner) {
		return Text(e.Err)
	}
	return e.Err.Error()
}
