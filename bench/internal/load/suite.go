package load

import "time"

// Scale says how long a suite's runs take.
type Scale struct {
	// Duration of each run; zero is 3 s.
	Duration time.Duration
	// Deletes is the number of keys that the DELETE run deletes; zero is 10,000.
	Deletes int64
	// ListKeys is the number of keys in the flat directory that is listed; zero is 10,000.
	ListKeys int
}

// Suite returns the runs of the table in docs/performance.md, in its order.
func Suite(s Scale) []Spec {
	const kib, mib = 1 << 10, 1 << 20
	specs := []Spec{
		{Name: "GET 4 KiB, 16 clients", Op: Get, Size: 4 * kib, Clients: 16},
		{Name: "HEAD, 16 clients", Op: Head, Size: 4 * kib, Clients: 16},
		{Name: "PUT 4 KiB, 16 clients", Op: Put, Size: 4 * kib, Clients: 16},
		{Name: "PUT 4 KiB, 64 clients", Op: Put, Size: 4 * kib, Clients: 64},
		{Name: "overwrite 4 KiB, 16 clients", Op: Overwrite, Size: 4 * kib, Clients: 16},
		{Name: "DELETE, 16 clients", Op: Delete, Size: 4 * kib, Clients: 16, Count: s.Deletes},
		{Name: "range GET 64 KiB of 256 MiB, 16", Op: Range, Size: 256 * mib, Clients: 16},
		{Name: "GET 1 MiB, 4 clients", Op: Get, Size: mib, Clients: 4},
		{Name: "GET 64 MiB, 4 clients", Op: Get, Size: 64 * mib, Clients: 4},
		{Name: "PUT 1 MiB, 4 clients", Op: Put, Size: mib, Clients: 4},
		{Name: "PUT 64 MiB, 4 clients", Op: Put, Size: 64 * mib, Clients: 4},
		{Name: "LIST 1000, delimiter=/, 4", Op: ListDelim, Clients: 4, Keys: s.ListKeys},
		{Name: "LIST 1000, flat, 4", Op: ListFlat, Clients: 4, Keys: s.ListKeys},
	}
	for i := range specs {
		specs[i].Duration = s.Duration
		if specs[i].Op == Delete {
			// It ends with its keys; this is for servers that take milliseconds a key.
			specs[i].Duration = 5 * max(s.Duration, time.Second)
		}
	}
	return specs
}
