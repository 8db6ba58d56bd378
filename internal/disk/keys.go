package disk

import (
	"bytes"
	"encoding/binary"
)

// The layout of keys is written down in docs/formats.md. All numbers are
// big-endian, so bytewise order is numeric order. A disk's keys are
//
//	'd' <disk:8> <table:1> ...
//
// and the rows of table 'm', which are versioned,
//
//	'd' <disk:8> 'm' <layer:4> <kind:1> <body> <^epoch:4>
//
// The part before ^epoch is self-delimiting (fixed width, or ended by NUL,
// which no name contains), so bytewise order equals order by that part first
// and by version, newest first, second: what Split promises to the engine.
const (
	tabHeader   = 'a' // the disk itself
	tabBranch   = 'b' // <branch id:4>
	tabChange   = 'c' // <layer:4> <epoch:4> <kind> <body>
	tabDeleg    = 'g' // <layer:4> <ino:8>
	tabPoint    = 'h' // <layer:4> <epoch:4>: checkpoints
	tabOldPoint = 'k' // <branch id:4> <name>: checkpoints in format 1
	tabLayer    = 'l' // <layer:4>
	tabMeta     = 'm' // versioned rows
	tabName     = 'n' // <branch name>
	tabCounter  = 'o'
	tabPin      = 'p' // <layer:4> <epoch:4> <owner kind:1> <owner>
	tabQuota    = 'q'
	tabReap     = 'r' // <layer:4> <data id:8>
	tabStaged   = 's' // <data id:8>
	tabExtent   = 't' // <extent id:8>
	tabUsage    = 'u' // <layer:4>
	tabPart     = 'v' // <layer:4> <upload:8> <part number:4>
	tabUpload   = 'w' // <layer:4> <path> NUL <upload:8>
	tabDead     = 'x' // <layer:4> <death epoch:4> <extent id:8>
	tabJob      = 'y' // <kind:1> <layer:4> <epoch:4>
	tabOrphan   = 'z' // <layer:4> <ino:8>

	kindEntry = 'e' // <dir:8> <name> NUL
	kindInode = 'i' // <ino:8>
	kindLink  = 'h' // <ino:8> <dir:8> <name> NUL
	kindData  = 'd' // <data id:8> <chunk:4>
	kindXattr = 'x' // <ino:8> <name> NUL

	tablePos  = 9  // of the table letter
	layerPos  = 10 // of a versioned row's layer
	kindPos   = 14 // of a versioned row's kind
	bodyPos   = 15
	versionSz = 4
)

// maxEpoch reads the newest version; no epoch reaches it.
const maxEpoch = epoch(1<<32 - 2)

// Split returns the length of key's part before its version: of anything but
// a whole versioned key, bounds of scans included, that is the key's length.
// It is pebblekv.Options.Split.
func Split(key []byte) int {
	if len(key) <= bodyPos || key[0] != 'd' || key[tablePos] != tabMeta {
		return len(key)
	}
	n := 0
	switch key[kindPos] {
	case kindInode:
		n = bodyPos + 8
	case kindData:
		n = bodyPos + 12
	case kindEntry, kindXattr:
		n = endOfName(key, bodyPos+8)
	case kindLink:
		n = endOfName(key, bodyPos+16)
	default:
		return len(key)
	}
	return min(n, len(key))
}

// endOfName returns the position after the NUL that ends the name at from, or
// len(key) if there is none.
func endOfName(key []byte, from int) int {
	if from >= len(key) {
		return len(key)
	}
	i := bytes.IndexByte(key[from:], 0)
	if i < 0 {
		return len(key)
	}
	return from + i + 1
}

func tableKey(id ID, table byte) []byte {
	k := make([]byte, 0, 48)
	k = append(k, 'd')
	k = binary.BigEndian.AppendUint64(k, uint64(id))
	return append(k, table)
}

func layerKey(id ID, table byte, l layer) []byte {
	return binary.BigEndian.AppendUint32(tableKey(id, table), uint32(l))
}

func layerEpochKey(id ID, table byte, l layer, e epoch) []byte {
	return binary.BigEndian.AppendUint32(layerKey(id, table, l), uint32(e))
}

func idKey(id ID, table byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(tableKey(id, table), n)
}

func reapKey(id ID, l layer, data DataID) []byte {
	return binary.BigEndian.AppendUint64(layerKey(id, tabReap, l), uint64(data))
}

func orphanKey(id ID, l layer, ino Ino) []byte {
	return binary.BigEndian.AppendUint64(layerKey(id, tabOrphan, l), uint64(ino))
}

func deadKey(id ID, l layer, e epoch, ext uint64) []byte {
	return binary.BigEndian.AppendUint64(layerEpochKey(id, tabDead, l, e), ext)
}

// The bodies of versioned rows: kind and what follows, without the version.

func entryBody(b []byte, dir Ino, name string) []byte {
	b = append(b, kindEntry)
	b = binary.BigEndian.AppendUint64(b, uint64(dir))
	b = append(b, name...)
	return append(b, 0)
}

// entryPrefix is the common part of a directory's entries.
func entryPrefix(b []byte, dir Ino) []byte {
	b = append(b, kindEntry)
	return binary.BigEndian.AppendUint64(b, uint64(dir))
}

func inodeBody(b []byte, ino Ino) []byte {
	b = append(b, kindInode)
	return binary.BigEndian.AppendUint64(b, uint64(ino))
}

func linkPrefix(b []byte, ino Ino) []byte {
	b = append(b, kindLink)
	return binary.BigEndian.AppendUint64(b, uint64(ino))
}

func linkBody(b []byte, ino, dir Ino, name string) []byte {
	b = linkPrefix(b, ino)
	b = binary.BigEndian.AppendUint64(b, uint64(dir))
	b = append(b, name...)
	return append(b, 0)
}

func dataPrefix(b []byte, data DataID) []byte {
	b = append(b, kindData)
	return binary.BigEndian.AppendUint64(b, uint64(data))
}

func dataBody(b []byte, data DataID, chunk uint32) []byte {
	return binary.BigEndian.AppendUint32(dataPrefix(b, data), chunk)
}

func xattrPrefix(b []byte, ino Ino) []byte {
	b = append(b, kindXattr)
	return binary.BigEndian.AppendUint64(b, uint64(ino))
}

func xattrBody(b []byte, ino Ino, name string) []byte {
	b = append(xattrPrefix(b, ino), name...)
	return append(b, 0)
}

// metaHeader is the part of a versioned key before its kind.
func metaHeader(id ID, l layer) []byte { return layerKey(id, tabMeta, l) }

// afterPrefix returns the smallest key that is greater than every key that
// begins with p; p's last byte must not be 0xff, or p is shortened.
func afterPrefix(p []byte) []byte {
	q := append([]byte(nil), p...)
	for i := len(q) - 1; i >= 0; i-- {
		if q[i] != 0xff {
			q[i]++
			return q[:i+1]
		}
	}
	return nil
}

// tableRange is the range of all rows of a table.
func tableRange(id ID, table byte) (lo, hi []byte) {
	return tableKey(id, table), tableKey(id, table+1)
}
