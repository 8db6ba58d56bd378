package disk

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"atoll/internal/errs"
)

// ID names a disk: 64 bits, written `dsk-` and 16 lower-case hex digits.
type ID uint64

// String gives the disk's public name.
func (id ID) String() string {
	var b [8]byte
	for i := range b {
		b[i] = byte(id >> (56 - 8*i))
	}
	return "dsk-" + hex.EncodeToString(b[:])
}

// ParseID reads what String wrote. ok is false for anything else.
func ParseID(s string) (id ID, ok bool) {
	if len(s) != 20 || !strings.HasPrefix(s, "dsk-") {
		return 0, false
	}
	for _, c := range []byte(s[4:]) {
		switch {
		case '0' <= c && c <= '9':
			id = id<<4 | ID(c-'0')
		case 'a' <= c && c <= 'f':
			id = id<<4 | ID(c-'a'+10)
		default:
			return 0, false
		}
	}
	return id, true
}

// NewID draws a random id from r (nil means crypto/rand).
func NewID(r io.Reader) (ID, error) {
	if r == nil {
		r = rand.Reader
	}
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, errs.E("new disk id", "", errs.Other, err)
	}
	var id ID
	for _, c := range b {
		id = id<<8 | ID(c)
	}
	return id, nil
}

// Ino is an inode number. It means one origin in all branches of a disk and
// is never used again.
type Ino uint64

// RootIno is the root directory of every view.
const RootIno Ino = 1

// DataID names the contents of a file: the inode names its data id, the
// chunks belong to it.
type DataID uint64

// Type is the type of an inode, with the numbers of Linux's dirent d_type.
type Type uint8

// The types.
const (
	FIFO    Type = 1
	CharDev Type = 2
	Dir     Type = 4
	BlkDev  Type = 6
	File    Type = 8
	Symlink Type = 10
	Socket  Type = 12
)

// Limits of names and files.
const (
	MaxName    = 255            // bytes of one path segment
	MaxPath    = 4096           // bytes of a symlink's target
	MaxSize    = int64(1) << 44 // bytes of one file: 16 TiB
	ChunkSize  = 4 << 20        // bytes of contents that one chunk row covers
	MaxExtents = 64             // extent references of one chunk row
	MaxXattr   = 60 << 10       // bytes of one xattr value
	MaxMeta    = 16 << 10       // bytes of Meta and ContentMeta together
)

// Attr is what an inode says of itself.
type Attr struct {
	Ino   Ino
	Type  Type
	Mode  uint32 // permission bits, 07777
	UID   uint32
	GID   uint32
	Nlink uint32
	Rdev  uint32
	Size  int64 // bytes; of a symlink its target's length
	Bytes int64 // bytes that are not holes, as far as known: allocated size

	Mtime time.Time // contents changed
	Ctime time.Time // anything changed
	Btime time.Time // made

	Data DataID // of regular files; 0 while empty

	// Version changes with every change of the contents and never otherwise.
	// No two contents of one inode share a version, in any branch.
	Version uint64

	// MD5 is the digest of the contents, when whole contents were put with
	// it and no other change came since; HasMD5 tells.
	MD5    [16]byte
	HasMD5 bool

	// Meta is opaque to the core and stays with the file; ContentMeta is
	// opaque too and goes when the contents change other than by Put.
	Meta        []byte
	ContentMeta []byte

	Target string // of a symlink

	parent Ino    // while Nlink == 1, and of directories
	name   string // of directories, in parent; "" if made before format 2
	xattrs bool   // there may be extended attributes
	parts  bool   // Data has a part table instead of chunks
}

// IsDir tells whether the inode is a directory.
func (a *Attr) IsDir() bool { return a.Type == Dir }

type (
	layer uint32 // layers of a disk are numbered from 1
	epoch uint32 // epochs of a layer are numbered from 1
)

// Ref names a point of a disk's history: a branch ("" or "root" is the root
// branch) and, for a read-only view, one of its checkpoints.
type Ref struct {
	Branch     string
	Checkpoint string
}

// String gives BRANCH or BRANCH.CHECKPOINT.
func (r Ref) String() string {
	b := r.Branch
	if b == "" {
		b = RootBranch
	}
	if r.Checkpoint == "" {
		return b
	}
	return b + "." + r.Checkpoint
}

// RootBranch is the name of the branch that a disk is born with.
const RootBranch = "root"

// Usage is what a disk holds.
type Usage struct {
	Bytes int64 // stored contents, of all branches and checkpoints, in bytes
	Files int64 // files and directories of the root branch, the root directory not counted
}

// Quota limits a disk; zero means no limit.
type Quota struct {
	Bytes int64 // of contents, of all branches and checkpoints together
	Files int64 // files and directories that each branch may have
}

// PutOptions say how Upload.Commit places its contents.
type PutOptions struct {
	// Mode, UID and GID are for a new file (a replaced one keeps its own) and
	// UID, GID also for missing parent directories, which get mode 0755.
	// HasMode tells that Mode is meant; else it is 0644.
	Mode    uint32
	HasMode bool
	UID     uint32
	GID     uint32

	MD5         [16]byte
	HasMD5      bool
	Meta        []byte
	ContentMeta []byte

	// Check, if set, sees the file that would be replaced (nil if none), in
	// the transaction that replaces it. An error abandons the commit and
	// comes back as it is. It may run several times.
	Check func(old *Attr) error

	// Client is the delegation holder on whose behalf this is done; 0: none.
	Client uint64
}

// RemoveOptions are those of View.Remove.
type RemoveOptions struct {
	Check  func(old *Attr) error // as in PutOptions
	Client uint64
}

// MakeDirOptions are those of View.MakeDir.
type MakeDirOptions struct {
	Mode    uint32 // used if HasMode; else 0755
	HasMode bool
	UID     uint32
	GID     uint32
	Client  uint64
}

// ListOptions ask for one page of a listing in S3 order: UTF-8 byte order of
// whole keys, a directory's key ending in '/'.
type ListOptions struct {
	Prefix     string // only keys that begin with it
	StartAfter string // only keys (and common prefixes) after it
	Delimiter  bool   // '/' groups: directories come as one entry, not their contents
	Limit      int    // entries at most; 0 answers only whether there is any
}

// ListEntry is one key or one common prefix.
type ListEntry struct {
	Key      string
	IsPrefix bool // Key ends in '/'; Attr is not set
	Attr     Attr // of the file; of a symlink, of the file that it resolves to
}

// DirEntry is one entry of View.ReadDir.
type DirEntry struct {
	Name string
	Attr Attr
}

// Range is a byte range of a file.
type Range struct{ Off, Len int64 }
