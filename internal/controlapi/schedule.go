package controlapi

import (
	"atoll/internal/catalog"
	"atoll/internal/disk"
	"atoll/internal/errs"
)

// scheduleRoutes are those that set schedules of checkpoints.
func (a *api) scheduleRoutes() []route {
	const path, group = "/api/disks/{id}/branches/{name}/schedule", "Scheduled checkpoints"
	return []route{
		{method: "GET", path: path, name: "getSchedule", group: group, summary: "how many scheduled checkpoints are kept",
			right: rightDiskRead, do: gives(a.getSchedule)},
		{method: "PUT", path: path, name: "setSchedule", group: group, summary: "make checkpoints of a branch by schedule",
			text: "The first are made at once: hourly-20261123-0100, daily-20261123, weekly-20261123. All times are UTC. " +
				"The oldest beyond what is kept are removed, unless branches were forked from them or they were renamed.",
			right: rightDiskWrite, action: "schedule.set", do: takes(a.setSchedule)},
		{method: "DELETE", path: path, name: "removeSchedule", group: group, summary: "make no more checkpoints by schedule",
			text: "Those that there are stay.", right: rightDiskWrite, action: "schedule.remove", do: gives(a.removeSchedule)},
	}
}

// scheduleBody is a schedule on the wire.
type scheduleBody struct {
	Hourly int `json:"hourly" doc:"how many hourly checkpoints are kept, up to 1000; 0: none are made"`
	Daily  int `json:"daily" doc:"how many daily checkpoints are kept, up to 1000; 0: none are made"`
	Weekly int `json:"weekly" doc:"how many weekly checkpoints are kept, up to 1000; 0: none are made"`
}

// scheduled finds the branch that the path names, by its own id.
func (a *api) scheduled(c *call) (disk.ID, error) {
	c.target = c.r.PathValue("name")
	d, err := a.core(c)
	if err != nil {
		return 0, err
	}
	b, err := d.Branch(c.r.Context(), c.target)
	return b.ID, refError(err, disk.Ref{Branch: c.target})
}

func (a *api) getSchedule(c *call) (scheduleBody, error) {
	branch, err := a.scheduled(c)
	if err != nil {
		return scheduleBody{}, err
	}
	s, err := a.o.Catalog.ScheduleOf(c.r.Context(), c.disk, branch)
	return scheduleBody(s), err
}

func (a *api) setSchedule(c *call, in *scheduleBody) (scheduleBody, error) {
	return *in, a.keepSchedule(c, catalog.Schedule(*in))
}

func (a *api) removeSchedule(c *call) (message, error) {
	return message{"Schedule removed"}, a.keepSchedule(c, catalog.Schedule{})
}

func (a *api) keepSchedule(c *call, s catalog.Schedule) error {
	branch, err := a.scheduled(c)
	if err != nil {
		return err
	}
	if err := a.o.Catalog.SetSchedule(c.r.Context(), c.disk, branch, s); err != nil {
		if errs.Is(err, errs.NoDisk) {
			return noDisk()
		}
		return err
	}
	if a.o.Scheduled != nil {
		a.o.Scheduled()
	}
	return nil
}
