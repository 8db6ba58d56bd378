package schedule

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/disk"
)

// kind is one of the series that a schedule has.
type kind struct {
	prefix string
	layout string // of the time behind the prefix
	length time.Duration
	count  func(catalog.Schedule) int
}

// kinds are all series.
func kinds() []kind {
	return []kind{
		{"hourly-", "20060102-1504", time.Hour, func(s catalog.Schedule) int { return s.Hourly }},
		{"daily-", "20060102", 24 * time.Hour, func(s catalog.Schedule) int { return s.Daily }},
		{"weekly-", "20060102", 7 * 24 * time.Hour, func(s catalog.Schedule) int { return s.Weekly }},
	}
}

// slot is the beginning of the slot that t is in. Truncate counts from a
// Monday, so weeks begin on Mondays.
func (k *kind) slot(t time.Time) time.Time { return t.UTC().Truncate(k.length) }

func (k *kind) name(slot time.Time) string { return k.prefix + slot.UTC().Format(k.layout) }

// own tells whether a checkpoint is one of this series, and of which slot.
func (k *kind) own(c *disk.CheckpointInfo) (slot time.Time, ok bool) {
	rest, ok := strings.CutPrefix(c.Name, k.prefix)
	if !ok {
		return slot, false
	}
	slot, err := time.Parse(k.layout, rest)
	if err != nil || c.Auto || !k.slot(slot).Equal(slot) || k.name(slot) != c.Name {
		return slot, false
	}
	// Made in its slot, or just after it had ended.
	age := c.Created.Sub(slot)
	return slot, age >= 0 && age < 2*k.length
}

// Plan tells which checkpoints a branch with this schedule and these
// checkpoints is to get now, and which are to go, the oldest first. A series
// that the schedule does not count is left as it is.
func Plan(now time.Time, s catalog.Schedule, have []disk.CheckpointInfo) (add, remove []string) {
	for _, k := range kinds() {
		keep := k.count(s)
		if keep <= 0 {
			continue
		}
		type owned struct {
			slot time.Time
			name string
		}
		var own []owned
		current := k.slot(now)
		want := k.name(current)
		missing := true
		for i := range have {
			c := &have[i]
			slot, ok := k.own(c)
			if ok {
				own = append(own, owned{slot, c.Name})
			}
			// A later slot than this one: the clock was put back. There
			// is one already for what it shows now, or will be.
			if c.Name == want || ok && !slot.Before(current) {
				missing = false
			}
		}
		if missing {
			add = append(add, want)
			keep-- // for the one that comes
		}
		slices.SortFunc(own, func(a, b owned) int { return cmp.Or(a.slot.Compare(b.slot), strings.Compare(a.name, b.name)) })
		for _, o := range own[:max(0, len(own)-keep)] {
			remove = append(remove, o.name)
		}
	}
	return add, remove
}
