package catalog

import (
	"crypto/subtle"
	"io"
	"sync"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// sealed is the part of a row that holds a secret. While a rotation of the
// master key is under way the secret is there under both keys, so that the
// store opens with the one whose check value stands in its header.
type sealed struct {
	Secret []byte `json:"secret"`
	Next   []byte `json:"next,omitempty"`
}

// ring holds the sealers of all master keys that this process has used. None
// is ever dropped: a row that was read before a rotation ended opens too.
type ring struct {
	rand io.Reader

	mu      sync.RWMutex
	byCheck map[string]*sealer
}

func newRing(rand io.Reader) *ring { return &ring{rand: rand, byCheck: make(map[string]*sealer)} }

// add takes a master key in and returns its check value.
func (r *ring) add(k MasterKey) ([]byte, error) {
	check, err := k.check()
	if err != nil {
		return nil, errs.E("derive key", "", errs.Other, err)
	}
	s, err := newSealer(k, r.rand)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byCheck[string(check)] = s
	return check, nil
}

func (r *ring) of(check []byte) *sealer {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byCheck[string(check)]
}

// header reads the check values of the store's master key and of the one that
// a rotation leads to; the latter is nil if none is under way, and equal to
// the former if only the old seals are still to be removed.
func header(r kv.Reader) (now, next []byte, err error) {
	v, err := r.MultiGet([][]byte{[]byte(keyMasterCheck), []byte(keyMasterNext)})
	if err != nil {
		return nil, nil, err
	}
	return v[0], v[1], nil
}

// seal seals a secret as the store's header wants it: the transaction
// conflicts with a rotation that begins or switches meanwhile.
func (r *ring) seal(t kv.Reader, rowKey []byte, secret string) (s sealed, err error) {
	now, next, err := header(t)
	if err != nil {
		return s, err
	}
	if s.Secret, err = r.sealUnder(now, rowKey, secret); err != nil {
		return s, err
	}
	if next != nil && subtle.ConstantTimeCompare(now, next) == 0 {
		s.Next, err = r.sealUnder(next, rowKey, secret)
	}
	return s, err
}

func (r *ring) sealUnder(check, rowKey []byte, secret string) ([]byte, error) {
	s := r.of(check)
	if s == nil {
		return nil, errs.New("seal", "", errs.Permission, "the store's master key has been changed: restart the server with the new one")
	}
	return s.seal(rowKey, secret)
}

// open opens the secret of a row with whichever master key is known.
func (r *ring) open(rowKey []byte, s sealed) (string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, b := range [][]byte{s.Secret, s.Next} {
		for _, sealer := range r.byCheck {
			if sealer.made(b) {
				return sealer.open(rowKey, b)
			}
		}
	}
	// None fits: let one say why.
	for _, sealer := range r.byCheck {
		return sealer.open(rowKey, s.Secret)
	}
	return "", errs.New("open sealed secret", "", errs.Permission, "there is no master key")
}
