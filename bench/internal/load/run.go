package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"atoll/bench/internal/proc"
	"atoll/bench/internal/s3wire"
	"atoll/bench/internal/stat"
)

const (
	maxErrors   = 100 // a run stops when it has seen this many
	maxMessages = 5
)

// errDone is returned by a step that has nothing left to do.
var errDone = errors.New("nothing left to do")

// run is one run under way.
type run struct {
	b     *Bench
	spec  Spec
	dir   string // what the run's keys begin with, after Options.Prefix
	start time.Time

	left atomic.Int64 // operations left, if spec.Count is set
	next atomic.Int64 // next key to delete
	bad  failures
}

// failures collects errors from all clients.
type failures struct {
	n        atomic.Int64
	mu       sync.Mutex
	messages []string
}

func (f *failures) add(err error) {
	f.n.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.messages) < maxMessages {
		f.messages = append(f.messages, err.Error())
	}
}

// client is one connection of a run.
type client struct {
	r    *run
	c    *s3wire.Conn
	id   int
	n    int // operations done, warm-up included
	rng  *rand.Rand
	hist stat.Histogram
	buf  []byte

	puts   []int    // new keys that this client has stored (by number) and not deleted
	gens   []uint64 // how often each of its own keys was overwritten
	cursor cursor   // where its listing is
}

// operation says how an Op is prepared, done once, and checked afterwards.
type operation struct {
	prepare func(*run) error
	step    func(*client) error
	verify  func(*client) error // nil: the step checks all
	warm    func(Spec) int      // operations before the clock starts, each client
}

// Run does one run. Failed operations are in the Result, and an error too.
func (b *Bench) Run(spec Spec) (Result, error) {
	spec, err := spec.withDefaults()
	if err != nil {
		return Result{}, err
	}
	b.mu.Lock()
	b.runs++
	r := &run{b: b, spec: spec}
	r.dir = fmt.Sprintf("%s-%x-%d/", spec.Op, time.Now().UnixNano(), b.runs)
	b.mu.Unlock()

	op := operationFor(spec.Op)
	if err := op.prepare(r); err != nil {
		return Result{}, fmt.Errorf("%s: preparing: %w", spec.Name, err)
	}
	clients := make([]*client, spec.Clients)
	for i := range clients {
		clients[i] = r.client(i)
		defer clients[i].c.Close()
	}
	r.each(clients, func(c *client) { r.warmUp(c, op) })
	res, err := r.measure(clients, op)
	if err != nil {
		return res, fmt.Errorf("%s: %w", spec.Name, err)
	}
	if op.verify != nil {
		r.each(clients, func(c *client) {
			if err := op.verify(c); err != nil {
				r.bad.add(fmt.Errorf("reading back: %w", err))
			}
		})
	}
	res.Errors, res.Messages = r.bad.n.Load(), r.bad.messages
	if res.Errors > 0 {
		return res, fmt.Errorf("%s: %d errors, the first: %s", spec.Name, res.Errors, res.Messages[0])
	}
	return res, nil
}

func (r *run) client(id int) *client {
	c := &client{r: r, c: r.b.conn(), id: id, rng: rand.New(rand.NewPCG(uint64(id), uint64(len(r.dir))))}
	c.gens = make([]uint64, r.spec.Keys/r.spec.Clients+1)
	return c
}

// each calls fn for all clients at once and waits for them.
func (r *run) each(clients []*client, fn func(*client)) {
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() { fn(c) })
	}
	wg.Wait()
}

func (r *run) warmUp(c *client, op operation) {
	for range op.warm(r.spec) {
		if err := op.step(c); err != nil {
			r.bad.add(err)
			return
		}
		c.n++
	}
}

// measure runs the clients against the clock.
func (r *run) measure(clients []*client, op operation) (Result, error) {
	for _, c := range clients {
		c.c.Sent, c.c.Received = 0, 0
	}
	r.left.Store(r.spec.Count)
	counters, err := r.b.counters()
	if err != nil {
		return Result{}, err
	}
	before, err := r.b.Usage()
	if err != nil {
		return Result{}, err
	}
	own := ownCPU()
	r.start = time.Now()
	r.each(clients, func(c *client) { c.loop(op.step) })
	elapsed := time.Since(r.start)
	own = ownCPU() - own
	time.Sleep(r.b.opt.Settle)
	after, err := r.b.Usage()
	if err != nil {
		return Result{}, err
	}
	res := r.result(clients, elapsed, own, before, after)
	grown, err := r.b.counters()
	for name, v := range grown {
		if res.Counters == nil {
			res.Counters = make(map[string]float64)
		}
		res.Counters[name] = v - counters[name]
	}
	return res, err
}

// loop repeats a step until the run is over.
func (c *client) loop(step func(*client) error) {
	r := c.r
	now := r.start
	for r.bad.n.Load() < maxErrors {
		if r.spec.Duration > 0 && now.Sub(r.start) >= r.spec.Duration {
			return
		}
		if r.spec.Count > 0 && r.left.Add(-1) < 0 {
			return
		}
		begun := time.Now()
		err := step(c)
		now = time.Now()
		c.n++
		switch {
		case errors.Is(err, errDone):
			return
		case err != nil:
			r.bad.add(err)
		default:
			c.hist.Add(now.Sub(begun))
		}
	}
}

func (r *run) result(clients []*client, elapsed, own time.Duration, before, after proc.Usage) Result {
	var h stat.Histogram
	var bytes int64
	for _, c := range clients {
		h.Merge(&c.hist)
		bytes += c.c.Sent + c.c.Received
	}
	n := float64(max(h.Count(), 1))
	return Result{
		Name: r.spec.Name, Op: r.spec.Op, Size: r.spec.Size, Clients: r.spec.Clients,
		Ops:       int64(h.Count()),
		Seconds:   elapsed.Seconds(),
		OpsPerSec: float64(h.Count()) / elapsed.Seconds(),
		MBPerSec:  float64(bytes) / 1e6 / elapsed.Seconds(),
		P50:       micros(h.Quantile(0.5)), P99: micros(h.Quantile(0.99)), Max: micros(h.Max()),
		ServerCPU: micros(after.CPU-before.CPU) / n,
		ClientCPU: micros(own) / n,
		RSS:       after.RSS, Peak: after.Peak,
	}
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

// ownCPU returns the CPU time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	// It fails only on a bad argument; the figure is for information.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
