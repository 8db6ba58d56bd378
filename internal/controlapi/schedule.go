package controlapi

// scheduleRoutes are those that set schedules of checkpoints.
func (a *api) scheduleRoutes() []route { return nil }
