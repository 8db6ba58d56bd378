package s3api

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is told of every request.
type Metrics interface {
	// InFlight is called with 1 when a request begins and with -1 when it ends.
	InFlight(delta int)
	// Request is called at the end. code is the S3 error code, empty for a
	// success; in and out are bytes of bodies.
	Request(op Op, code string, took time.Duration, in, out int64)
}

type noMetrics struct{}

func (noMetrics) InFlight(int)                                    {}
func (noMetrics) Request(Op, string, time.Duration, int64, int64) {}

// promMetrics keeps the handles of each operation, so that a request costs
// no look-up by labels unless it failed.
type promMetrics struct {
	inFlight prometheus.Gauge
	in, out  prometheus.Counter
	ok       [numOps]prometheus.Counter
	latency  [numOps]prometheus.Observer
	requests *prometheus.CounterVec
	failed   sync.Map // of failure to prometheus.Counter
}

type failure struct {
	op   Op
	code string
}

// NewMetrics makes Metrics that r gathers:
//
//	atoll_s3_requests_total{operation,code}     code is "OK" or the S3 error code
//	atoll_s3_request_seconds{operation}         histogram
//	atoll_s3_received_bytes_total, atoll_s3_sent_bytes_total
//	atoll_s3_requests_in_flight
func NewMetrics(r prometheus.Registerer) (Metrics, error) {
	m := &promMetrics{
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "atoll_s3_requests_in_flight", Help: "S3 requests in work."}),
		in:       prometheus.NewCounter(prometheus.CounterOpts{Name: "atoll_s3_received_bytes_total", Help: "Bytes of S3 request bodies."}),
		out:      prometheus.NewCounter(prometheus.CounterOpts{Name: "atoll_s3_sent_bytes_total", Help: "Bytes of S3 response bodies."}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "atoll_s3_requests_total",
			Help: "S3 requests by operation and error code."}, []string{"operation", "code"}),
	}
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "atoll_s3_request_seconds",
		Help: "Time of S3 requests, bodies included.", Buckets: prometheus.ExponentialBuckets(50e-6, 2.5, 14)}, []string{"operation"})
	for _, c := range []prometheus.Collector{m.inFlight, m.in, m.out, m.requests, latency} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	for op := range numOps {
		m.ok[op] = m.requests.WithLabelValues(op.String(), "OK")
		m.latency[op] = latency.WithLabelValues(op.String())
	}
	return m, nil
}

func (m *promMetrics) InFlight(delta int) { m.inFlight.Add(float64(delta)) }

func (m *promMetrics) Request(op Op, code string, took time.Duration, in, out int64) {
	m.latency[op].Observe(took.Seconds())
	if in > 0 {
		m.in.Add(float64(in))
	}
	if out > 0 {
		m.out.Add(float64(out))
	}
	if code == "" {
		m.ok[op].Inc()
		return
	}
	// Codes are the door's own, never a client's words: the map stays small.
	f := failure{op, code}
	c, ok := m.failed.Load(f)
	if !ok {
		c, _ = m.failed.LoadOrStore(f, m.requests.WithLabelValues(op.String(), code))
	}
	c.(prometheus.Counter).Inc()
}
