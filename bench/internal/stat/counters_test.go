package stat

import (
	"strings"
	"testing"
)

const page = `# HELP atoll_syncs_total Syncs.
# TYPE atoll_syncs_total counter
atoll_syncs_total 42
atoll_requests_total{op="GetObject",code="200"} 10
atoll_requests_total{op="GetObject",code="404"} 3
atoll_requests_total{op="PutObject",code="200"} 5 1700000000000
odd{path="/a}b",x="1"} 1e3
`

func TestReadCounters(t *testing.T) {
	want := map[string]float64{
		"atoll_syncs_total":                                    42,
		"atoll_requests_total":                                 18,
		`atoll_requests_total{op="GetObject"}`:                 13,
		`atoll_requests_total{code="200",op="GetObject"}`:      10,
		`odd{x="1"}`:                                           1000,
		"absent_total":                                         0,
		"atoll_requests":                                       0,
		`atoll_requests_total{op="GetObject", code="404"}`:     3,
		`atoll_requests_total{op="DeleteObject",code="2"}`:     0,
		`atoll_syncs_total{op="a label that it doesn't have"}`: 0,
	}
	var names []string
	for n := range want {
		names = append(names, n)
	}
	got, err := ReadCounters(strings.NewReader(page), names)
	if err != nil {
		t.Fatal(err)
	}
	for n, v := range want {
		if got[n] != v {
			t.Errorf("%s is %v, want %v", n, got[n], v)
		}
	}
}

func TestReadCountersRefusesNonsense(t *testing.T) {
	for _, bad := range []string{"name", "name x", `name{a="b" 1`, "<html>"} {
		if _, err := ReadCounters(strings.NewReader(bad), []string{"name"}); err == nil {
			t.Errorf("%q is taken for a metrics page", bad)
		}
	}
}
