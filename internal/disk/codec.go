package disk

import (
	"encoding/binary"
	"errors"
	"time"

	"atoll/internal/errs"
)

// Values of rows. Each begins with a tag byte that names its form, so that a
// form can be added without a new format version; numbers are varints. An
// empty value is a whiteout.
const (
	tagAttrs   = 1 // entry or inode row: attributes follow
	tagBare    = 2 // entry row: type and inode only, attributes in the i row
	tagPointer = 3 // inode row: parent and name of the entry with the attributes
	tagInline  = 4 // chunk row: bytes
	tagExtents = 5 // chunk row: extent references
	tagRow     = 6 // any other row
	tagParts   = 7 // chunk row at partTable and after: part table
	tagBranch  = 8 // branch row: numbers, spans of checkpoints and name
)

const (
	flagMD5 = 1 << iota
	flagXattrs
	flagMeta
	flagContentMeta
	flagTarget
	flagRdev
	flagData
	flagParts
)

var errCodec = errors.New("a stored row does not parse")

func corrupt(what string) error { return errs.New(what, "", errs.Corrupt, errCodec.Error()) }

// decoder reads varints and remembers the first fault.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes() []byte { return d.take(d.uint()) }

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// appendAttr encodes a with its tag.
func appendAttr(b []byte, a *Attr) []byte {
	flags := byte(0)
	set := func(f byte, on bool) {
		if on {
			flags |= f
		}
	}
	set(flagMD5, a.HasMD5)
	set(flagXattrs, a.xattrs)
	set(flagMeta, len(a.Meta) > 0)
	set(flagContentMeta, len(a.ContentMeta) > 0)
	set(flagTarget, a.Type == Symlink || a.Type == Dir && a.name != "")
	set(flagRdev, a.Rdev != 0)
	set(flagData, a.Data != 0)
	set(flagParts, a.parts)
	b = append(b, tagAttrs, byte(a.Type), flags)
	for _, v := range [...]uint64{uint64(a.Ino), uint64(a.Mode), uint64(a.UID), uint64(a.GID),
		uint64(a.Nlink), uint64(a.Size), uint64(a.Bytes), a.Version, uint64(a.parent)} {
		b = binary.AppendUvarint(b, v)
	}
	m := a.Mtime.UnixNano()
	b = binary.AppendVarint(b, m)
	b = binary.AppendVarint(b, a.Ctime.UnixNano()-m)
	b = binary.AppendVarint(b, a.Btime.UnixNano()-m)
	if a.Data != 0 {
		b = binary.AppendUvarint(b, uint64(a.Data))
	}
	if a.Rdev != 0 {
		b = binary.AppendUvarint(b, uint64(a.Rdev))
	}
	if a.HasMD5 {
		b = append(b, a.MD5[:]...)
	}
	if len(a.Meta) > 0 {
		b = appendBytes(b, a.Meta)
	}
	if len(a.ContentMeta) > 0 {
		b = appendBytes(b, a.ContentMeta)
	}
	if a.Type == Symlink {
		b = appendBytes(b, []byte(a.Target))
	} else if a.Type == Dir && a.name != "" {
		b = appendBytes(b, []byte(a.name))
	}
	return b
}

// decodeAttr reads what appendAttr wrote, tag included. The result shares no
// memory with v.
func decodeAttr(v []byte, a *Attr) error {
	if len(v) < 3 || v[0] != tagAttrs {
		return corrupt("attributes")
	}
	flags := v[2]
	d := decoder{b: v[3:]}
	*a = Attr{Type: Type(v[1])}
	a.Ino = Ino(d.uint())
	a.Mode, a.UID, a.GID = uint32(d.uint()), uint32(d.uint()), uint32(d.uint())
	a.Nlink = uint32(d.uint())
	a.Size, a.Bytes = int64(d.uint()), int64(d.uint())
	a.Version = d.uint()
	a.parent = Ino(d.uint())
	m := d.int()
	a.Mtime = time.Unix(0, m)
	a.Ctime = time.Unix(0, m+d.int())
	a.Btime = time.Unix(0, m+d.int())
	if flags&flagData != 0 {
		a.Data = DataID(d.uint())
	}
	if flags&flagRdev != 0 {
		a.Rdev = uint32(d.uint())
	}
	a.xattrs = flags&flagXattrs != 0
	a.parts = flags&flagParts != 0
	if flags&flagMD5 != 0 {
		a.HasMD5 = true
		copy(a.MD5[:], d.take(16))
	}
	if flags&flagMeta != 0 {
		a.Meta = append([]byte(nil), d.bytes()...)
	}
	if flags&flagContentMeta != 0 {
		a.ContentMeta = append([]byte(nil), d.bytes()...)
	}
	if flags&flagTarget != 0 {
		if s := string(d.bytes()); a.Type == Dir {
			a.name = s
		} else {
			a.Target = s
		}
	}
	if d.bad || len(d.b) != 0 || a.parts && a.Data == 0 {
		return corrupt("attributes")
	}
	return nil
}

// appendBare encodes an entry whose attributes stand in the i row.
func appendBare(b []byte, t Type, ino Ino) []byte {
	return binary.AppendUvarint(append(b, tagBare, byte(t)), uint64(ino))
}

// appendPointer encodes an i row that says where the attributes stand.
func appendPointer(b []byte, dir Ino, name string) []byte {
	b = binary.AppendUvarint(append(b, tagPointer), uint64(dir))
	return append(b, name...)
}

func decodePointer(v []byte) (dir Ino, name string, err error) {
	d := decoder{b: v[1:]}
	dir = Ino(d.uint())
	if d.bad || len(d.b) == 0 {
		return 0, "", corrupt("inode pointer")
	}
	return dir, string(d.b), nil
}

// row builds the value of a row that is a list of numbers.
func row(nums ...uint64) []byte {
	b := make([]byte, 1, 1+3*len(nums))
	b[0] = tagRow
	for _, n := range nums {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// unrow reads numbers written by row into dst and returns what follows them.
func unrow(v []byte, dst ...*uint64) (rest []byte, err error) {
	if len(v) == 0 || v[0] != tagRow {
		return nil, corrupt("row")
	}
	d := decoder{b: v[1:]}
	for _, p := range dst {
		*p = d.uint()
	}
	if d.bad {
		return nil, corrupt("row")
	}
	return d.b, nil
}
