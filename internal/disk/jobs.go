package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"atoll/internal/errs"
	"atoll/internal/kv"
)

// Jobs are changes too large for one transaction. Each is named by rows in
// the store, so that it goes on after a restart, and works in small steps any
// of which may be the last before a crash.
type jobKind byte

const (
	jobReap   jobKind = 'r' // free contents that lost their name: the disk's reap rows
	jobSettle jobKind = 's' // free what only a pin kept that is gone
	jobLayer  jobKind = 'l' // remove a layer without branch, pins and children; trim one without branch, or merge it into its child
	jobBranch jobKind = 'b' // remove the checkpoints of a deleted branch; its number stands for the layer
	jobDisk   jobKind = 'd' // remove a deleted disk

	// Free what was open without a name when a rollback took it from its
	// clients. It has no row: a start frees all such files.
	jobOrphans jobKind = 'o'
)

type job struct {
	kind  jobKind
	disk  ID
	layer layer
	epoch epoch
	data  DataID // not part of what is queued: one reap job serves a disk
}

// key is the row of a job that has one.
func (j job) key() []byte {
	k := append(tableKey(j.disk, tabJob), byte(j.kind))
	k = binary.BigEndian.AppendUint32(k, uint32(j.layer))
	return binary.BigEndian.AppendUint32(k, uint32(j.epoch))
}

// jobRunner runs jobs one after the other; long ones take turns.
type jobRunner struct {
	s      *Store
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	queue   []job
	queued  map[job]bool
	wake    chan struct{} // capacity 1
	idle    *sync.Cond    // on mu: nothing queued and nothing running
	busy    bool
	waiters int
	started bool

	hurry chan struct{} // capacity 1: somebody waits for the jobs' end
	pace  pacer
}

func newJobRunner(s *Store) *jobRunner {
	r := &jobRunner{s: s, queued: map[job]bool{}, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), ended: make(chan struct{})}
	r.pace.next = map[job][]byte{}
	r.idle = sync.NewCond(&r.mu)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func (r *jobRunner) start() {
	r.started = true
	go r.run()
}

func (r *jobRunner) stop() {
	r.cancel()
	if r.started {
		<-r.ended
	}
}

func (r *jobRunner) add(j job) {
	j.data = 0
	if j.kind == jobReap {
		j.layer = 0
	}
	r.mu.Lock()
	if !r.queued[j] {
		r.queued[j] = true
		r.queue = append(r.queue, j)
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Wait returns when no background job is left, or ctx ends. Meanwhile jobs do
// not hold back.
func (s *Store) Wait(ctx context.Context) error {
	r := s.jobs
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.idle.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiters++
	defer func() { r.waiters-- }()
	select {
	case r.hurry <- struct{}{}:
	default:
	}
	for (len(r.queue) > 0 || r.busy) && ctx.Err() == nil && r.ctx.Err() == nil {
		r.idle.Wait()
	}
	return ctx.Err()
}

// retryAfter is how long a failed job waits.
const retryAfter = 5 * time.Second

func (r *jobRunner) run() {
	defer close(r.ended)
	for {
		j, ok := r.next()
		if !ok {
			return
		}
		r.pace.steps = 0
		err := r.s.runJob(r.ctx, j)
		if errors.Is(err, errTurn) {
			r.add(j)
			continue
		}
		delete(r.pace.next, j)
		if err != nil && r.ctx.Err() == nil {
			r.s.opts.Logger.Error("a background job failed; it will be tried again", "job", string(j.kind), "disk", j.disk.String(), "err", err)
			time.AfterFunc(retryAfter, func() { r.add(j) })
		}
	}
}

// next waits for a job.
func (r *jobRunner) next() (job, bool) {
	for {
		r.mu.Lock()
		r.busy = len(r.queue) > 0
		if r.busy {
			j := r.queue[0]
			r.queue = r.queue[1:]
			delete(r.queued, j)
			r.mu.Unlock()
			return j, r.ctx.Err() == nil
		}
		r.idle.Broadcast()
		r.mu.Unlock()
		select {
		case <-r.wake:
		case <-r.ctx.Done():
			r.mu.Lock()
			r.idle.Broadcast()
			r.mu.Unlock()
			return job{}, false
		}
	}
}

func (s *Store) runJob(ctx context.Context, j job) error {
	if j.kind == jobDisk {
		return s.removeDisk(ctx, j.disk)
	}
	d, err := s.Disk(ctx, j.disk)
	if errs.Is(err, errs.NoDisk) {
		return nil // the disk's own job takes everything
	}
	if err != nil {
		return err
	}
	switch j.kind {
	case jobReap:
		err = d.reapAll(ctx)
	case jobSettle:
		err = d.settle(ctx, j)
	case jobLayer:
		err = d.removeLayer(ctx, j)
	case jobBranch:
		err = d.removeBranch(ctx, j)
	case jobOrphans:
		err = d.freeOrphansOf(ctx, j.layer)
	}
	if errs.Is(err, errs.NoDisk) {
		return nil
	}
	return err
}

// resume finds what a stop left undone: the rows of jobs, uploads that were
// staged and not committed, and open files without a name.
func (s *Store) resume(ctx context.Context) error {
	return s.eachDisk(ctx, func(id ID, state uint64) error {
		if state != stateLive {
			s.jobs.add(job{kind: jobDisk, disk: id})
			return nil
		}
		if err := s.upgrade(ctx, id); err != nil {
			return err
		}
		var staged, orphans, reap bool
		err := s.kv.View(ctx, func(r kv.Reader) error {
			for _, t := range [...]struct {
				table byte
				any   *bool
			}{{tabStaged, &staged}, {tabOrphan, &orphans}, {tabReap, &reap}} {
				lo, hi := tableRange(id, t.table)
				_, _, ok, err := r.First(lo, hi)
				if err != nil {
					return err
				}
				*t.any = ok
			}
			return eachRow(r, id, tabJob, func(k, _ []byte) error {
				n := len(k)
				s.jobs.add(job{kind: jobKind(k[n-9]), disk: id, layer: layer(binary.BigEndian.Uint32(k[n-8:])),
					epoch: epoch(binary.BigEndian.Uint32(k[n-4:]))})
				return nil
			})
		})
		if err != nil {
			return err
		}
		if reap {
			s.jobs.add(job{kind: jobReap, disk: id})
		}
		if !staged && !orphans {
			return nil
		}
		d, err := s.Disk(ctx, id)
		if err != nil {
			return err
		}
		return errors.Join(d.abandonStaged(ctx), d.freeOrphans(ctx))
	})
}

// stepRows is how many rows a step of a job looks at.
const stepRows = 32

// firstRows returns up to n keys and values of [lo, hi).
func (d *Disk) firstRows(ctx context.Context, lo, hi []byte, n int) (keys, values [][]byte, err error) {
	err = d.store.kv.View(ctx, func(r kv.Reader) error {
		keys, values = nil, nil
		it := r.Scan(lo, hi)
		defer it.Close()
		for len(keys) < n && it.Next() {
			keys = append(keys, append([]byte(nil), it.Key()...))
			values = append(values, append([]byte(nil), it.Value()...))
		}
		return it.Err()
	})
	return keys, values, err
}

// removeDisk frees all rows of a deleted disk, the header last.
func (s *Store) removeDisk(ctx context.Context, id ID) error {
	if err := s.removeBranchIDs(ctx, id); err != nil {
		return err
	}
	lo, hi := tableRange(id, tabExtent)
	d := &Disk{id: id, store: s}
	for {
		keys, values, err := d.firstRows(ctx, lo, hi, 1000)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		begun := time.Now()
		last := append(keys[len(keys)-1], 0)
		err = s.kv.Update(ctx, func(tx kv.Txn) error { return tx.DeleteRange(lo, last) })
		if err != nil {
			return err
		}
		for _, v := range values {
			x, err := decodeExtent(v)
			if err != nil {
				return err
			}
			s.blob.AddDead(x.loc)
		}
		if err := s.jobs.rest(ctx, time.Since(begun)); err != nil {
			return err
		}
	}
	return s.kv.Update(ctx, func(tx kv.Txn) error {
		if err := tx.DeleteRange(tableKey(id, tabHeader+1), tableKey(id, 0xff)); err != nil {
			return err
		}
		return tx.Delete(tableKey(id, tabHeader))
	})
}
