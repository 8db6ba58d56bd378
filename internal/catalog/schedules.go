package catalog

import (
	"context"
	"fmt"

	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv"
)

// MaxScheduled bounds each count of a Schedule.
const MaxScheduled = 1000

// Schedule says how many scheduled checkpoints of a branch are kept; zero
// counts make none of that kind.
type Schedule struct {
	Hourly int `json:"hourly"`
	Daily  int `json:"daily"`
	Weekly int `json:"weekly"`
}

func scheduleKey(id, branch disk.ID) []byte { return appendID(ofDisk(prefixSchedule, id), branch) }

// SetSchedule sets the schedule of a branch, named by its own id; the zero
// Schedule removes it.
func (c *Catalog) SetSchedule(ctx context.Context, id, branch disk.ID, s Schedule) error {
	for _, n := range []int{s.Hourly, s.Daily, s.Weekly} {
		if n < 0 || n > MaxScheduled {
			return errs.New("set schedule", id.String(), errs.Invalid, fmt.Sprintf("hourly, daily and weekly are numbers from 0 to %d", MaxScheduled))
		}
	}
	return c.o.KV.Update(ctx, func(t kv.Txn) error {
		if _, err := readDisk(t, id, "set schedule"); err != nil {
			return err
		}
		if s == (Schedule{}) {
			return t.Delete(scheduleKey(id, branch))
		}
		return setRow(t, scheduleKey(id, branch), &s)
	})
}

// ScheduleOf returns a branch's schedule; zero: none.
func (c *Catalog) ScheduleOf(ctx context.Context, id, branch disk.ID) (Schedule, error) {
	var s Schedule
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		if _, err := readDisk(r, id, "get schedule"); err != nil {
			return err
		}
		_, err := getRow(r, scheduleKey(id, branch), &s)
		return err
	})
	return s, err
}

// Schedules calls fn with every schedule there is, of disks that are not being
// deleted. They are read first, so fn may change them.
func (c *Catalog) Schedules(ctx context.Context, fn func(id, branch disk.ID, s Schedule) error) error {
	type scheduled struct {
		id, branch disk.ID
		s          Schedule
	}
	var all []scheduled
	err := c.o.KV.View(ctx, func(r kv.Reader) error {
		all = nil
		return eachRow(r, prefixSchedule, func(rest, value []byte) error {
			if len(rest) != 16 {
				return errs.New("list schedules", "", errs.Corrupt, "a schedule's row does not name a disk and a branch")
			}
			var x scheduled
			var err error
			if x.id, err = parseID(rest[:8]); err != nil {
				return err
			}
			if x.branch, err = parseID(rest[8:]); err != nil {
				return err
			}
			if ok, err := exists(r, x.id); err != nil || !ok {
				return err
			}
			all = append(all, x)
			return decodeRow(value, &all[len(all)-1].s)
		})
	})
	if err != nil {
		return err
	}
	for _, x := range all {
		if err := fn(x.id, x.branch, x.s); err != nil {
			return err
		}
	}
	return nil
}
