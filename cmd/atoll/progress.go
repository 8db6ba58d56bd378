package main

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/sys/unix"

	"atoll/internal/transfer"
)

// isTerminal tells whether somebody looks at what is written.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok || f == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// progress is a line that shows bytes, rate and time left.
type progress struct {
	bars        *mpb.Progress
	bar         *mpb.Bar
	total, done atomic.Int64
}

// newProgress draws on a terminal; on anything else it is nil, and quiet.
func newProgress(w io.Writer, terminal bool) *progress {
	if !terminal {
		return nil
	}
	p := &progress{bars: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh())}
	p.bar = p.bars.AddBar(0,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.CountersKibiByte("% .1f / % .1f")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.AverageSpeed(decor.SizeB1024(0), "% .1f"),
			decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO), decor.Name(" left")))
	return p
}

// Expect implements transfer.Meter.
func (p *progress) Expect(n int64) { p.bar.SetTotal(p.total.Add(n), false) }

// Add implements transfer.Meter.
func (p *progress) Add(n int64) { p.bar.SetCurrent(p.done.Add(n)) }

// Write prints lines above the bar.
func (p *progress) Write(b []byte) (int, error) { return p.bars.Write(b) }

// meter is p as transfers take it.
func (p *progress) meter() transfer.Meter {
	if p == nil {
		return nil
	}
	return p
}

// end takes the bar away.
func (p *progress) end() {
	if p != nil {
		p.bar.Abort(true)
		p.bars.Wait()
	}
}
