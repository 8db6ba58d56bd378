package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"atoll/internal/server"
	"atoll/internal/transfer"
)

// transferFlags are those of cp and sync.
type transferFlags struct {
	*target
	o       transfer.Options
	part    server.Size
	verbose bool
	quiet   bool
}

func addTransferFlags(c *cobra.Command, a *app) *transferFlags {
	f := &transferFlags{target: targetFlags(c, a)}
	c.Flags().IntVarP(&f.o.Jobs, "jobs", "j", transfer.DefaultJobs, "`N` files at a time")
	c.Flags().Var(&f.part, "part-size", "`SIZE` of the parts that large files go up in (default 16MiB; more if 10,000 would not do)")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "print a line for each file")
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no progress bar and no summary")
	return f
}

// transferred is what cp and sync print as JSON.
type transferred struct {
	transfer.Result
	DryRun bool            `json:"dryRun,omitempty"`
	Files  []transferEvent `json:"events,omitempty"` // what failed, and with --verbose or --dry-run all
}

type transferEvent struct {
	Action transfer.Action `json:"action"`
	Path   string          `json:"path"`
	Bytes  int64           `json:"bytes,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// do runs a transfer: it draws, reports and sums up. Ctrl-C ends it in order.
func (f *transferFlags) do(ctx context.Context, work func(context.Context, transfer.Options) (transfer.Result, error)) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	bar := newProgress(f.a.stderr, !f.quiet && isTerminal(f.a.stderr))
	o, out := f.o, &transferred{DryRun: f.o.DryRun}
	o.PartSize, o.Meter = int64(f.part), bar.meter()
	o.Report = func(e transfer.Event) { f.report(bar, out, e) }
	res, err := work(ctx, o)
	bar.end()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted; the same command again goes on where this one stopped")
	} else if err != nil && res == (transfer.Result{}) {
		return err // nothing was begun
	}
	if out.Result = res; f.json {
		if printErr := printJSON(f.a.stdout, out); err == nil {
			err = printErr
		}
	} else if !f.quiet {
		fmt.Fprintln(f.a.stdout, f.summary(&res))
	}
	if err == nil && res.Failed > 0 {
		err = fmt.Errorf("%d file(s) failed", res.Failed)
	}
	return err
}

// report prints what is worth a line: what failed to standard error, and with
// --verbose or --dry-run everything to standard output.
func (f *transferFlags) report(bar *progress, out *transferred, e transfer.Event) {
	var stdout, stderr io.Writer = f.a.stdout, f.a.stderr
	if bar != nil {
		stderr = bar
		if isTerminal(f.a.stdout) {
			stdout = bar
		}
	}
	text := e.Text
	if e.Err != nil {
		text = message(e.Err)
	}
	detail := f.verbose || f.o.DryRun
	if f.json && (detail || e.Action == transfer.Failed) {
		out.Files = append(out.Files, transferEvent{e.Action, e.Path, e.Bytes, text})
	}
	switch {
	case e.Action == transfer.Failed || e.Action == transfer.Warned:
		fmt.Fprintf(stderr, "atoll: %s: %s\n", shown(e.Path), shown(text))
	case f.json || !detail || e.Action == transfer.Skipped && !f.verbose:
	case f.o.DryRun:
		fmt.Fprintf(stdout, "%s %s\n", map[transfer.Action]string{transfer.Copied: "would copy", transfer.Deleted: "would delete",
			transfer.Made: "would make", transfer.Skipped: "is the same:"}[e.Action], shown(e.Path))
	default:
		fmt.Fprintf(stdout, "%s %s\n", e.Action, shown(e.Path))
	}
}

// summary is the line at the end.
func (f *transferFlags) summary(r *transfer.Result) string {
	verb := map[bool]string{false: "Copied", true: "Would copy"}[f.o.DryRun]
	s := fmt.Sprintf("%s %d file(s), %s", verb, r.Copied, size(r.Bytes))
	if r.Skipped > 0 {
		s += fmt.Sprintf("; %d the same", r.Skipped)
	}
	if r.Deleted > 0 {
		s += fmt.Sprintf("; %d deleted", r.Deleted)
	}
	if r.Failed > 0 {
		s += fmt.Sprintf("; %d failed", r.Failed)
	}
	return s + "."
}
