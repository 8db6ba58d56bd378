package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"atoll/bench/internal/load"
)

// reference is what a run cost on the quiet machine on which the targets were set, in
// microseconds of server CPU an operation; zero is unknown.
type reference struct {
	bare, versitygw float64
	bestPeer        float64
	target          float64 // what Atoll must cost there
}

// references returns the reference figures by the names of the runs.
func references() map[string]reference {
	return map[string]reference{
		"GET 4 KiB, 16 clients":           {bare: 22, versitygw: 166, bestPeer: 156, target: 50},
		"HEAD, 16 clients":                {bestPeer: 77, target: 40},
		"PUT 4 KiB, 16 clients":           {versitygw: 289, bestPeer: 289, target: 130},
		"overwrite 4 KiB, 16 clients":     {versitygw: 396, bestPeer: 396, target: 140},
		"DELETE, 16 clients":              {bestPeer: 187, target: 90},
		"range GET 64 KiB of 256 MiB, 16": {bestPeer: 429, target: 120},
		"GET 1 MiB, 4 clients":            {versitygw: 502, bestPeer: 502, target: 350},
		"GET 64 MiB, 4 clients":           {versitygw: 9800, bestPeer: 9800, target: 9000},
		"PUT 1 MiB, 4 clients":            {versitygw: 3100, bestPeer: 3100, target: 2500},
		"PUT 64 MiB, 4 clients":           {versitygw: 198_000, bestPeer: 198_000, target: 150_000},
		"LIST 1000, delimiter=/, 4":       {bestPeer: 14_700, target: 3000},
		"LIST 1000, flat, 4":              {versitygw: 25_000, bestPeer: 25_000, target: 3000},
	}
}

// report prints each server's figures, then the comparison.
func report(w io.Writer, servers []*server) error {
	for _, s := range servers {
		fmt.Fprintf(w, "\n%s\n", s.name)
		if err := load.WriteTable(w, s.results); err != nil {
			return err
		}
		u, err := s.bench.Usage()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "resident memory after these loads: %s, at its highest %s\n", load.FormatMemory(u.RSS), load.FormatMemory(u.Peak))
	}
	if err := reportHash(w); err != nil {
		return err
	}
	return compare(w, servers)
}

// cpu returns a server's CPU time of a run, 0 if it is not known.
func cpu(servers []*server, server, run string) float64 {
	for _, s := range servers {
		if s.name == server {
			r, _ := s.find(run)
			return r.ServerCPU
		}
	}
	return 0
}

// speed is how slow this machine is now, compared to the one on which the references
// were measured: above 1 is slower.
type speed struct {
	all float64            // geometric mean of all that is known
	run map[string]float64 // of a run, from versitygw's figure, else bare's
}

// measureSpeed compares bare's and versitygw's figures with the references.
func measureSpeed(servers []*server, refs map[string]reference) speed {
	sp := speed{run: make(map[string]float64)}
	logs, n := 0.0, 0
	for name, ref := range refs {
		for _, f := range []struct{ now, then float64 }{
			{cpu(servers, "bare", name), ref.bare}, {cpu(servers, "versitygw", name), ref.versitygw},
		} {
			if f.now > 0 && f.then > 0 {
				sp.run[name] = f.now / f.then
				logs, n = logs+math.Log(f.now/f.then), n+1
			}
		}
	}
	if n > 0 {
		sp.all = math.Exp(logs / float64(n))
	}
	return sp
}

// of returns the factor to use for a run, 0 if nothing is known.
func (s speed) of(run string) float64 {
	if f, ok := s.run[run]; ok {
		return f
	}
	return s.all
}

// compare prints the servers side by side, and Atoll against its targets.
func compare(w io.Writer, servers []*server) error {
	refs := references()
	sp := measureSpeed(servers, refs)
	fmt.Fprintf(w, "\nserver CPU per operation\n")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "run\t")
	for _, s := range servers {
		fmt.Fprintf(tw, "%s\t", s.name)
	}
	fmt.Fprintln(tw, "atoll/bare\tatoll/versitygw\tmachine\tatoll scaled\ttarget\tbest peer\t\t")
	for _, name := range runs(servers) {
		fmt.Fprintf(tw, "%s\t", name)
		for _, s := range servers {
			fmt.Fprintf(tw, "%s\t", load.FormatMicros(cpu(servers, s.name, name)))
		}
		atoll, ref, factor := cpu(servers, "atoll", name), refs[name], sp.of(name)
		scaled := ratio(atoll, factor)
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n",
			formatRatio(ratio(atoll, cpu(servers, "bare", name))), formatRatio(ratio(atoll, cpu(servers, "versitygw", name))),
			formatRatio(factor), load.FormatMicros(scaled), load.FormatMicros(ref.target), load.FormatMicros(ref.bestPeer),
			verdict(scaled, ref.target))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "machine: how much dearer the run's reference (versitygw's, else bare's, else the mean of all, %s) is here than where the targets were set;\n"+
		"scaled: atoll's figure divided by it, to be held against target and best peer\n", formatRatio(sp.all))
	return err
}

// runs returns the names of the runs that any server did, in the suite's order.
func runs(servers []*server) []string {
	var names []string
	for _, spec := range load.Suite(load.Scale{}) {
		if slices.ContainsFunc(servers, func(s *server) bool { _, ok := s.find(spec.Name); return ok }) {
			names = append(names, spec.Name)
		}
	}
	return names
}

// ratio returns a/b, 0 if either is not known.
func ratio(a, b float64) float64 {
	if a == 0 || b == 0 {
		return 0
	}
	return a / b
}

func formatRatio(r float64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", r)
}

// verdict says whether a scaled figure keeps a target.
func verdict(scaled, target float64) string {
	switch {
	case scaled == 0 || target == 0:
		return ""
	case scaled <= target:
		return "kept"
	}
	return fmt.Sprintf("missed by %.0f%%", (scaled/target-1)*100)
}
