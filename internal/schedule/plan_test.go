package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"

	"atoll/internal/catalog"
	"atoll/internal/disk"
)

// at reads a time.
func at(t *testing.T, s string) time.Time {
	t.Helper()
	when, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestNames(t *testing.T) {
	add, remove := Plan(at(t, "2026-11-25 13:47:11"), catalog.Schedule{Hourly: 1, Daily: 1, Weekly: 1}, nil)
	if got := strings.Join(add, " "); got != "hourly-20261125-1300 daily-20261125 weekly-20261123" || remove != nil {
		t.Errorf("%q %q", got, remove)
	}
	for _, name := range add {
		if err := disk.CheckRefName(name); err != nil {
			t.Error(err)
		}
	}
	// The zone of the clock does not matter.
	zone := time.FixedZone("", -11*3600)
	inZone, _ := Plan(at(t, "2026-11-25 13:47:11").In(zone), catalog.Schedule{Hourly: 1, Daily: 1, Weekly: 1}, nil)
	if !slices.Equal(add, inZone) {
		t.Errorf("%q", inZone)
	}
	for day := range 14 {
		when := at(t, "2026-11-23 00:00:00").AddDate(0, 0, day)
		add, _ := Plan(when.Add(24*time.Hour-1), catalog.Schedule{Weekly: 1}, nil)
		if want := []string{"weekly-20261123", "weekly-20261130"}[day/7]; len(add) != 1 || add[0] != want {
			t.Errorf("%v: %q, want %s", when, add, want)
		}
	}
}

func TestOwn(t *testing.T) {
	now := at(t, "2026-11-25 13:10:00")
	have := []disk.CheckpointInfo{
		{Name: "hourly-20261125-1100", Created: at(t, "2026-11-25 11:00:01")},
		{Name: "hourly-20261125-1200", Created: at(t, "2026-11-25 13:00:01")}, // made when its hour had just ended
		{Name: "hourly-20261125-1030", Created: at(t, "2026-11-25 10:30:01")}, // no slot
		{Name: "hourly-20261125-0900", Created: at(t, "2026-11-25 13:05:00")}, // somebody's
		{Name: "hourly-20261125-0800", Created: at(t, "2026-11-25 08:00:00"), Auto: true},
		{Name: "hourly-20261325-0800", Created: at(t, "2026-11-25 08:00:00")},
		{Name: "hourly-2026", Created: at(t, "2026-11-25 08:00:00")},
		{Name: "hourly-20261125-1000x", Created: at(t, "2026-11-25 10:00:00")},
		{Name: "daily-20261124", Created: at(t, "2026-11-24 00:00:00")},
		{Name: "before-release", Created: at(t, "2026-11-24 00:00:00")},
	}
	add, remove := Plan(now, catalog.Schedule{Hourly: 2}, have)
	if strings.Join(add, " ") != "hourly-20261125-1300" || strings.Join(remove, " ") != "hourly-20261125-1100" {
		t.Errorf("%q %q", add, remove)
	}
	// A name that somebody took is not taken again.
	have = []disk.CheckpointInfo{{Name: "hourly-20261125-1300", Created: at(t, "2026-11-20 00:00:00")}}
	if add, remove := Plan(now, catalog.Schedule{Hourly: 1}, have); add != nil || remove != nil {
		t.Errorf("%q %q", add, remove)
	}
	// A clock that was put back makes none, and removes none that are newer.
	have = []disk.CheckpointInfo{
		{Name: "hourly-20261125-1500", Created: at(t, "2026-11-25 15:00:00")},
		{Name: "hourly-20261125-1600", Created: at(t, "2026-11-25 16:00:00")},
	}
	if add, remove := Plan(now, catalog.Schedule{Hourly: 2}, have); add != nil || remove != nil {
		t.Errorf("%q %q", add, remove)
	}
	if add, remove := Plan(now, catalog.Schedule{}, have); add != nil || remove != nil {
		t.Errorf("%q %q", add, remove)
	}
}

// TestWeeks runs a year of odd hours over a plain list, across the days on
// which clocks are changed somewhere.
func TestWeeks(t *testing.T) {
	s := catalog.Schedule{Hourly: 5, Daily: 7, Weekly: 3}
	var have []disk.CheckpointInfo
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		berlin = time.FixedZone("", 3600)
	}
	now := at(t, "2026-01-01 00:30:00").In(berlin)
	for end := now.AddDate(1, 0, 0); now.Before(end); now = now.Add(47 * time.Minute) {
		add, remove := Plan(now, s, have)
		for _, name := range add {
			have = append(have, disk.CheckpointInfo{Name: name, Created: now})
		}
		have = slices.DeleteFunc(have, func(c disk.CheckpointInfo) bool { return slices.Contains(remove, c.Name) })
		count := map[string]int{}
		for _, c := range have {
			kind, _, _ := strings.Cut(c.Name, "-")
			count[kind]++
		}
		if count["hourly"] > 5 || count["daily"] > 7 || count["weekly"] > 3 {
			t.Fatalf("%v: %v", now, count)
		}
		if again, more := Plan(now, s, have); again != nil || more != nil {
			t.Fatalf("%v: a second plan has %q %q", now, again, more)
		}
	}
	if len(have) != 5+7+3 {
		t.Errorf("%d are left", len(have))
	}
}
