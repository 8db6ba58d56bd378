package s3api

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"atoll/internal/clientaddr"
	"atoll/internal/disk"
	"atoll/internal/errs"
	"atoll/internal/sigv4"
)

// Options configure a Handler. Disks and Credentials are needed.
type Options struct {
	Disks       *disk.Store
	Credentials Credentials

	// APIKeys, if set, lets in requests with `Authorization: key-...`. They
	// may use the extended operations whatever Extended says.
	APIKeys APIKeys
	// Extended offers everybody the extended operations: appends, multipart
	// uploads, copies, ListBuckets and bodies in signed chunks.
	Extended bool
	// Buckets lists the disks for ListBuckets in the order of their ids, at
	// most limit of those behind after, or from the first one if after is 0.
	// nil: ListBuckets is not offered.
	Buckets func(ctx context.Context, after disk.ID, limit int) (page []Bucket, more bool, err error)

	// Addr finds out the addresses of clients; nil: those of their
	// connections.
	Addr *clientaddr.Resolver
	// Limiter slows down addresses that fail to authenticate; nil: none.
	Limiter *clientaddr.Limiter
	// Admits tells whether a client at this address may use the disk, whatever
	// its credential; nil: always. It answers from memory.
	Admits func(ctx context.Context, id disk.ID, addr netip.Addr) (bool, error)
	// CORS gives a disk's rules for web pages of other origins; nil: there are
	// none. It is asked if a request has an Origin.
	CORS func(ctx context.Context, id disk.ID) ([]CORSRule, error)

	// Region is the server's region code; empty means aws-us-east-1. Clients
	// see it without its cloud prefix.
	Region string
	// ServerName is the Server header; empty means Atoll.
	ServerName string

	Now  func() time.Time // nil: time.Now
	Rand io.Reader        // seeds the request ids; nil: crypto/rand

	// Logger gets one line a request at LogLevel; nil: none.
	Logger   *slog.Logger
	LogLevel slog.Level
	Metrics  Metrics // nil: none

	// MaxInFlight bounds the requests in work at a time; 0: 4096. Beyond it,
	// or when a disk takes more than its share, requests are answered 503.
	MaxInFlight int
	// Memory bounds the buffers for bodies and pages, in bytes, and is shared
	// out between disks as the requests are; 0: no limit.
	Memory int64
	// StallTimeout is how long a client may leave a body neither sent nor
	// taken, in steps of a few MiB; 0: 5 minutes, negative: forever.
	StallTimeout time.Duration
}

const (
	defaultRegion   = "aws-us-east-1"
	defaultName     = "Atoll"
	defaultInFlight = 4096
	defaultStall    = 5 * time.Minute
)

// Handler is the S3 door. It is safe for concurrent use.
type Handler struct {
	o        Options
	region   string // as clients see it
	verifier sigv4.Verifier
	places   fairShare // for requests
	memory   fairShare // bytes, if there is a limit

	// Header values that never change, shared by all responses.
	server, acceptRanges, xmlType, regionValue []string

	idSeed  uint64
	idCount atomic.Uint64

	requests sync.Pool // of *request
	buffers  bufferPools
}

// New makes a Handler. It fails only if the source of randomness does.
func New(o Options) (*Handler, error) {
	if o.Region == "" {
		o.Region = defaultRegion
	}
	if o.ServerName == "" {
		o.ServerName = defaultName
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = crand.Reader
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = defaultInFlight
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = defaultStall
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	h := &Handler{o: o, region: shownRegion(o.Region)}
	var seed [8]byte
	if _, err := io.ReadFull(o.Rand, seed[:]); err != nil {
		return nil, errs.E("start S3 door", "", errs.Other, err)
	}
	h.idSeed = binary.LittleEndian.Uint64(seed[:])
	h.verifier.Now = o.Now
	h.places.max, h.memory.max = int64(o.MaxInFlight), o.Memory
	h.server = []string{o.ServerName}
	h.acceptRanges = []string{"bytes"}
	h.xmlType = []string{"application/xml"}
	h.regionValue = []string{h.region}
	return h, nil
}

// shownRegion is a region code without its cloud: aws-us-east-1 is us-east-1.
func shownRegion(code string) string {
	for _, cloud := range [...]string{"aws-", "gcp-", "azure-", "oci-"} {
		if rest, ok := strings.CutPrefix(code, cloud); ok && rest != "" {
			return rest
		}
	}
	return code
}

// Forget drops what was derived from the secret of an access key id. Removal
// of a user works without it; it frees memory early.
func (h *Handler) Forget(accessKeyID string) { h.verifier.Forget(accessKeyID) }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := h.begin(w, r)
	h.o.Metrics.InFlight(1)
	defer h.finish(q)
	if err := h.serve(q); err != nil {
		q.fail(err)
	}
}

// begin prepares a request's state and the headers that every response has.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request) *request {
	q, _ := h.requests.Get().(*request)
	if q == nil {
		q = new(request)
	}
	q.h, q.w, q.r, q.ctx, q.header = h, w, r, r.Context(), w.Header()
	q.start = h.o.Now()
	q.id = h.newID()
	if r.ContentLength == 0 && r.Header["Expect"] != nil {
		q.extendWrite()
		continueEmpty(w, r) // before there are headers: a 100 has none
	}
	q.vals = make([]string, 0, 12)
	q.header["Server"] = h.server
	q.header["Accept-Ranges"] = h.acceptRanges
	q.set("X-Amz-Request-Id", q.id)
	if r.ContentLength != 0 {
		q.extendRead()
		q.extendWrite()
	}
	return q
}

// finish does what every request ends with, also after a panic.
func (h *Handler) finish(q *request) {
	p := recover()
	if p != nil {
		q.abort = q.abort || q.wrote || p == http.ErrAbortHandler
		if p != http.ErrAbortHandler {
			q.panicked(p)
		}
	}
	if q.admitted {
		h.places.give(q.disk, 1)
	}
	if q.memory > 0 {
		h.memory.give(q.disk, q.memory)
	}
	took := h.o.Now().Sub(q.start)
	h.o.Metrics.InFlight(-1)
	h.o.Metrics.Request(q.op, q.code, took, q.in, q.out)
	q.log(took)
	abort := q.abort
	buf := q.buf[:0]
	if cap(buf) > keepBuffer {
		buf = nil
	}
	clear(q.query)
	*q = request{query: q.query[:0], buf: buf}
	h.requests.Put(q)
	if abort {
		// The answer can't be completed: the client must not take what it
		// has for the whole.
		panic(http.ErrAbortHandler)
	}
}

// panicked answers a request whose handler panicked.
func (q *request) panicked(p any) {
	if l := q.h.o.Logger; l != nil {
		l.Error("panic in the S3 door", "panic", p, "stack", string(debug.Stack()), "request", q.id)
	}
	if !q.wrote {
		q.fail(errInternal)
	} else {
		q.code = "InternalError"
	}
}

// serve takes a request through the steps that all operations share.
func (h *Handler) serve(q *request) error {
	err := q.parseTarget()
	if err != nil {
		return err
	}
	if h.o.CORS != nil && q.r.Header["Origin"] != nil {
		if done, err := h.crossOrigin(q); done {
			return err
		}
	}
	if err := h.authenticate(q); err != nil {
		return err
	}
	if err := h.openBucket(q); err != nil {
		return err
	}
	q.payload, err = sigv4.ParsePayload(q.r, q.auth)
	if err != nil {
		return err
	}
	if q.payload.Kind == sigv4.PayloadStreamingSigned && !q.takesSignedChunks() {
		return errStreamingSigned
	}
	if !h.places.take(q.disk, 1) {
		return errSlowDown
	}
	q.admitted = true
	err = h.operate(q)
	if errs.Is(err, errs.Stale) && !q.op.writes() && !q.wrote {
		// The branch was rolled back between two looks at it: what it is now
		// can be read.
		if err = h.openBucket(q); err == nil {
			err = h.operate(q)
		}
	}
	return err
}

func (h *Handler) operate(q *request) error {
	switch q.op {
	case OpGetObject, OpHeadObject:
		return h.getObject(q)
	case OpPutObject:
		return h.putObject(q)
	case OpDeleteObject:
		return h.deleteObject(q)
	case OpDeleteObjects:
		return h.deleteObjects(q)
	case OpListObjectsV2:
		return h.listObjectsV2(q)
	case OpListObjects:
		return h.listObjectsV1(q)
	case OpHeadBucket:
		return h.headBucket(q)
	case OpGetBucketLocation:
		return h.getBucketLocation(q)
	}
	return h.operateExtended(q)
}

// operateExtended goes on with the operations of the extended profile; to
// others no request is routed to them.
func (h *Handler) operateExtended(q *request) error {
	switch q.op {
	case OpListBuckets:
		return h.listBuckets(q)
	case OpAppendObject:
		return h.appendObject(q)
	case OpCreateMultipartUpload:
		return h.createMultipart(q)
	case OpUploadPart:
		return h.uploadPart(q)
	case OpCompleteMultipartUpload:
		return h.completeMultipart(q)
	case OpAbortMultipartUpload:
		return h.abortMultipart(q)
	case OpListParts:
		return h.listParts(q)
	case OpListMultipartUploads:
		return h.listMultipart(q)
	}
	return errMethod
}

// newID makes a request id: 16 upper-case hex digits, unlike from one request
// to the next and from one start to the next.
func (h *Handler) newID() string {
	// splitmix64
	x := h.idSeed + h.idCount.Add(1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	var b [16]byte
	for i := range b {
		b[i] = upperHex[x>>60]
		x <<= 4
	}
	return string(b[:])
}

const upperHex = "0123456789ABCDEF"
