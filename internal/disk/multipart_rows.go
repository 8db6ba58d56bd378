package disk

import (
	"bytes"
	"encoding/binary"
	"time"
)

// multipartKey is the row of an upload: the rows of a layer are in the order
// of ListMultipart.
func multipartKey(id ID, l layer, path string, up MultipartID) []byte {
	k := append(layerKey(id, tabUpload, l), path...)
	return binary.BigEndian.AppendUint64(append(k, 0), uint64(up))
}

func partsPrefix(id ID, l layer, up MultipartID) []byte {
	return binary.BigEndian.AppendUint64(layerKey(id, tabPart, l), uint64(up))
}

func partKey(id ID, l layer, up MultipartID, number int) []byte {
	return binary.BigEndian.AppendUint32(partsPrefix(id, l, up), uint32(number))
}

// layerOf cuts the layer out of a key of a table that is ordered by layer.
func layerOf(key []byte) layer { return layer(binary.BigEndian.Uint32(key[tablePos+1:])) }

const (
	multipartMode = 1 << iota // PutOptions.HasMode
	multipartMD5              // PutOptions.HasMD5
)

// row encodes what an upload was begun with.
func (in *MultipartInfo) row() []byte {
	o := &in.Options
	flags := uint64(0)
	if o.HasMode {
		flags |= multipartMode
	}
	if o.HasMD5 {
		flags |= multipartMD5
	}
	b := row(uint64(in.Started.UnixNano()), flags, uint64(o.Mode), uint64(o.UID), uint64(o.GID))
	if o.HasMD5 {
		b = append(b, o.MD5[:]...)
	}
	return appendBytes(appendBytes(b, o.Meta), o.ContentMeta)
}

func decodeMultipart(v []byte) (in MultipartInfo, err error) {
	var started, flags, mode, uid, gid uint64
	rest, err := unrow(v, &started, &flags, &mode, &uid, &gid)
	if err != nil {
		return in, err
	}
	d := decoder{b: rest}
	in.Started = time.Unix(0, int64(started))
	o := &in.Options
	o.Mode, o.UID, o.GID = uint32(mode), uint32(uid), uint32(gid)
	o.HasMode, o.HasMD5 = flags&multipartMode != 0, flags&multipartMD5 != 0
	if o.HasMD5 {
		copy(o.MD5[:], d.take(16))
	}
	o.Meta, o.ContentMeta = bytes.Clone(d.bytes()), bytes.Clone(d.bytes())
	if d.bad || len(d.b) > 0 {
		return in, corrupt("multipart upload")
	}
	return in, nil
}

// decodeMultipartRow is decodeMultipart with the key's part behind the layer.
func decodeMultipartRow(k, v []byte) (in MultipartInfo, err error) {
	n := len(k) - 9
	if n < 1 || k[n] != 0 {
		return in, corrupt("multipart upload")
	}
	in, err = decodeMultipart(v)
	in.Path, in.ID = string(k[:n]), MultipartID(binary.BigEndian.Uint64(k[n+1:]))
	return in, err
}

// row encodes a part.
func (p *Part) row() []byte {
	b := row(uint64(p.data), uint64(p.Size), uint64(p.Time.UnixNano()))
	return append(append(b, p.MD5[:]...), p.Meta...)
}

// decodePart reads a part's row; k is the key's end from the number on.
func decodePart(k, v []byte) (p Part, err error) {
	var data, size, at uint64
	rest, err := unrow(v, &data, &size, &at)
	if err != nil {
		return p, err
	}
	if len(rest) < 16 || len(k) != 4 || size > uint64(MaxSize) || data == 0 {
		return p, corrupt("part")
	}
	p = Part{Number: int(binary.BigEndian.Uint32(k)), Size: int64(size), Time: time.Unix(0, int64(at)), data: DataID(data)}
	copy(p.MD5[:], rest)
	p.Meta = append(p.Meta, rest[16:]...)
	return p, nil
}

// eachPart calls fn for the parts of an upload from a number on, until it
// returns false.
func (r *reader) eachPart(l layer, up MultipartID, from int, fn func(*Part) bool) error {
	p := partsPrefix(r.disk, l, up)
	it := r.kv.Scan(partKey(r.disk, l, up, from), afterPrefix(p))
	defer it.Close()
	for ok := it.Next(); ok; ok = it.Next() {
		part, err := decodePart(it.Key()[len(p):], it.Value())
		if err != nil {
			return err
		}
		if !fn(&part) {
			break
		}
	}
	return it.Err()
}

func (t *txn) eachPart(up MultipartID, from int, fn func(*Part) bool) error {
	return t.reader.eachPart(t.lay.id, up, from, fn)
}
