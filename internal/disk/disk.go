package disk

import (
	"context"
	"sync"
	"sync/atomic"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Disk is one open disk. Lock order: seq before mu; neither is held across
// I/O, except that seq.mu is held while the counter's row moves on (once in
// idBlock numbers).
type Disk struct {
	id    ID
	store *Store
	gone  atomic.Bool // deleted

	committer committer

	mu       sync.Mutex // guards what follows
	layers   map[layer]*layerState
	branches map[string]*branchState // by name; those being removed are not among them
	nums     map[uint32]*branchState // all
	points   map[level]*point        // checkpoints, by where they are
	views    map[Ref]*View
	frozen   map[frozenKey]*frozenChain
	quota    Quota
	usage    Usage // of all layers
	delegs   map[delegKey]uint64
	handles  map[handleKey]int
	nextLyr  layer
	nextBr   uint32

	hot sync.Map // Ref -> *View: lock-free copy of views

	seq struct {
		sync.Mutex
		next, limit uint64
	}
}

// openDisk loads a disk's branches, layers and counters.
func openDisk(ctx context.Context, s *Store, id ID) (*Disk, error) {
	d := &Disk{id: id, store: s, branches: map[string]*branchState{}, nums: map[uint32]*branchState{},
		points: map[level]*point{}, views: map[Ref]*View{}, frozen: map[frozenKey]*frozenChain{}, delegs: map[delegKey]uint64{}, handles: map[handleKey]int{}}
	d.committer.init(d)
	err := s.kv.View(ctx, func(r kv.Reader) error {
		v, ok, err := r.Get(tableKey(id, tabHeader))
		if err != nil {
			return err
		}
		var state uint64
		if ok {
			if _, err = unrow(v, &state); err != nil {
				return err
			}
		}
		if !ok || state != stateLive {
			return errs.New("open disk", id.String(), errs.NoDisk, "no such disk")
		}
		return d.load(r)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Disk) load(r kv.Reader) (err error) {
	if d.layers, err = loadLayers(r, d.id); err != nil {
		return err
	}
	if err = d.loadHistory(r); err != nil {
		return err
	}
	for _, l := range d.layers {
		d.usage.Bytes += l.usage.bytes
		d.nextLyr = max(d.nextLyr, l.id)
	}
	d.usage.Files = d.layers[d.branches[RootBranch].layer].usage.files
	v, ok, err := r.Get(tableKey(d.id, tabQuota))
	if err == nil && ok {
		var b, f uint64
		_, err = unrow(v, &b, &f)
		d.quota = Quota{Bytes: int64(b), Files: int64(f)}
	}
	if err != nil {
		return err
	}
	return d.loadDelegations(r)
}

// ID returns the disk's id.
func (d *Disk) ID() ID { return d.id }

// Usage returns what the disk holds.
func (d *Disk) Usage() Usage {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usage
}

// Quota returns the disk's limits.
func (d *Disk) Quota() Quota {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.quota
}

// SetQuota sets the disk's limits. What is over them stays, and can be
// deleted.
func (d *Disk) SetQuota(ctx context.Context, q Quota) error {
	if q.Bytes < 0 || q.Files < 0 {
		return errs.New("set quota", d.id.String(), errs.Invalid, "a quota is not negative")
	}
	err := d.exclusive(ctx, func(t *txn) error {
		return t.tx.Set(tableKey(d.id, tabQuota), row(uint64(q.Bytes), uint64(q.Files)))
	})
	if err == nil {
		d.mu.Lock()
		d.quota = q
		d.mu.Unlock()
	}
	return err
}

// checkQuota tells whether bytes more would fit, and files more on the branch
// at a layer: bytes are counted for all branches together, files for each,
// since a fork shows all files of what it was forked from.
func (d *Disk) checkQuota(op string, l *layerState, bytes, files int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.quota
	if q.Bytes > 0 && bytes > 0 && d.usage.Bytes+bytes > q.Bytes {
		return errs.New(op, "", errs.Quota, "the disk's quota of bytes is used up; delete something or raise it")
	}
	if q.Files > 0 && files > 0 && l.usage.files+files > q.Files {
		return errs.New(op, "", errs.Quota, "the disk's quota of files is used up on this branch; delete something or raise it")
	}
	return nil
}

// idBlock is how many numbers the durable counter moves on at once.
const idBlock = 1 << 14

// newIDs gives out n numbers that the disk never gave out before, for inodes,
// data, extents and versions alike, and returns the first.
func (d *Disk) newIDs(ctx context.Context, n uint64) (uint64, error) {
	d.seq.Lock()
	defer d.seq.Unlock()
	if d.seq.next+n > d.seq.limit {
		if err := d.moreIDs(ctx, n); err != nil {
			return 0, err
		}
	}
	first := d.seq.next
	d.seq.next += n
	return first, nil
}

func (d *Disk) moreIDs(ctx context.Context, n uint64) error {
	var first, limit uint64
	err := d.store.kv.Update(context.WithoutCancel(ctx), func(tx kv.Txn) error {
		v, ok, err := tx.Get(tableKey(d.id, tabCounter))
		if err != nil {
			return err
		}
		if !ok {
			return errs.New("number", d.id.String(), errs.NoDisk, "no such disk")
		}
		if _, err = unrow(v, &first); err != nil {
			return err
		}
		limit = first + max(n, idBlock)
		return tx.Set(tableKey(d.id, tabCounter), row(limit))
	})
	if err == nil {
		d.seq.next, d.seq.limit = first, limit
	}
	return err
}
