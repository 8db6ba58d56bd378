// Command bulkload fills a disk straight through the core, without a server,
// and measures what a page of a listing costs at its start, middle and end.
// See bench/README.md.
//
//	bulkload fill -data DIR -files 1000000 -order random -layout flat
//	bulkload list -data DIR -files 1000000 -order random -layout flat
//
// A directory that a server made can be filled too, with -disk, while the
// server is stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"atoll/internal/blob"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/kv/pebblekv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bulkload:", err)
		}
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	verb string
	data string
	disk disk.ID
	keys keyspace
	size int // bytes of a file
	sync bool
	page int // keys of a page
	runs int // pages measured at each place

	cache int64
}

func parse(args []string, stderr io.Writer) (config, error) {
	c := config{disk: 1}
	if len(args) == 0 || args[0] != "fill" && args[0] != "list" {
		return c, errors.New("usage: bulkload fill|list [flags]")
	}
	c.verb = args[0]
	f := flag.NewFlagSet("bulkload "+c.verb, flag.ContinueOnError)
	f.SetOutput(stderr)
	name := f.String("disk", "", "the `ID` of a disk (default: one that is made here)")
	f.StringVar(&c.data, "data", "", "the data `DIR`ectory")
	f.IntVar(&c.keys.files, "files", 1_000_000, "how many files")
	order := f.String("order", "created", "names in the order of their creation (`created`) or random")
	layout := f.String("layout", "flat", "one directory (`flat`) or a tree with 1000 files in each")
	f.IntVar(&c.size, "size", 100, "bytes of each file, at most 2048")
	f.BoolVar(&c.sync, "sync", false, "make each transaction durable, as a server does")
	f.IntVar(&c.page, "page", 1000, "keys of a page")
	f.IntVar(&c.runs, "runs", 50, "pages measured at each place")
	f.Int64Var(&c.cache, "cache", 64<<20, "bytes of block cache")
	if err := f.Parse(args[1:]); err != nil {
		return c, err
	}
	c.keys.random, c.keys.tree = *order == "random", *layout == "tree"
	if *order != "random" && *order != "created" || *layout != "tree" && *layout != "flat" {
		return c, errors.New("-order is created or random, -layout is flat or tree")
	}
	if c.data == "" || c.keys.files < 1 || c.size < 0 || c.size > disk.DefaultInlineMax || c.page < 1 || c.runs < 1 {
		return c, errors.New("-data is needed; numbers must be positive, -size at most 2048")
	}
	if *name != "" {
		var ok bool
		if c.disk, ok = disk.ParseID(*name); !ok {
			return c, fmt.Errorf("%q is no disk id", *name)
		}
	}
	return c, nil
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if c.verb == "fill" {
		return c.fill(ctx, stdout)
	}
	return c.list(ctx, stdout)
}

// stores are the open layers of a data directory.
type stores struct {
	kv    *pebblekv.Store
	blob  *blob.Store
	disks *disk.Store
}

func (c *config) open(ctx context.Context) (s *stores, err error) {
	var fs vfs.FS = vfs.Default
	if c.verb == "fill" && !c.sync {
		fs = noSync{fs}
	}
	s = new(stores)
	s.kv, err = pebblekv.Open(pebblekv.Options{Dir: filepath.Join(c.data, "meta"), FS: fs, Split: disk.Split, CacheBytes: c.cache})
	if err != nil {
		return nil, err
	}
	if s.blob, err = blob.Open(blob.Options{Dir: filepath.Join(c.data, "blob"), FS: fs}); err != nil {
		return nil, errors.Join(err, s.kv.Close())
	}
	if s.disks, err = disk.Open(ctx, disk.Options{KV: s.kv, Blob: s.blob}); err != nil {
		return nil, errors.Join(err, s.blob.Close(), s.kv.Close())
	}
	return s, nil
}

func (s *stores) close() error {
	return errors.Join(s.disks.Close(), s.blob.Close(), s.kv.Close())
}

// view opens the root branch of the disk, which is made if need be.
func (s *stores) view(ctx context.Context, id disk.ID) (*disk.View, error) {
	if err := s.disks.Create(ctx, id, disk.CreateOptions{}); err != nil && !errs.Is(err, errs.Exists) {
		return nil, err
	}
	d, err := s.disks.Disk(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.View(ctx, disk.Ref{})
}
