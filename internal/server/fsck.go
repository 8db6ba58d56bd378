package server

import (
	"context"
	"errors"
	"slices"

	"atoll/internal/blob"
	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/kv/pebblekv"
)

// FsckOptions are those of Fsck. Data is needed.
type FsckOptions struct {
	Data   string
	Repair bool         // correct what can be corrected without guessing
	Report func(string) // called with each problem, a line for people; nil: none
}

// FsckResult tells what Fsck went over and found.
type FsckResult struct {
	Disks    int   `json:"disks"`
	Deleting int   `json:"deleting"` // whose deletion the next start goes on with
	Users    int   `json:"users"`
	APIKeys  int   `json:"apiKeys"`
	Views    int   `json:"views"`
	Files    int64 `json:"files"`
	Rows     int64 `json:"rows"`
	Extents  int64 `json:"extents"`
	Records  int64 `json:"records"`
	Errors   int   `json:"errors"`
	Warnings int   `json:"warnings"`
	Repaired int   `json:"repaired"`
	Unclean  bool  `json:"unclean"` // the last server did not stop in order
}

// Clean tells whether no problem is left.
func (r *FsckResult) Clean() bool { return r.Errors+r.Warnings == r.Repaired }

// Fsck checks the whole store of a data directory that no server uses. An
// error means that the check could not be done to the end.
func Fsck(ctx context.Context, o FsckOptions) (res FsckResult, err error) {
	if o.Report == nil {
		o.Report = func(string) {}
	}
	d, err := openDataDir(o.Data)
	if err != nil {
		return res, err
	}
	res.Unclean = d.unclean
	repaired := false
	defer func() {
		// A repair opened the store for writing, which has recovered it.
		err = errors.Join(err, d.release(!d.unclean || repaired && err == nil))
	}()
	kv, err := pebblekv.Open(pebblekv.Options{Dir: d.meta(), Split: disk.Split, ReadOnly: !o.Repair})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, kv.Close()) }()
	segments, err := blob.Open(blob.Options{Dir: d.blob(), ReadOnly: !o.Repair})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, segments.Close()) }()
	err = res.check(ctx, kv, segments, o)
	repaired = o.Repair && err == nil
	return res, err
}

// check compares the catalog with itself, the core with the catalog, and the
// contents with the core.
func (r *FsckResult) check(ctx context.Context, kv *pebblekv.Store, segments *blob.Store, o FsckOptions) error {
	known, err := catalog.Check(ctx, kv)
	if err != nil {
		return err
	}
	r.Users, r.APIKeys, r.Errors = known.Users, known.APIKeys, len(known.Problems)
	for _, p := range known.Problems {
		o.Report("error: catalog: " + p)
	}
	sum, err := disk.Check(ctx, disk.CheckOptions{
		KV: kv, Blob: segments, Repair: o.Repair, Known: slices.Concat([]disk.ID{}, known.Disks),
		Report: func(p disk.Problem) {
			// A creation or deletion that was cut short: the next start
			// finishes it, whichever half is done.
			if p.What == disk.ProblemDisk && slices.Contains(known.Pending, p.Disk) {
				return
			}
			r.count(p)
			o.Report(p.String())
		},
	})
	r.Disks, r.Deleting, r.Views, r.Files = sum.Disks, sum.Deleting, sum.Views, sum.Files
	r.Rows, r.Extents, r.Records = sum.Rows, sum.Extents, sum.Records
	return err
}

func (r *FsckResult) count(p disk.Problem) {
	if p.Severity == disk.Error {
		r.Errors++
	} else {
		r.Warnings++
	}
	if p.Repaired {
		r.Repaired++
	}
}
