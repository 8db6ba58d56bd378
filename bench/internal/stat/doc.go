// Package stat holds the figures of a run: a latency histogram of bounded size and
// relative error, and the counters of a Prometheus page.
package stat
