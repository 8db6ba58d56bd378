package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/clientaddr"
	"atoll/internal/errs"
	"atoll/internal/schedule"
)

// server is a running server, or one that is being started or stopped; what
// is not there yet, or not any more, is nil.
type server struct {
	cfg     Config
	log     *slog.Logger
	dir     *dataDir
	st      *stores
	metrics *metrics
	access  *accessLog
	certs   *certStore

	clients *clientaddr.Resolver
	limiter *clientaddr.Limiter // of failed authentications, at all doors

	s3, control, pprof *door // s3 is nil if both APIs share the control door

	keyGiven bool       // the master key came from the environment
	rotating sync.Mutex // held while the master key is changed
	chores   *chores

	schedules *schedule.Runner // of checkpoints

	firstKey  string // shown once
	ready     atomic.Bool
	inFlight  atomic.Int64 // handlers of all doors
	stuck     bool         // a handler outlived its connection
	backingUp sync.Mutex
}

// Run serves until ctx ends, then drains and stops.
func Run(ctx context.Context, cfg Config) error {
	cfg.ensureDefaults()
	if err := cfg.validate(); err != nil {
		return errs.E("configure", "", errs.Invalid, err)
	}
	if cfg.Memory == 0 {
		cfg.Memory = defaultMemory()
	}
	level, err := parseLevel(cfg.LogLevel)
	if err != nil {
		return errs.E("configure", "", errs.Invalid, err)
	}
	s := &server{cfg: cfg, log: newLogger(cfg.Stderr, cfg.LogFormat, level), metrics: newMetrics(cfg.Version)}
	limitHeap(divide(int64(cfg.Memory)), os.Getenv)
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	return errors.Join(s.serve(ctx), s.stop())
}

// start brings everything up but serving.
func (s *server) start(ctx context.Context) error {
	var err error
	if s.dir, err = takeDataDir(s.cfg.Data); err != nil {
		return err
	}
	keys, err := s.dir.masterKeys(s.cfg.MasterKey, s.cfg.Rand)
	if err != nil {
		return err
	}
	s.keyGiven = s.cfg.MasterKey != ""
	if s.st, err = openStores(ctx, s.dir, keys, &s.cfg, s.metrics, s.log); err != nil {
		s.st = nil
		return err
	}
	if err := s.finishRotation(ctx, keys); err != nil {
		return err
	}
	trusted, err := s.cfg.trustedProxies()
	if err != nil {
		return err
	}
	s.clients = clientaddr.NewResolver(trusted)
	s.limiter = clientaddr.NewLimiter(clientaddr.LimiterOptions{Now: s.cfg.Now})
	s.schedules = schedule.New(schedule.Options{Catalog: s.st.catalog, Disks: s.st.disks, Now: s.cfg.Now, Log: s.log})
	if err := s.ensureAPIKey(ctx); err != nil {
		return err
	}
	if s.cfg.TLSCert != "" {
		if s.certs, err = newCertStore(s.cfg.TLSCert, s.cfg.TLSKey, s.cfg.Now, s.log); err != nil {
			return err
		}
	}
	if s.access, err = openAccessLog(s.cfg.AccessLog, s.cfg.Stderr); err != nil {
		return err
	}
	return s.openDoors()
}

// openDoors listens and makes the handlers. With one port for both APIs there
// is no S3 door: the control door serves both.
func (s *server) openDoors() error {
	var err error
	s3, err := s.s3Handler()
	if err != nil {
		return err
	}
	name, addr, maxHeader := "control-addr", s.cfg.ControlAddr, controlMaxHeader
	if s.cfg.Listen != "" {
		name, addr, maxHeader = "listen", s.cfg.Listen, s3MaxHeader
	} else if s.s3, err = openDoor("s3-addr", s.cfg.S3Addr, s3MaxHeader, s.certs, s.log); err != nil {
		return err
	}
	if s.control, err = openDoor(name, addr, maxHeader, s.certs, s.log); err != nil {
		return err
	}
	control := s.controlHandler()
	if s.s3 != nil {
		s.s3.srv.Handler = s.counted(s3)
		s.control.srv.Handler = s.counted(control)
	} else {
		s.control.srv.Handler = s.counted(byPath(s3, control))
	}
	if s.cfg.PprofAddr != "" {
		if s.pprof, err = openDoor("pprof-addr", s.cfg.PprofAddr, controlMaxHeader, nil, s.log); err != nil {
			return err
		}
		s.pprof.srv.Handler = pprofHandler()
	}
	return s.dir.writeEndpoints(s.endpoints())
}

// counted keeps count of the running handlers. The ResponseWriter goes on
// unwrapped: a wrapped one would lose sendfile.
func (s *server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inFlight.Add(1)
		defer s.inFlight.Add(-1)
		h.ServeHTTP(w, r)
	})
}

func (s *server) s3URL() string {
	if s.cfg.S3URL != "" {
		return s.cfg.S3URL
	}
	if s.s3 == nil {
		return s.control.url()
	}
	return s.s3.url()
}

// publicURL is what share URLs begin with.
func (s *server) publicURL() string {
	if s.cfg.PublicURL != "" {
		return strings.TrimRight(s.cfg.PublicURL, "/")
	}
	return s.control.url()
}

func (s *server) isReady() error {
	if !s.ready.Load() {
		return errs.New("ready", "", errs.Overloaded, "the server is starting or stopping")
	}
	return nil
}

func (s *server) endpoints() Endpoints {
	e := Endpoints{
		S3: s.s3URL(), Control: s.control.url(), Data: s.dir.path, PID: os.Getpid(),
		TLSCert: absolute(s.cfg.TLSCert), FirstAPIKey: s.firstKey,
	}
	if s.pprof != nil {
		e.Pprof = s.pprof.url()
	}
	return e
}

// serve runs the doors until ctx ends or one of them fails.
func (s *server) serve(ctx context.Context) error {
	failed := make(chan error, 3)
	for _, d := range []*door{s.s3, s.control, s.pprof} {
		if d != nil {
			go func() { failed <- d.serve() }()
		}
	}
	s.chores = s.startChores()
	s.ready.Store(true)
	e := s.endpoints()
	s.log.Info("serving", "s3", e.S3, "control", e.Control, "memory", s.cfg.Memory.String(), "version", s.cfg.Version)
	if s.cfg.OnReady != nil {
		s.cfg.OnReady(e)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-s.cfg.Reload:
			s.reload()
		}
	}
}

// reload opens certificate and access log again.
func (s *server) reload() {
	if s.certs != nil {
		s.certs.force()
	}
	if err := s.access.reopen(); err != nil {
		s.log.Error("the access log could not be opened again", "error", err)
	}
}

// stop takes down what is up, from the doors to the lock.
func (s *server) stop() error {
	s.ready.Store(false)
	if s.dir == nil {
		return nil
	}
	err := s.drain()
	s.chores.stop()
	if s.stuck {
		// Closing stores under a running handler would be worse than a crash,
		// which the next start recovers from.
		return errors.Join(err, s.dir.release(false), errors.New("requests did not end: the next start will recover the store"))
	}
	clean := !s.dir.unclean // if nothing was opened, nothing was recovered
	if s.st != nil {
		cerr := s.st.close()
		clean = cerr == nil
		err = errors.Join(err, cerr)
	}
	err = errors.Join(err, s.access.close(), s.dir.release(clean))
	if clean && s.st != nil {
		s.log.Info("stopped")
	}
	return err
}

// drain closes the doors, the S3 door first: the control door still tells
// health checks meanwhile that the server is not ready.
func (s *server) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	if n := s.inFlight.Load(); n > 0 {
		s.log.Info("stopping: waiting for requests", "inFlight", n, "timeout", s.cfg.DrainTimeout)
	}
	late := 0
	for _, d := range []*door{s.s3, s.control, s.pprof} {
		if err := d.drain(ctx); err != nil {
			late++
		}
	}
	if late > 0 {
		s.log.Warn("drain-timeout is over: requests were cut", "inFlight", s.inFlight.Load())
	}
	s.stuck = !s.awaitHandlers()
	if s.control != nil {
		return s.dir.remove(endpointFile)
	}
	return nil
}

// handlerGrace is how long a handler may take to see that its connection is
// gone.
const handlerGrace = 10 * time.Second

// awaitHandlers tells whether all handlers have returned.
func (s *server) awaitHandlers() bool {
	deadline := time.NewTimer(handlerGrace)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.inFlight.Load() > 0 {
		select {
		case <-deadline.C:
			return false
		case <-tick.C:
		}
	}
	return true
}
