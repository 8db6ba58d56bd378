package disk

import (
	"context"
	"errors"
	"sync"
	"time"

	"atoll/internal/blob"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// committer merges a disk's concurrent changes into groups: one transaction,
// one sync of the segment log and one of the store for all of them. While a
// group is being made durable the next one gathers. It is the only writer of
// the disk's rows, so what it keeps in memory (layers, usage) is what the
// rows say.
type committer struct {
	d *Disk

	mu      sync.Mutex
	queue   []*op
	running bool
	want    int // queue length that the committer waits for; 0: it does not

	arrived chan struct{} // capacity 1: the queue has reached what was wanted

	// Of the goroutine that commits: how long the last group took, and how
	// many changes were in it or came meanwhile.
	took  time.Duration
	crowd int

	// Numbers for new inodes and versions, taken before a transaction begins:
	// in it, none can be taken from the store.
	nextID, limitID uint64
}

// op is one change. Its function may run several times and has its effects
// through its txn only, its results excepted.
type op struct {
	v      *View
	fn     func(*txn) error
	alone  bool       // shares its transaction with no other
	locs   []blob.Loc // extents to be durable before the transaction is
	err    error
	failed bool // err is final; skip it in reruns
	done   chan struct{}
}

func (c *committer) init(d *Disk) {
	c.d, c.arrived = d, make(chan struct{}, 1)
}

// groupReserve is what is kept of a transaction's mutations for rows that the
// group writes once at its end, and for one more operation.
const (
	groupReserve = 36
	groupBytes   = kv.MaxTxnBytes - 160<<10
)

// update runs fn in a transaction on v and returns when it is durable.
func (v *View) update(ctx context.Context, fn func(*txn) error) error {
	return v.disk.submit(ctx, &op{v: v, fn: fn})
}

// alone is update in a transaction that no other operation shares, so that
// what it keeps in memory is there when the next operation looks.
func (v *View) alone(ctx context.Context, fn func(*txn) error) error {
	return v.disk.submit(ctx, &op{v: v, fn: fn, alone: true})
}

// exclusive runs fn in a transaction of its own.
func (d *Disk) exclusive(ctx context.Context, fn func(*txn) error) error {
	return d.submit(ctx, &op{fn: fn, alone: true})
}

// submit queues an operation and waits for its end. A change that was
// accepted is carried through even if ctx ends meanwhile, so that the caller
// always learns what became of it.
func (d *Disk) submit(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return errs.E("update", "", errs.Canceled, err)
	}
	o.done = make(chan struct{})
	if o.v != nil {
		d.store.ops.Add(1)
	}
	c := &d.committer
	c.mu.Lock()
	c.queue = append(c.queue, o)
	start := !c.running
	c.running = true
	enough := c.want > 0 && len(c.queue) >= c.want
	if enough {
		c.want = 0
	}
	c.mu.Unlock()
	switch {
	case start:
		go c.run()
	case enough:
		c.arrived <- struct{}{}
	}
	<-o.done
	return o.err
}

// run commits groups until the queue is empty.
func (c *committer) run() {
	for {
		c.gather()
		c.mu.Lock()
		ops := c.queue
		c.queue = nil
		if len(ops) == 0 {
			c.running = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		for len(ops) > 0 {
			begun := time.Now()
			n := c.commit(ops)
			ops = ops[n:]
			c.took = time.Since(begun)
			c.crowd = n + len(ops) + c.queued()
		}
	}
}

func (c *committer) queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

// gather waits for the writers that were there a moment ago: those of the
// last group, which have been answered and may be back with their next
// change, and those that queued behind it. It waits no longer than the last
// group took, so a writer's latency at most doubles, and a lone writer never
// waits. More changes in a group mean fewer syncs.
func (c *committer) gather() {
	limit := min(c.d.store.opts.GatherMax, c.took)
	want := min(c.crowd, groupCrowd)
	if limit <= 0 || want <= 1 {
		return
	}
	c.mu.Lock()
	if len(c.queue) >= want {
		c.mu.Unlock()
		return
	}
	c.want = want
	c.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.arrived:
		return
	case <-timer.C:
	}
	c.mu.Lock()
	late := c.want == 0 // enough came just now, and said so
	c.want = 0
	c.mu.Unlock()
	if late {
		<-c.arrived
	}
}

// groupCrowd is how many changes a group is worth waiting for: about what a
// transaction has room for.
const groupCrowd = 24

// idsAtHand is how many numbers the committer keeps for a group: more than a
// transaction has room for, also when it runs again.
const idsAtHand = 512

// takeIDs sees to it that the committer has numbers for a group.
func (c *committer) takeIDs() error {
	if c.limitID-c.nextID >= idsAtHand/2 {
		return nil
	}
	first, err := c.d.newIDs(context.Background(), idsAtHand)
	if err != nil {
		return err
	}
	c.nextID, c.limitID = first, first+idsAtHand
	return nil
}

// newID gives a number to what the operation makes.
func (t *txn) newID() (uint64, error) {
	c := &t.g.d.committer
	if c.nextID == c.limitID {
		return 0, errs.New("number", "", errs.Overloaded, "too many conflicts; try again")
	}
	c.nextID++
	return c.nextID - 1, nil
}

var errRerun = errors.New("an operation failed after it had written")

// commit runs as many of ops as fit in one transaction, ends them and returns
// how many they were.
func (c *committer) commit(ops []*op) int {
	if err := c.takeIDs(); err != nil {
		ops[0].err = err
		close(ops[0].done)
		return 1
	}
	for {
		var g *group
		n := 0
		err := c.d.store.kv.Update(context.Background(), func(tx kv.Txn) error {
			g.endRows() // of an attempt that lost a conflict
			g = &group{at: c.d.store.rows.commits.Load(), d: c.d, now: c.d.store.opts.Now()}
			g.tx = &countedTxn{tx, g}
			var err error
			n, err = g.run(ops)
			return err
		})
		g.endRows()
		if errors.Is(err, errRerun) {
			continue
		}
		if errors.Is(err, kv.ErrBudget) && n > 1 {
			ops = ops[:n-1] // the last did not fit; it begins the next group
			continue
		}
		if err == nil {
			g.committed()
		}
		n = max(n, 1)
		for _, o := range ops[:n] {
			if err != nil && !o.failed {
				o.err = errs.E("commit", "", errs.KindOf(err), err)
			}
			close(o.done)
		}
		return n
	}
}

// group is the state of one transaction that is being built.
type group struct {
	d   *Disk
	tx  kv.Txn
	now time.Time

	at    uint64              // commit that the transaction's snapshot holds
	wrote map[string]struct{} // rows that were changed, by cache key
	rows  []string            // the same, once the cache was told
	key   []byte              // scratch

	inodes  []*cachedInode // directories and files with several links
	usage   map[layer]*usageRow
	checked []layer // whose row is in the conflict set
	locs    []blob.Loc
	dead    []blob.Loc // to be reported when committed
	after   []func()   // to be called when committed
	changes int        // of cached inodes, usage and hooks
	writes  int        // of rows, those that replace a write of the group too

	slotOf layer // layer whose slot is slot
	slot   *filterSlot
}

// countedTxn counts writes, as kv.Txn.Mutations does not move when an operation
// writes a row again that the group has written before, and tells the filters
// of them.
type countedTxn struct {
	kv.Txn
	g *group
}

func (t *countedTxn) Set(key, value []byte) error {
	t.g.writes++
	t.g.noteFilter(key)
	return t.Txn.Set(key, value)
}

func (t *countedTxn) Delete(key []byte) error { t.g.writes++; return t.Txn.Delete(key) }

func (t *countedTxn) DeleteRange(lo, hi []byte) error { t.g.writes++; return t.Txn.DeleteRange(lo, hi) }

type cachedInode struct {
	v     *View
	attr  Attr
	dirty bool
	gone  bool
}

// run applies operations in order until the budget is used up.
func (g *group) run(ops []*op) (n int, err error) {
	t := &txn{g: g}
	defer t.count()
	for i, o := range ops {
		if i > 0 && (o.alone || ops[i-1].alone || g.full()) {
			break
		}
		n = i + 1
		if o.failed {
			continue
		}
		before := g.writes + g.changes
		o.err = g.apply(t, o)
		if errors.Is(o.err, kv.ErrBudget) {
			return n, o.err
		}
		if o.err == nil {
			g.locs = append(g.locs, o.locs...)
			continue
		}
		if g.writes+g.changes != before {
			o.failed = true
			return n, errRerun
		}
	}
	if err := g.flush(t); err != nil {
		return n, err
	}
	g.beginRows()
	if len(g.locs) > 0 {
		return n, g.d.store.blob.Sync(context.Background(), g.locs...)
	}
	return n, nil
}

func (g *group) apply(t *txn, o *op) error {
	if g.d.gone.Load() {
		return errs.New("update", g.d.id.String(), errs.NoDisk, "the disk was deleted")
	}
	if err := t.begin(o.v); err != nil {
		return err
	}
	return o.fn(t)
}

func (g *group) full() bool {
	return g.tx.Mutations()+len(g.inodes)+len(g.usage)+groupReserve > kv.MaxMutations || g.tx.Bytes() > groupBytes
}

// flush writes the rows that the whole group shares.
func (g *group) flush(t *txn) error {
	for _, c := range g.inodes {
		if !c.dirty || c.gone {
			continue
		}
		if err := t.begin(c.v); err != nil {
			return err
		}
		if _, err := t.put(inodeBody(nil, c.attr.Ino), appendAttr(nil, &c.attr)); err != nil {
			return err
		}
	}
	for l, u := range g.usage {
		sum := g.d.layerUsage(l)
		sum.bytes += u.bytes
		sum.files += u.files
		sum.retained += u.retained
		if err := g.tx.Set(layerKey(g.d.id, tabUsage, l), sum.row()); err != nil {
			return err
		}
	}
	return nil
}

// committed brings what is kept in memory up to what was committed.
func (g *group) committed() {
	for _, l := range g.dead {
		g.d.store.blob.AddDead(l)
	}
	if len(g.usage) > 0 {
		g.d.addUsage(g.usage)
	}
	for _, fn := range g.after {
		fn()
	}
}

func (d *Disk) layerUsage(l layer) usageRow {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.layers[l]; s != nil {
		return s.usage
	}
	return usageRow{}
}

func (d *Disk) addUsage(delta map[layer]*usageRow) {
	d.mu.Lock()
	defer d.mu.Unlock()
	root := d.branches[RootBranch].layer
	for l, u := range delta {
		if s := d.layers[l]; s != nil {
			s.usage.bytes += u.bytes
			s.usage.files += u.files
			s.usage.retained += u.retained
		}
		d.usage.Bytes += u.bytes
		if l == root {
			d.usage.Files += u.files
		}
	}
}

// note records that the group changes what a layer shows of a row.
func (g *group) note(l layer, body []byte) {
	g.key = rowKey(g.key[:0], g.d.id, l, body)
	g.noteKey(g.key)
}

func (g *group) noteKey(key []byte) {
	if g.wrote == nil {
		g.wrote = map[string]struct{}{}
	}
	if _, there := g.wrote[string(key)]; !there {
		g.wrote[string(key)] = struct{}{}
	}
}

// own tells whether the group has changed a row.
func (g *group) own(key []byte) bool {
	_, ok := g.wrote[string(key)]
	return ok
}

func (g *group) beginRows() {
	g.rows = make([]string, 0, len(g.wrote))
	for k := range g.wrote {
		g.rows = append(g.rows, k)
	}
	g.d.store.rows.begin(g.rows)
}

func (g *group) endRows() {
	if g != nil && g.rows != nil {
		g.d.store.rows.end(g.rows)
		g.rows = nil
	}
}
