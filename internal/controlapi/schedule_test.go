package controlapi

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestScheduleRoutes(t *testing.T) {
	w := newWeb(t)
	told := 0
	o := w.o
	o.Registry, o.Scheduled = prometheus.NewRegistry(), func() { told++ }
	w.serve(o)
	id := w.makeDisk("d")
	path := "/api/disks/" + id + "/branches/root/schedule"
	get := func(want string) {
		t.Helper()
		if r := w.bench.want(200, "", "GET", path, ""); string(r.env.Data) != want {
			t.Errorf("%s, want %s", r.env.Data, want)
		}
	}
	get(`{"hourly":0,"daily":0,"weekly":0}`)
	w.bench.want(200, "", "PUT", path, `{"hourly":24,"daily":7}`)
	get(`{"hourly":24,"daily":7,"weekly":0}`)
	for _, body := range []string{`{"hourly":-1}`, `{"daily":1001}`, `{"weekly":1.5}`, `{"monthly":1}`, `[]`, ``} {
		w.bench.want(400, "invalid", "PUT", path, body)
	}
	get(`{"hourly":24,"daily":7,"weekly":0}`)
	w.bench.want(200, "", "DELETE", path, "")
	get(`{"hourly":0,"daily":0,"weekly":0}`)
	if told != 2 {
		t.Errorf("told %d times", told)
	}
	for _, method := range []string{"GET", "DELETE"} {
		w.bench.want(404, "no_such_branch", method, "/api/disks/"+id+"/branches/none/schedule", "")
	}
	w.bench.want(404, "no_such_branch", "PUT", "/api/disks/"+id+"/branches/none/schedule", `{"hourly":1}`)
}
