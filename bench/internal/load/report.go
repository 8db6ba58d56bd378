package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// WriteTable prints results, one a line.
func WriteTable(w io.Writer, results []Result) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "run\top/s\tp50\tp99\tserver CPU/op\tclient CPU/op\tMB/s\tRSS\terrors\t")
	for _, r := range results {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%.1f\t%s\t%d\t\n", r.Name, rate(r.OpsPerSec), FormatMicros(r.P50),
			FormatMicros(r.P99), FormatMicros(r.ServerCPU), FormatMicros(r.ClientCPU), r.MBPerSec, FormatMemory(r.RSS), r.Errors)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		for _, name := range slices.Sorted(maps.Keys(r.Counters)) {
			grown := r.Counters[name]
			line := fmt.Sprintf("%s: %s grew by %g", r.Name, name, grown)
			if grown > 0 {
				line += fmt.Sprintf(", once for %.2f operations", float64(r.Ops)/grown)
			}
			if _, err := fmt.Fprintln(w, line); err != nil {
				return err
			}
		}
		for _, m := range r.Messages {
			if _, err := fmt.Fprintf(w, "%s: error: %s\n", r.Name, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func rate(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// FormatMicros writes a time given in microseconds with a fitting unit; "-" for zero,
// which stands for unknown.
func FormatMicros(us float64) string {
	switch {
	case us == 0:
		return "-"
	case us < 100:
		return fmt.Sprintf("%.1f us", us)
	case us < 1000:
		return fmt.Sprintf("%.0f us", us)
	case us < 100_000:
		return fmt.Sprintf("%.2f ms", us/1e3)
	case us < 1_000_000:
		return fmt.Sprintf("%.0f ms", us/1e3)
	}
	return fmt.Sprintf("%.2f s", us/1e6)
}

// FormatMemory writes a number of bytes in MiB; "-" for zero, which stands for unknown.
func FormatMemory(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d MiB", (n+1<<19)>>20)
}
