package load

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"atoll/bench/internal/content"
	"atoll/bench/internal/proc"
	"atoll/bench/internal/s3wire"
	"atoll/bench/internal/stat"
)

// Options say which server is put under load.
type Options struct {
	// Endpoint is the server's URL, http://HOST:PORT or https://HOST:PORT.
	Endpoint string
	// Insecure accepts any TLS certificate.
	Insecure bool
	// Bucket is the bucket to work in.
	Bucket string
	// Credentials sign the requests.
	Credentials s3wire.Credentials
	// Unsigned sends UNSIGNED-PAYLOAD instead of the SHA-256 of a PUT's body.
	Unsigned bool
	// PID is the server's process; zero looks for the one that listens on the
	// endpoint's port. Without either, CPU time and memory are not measured.
	PID int
	// Prefix comes before every key; letters, digits and "-_.~/" only.
	Prefix string
	// MetricsURL is a page of Prometheus metrics, read before and after each run if
	// Metrics names any.
	MetricsURL string
	// Metrics are the counters whose growth is reported, as stat.ReadCounters takes them.
	Metrics []string
	// Settle is how long the server's CPU time is watched beyond the last reply.
	Settle time.Duration
}

// Bench is a server under test.
type Bench struct {
	opt    Options
	target s3wire.Target
	pid    int

	mu   sync.Mutex
	made map[string]bool         // object sets that are stored already
	sums map[content.Body]string // SHA-256 of large bodies
	runs int
}

var plain = regexp.MustCompile(`^[A-Za-z0-9._~/-]*$`)

// Open prepares for runs against a server; it does not connect yet.
func Open(opt Options) (*Bench, error) {
	target, err := s3wire.ParseTarget(opt.Endpoint, opt.Insecure)
	if err != nil {
		return nil, err
	}
	if !plain.MatchString(opt.Prefix) || !plain.MatchString(opt.Bucket) || opt.Bucket == "" {
		return nil, fmt.Errorf("bucket %q or prefix %q holds more than letters, digits and -_.~/", opt.Bucket, opt.Prefix)
	}
	b := &Bench{opt: opt, target: target, pid: opt.PID,
		made: make(map[string]bool), sums: make(map[content.Body]string)}
	if b.pid == 0 {
		b.pid = localPID(target.Addr)
	}
	return b, nil
}

// localPID finds the server behind a loopback address, or returns 0.
func localPID(addr string) int {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	pid, err := proc.Listener(proc.Root, n)
	if err != nil {
		return 0
	}
	return pid
}

// PID returns the server's process, or 0 if it is not known.
func (b *Bench) PID() int { return b.pid }

// CreateBucket creates the bucket unless it is there already.
func (b *Bench) CreateBucket() error {
	c := b.conn()
	defer c.Close()
	_, err := c.Do(&s3wire.Request{Method: http.MethodPut, Path: "/" + b.opt.Bucket,
		HasBody: true, Payload: s3wire.EmptyHash}, nil)
	if status(err) == http.StatusConflict {
		return nil
	}
	return err
}

// Usage returns what the server uses now; zero if its process is not known.
func (b *Bench) Usage() (proc.Usage, error) {
	if b.pid == 0 {
		return proc.Usage{}, nil
	}
	return proc.Sample(proc.Root, b.pid)
}

func (b *Bench) conn() *s3wire.Conn { return s3wire.NewConn(b.target, b.opt.Credentials) }

// counters reads the wanted metrics; nil if none are.
func (b *Bench) counters() (map[string]float64, error) {
	if b.opt.MetricsURL == "" || len(b.opt.Metrics) == 0 {
		return nil, nil
	}
	resp, err := http.Get(b.opt.MetricsURL)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", b.opt.MetricsURL, resp.Status)
	}
	return stat.ReadCounters(resp.Body, b.opt.Metrics)
}

// path returns the request path of a key; keys need no escaping.
func (b *Bench) path(key string) string {
	var s strings.Builder
	s.Grow(2 + len(b.opt.Bucket) + len(b.opt.Prefix) + len(key))
	s.WriteByte('/')
	s.WriteString(b.opt.Bucket)
	s.WriteByte('/')
	s.WriteString(b.opt.Prefix)
	s.WriteString(key)
	return s.String()
}

// sum returns the SHA-256 of a large body, computed once.
func (b *Bench) sum(body content.Body) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.sums[body]
	if !ok {
		s = body.SHA256()
		b.sums[body] = s
	}
	return s
}
