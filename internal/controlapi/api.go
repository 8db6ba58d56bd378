package controlapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"atoll/internal/catalog"
	"atoll/internal/clientaddr"
	"atoll/internal/disk"
	"atoll/internal/share"
)

// Catalog is what the door needs of package catalog.
type Catalog interface {
	VerifyAPIKey(ctx context.Context, key string) (catalog.APIKey, bool, error)
	APIKeys(ctx context.Context, afterID string, limit int) ([]catalog.APIKey, bool, error)
	CreateAPIKey(ctx context.Context, spec catalog.APIKeySpec) (catalog.APIKey, string, error)
	DeleteAPIKey(ctx context.Context, id string) error

	CreateDisk(ctx context.Context, spec catalog.DiskSpec) (catalog.Created, error)
	DeleteDisk(ctx context.Context, id disk.ID) error
	Disk(ctx context.Context, id disk.ID) (catalog.Disk, error)
	DiskByName(ctx context.Context, name string) (catalog.Disk, error)
	Disks(ctx context.Context, afterName string, limit int) ([]catalog.Disk, bool, error)
	Usage(ctx context.Context, id disk.ID) (disk.Usage, error)

	AddUser(ctx context.Context, id disk.ID, typ catalog.UserType, nickname string) (catalog.User, string, error)
	Users(ctx context.Context, id disk.ID) ([]catalog.User, error)
	RemoveUser(ctx context.Context, id disk.ID, typ catalog.UserType, identifier string) error

	SetAllowedIPs(ctx context.Context, id disk.ID, allowed []string) ([]string, error)
	AllowedIPs(ctx context.Context, id disk.ID) ([]string, error)
	Admits(ctx context.Context, id disk.ID, addr netip.Addr) (bool, error)
	CORS(ctx context.Context, id disk.ID) ([]catalog.CORSRule, error)
	SetCORS(ctx context.Context, id disk.ID, rules []catalog.CORSRule) error

	SetSchedule(ctx context.Context, id, branch disk.ID, s catalog.Schedule) error
	ScheduleOf(ctx context.Context, id, branch disk.ID) (catalog.Schedule, error)

	Audit(ctx context.Context, e catalog.AuditEntry) error
	AuditLog(ctx context.Context, disk, before string, limit int) ([]catalog.AuditEntry, bool, error)
	Recall(ctx context.Context, id disk.ID, key string) (catalog.Remembered, bool, error)
	Remember(ctx context.Context, id disk.ID, key string, r catalog.Remembered) error
}

// Core is what the door needs of package disk.
type Core interface {
	Locate(ctx context.Context, a disk.Address) (disk.ID, disk.Ref, error)
	Disk(ctx context.Context, id disk.ID) (*disk.Disk, error)
}

// Defaults of Options.
const (
	DefaultMaxBody     = 1 << 20
	DefaultBodyTimeout = 30 * time.Second
)

// Options of New. Catalog and Disks are needed.
type Options struct {
	Catalog Catalog
	Disks   Core
	Info    func() ServerInfo // what GET /api/server answers; nil: nothing

	Clients *clientaddr.Resolver // finds clients' addresses; nil: no proxy is trusted
	Limiter *clientaddr.Limiter  // of wrong credentials; nil: there is no limit

	// Shares makes and serves share URLs; nil: not offered.
	Shares *share.Sharer

	// Scheduled is told when a schedule of checkpoints was set; nil: nobody is.
	Scheduled func()

	// Backup copies the running store into a directory of the server's
	// machine; nil: not offered.
	Backup func(ctx context.Context, dir string) error
	// RotateKey seals the store under another master key, "" for a new one
	// that it makes. It returns the file that the key was written to, "" if
	// the operator keeps it. nil: not offered.
	RotateKey func(ctx context.Context, key string) (keyFile string, err error)
	// Ready tells why requests can't be served now; nil: always ready.
	Ready func() error

	Registry    *prometheus.Registry // shown at /metrics; nil: an empty one
	Log         *slog.Logger         // nil: nothing is logged
	Now         func() time.Time     // nil: time.Now
	MaxBody     int64                // bytes of a request's body; 0: DefaultMaxBody
	BodyTimeout time.Duration        // to receive it; 0: DefaultBodyTimeout
}

func (o *Options) ensureDefaults() {
	if o.Info == nil {
		o.Info = func() ServerInfo { return ServerInfo{} }
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.BodyTimeout <= 0 {
		o.BodyTimeout = DefaultBodyTimeout
	}
}

type api struct {
	o        Options
	repeats  repeats
	router   *node
	plain    map[string]http.Handler
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// New makes the handler of the control address. It registers its metrics with
// o.Registry.
func New(o Options) http.Handler {
	o.ensureDefaults()
	a := &api{
		o: o,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "atoll_control_requests_total",
			Help: "Requests of the control API, by route, method and HTTP status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "atoll_control_request_seconds",
			Help:    "Time that requests of the control API took, in seconds, by route.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}, []string{"route"}),
	}
	o.Registry.MustRegister(a.requests, a.seconds)
	a.router = newRouter(a.routes())
	a.plain = a.plainRoutes()
	return http.HandlerFunc(a.serve)
}

// routes is the table of all routes under /api/.
func (a *api) routes() []route {
	var all []route
	for _, group := range [][]route{
		a.diskRoutes(), a.userRoutes(), a.settingRoutes(), a.fileRoutes(), a.shareRoutes(),
		a.branchRoutes(), a.checkpointRoutes(), a.scheduleRoutes(), a.historyRoutes(),
		a.tokenRoutes(), a.auditRoutes(), a.serverRoutes(), a.descriptionRoutes(), a.unofferedRoutes(),
	} {
		all = append(all, group...)
	}
	return all
}

// plainRoutes are those that want no key and speak no JSON.
func (a *api) plainRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"/healthz": a.probe(func() error { return nil }),
		"/readyz":  a.probe(a.o.Ready),
		"/metrics": promhttp.HandlerFor(a.o.Registry, promhttp.HandlerOpts{}),
	}
}

// serve answers a request.
func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	if h := a.plain[r.URL.Path]; h != nil {
		h.ServeHTTP(w, r)
		return
	}
	start := a.o.Now()
	sw := &statusWriter{ResponseWriter: w}
	c := &call{w: sw, r: r, from: a.o.Clients.Addr(r)}
	methods := a.router.find(r)
	ans, err := a.run(c, methods)
	if err != nil {
		ans = errorAnswer(err)
	}
	if c.rt != nil && c.rt.action != "" && c.key.ID != "" {
		status := ans.status
		if sw.status != 0 {
			status = sw.status
		}
		if rerr := a.record(c, status); rerr != nil {
			ans, err = errorAnswer(rerr), rerr
		}
	}
	if sw.status == 0 {
		if ans.status == http.StatusMethodNotAllowed {
			sw.Header().Set("Allow", allowed(methods))
		}
		ans.write(sw, r.Method == http.MethodHead)
	}
	a.observe(c, patternOf(methods), sw.status, a.o.Now().Sub(start), err)
	if err != nil && sw.status != ans.status {
		panic(http.ErrAbortHandler) // the answer broke off: the client must not take it for whole
	}
}

// isOpen tells whether a route wants no key. A path all of whose methods want
// none may tell anyone that it has no others.
func isOpen(rt *route, methods map[string]*route) bool {
	if rt != nil {
		return rt.right == rightNone
	}
	for _, other := range methods {
		if other.right != rightNone {
			return false
		}
	}
	return len(methods) > 0
}

// run brings a request through the steps that all routes share, in the order
// that tells a stranger least; a panic becomes an error.
func (a *api) run(c *call, methods map[string]*route) (ans answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	rt := methods[c.r.Method]
	if isAPI(c.r.URL.Path) && !isOpen(rt, methods) {
		if err := a.authenticate(c); err != nil {
			return ans, err
		}
	}
	if methods == nil {
		return ans, &statusError{http.StatusNotFound, "not_found", "there is no such route"}
	}
	if rt == nil {
		return ans, &statusError{http.StatusMethodNotAllowed, "method_not_allowed",
			"this route has no method " + methodLabel(c.r.Method)}
	}
	c.rt = rt
	if err := a.authorize(c); err != nil {
		return ans, err
	}
	if err := a.receive(c); err != nil {
		return ans, err
	}
	data, err := rt.do.run(c)
	if err != nil {
		return ans, err
	}
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if rt.do.out == nil {
		data = nil
	}
	ans = ok(c.status, data)
	ans.body.NextCursor = c.next
	return ans, nil
}
