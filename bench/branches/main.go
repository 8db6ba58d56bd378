// Command branches measures what branches and checkpoints cost: forks and
// checkpoints themselves, reads, writes and listings on branches many forks
// deep against a fresh disk of the same size, a thousand sibling branches, and
// the deletion of a branch under load. See bench/README.md.
//
//	branches -data DIR -files 1000000
//
// The directory is filled when it is empty, and may be used again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "branches:", err)
		}
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	data     string
	files    int // of each disk
	depth    int // of the deepest branch
	writes   int // files that each fork of the chain writes
	siblings int
	own      int // files of its own that each sibling has in its folder
	ops      int // of one round of a row
	rounds   int
	victim   int // files of the branch that is deleted under load
	seconds  int // of load before and during the deletion
	cache    int64
	rows     int64
	only     string
	profile  string
}

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("branches", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.data, "data", "", "the data `DIR`ectory")
	f.IntVar(&c.files, "files", 1_000_000, "files of each of the two disks")
	f.IntVar(&c.depth, "depth", 100, "forks of the deepest branch")
	f.IntVar(&c.writes, "writes", 20, "files that are written between two forks: half new, half overwritten")
	f.IntVar(&c.siblings, "siblings", 1000, "branches beside each other")
	f.IntVar(&c.own, "own", 100, "files of its own that each sibling has in a folder")
	f.IntVar(&c.ops, "ops", 400, "operations of one round of a row")
	f.IntVar(&c.rounds, "rounds", 9, "rounds of each row; medians are printed")
	f.IntVar(&c.victim, "victim", 100_000, "files of the branch that is deleted under load")
	f.IntVar(&c.seconds, "seconds", 5, "seconds of load without and with a deletion, at a time")
	f.Int64Var(&c.cache, "cache", 256<<20, "bytes of block cache")
	f.Int64Var(&c.rows, "rowcache", 0, "bytes of row cache (0: the default)")
	f.StringVar(&c.only, "only", "fork,deep,siblings,delete", "which parts to measure")
	f.StringVar(&c.profile, "cpuprofile", "", "write a profile of the measured parts to this `FILE`")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if c.data == "" || c.files < perDir || c.files%perDir != 0 || c.depth < 2 || c.writes < 2 || c.ops < 1 || c.rounds < 1 || c.own < 1 {
		return c, fmt.Errorf("-data is needed; numbers must be positive, -files a multiple of %d", perDir)
	}
	return c, nil
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	b, err := c.build(ctx, stdout)
	if err != nil {
		return err
	}
	defer b.close()
	if c.profile != "" {
		f, err := os.Create(c.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, p := range []struct {
		name string
		run  func(context.Context) error
	}{{"fork", b.forks}, {"deep", b.deep}, {"siblings", b.siblings}, {"delete", b.deletion}} {
		if !strings.Contains(c.only, p.name) {
			continue
		}
		if err := p.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}
