// Command compare runs the load suite against several S3 servers that it starts on
// loopback, and prints what an operation costs each of them. bench/run.sh builds the
// servers and calls it; see bench/README.md.
//
// All servers stay up for the whole time and take turns run by run, so that they share
// whatever else happens on the machine. However it ends, compare stops the servers and
// removes their data.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"atoll/bench/internal/load"
)

func main() {
	// The kernel ends the servers when the thread that started them dies (see start);
	// locked to it, the main goroutine keeps the thread alive until the end.
	runtime.LockOSThread()
	if err := command(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	bare, versitygw, rclone, atoll string
	atollArgs, metrics             names
	work, json                     string
	scale                          load.Scale
	rounds                         int
	settle                         time.Duration
	unsigned                       bool
	rows                           *regexp.Regexp
}

// names is a flag that may be given several times.
type names []string

func (n *names) String() string     { return strings.Join(*n, " ") }
func (n *names) Set(s string) error { *n = append(*n, s); return nil }

func parse() (config, error) {
	var c config
	flag.StringVar(&c.bare, "bare", "", "`binary` of bench/bare")
	flag.StringVar(&c.versitygw, "versitygw", "", "`binary` of versitygw")
	flag.StringVar(&c.rclone, "rclone", "", "`binary` of rclone, 1.65 or newer")
	flag.StringVar(&c.atoll, "atoll", "", "`binary` of atoll")
	flag.Var(&c.atollArgs, "atoll-arg", "a further `argument` of atoll serve (repeatable)")
	flag.Var(&c.metrics, "metric", "a counter of atoll's /metrics whose growth to print (repeatable)")
	flag.StringVar(&c.work, "work", "", "where to put the servers' data, in a new `directory` of its own (default: the temporary directory)")
	flag.StringVar(&c.json, "json", "", "also write all results to this `file`")
	flag.DurationVar(&c.scale.Duration, "duration", 3*time.Second, "how long each run takes")
	flag.Int64Var(&c.scale.Deletes, "deletes", 10_000, "keys that the DELETE run deletes")
	flag.IntVar(&c.scale.ListKeys, "list-keys", 10_000, "keys in the directory that is listed")
	flag.IntVar(&c.rounds, "rounds", 1, "how often to do it all; of each run the round with the least server CPU counts")
	flag.DurationVar(&c.settle, "settle", 0, "how long to go on counting a server's CPU time after each run")
	flag.BoolVar(&c.unsigned, "unsigned", false, "send UNSIGNED-PAYLOAD instead of a body's SHA-256")
	rows := flag.String("rows", "", "only the runs whose names match this `REGEXP`")
	flag.Parse()
	if flag.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	var err error
	c.rows, err = regexp.Compile(*rows)
	return c, err
}

func command() (err error) {
	c, err := parse()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.work, "atoll-bench-")
	if err != nil {
		return err
	}
	f := &fleet{dir: dir}
	defer func() { err = errors.Join(err, f.close()) }()
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-sig
		_ = f.close() // the signal is the reason to end, whatever else fails
		os.Exit(130)
	}()
	if err := f.startAll(c); err != nil {
		return err
	}
	failed := measure(f, c)
	if err := report(os.Stdout, f.servers); err != nil {
		return err
	}
	if c.json != "" {
		if err := writeJSON(c.json, f.servers); err != nil {
			return err
		}
	}
	return failed
}

// measure does all rounds of all runs; a failed run does not keep the others from being
// done.
func measure(f *fleet, c config) error {
	var failed error
	for round := range c.rounds {
		for _, spec := range load.Suite(c.scale) {
			if !c.rows.MatchString(spec.Name) {
				continue
			}
			for _, s := range f.servers {
				if s.skip != nil && s.skip(spec.Op) {
					continue
				}
				res, err := s.bench.Run(spec)
				fmt.Fprintf(os.Stderr, "round %d: %s: %s: %.0f op/s, %s server CPU each\n",
					round+1, spec.Name, s.name, res.OpsPerSec, load.FormatMicros(res.ServerCPU))
				if err != nil {
					failed = errors.Join(failed, fmt.Errorf("%s: %w", s.name, err))
					continue
				}
				s.keep(res)
			}
		}
	}
	return failed
}

// writeJSON writes each server's results under its name.
func writeJSON(name string, servers []*server) error {
	all := make(map[string][]load.Result)
	for _, s := range servers {
		all[s.name] = s.results
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}
