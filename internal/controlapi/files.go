package controlapi

// fileRoutes are those that show and change files by path.
func (a *api) fileRoutes() []route { return nil }
