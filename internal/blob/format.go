package blob

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Sizes of the format, in bytes. docs/formats.md describes them.
const (
	// BlockSize is the unit of checksums within an extent.
	BlockSize = 64 << 10
	// MaxExtent is the largest payload of one Append.
	MaxExtent = 4 << 20
	// SmallLimit is where payloads begin to count as large: those go to
	// segments of their own, so that small ones stay close together.
	SmallLimit = 128 << 10

	formatVersion  = 1
	segHeaderSize  = 512 // the header block of a segment file
	recFixedSize   = 40  // record header before the block checksums
	maxBlocks      = MaxExtent / BlockSize
	maxRecHeader   = (recFixedSize + 4*maxBlocks + 4 + 7) &^ 7
	minBlockStride = 512 // distance between the starts of two blocks, at least
	footerTailSize = 64
	gapSize        = 16
	identSize      = 64
)

// The magic numbers, little-endian in the file.
const (
	segMagic    = "ATOLLSEG"
	footerMagic = "ATOLLEND"
	identMagic  = "ATOLLBLB"
	recMagic    = 0x524c5441 // "ATLR"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Why stored bytes don't parse. They come wrapped in errs.Corrupt.
var (
	errMagic    = errors.New("bad magic number")
	errHeader   = errors.New("bad header")
	errChecksum = errors.New("checksum mismatch")
	errShort    = errors.New("file ends early")
	errMismatch = errors.New("the record there is another one")
)

// versionError tells that a file was written by a newer release.
type versionError struct{ got uint32 }

func (e versionError) Error() string {
	return fmt.Sprintf("format version %d is newer than this program's %d; use a newer release", e.got, formatVersion)
}

// Owner is what a record says about its extent, for the compactor and fsck.
type Owner struct{ Disk, Extent uint64 }

// Loc is the place of an extent: the segment, and where its payload begins
// and how long it is, in bytes.
type Loc struct {
	Segment        uint64
	Offset, Length int64
}

// uuid identifies a store; every checksum of its headers is seeded with it.
type uuid [16]byte

// record is a parsed record header.
type record struct {
	owner  Owner
	off    int64 // where the record (its header) begins in the segment
	length int64 // of the payload
	sums   []byte
}

func (r *record) payloadOff() int64 { return r.off + recHeaderSize(r.length) }
func (r *record) payloadEnd() int64 { return r.payloadOff() + r.length }
func (r *record) end() int64        { return r.off + recSize(r.length) }
func (r *record) blocks() int64     { return blockCount(r.length) }
func (r *record) sum(b int64) uint32 {
	return binary.LittleEndian.Uint32(r.sums[4*b:])
}

func align8(n int64) int64          { return (n + 7) &^ 7 }
func blockCount(length int64) int64 { return (length + BlockSize - 1) / BlockSize }
func recHeaderSize(length int64) int64 {
	return align8(recFixedSize + 4*blockCount(length) + 4)
}

// recSize is the distance from one record to the next. The last block of a
// record is padded to minBlockStride, so that no two blocks of a segment
// begin within the same 512 bytes.
func recSize(length int64) int64 {
	last := (blockCount(length) - 1) * BlockSize
	return recHeaderSize(length) + align8(max(length, last+minBlockStride))
}

// headerSeed begins the checksum of every structure in a segment, so that
// nothing of another store or segment passes for one of this.
func headerSeed(id uuid, segment uint64) uint32 {
	var b [24]byte
	copy(b[:], id[:])
	binary.LittleEndian.PutUint64(b[16:], segment)
	return crc32.Checksum(b[:], castagnoli)
}

// putBlockSums writes the checksums of payload's blocks into header, where
// putRecHeader leaves them.
func putBlockSums(header, payload []byte) {
	at := recFixedSize
	for len(payload) > 0 {
		n := min(len(payload), BlockSize)
		binary.LittleEndian.PutUint32(header[at:], crc32.Checksum(payload[:n], castagnoli))
		payload, at = payload[n:], at+4
	}
}

// putRecHeader fills in a record header around the block checksums that
// putBlockSums has put there.
func putRecHeader(header []byte, seed uint32, owner Owner, off, length int64) {
	le := binary.LittleEndian
	n := blockCount(length)
	le.PutUint32(header, recMagic)
	header[4], header[5] = formatVersion, 0
	le.PutUint16(header[6:], uint16(n))
	le.PutUint32(header[8:], uint32(length))
	le.PutUint32(header[12:], 0)
	le.PutUint64(header[16:], owner.Disk)
	le.PutUint64(header[24:], owner.Extent)
	le.PutUint64(header[32:], uint64(off))
	at := recFixedSize + 4*n
	le.PutUint32(header[at:], crc32.Update(seed, castagnoli, header[:at]))
	clear(header[at+4 : recHeaderSize(length)])
}

// parseRecHeader reads the record header at the start of b, which lies at
// offset off of a segment. b may hold more; a header cut short is errShort.
// The result's sums point into b.
func parseRecHeader(b []byte, seed uint32, off int64) (record, error) {
	le := binary.LittleEndian
	if len(b) < recFixedSize {
		return record{}, errShort
	}
	if le.Uint32(b) != recMagic {
		return record{}, errMagic
	}
	length := int64(le.Uint32(b[8:]))
	if length == 0 || length > MaxExtent || int64(le.Uint16(b[6:])) != blockCount(length) {
		return record{}, errHeader
	}
	at := recFixedSize + 4*blockCount(length)
	if int64(len(b)) < at+4 {
		return record{}, errShort
	}
	if le.Uint32(b[at:]) != crc32.Update(seed, castagnoli, b[:at]) {
		return record{}, errChecksum
	}
	if b[4] != formatVersion || b[5] != 0 || le.Uint32(b[12:]) != 0 || le.Uint64(b[32:]) != uint64(off) {
		return record{}, errHeader
	}
	return record{
		owner:  Owner{Disk: le.Uint64(b[16:]), Extent: le.Uint64(b[24:])},
		off:    off,
		length: length,
		sums:   b[recFixedSize:at:at],
	}, nil
}

// segHeader returns the header block of a segment file.
func segHeader(id uuid, segment uint64) []byte {
	b := make([]byte, segHeaderSize)
	le := binary.LittleEndian
	copy(b, segMagic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint64(b[16:], segment)
	copy(b[24:], id[:])
	le.PutUint32(b[40:], crc32.Checksum(b[:40], castagnoli))
	return b
}

// parseSegHeader checks a segment's header block. A versionError means that
// the block is whole and newer than this program.
func parseSegHeader(b []byte, id uuid, segment uint64) error {
	le := binary.LittleEndian
	switch {
	case len(b) < segHeaderSize:
		return errShort
	case string(b[:8]) != segMagic:
		return errMagic
	case le.Uint32(b[40:]) != crc32.Checksum(b[:40], castagnoli):
		return errChecksum
	case le.Uint32(b[8:]) > formatVersion:
		return versionError{le.Uint32(b[8:])}
	case uuid(b[24:40]) != id:
		return fmt.Errorf("%w: it belongs to another store", errMismatch)
	case le.Uint64(b[16:]) != segment:
		return fmt.Errorf("%w: it is segment %d", errMismatch, le.Uint64(b[16:]))
	}
	return nil
}

// span is a range of bytes of a segment that holds no record.
type span struct{ lo, hi int64 }

// footer ends a sealed segment.
type footer struct {
	off     int64 // where it begins; records lie before it
	records int64
	payload int64 // bytes of all payloads
	gaps    []span
}

func (f *footer) size() int64 { return int64(len(f.gaps))*gapSize + footerTailSize }

func (f *footer) encode(seed uint32, segment uint64) []byte {
	b := make([]byte, f.size())
	le := binary.LittleEndian
	for i, g := range f.gaps {
		le.PutUint64(b[i*gapSize:], uint64(g.lo))
		le.PutUint64(b[i*gapSize+8:], uint64(g.hi))
	}
	t := b[len(f.gaps)*gapSize:]
	copy(t, footerMagic)
	le.PutUint32(t[8:], formatVersion)
	le.PutUint32(t[12:], uint32(len(f.gaps)))
	le.PutUint64(t[16:], segment)
	le.PutUint64(t[24:], uint64(f.off))
	le.PutUint64(t[32:], uint64(f.records))
	le.PutUint64(t[40:], uint64(f.payload))
	le.PutUint32(t[60:], crc32.Update(seed, castagnoli, b[:len(b)-4]))
	return b
}

// footerGaps reads how many gaps the footer whose last bytes are tail lists.
// ok is false where tail does not look like the end of a footer of a file of
// size bytes; the checksum is parseFooter's.
func footerGaps(tail []byte, size int64) (n int64, ok bool) {
	if len(tail) != footerTailSize || string(tail[:8]) != footerMagic {
		return 0, false
	}
	n = int64(binary.LittleEndian.Uint32(tail[12:]))
	off := binary.LittleEndian.Uint64(tail[24:])
	return n, off >= segHeaderSize && off <= uint64(size) && int64(off)+n*gapSize+footerTailSize == size
}

// parseFooter checks the footer b, which ends a file of size bytes and has the
// length that footerGaps implies.
func parseFooter(b []byte, seed uint32, segment uint64, size int64) (footer, error) {
	le := binary.LittleEndian
	if len(b) < footerTailSize {
		return footer{}, errShort
	}
	t := b[len(b)-footerTailSize:]
	n, ok := footerGaps(t, size)
	if !ok || int64(len(b)) != n*gapSize+footerTailSize {
		return footer{}, errMagic
	}
	if le.Uint32(t[60:]) != crc32.Update(seed, castagnoli, b[:len(b)-4]) {
		return footer{}, errChecksum
	}
	if v := le.Uint32(t[8:]); v > formatVersion {
		return footer{}, versionError{v}
	}
	if le.Uint64(t[16:]) != segment {
		return footer{}, errMismatch
	}
	f := footer{off: int64(le.Uint64(t[24:])), records: int64(le.Uint64(t[32:])), payload: int64(le.Uint64(t[40:]))}
	at := int64(segHeaderSize)
	for i := range n {
		g := span{int64(le.Uint64(b[i*gapSize:])), int64(le.Uint64(b[i*gapSize+8:]))}
		if g.lo < at || g.hi <= g.lo || g.hi > f.off || g.lo%8 != 0 || g.hi%8 != 0 {
			return footer{}, errHeader
		}
		f.gaps, at = append(f.gaps, g), g.hi
	}
	return f, nil
}

// encodeIdent returns the contents of a store's identity file.
func encodeIdent(id uuid) []byte {
	b := make([]byte, identSize)
	copy(b, identMagic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	copy(b[16:], id[:])
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func parseIdent(b []byte) (uuid, error) {
	le := binary.LittleEndian
	switch {
	case len(b) < identSize:
		return uuid{}, errShort
	case string(b[:8]) != identMagic:
		return uuid{}, errMagic
	case le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli):
		return uuid{}, errChecksum
	case le.Uint32(b[8:]) > formatVersion:
		return uuid{}, versionError{le.Uint32(b[8:])}
	}
	return uuid(b[16:32]), nil
}

const segSuffix = ".seg"

func segName(id uint64) string { return fmt.Sprintf("%016x%s", id, segSuffix) }

// parseSegName returns the segment id in a file's name; ok is false for files
// that are no segments.
func parseSegName(name string) (id uint64, ok bool) {
	hex, found := strings.CutSuffix(name, segSuffix)
	if !found || len(hex) != 16 || strings.ToLower(hex) != hex {
		return 0, false
	}
	id, err := strconv.ParseUint(hex, 16, 64)
	return id, err == nil && id > 0
}
