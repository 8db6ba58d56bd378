// Command s3load puts any S3 server under load and prints what each operation costs:
// operations a second, latencies, and the server's CPU time an operation. See
// bench/README.md.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"atoll/bench/internal/load"
)

func main() {
	if err := command(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "s3load:", err)
		}
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	opt    load.Options
	spec   load.Spec
	scale  load.Scale
	suite  bool
	rows   *regexp.Regexp
	create bool
	json   bool
}

// names is a flag that may be given several times.
type names []string

func (n *names) String() string     { return strings.Join(*n, " ") }
func (n *names) Set(s string) error { *n = append(*n, s); return nil }

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	c.suite = len(args) > 0 && args[0] == "suite"
	if c.suite {
		args = args[1:]
	}
	f := flag.NewFlagSet("s3load [suite]", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.opt.Endpoint, "endpoint", "http://127.0.0.1:9000", "the server's `URL`")
	f.StringVar(&c.opt.Bucket, "bucket", "bench", "the bucket to work in")
	f.StringVar(&c.opt.Credentials.AccessKey, "access-key", os.Getenv("AWS_ACCESS_KEY_ID"), "the access key id (default $AWS_ACCESS_KEY_ID)")
	f.StringVar(&c.opt.Credentials.SecretKey, "secret-key", "", "the secret access key (default $AWS_SECRET_ACCESS_KEY)")
	f.StringVar(&c.opt.Credentials.Region, "region", "us-east-1", "the region to sign for")
	f.BoolVar(&c.opt.Insecure, "insecure", false, "accept any TLS certificate")
	f.BoolVar(&c.opt.Unsigned, "unsigned", false, "send UNSIGNED-PAYLOAD instead of a body's SHA-256")
	f.IntVar(&c.opt.PID, "pid", 0, "the server's process `id` (0: whoever listens on the endpoint's port)")
	f.StringVar(&c.opt.Prefix, "prefix", "bench/", "what all keys begin with")
	f.StringVar(&c.opt.MetricsURL, "metrics-url", "", "`URL` of the server's Prometheus metrics")
	f.Var((*names)(&c.opt.Metrics), "metric", "a counter, `NAME` or NAME{LABEL=\"VALUE\"}, whose growth to print (repeatable)")
	f.DurationVar(&c.opt.Settle, "settle", 0, "how long to go on counting the server's CPU time after each run")
	f.BoolVar(&c.create, "create-bucket", false, "create the bucket first")
	f.BoolVar(&c.json, "json", false, "print JSON")
	f.DurationVar(&c.spec.Duration, "duration", 0, "how long each run takes (default 3s, or until --count)")
	f.Int64Var(&c.spec.Count, "count", 0, "operations of each run; for delete the keys to delete (default 10000)")
	f.IntVar(&c.spec.Keys, "keys", 0, "objects to choose from, or to list (default 1000, listings 10000)")
	op := f.String("op", "get", "the operation: "+opNames())
	rows := f.String("rows", "", "suite: only the runs whose names match this `REGEXP`")
	if !c.suite {
		f.Int64Var(&c.spec.Size, "size", 0, "size of the objects in `bytes` (default 4 KiB; range 256 MiB)")
		f.IntVar(&c.spec.Clients, "clients", 16, "connections")
	}
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if c.opt.Credentials.SecretKey == "" { // not the flag's default, which --help shows
		c.opt.Credentials.SecretKey = os.Getenv("AWS_SECRET_ACCESS_KEY")
	}
	c.spec.Op = load.Op(*op)
	c.scale = load.Scale{Duration: c.spec.Duration, Deletes: c.spec.Count, ListKeys: c.spec.Keys}
	var err error
	c.rows, err = regexp.Compile(*rows)
	return c, err
}

func opNames() string {
	var s []string
	for _, op := range load.Ops() {
		s = append(s, string(op))
	}
	return strings.Join(s, ", ")
}

func command(args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	b, err := load.Open(c.opt)
	if err != nil {
		return err
	}
	if b.PID() == 0 {
		fmt.Fprintln(stderr, "s3load: the server's process is not known (see --pid): its CPU time and memory are not measured")
	}
	if c.create {
		if err := b.CreateBucket(); err != nil {
			return err
		}
	}
	specs := []load.Spec{c.spec}
	if c.suite {
		specs = load.Suite(c.scale)
	}
	var results []load.Result
	var failed error
	for _, s := range specs {
		if c.suite && !c.rows.MatchString(s.Name) {
			continue
		}
		began := time.Now()
		r, err := b.Run(s)
		if err != nil {
			failed = errors.Join(failed, err)
		}
		if r.Name != "" {
			results = append(results, r)
		}
		if c.suite {
			fmt.Fprintf(stderr, "%s: done in %v\n", s.Name, time.Since(began).Round(time.Millisecond))
		}
	}
	return errors.Join(print(stdout, c, b, results), failed)
}

// print writes the results, and the server's memory in the end.
func print(w io.Writer, c config, b *load.Bench, results []load.Result) error {
	if c.json {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(results)
	}
	if err := load.WriteTable(w, results); err != nil {
		return err
	}
	u, err := b.Usage()
	if err != nil || u.RSS == 0 {
		return err
	}
	_, err = fmt.Fprintf(w, "resident memory after these loads: %s, at its highest %s\n", load.FormatMemory(u.RSS), load.FormatMemory(u.Peak))
	return err
}
