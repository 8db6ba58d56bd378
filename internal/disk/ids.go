package disk

import (
	"context"
	"encoding/binary"
	"errors"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Each branch but the root branch, which goes by the disk's, has an id of its
// own. One row of the store for each id leads from it to disk and branch.

// branchIDKey is the row of a branch's id.
func branchIDKey(id ID) []byte { return binary.BigEndian.AppendUint64([]byte("sb"), uint64(id)) }

// located is what the row of an id says.
type located struct {
	disk ID
	num  uint32
}

// Locate finds the disk that an address belongs to and the point of its
// history. A disk's id means its root branch, a branch's id that branch; a
// branch that is named after the id is one of the same disk. NoDisk: nothing
// has this id. Whether the branch and checkpoint of the ref exist is not
// checked. It answers from memory but for the first time an id is asked for.
func (s *Store) Locate(ctx context.Context, a Address) (ID, Ref, error) {
	if _, open := s.disks.Load(a.ID); open {
		return a.ID, a.Ref, nil
	}
	at, ok := s.ids.Load(a.ID)
	if !ok {
		found, err := s.findBranchID(ctx, a.ID)
		if err != nil {
			return 0, Ref{}, err
		}
		if found == (located{}) {
			d, err := s.Disk(ctx, a.ID)
			if err != nil {
				return 0, Ref{}, err
			}
			return d.id, a.Ref, nil
		}
		s.ids.Store(a.ID, found)
		at = found
	}
	l := at.(located)
	d, err := s.Disk(ctx, l.disk)
	if err != nil {
		return 0, Ref{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.nums[l.num]
	if b == nil || b.dying || b.id != a.ID {
		s.ids.Delete(a.ID)
		return 0, Ref{}, errs.New("find disk", a.ID.String(), errs.NoDisk, "no such disk")
	}
	if a.Ref.Branch == "" {
		a.Ref.Branch = b.name
	}
	return d.id, a.Ref, nil
}

// findBranchID looks a branch's id up in the store; zero: it is none.
func (s *Store) findBranchID(ctx context.Context, id ID) (l located, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		v, ok, err := r.Get(branchIDKey(id))
		if err != nil || !ok {
			return err
		}
		l, err = decodeLocated(v)
		return err
	})
	return l, err
}

func (l located) row() []byte { return row(uint64(l.disk), uint64(l.num)) }

func decodeLocated(v []byte) (located, error) {
	var d, n uint64
	_, err := unrow(v, &d, &n)
	return located{ID(d), uint32(n)}, err
}

var errIDTaken = errors.New("the id that was drawn is taken")

// withID runs fn in a transaction of its own with an id that nothing has.
func (d *Disk) withID(ctx context.Context, fn func(t *txn, id ID) error) error {
	for range 8 {
		id, err := d.store.drawID()
		if err != nil {
			return err
		}
		err = d.exclusive(ctx, func(t *txn) error {
			if err := t.wantFreeID(id); err != nil {
				return err
			}
			return fn(t, id)
		})
		if !errors.Is(err, errIDTaken) {
			return err
		}
	}
	return errs.New("new branch", d.id.String(), errs.Other, "the random source repeats itself")
}

// drawID draws an id; the injected source need not be safe for concurrent use.
func (s *Store) drawID() (ID, error) {
	s.draw.Lock()
	defer s.draw.Unlock()
	return NewID(s.opts.Rand)
}

func (t *txn) wantFreeID(id ID) error {
	for _, k := range [][]byte{tableKey(id, tabHeader), branchIDKey(id)} {
		if _, taken, err := t.tx.Get(k); err != nil || taken {
			if taken {
				err = errIDTaken
			}
			return err
		}
	}
	return nil
}

// removeBranchIDs removes the rows of the ids of a deleted disk's branches.
func (s *Store) removeBranchIDs(ctx context.Context, id ID) error {
	lo, hi := tableRange(id, tabBranch)
	d := &Disk{id: id, store: s}
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, stepRows)
		if err != nil || len(keys) == 0 {
			return err
		}
		err = s.kv.Update(ctx, func(tx kv.Txn) error {
			for i, k := range keys {
				b, err := decodeBranch(binary.BigEndian.Uint32(k[len(k)-4:]), values[i])
				if err != nil {
					return err
				}
				if b.id == 0 || b.id == id {
					continue
				}
				s.ids.Delete(b.id)
				if err := tx.Delete(branchIDKey(b.id)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		lo = append(keys[len(keys)-1], 0)
	}
}
