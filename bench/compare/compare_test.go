package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"atoll/bench/internal/load"
)

func TestFindEndpoints(t *testing.T) {
	for line, want := range map[string][2]string{
		`{"s3":"http://127.0.0.1:9000","control":"http://127.0.0.1:8080","pid":7}`: {"http://127.0.0.1:9000", "http://127.0.0.1:8080"},
		`starting`: {}, `{"level":"info"}`: {},
	} {
		if s3, control := findEndpoints([]byte(line)); s3 != want[0] || control != want[1] {
			t.Errorf("%s: %q and %q", line, s3, control)
		}
	}
}

func result(run string, cpu float64) load.Result { return load.Result{Name: run, ServerCPU: cpu} }

func TestOfSeveralRoundsTheCheapestIsKept(t *testing.T) {
	var s server
	for _, r := range []load.Result{result("a", 5), result("b", 1), result("a", 3), result("a", 4)} {
		s.keep(r)
	}
	if len(s.results) != 2 || s.results[0].ServerCPU != 3 || s.results[1].ServerCPU != 1 {
		t.Errorf("kept %+v", s.results)
	}
}

func TestComparisonScalesByTheMachine(t *testing.T) {
	const get, head, put = "GET 4 KiB, 16 clients", "HEAD, 16 clients", "PUT 4 KiB, 16 clients"
	servers := []*server{
		{name: "bare", results: []load.Result{result(get, 44), result(head, 20)}}, // 2x the reference
		{name: "versitygw", results: []load.Result{result(put, 289*8)}},           // 8x
		{name: "atoll", results: []load.Result{result(get, 80), result(head, 320), result(put, 1200)}},
	}
	sp := measureSpeed(servers, references())
	if sp.of(get) != 2 || sp.of(put) != 8 || math.Abs(sp.of(head)-4) > 1e-9 {
		t.Fatalf("the machine's factors are %v, %v, %v; want 2, 8 and their geometric mean", sp.of(get), sp.of(put), sp.of(head))
	}
	var out bytes.Buffer
	if err := compare(&out, servers); err != nil {
		t.Fatal(err)
	}
	for run, want := range map[string]string{
		get:  "44.0 us - 80.0 us 1.82 - 2.00 40.0 us 50.0 us 156 us kept",
		head: "20.0 us - 320 us 16.00 - 4.00 80.0 us 40.0 us 77.0 us missed by 100%",
		put:  "- 2.31 ms 1.20 ms - 0.52 8.00 150 us 130 us 289 us missed by 15%",
	} {
		if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text, run+" "+want) {
			t.Errorf("no %q in\n%s", run+" "+want, out.String())
		}
	}
}

func TestReferencesNameRunsOfTheSuite(t *testing.T) {
	names := make(map[string]bool)
	for _, s := range load.Suite(load.Scale{}) {
		names[s.Name] = true
	}
	for name, ref := range references() {
		if !names[name] || ref.target == 0 || ref.bestPeer < ref.target {
			t.Errorf("%s: %+v, in the suite: %v", name, ref, names[name])
		}
	}
}
