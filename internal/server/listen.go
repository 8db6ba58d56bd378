package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"syscall"
	"time"
)

const (
	headerTimeout    = 10 * time.Second
	idleTimeout      = 2 * time.Minute
	s3MaxHeader      = 64 << 10 // bytes of a request's header
	controlMaxHeader = 16 << 10
)

// door is a listener with its HTTP server.
type door struct {
	name string
	ln   net.Listener
	srv  *http.Server
	tls  bool
}

// openDoor listens, but accepts nothing yet. Its handler may need its address
// and is set before it serves.
func openDoor(name, addr string, maxHeader int, certs *certStore, log *slog.Logger) (*door, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: another program listens on %s: stop it, or choose another address (port 0 picks a free one)", name, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &door{name: name, ln: ln, tls: certs != nil, srv: &http.Server{
		// net/http would answer "OPTIONS *" itself, without the S3 headers.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		// What goes wrong on single connections is the client's business.
		ErrorLog: slog.NewLogLogger(log.With("door", name).Handler(), slog.LevelDebug),
	}}
	if certs != nil {
		d.srv.TLSConfig = certs.config()
		d.srv.Protocols = new(http.Protocols)
		d.srv.Protocols.SetHTTP1(true)
		d.srv.Protocols.SetHTTP2(true)
	}
	return d, nil
}

// serve accepts connections until the server is shut down.
func (d *door) serve() error {
	var err error
	if d.tls {
		err = d.srv.ServeTLS(d.ln, "", "")
	} else {
		err = d.srv.Serve(d.ln)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", d.name, err)
}

// url is where clients on this machine reach the door. An address for all
// interfaces is reached through loopback.
func (d *door) url() string {
	host, port, err := net.SplitHostPort(d.ln.Addr().String())
	if err != nil { // a listener's address always has both
		return d.ln.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if d.tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// drain stops accepting and waits for the requests in work. Those that ctx
// does not wait for lose their connections.
func (d *door) drain(ctx context.Context) error {
	if d == nil {
		return nil
	}
	err := d.srv.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, d.srv.Close())
	}
	// A door that never served still holds its address.
	if cerr := d.ln.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
		err = errors.Join(err, cerr)
	}
	return err
}

// byPath puts both APIs behind one address: the control API has /api and what
// is below it, the health checks and the metrics; all else is S3's, whose
// buckets have other names. It looks at the path as it was sent, as the doors
// do.
func byPath(s3, control http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.EscapedPath(); {
		case path == "/api", strings.HasPrefix(path, "/api/"), path == "/healthz", path == "/readyz", path == "/metrics":
			control.ServeHTTP(w, r)
		default:
			s3.ServeHTTP(w, r)
		}
	})
}

// pprofHandler serves profiles, on an address of their own.
func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
