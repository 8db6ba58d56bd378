package disk

import (
	"bytes"

	"atoll/internal/kv"
)

// peekRows is how many rows of a range peek reads ahead.
const peekRows = 16

// peeked is an iterator whose first rows were read ahead. A layer of a deep
// chain often has just a few rows of a directory: then its iterator is closed
// at once, and the store uses it again for the next layer's.
type peeked struct {
	keys, values [][]byte
	at           int         // of the present row; len(keys): rest's, if there is one
	rest         kv.Iterator // nil: keys has all
	err          error
}

// peek reads the first rows of a range. Their order and its end are those of
// the iterator, which it closes when it has seen all.
func peek(it kv.Iterator) kv.Iterator {
	p := &peeked{at: -1, rest: it}
	var buf []byte
	for len(p.keys) < peekRows {
		if !it.Next() {
			p.rest = nil
			if p.err = it.Err(); p.err == nil {
				p.err = it.Close()
			} else {
				_ = it.Close()
			}
			break
		}
		k, v := it.Key(), it.Value()
		if need := len(k) + len(v); cap(buf)-len(buf) < need {
			buf = make([]byte, 0, max(1024, need))
		}
		n := len(buf)
		buf = append(append(buf, k...), v...)
		p.keys = append(p.keys, buf[n:n+len(k):n+len(k)])
		p.values = append(p.values, buf[n+len(k):len(buf):len(buf)])
	}
	return p
}

func (p *peeked) ahead() bool { return p.at < len(p.keys) }

// Next implements kv.Iterator.
func (p *peeked) Next() bool {
	if p.ahead() {
		p.at++
	}
	if p.ahead() {
		return true
	}
	return p.rest != nil && p.rest.Next()
}

// SeekGE implements kv.Iterator.
func (p *peeked) SeekGE(key []byte) bool {
	p.at = max(p.at, 0)
	for ; p.ahead(); p.at++ {
		if bytes.Compare(p.keys[p.at], key) >= 0 {
			return true
		}
	}
	return p.rest != nil && p.rest.SeekGE(key)
}

// Key implements kv.Iterator.
func (p *peeked) Key() []byte {
	switch {
	case p.at >= 0 && p.ahead():
		return p.keys[p.at]
	case p.at < 0 || p.rest == nil:
		return nil
	}
	return p.rest.Key()
}

// Value implements kv.Iterator.
func (p *peeked) Value() []byte {
	switch {
	case p.at >= 0 && p.ahead():
		return p.values[p.at]
	case p.at < 0 || p.rest == nil:
		return nil
	}
	return p.rest.Value()
}

// Err implements kv.Iterator.
func (p *peeked) Err() error {
	if p.err != nil || p.rest == nil {
		return p.err
	}
	return p.rest.Err()
}

// Close implements kv.Iterator.
func (p *peeked) Close() error {
	if p.rest == nil {
		return p.err
	}
	return p.rest.Close()
}
