package controlapi

// shareRoutes are those that make and serve share URLs.
func (a *api) shareRoutes() []route { return nil }
