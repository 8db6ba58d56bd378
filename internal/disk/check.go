package disk

import (
	"context"
	"fmt"
	"slices"

	"atoll/internal/blob"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// CheckOptions configure Check. KV and Blob are needed; both are best opened
// read-only unless Repair is set. Nobody else may use them meanwhile.
type CheckOptions struct {
	KV   kv.Store
	Blob *blob.Store

	// Repair corrects what can be corrected without guessing: usage figures,
	// id counters that ids in use have passed, and extents that nothing names
	// (these only if everything else could be read). Nothing that has a name
	// is ever deleted.
	Repair bool

	// Report is called for each problem, as it is found; nil: only counted.
	Report func(Problem)

	// Known are the disks that the catalog knows; nil: not compared. Disks
	// beyond them, and those of them that are missing, are reported.
	Known []ID
}

// Severity tells how bad a problem is.
type Severity uint8

// The severities.
const (
	// Warning: something is superfluous or a figure is wrong; all data is there.
	Warning Severity = iota
	// Error: something that has a name is lost or can't be reached.
	Error
)

// String gives the severity's name in messages.
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Problem is one finding of Check.
type Problem struct {
	Severity Severity
	Disk     ID     // 0: the store as a whole
	Layer    uint32 // 0: the disk as a whole
	What     string // kind of problem, for machines: see the Problem… constants
	Detail   string // for people
	Repaired bool
}

// String is a line for people.
func (p Problem) String() string {
	where := "store"
	if p.Disk != 0 {
		where = p.Disk.String()
	}
	if p.Layer != 0 {
		where += fmt.Sprintf(" layer %d", p.Layer)
	}
	s := fmt.Sprintf("%s: %s: %s: %s", p.Severity, where, p.What, p.Detail)
	if p.Repaired {
		s += " (repaired)"
	}
	return s
}

// Kinds of problems.
const (
	ProblemUnreadable = "unreadable" // the engine or the segment log could not be read
	ProblemRow        = "row"        // a row does not parse or says what can't be
	ProblemDisk       = "disk"       // catalog and store disagree on which disks there are
	ProblemHistory    = "history"    // branches, layers, checkpoints and pins disagree
	ProblemTree       = "tree"       // entries and inodes disagree
	ProblemContents   = "contents"   // contents are missing or damaged
	ProblemLeak       = "leak"       // something that nothing names
	ProblemUsage      = "usage"      // a usage figure is not the sum of what it counts
	ProblemCounter    = "counter"    // the id counter is not above the ids in use
)

// Summary tells what Check went over and found.
type Summary struct {
	Disks    int   // without those that are being deleted
	Deleting int   // disks whose deletion goes on when the store is opened
	Views    int   // branches and checkpoints, and what forks began from
	Files    int64 // inodes of all views
	Rows     int64 // versioned rows
	Extents  int64
	Records  int64 // of the segment log, with their checksums
	Errors   int   // problems by severity, those that were repaired included
	Warnings int
	Repaired int
}

// Clean tells whether no problem is left.
func (s *Summary) Clean() bool { return s.Errors+s.Warnings == s.Repaired }

// Check goes over all disks of a store that nobody uses, row by row and
// record by record. Problems go to Report; an error means that the check
// itself could not be done to the end.
//
// Time: each view (branch, checkpoint, origin of a fork) is walked on its own,
// with a look-up or two for each entry, and the segment log is read once from
// first to last byte. Memory: rows are streamed; what is remembered is bits,
// for each disk five for every id that it gave out in a region of 4096 that
// is in use (a disk with 100 million files of one extent: about 300 MB).
func Check(ctx context.Context, o CheckOptions) (Summary, error) {
	c := &checker{ctx: ctx, o: o, disks: map[ID]*diskCheck{}}
	c.checkDisks()
	c.checkBranchIDs()
	for _, id := range c.order {
		c.disks[id].checkRows()
	}
	c.checkRecords()
	for _, id := range c.order {
		c.disks[id].checkExtents()
	}
	if err := ctx.Err(); err != nil {
		return c.sum, errs.E("check", "", errs.Canceled, err)
	}
	return c.sum, c.err
}

// checker is the state of one Check.
type checker struct {
	ctx   context.Context
	o     CheckOptions
	sum   Summary
	disks map[ID]*diskCheck
	order []ID

	unsure bool  // something could not be read: what looks unnamed may be named
	err    error // of a repair
}

func (c *checker) report(p Problem) {
	if p.Severity == Error {
		c.sum.Errors++
	} else {
		c.sum.Warnings++
	}
	if p.Repaired {
		c.sum.Repaired++
	}
	if c.o.Report != nil {
		c.o.Report(p)
	}
}

// unreadable notes a failed read: from then on nothing is freed.
func (c *checker) unreadable(id ID, l layer, err error) {
	c.unsure = true
	if c.ctx.Err() == nil {
		c.report(Problem{Severity: Error, Disk: id, Layer: uint32(l), What: ProblemUnreadable, Detail: err.Error()})
	}
}

// checkDisks finds the disks and compares them with the catalog's.
func (c *checker) checkDisks() {
	s := &Store{kv: c.o.KV, blob: c.o.Blob}
	err := s.eachDisk(c.ctx, func(id ID, state uint64) error {
		if state != stateLive {
			c.sum.Deleting++
			return nil
		}
		c.sum.Disks++
		c.order = append(c.order, id)
		c.disks[id] = newDiskCheck(c, id)
		return nil
	})
	if err != nil {
		c.unreadable(0, 0, err)
	}
	if c.o.Known != nil {
		c.compareKnown()
	}
}

func (c *checker) compareKnown() {
	known := slices.Clone(c.o.Known)
	slices.Sort(known)
	for _, id := range known {
		if c.disks[id] == nil {
			c.report(Problem{Severity: Error, Disk: id, What: ProblemDisk, Detail: "the catalog has this disk and the store has not"})
		}
	}
	for _, id := range c.order {
		if _, ok := slices.BinarySearch(known, id); !ok {
			c.report(Problem{Severity: Warning, Disk: id, What: ProblemDisk, Detail: "the catalog does not know this disk"})
		}
	}
}

// pageRows is how many rows are looked at in one snapshot: what a snapshot
// has read stays in memory until it ends.
const pageRows = 2048

// diskCheck is what is known of one disk.
type diskCheck struct {
	c    *checker
	id   ID
	disk *Disk // not open: layers only

	branches map[uint32]*branchState
	settling map[layer]bool   // a job will drop versions and extents
	removing map[layer]bool   // a job will drop everything
	queued   map[layer]bool   // a job will free, trim or merge it
	owners   map[layer][]byte // kinds of its pins' owners
	emptying map[uint32]bool  // branches whose checkpoints a job will drop
	old      bool             // the rows are of format 1: its upgrade is yet to come
	counter  uint64
	top      uint64 // largest id in use
	damaged  bool   // some row could not be understood

	named    bitset // extents that a chunk or a dead list names
	found    bitset // extents whose record is in the segment log
	contents bitset // data ids that an inode names
	unnamed  bitset // data ids (and inodes of xattrs) that are staged or to be freed

	inline map[layer]int64 // bytes in chunk rows
	kept   map[layer]int64 // bytes that only pins keep
	stored map[layer]int64 // bytes of extents born in a layer
	files  map[level]int64 // inodes of a view that was walked
	noted  map[level]int64 // what the rows of checkpoints say of that
}

func newDiskCheck(c *checker, id ID) *diskCheck {
	d := &diskCheck{c: c, id: id, branches: map[uint32]*branchState{}, settling: map[layer]bool{}, removing: map[layer]bool{},
		emptying: map[uint32]bool{}, queued: map[layer]bool{}, owners: map[layer][]byte{}, inline: map[layer]int64{}, kept: map[layer]int64{}, stored: map[layer]int64{},
		files: map[level]int64{}, noted: map[level]int64{}}
	d.disk = &Disk{id: id, layers: map[layer]*layerState{}, points: map[level]*point{}}
	return d
}

func (d *diskCheck) problem(s Severity, l layer, what, format string, args ...any) {
	d.c.report(Problem{Severity: s, Disk: d.id, Layer: uint32(l), What: what, Detail: fmt.Sprintf(format, args...)})
}

// bad reports a row that can't be understood. What it would have named is not
// known, so nothing of this store is freed.
func (d *diskCheck) bad(l layer, format string, args ...any) {
	d.damaged, d.c.unsure = true, true
	d.problem(Error, l, ProblemRow, format, args...)
}

// use notes an id that the counter must be above.
func (d *diskCheck) use(ids ...uint64) {
	for _, id := range ids {
		d.top = max(d.top, id)
	}
}

// scan calls fn for the rows of [lo, hi), in order; what it reads through r
// is of the same snapshot. It tells whether all could be read.
func (d *diskCheck) scan(lo, hi []byte, fn func(r kv.Reader, k, v []byte)) bool {
	for more := true; more; {
		err := d.c.o.KV.View(d.c.ctx, func(r kv.Reader) error {
			it := r.Scan(lo, hi)
			defer it.Close()
			for n := 0; it.Next(); n++ {
				if n == pageRows {
					lo = slices.Clone(it.Key())
					return nil
				}
				fn(r, it.Key(), it.Value())
			}
			more = false
			return it.Err()
		})
		if err != nil {
			d.damaged = true
			d.c.unreadable(d.id, 0, err)
			return false
		}
	}
	return true
}

// table calls fn for the rows of a table whose keys have width bytes behind
// the table's letter (-1: any number). An error of fn is about that row.
func (d *diskCheck) table(table byte, width int, fn func(k, v []byte) error) {
	lo, hi := tableRange(d.id, table)
	d.scan(lo, hi, func(_ kv.Reader, k, v []byte) {
		k = k[len(lo):]
		if width >= 0 && len(k) != width {
			d.bad(0, "a key of table %q has %d bytes", table, len(k))
			return
		}
		if err := fn(k, v); err != nil {
			d.bad(0, "table %q, key %x: %v", table, k, err)
		}
	})
}
