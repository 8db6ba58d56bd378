package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"atoll/client"
	"atoll/internal/server"
)

// target says which server a command talks to.
type target struct {
	a      *app
	url    string
	data   string
	caCert string
	json   bool
}

// targetFlags adds the flags of a command that talks to a server.
func targetFlags(c *cobra.Command, a *app) *target {
	t := &target{a: a}
	c.Flags().StringVar(&t.url, "url", "", "`URL` of the control API (or ATOLL_URL)")
	c.Flags().StringVar(&t.data, "data", "", "data `DIR`ectory of a server on this machine, whose address and key are used"+dataDirHelp(a))
	c.Flags().StringVar(&t.caCert, "ca-cert", "", "`FILE` of certificates (PEM) to trust besides the system's (or ATOLL_CA_CERT)")
	c.Flags().BoolVar(&t.json, "json", false, "print JSON")
	return t
}

// place is where a server is found, and why there.
type place struct {
	url     string
	s3      string // "": the one that the server tells
	key     string
	keyFrom string
	data    string // directory that was looked into
	pin     string // file of the certificate that the server must show
}

// connect makes a client for the server that flags, environment and data
// directory name.
func (t *target) connect() (*connection, error) { return t.dial(10*time.Second, 0) }

// dial is connect with a limit for making a connection, and of retries.
func (t *target) dial(limit time.Duration, retries int) (*connection, error) {
	p, err := t.find()
	if err != nil {
		return nil, err
	}
	tc, err := t.tlsConfig(p)
	if err != nil {
		return nil, err
	}
	hc := &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: limit}).DialContext,
		TLSClientConfig:   tc,
		ForceAttemptHTTP2: true,
		// As many as transfers use at a time.
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
	}}
	c, err := client.New(client.Options{URL: p.url, S3URL: p.s3, APIKey: p.key, HTTP: hc,
		UserAgent: "atoll-cli/" + version(), Retries: retries})
	if err != nil {
		return nil, usageError(err)
	}
	return &connection{Client: c, place: p}, nil
}

// find applies the precedence: flags, then the environment, then the default
// data directory. A local key is not sent to a foreign host.
func (t *target) find() (place, error) {
	p := place{data: t.data}
	explicit := t.data != ""
	if !explicit {
		p.data = t.a.getenv(server.EnvPrefix + "DATA")
	}
	if p.data == "" {
		p.data = server.DefaultDataDir(t.a.getenv)
	}
	p.url = t.url
	if p.url == "" && !explicit {
		p.url = t.a.getenv(server.EnvPrefix + "URL")
	}
	local := explicit || p.url == "" || isLoopback(p.url)
	if p.url == "" {
		if err := p.fromDataDir(explicit); err != nil {
			return p, err
		}
	}
	if key := t.a.getenv(server.EnvPrefix + "API_KEY"); key != "" && !explicit {
		p.key, p.keyFrom = key, "ATOLL_API_KEY"
		return p, nil
	}
	if local && p.data != "" {
		if key, err := server.ReadAPIKey(p.data); err == nil {
			p.key, p.keyFrom = key, "the data directory "+p.data
			return p, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return p, fmt.Errorf("read the API key: %w", err)
		}
	}
	if key := t.a.getenv(server.EnvPrefix + "API_KEY"); key != "" {
		p.key, p.keyFrom = key, "ATOLL_API_KEY"
		return p, nil
	}
	if local {
		return p, usageError(fmt.Errorf("no API key: set ATOLL_API_KEY, or name the server's data directory with --data (looked into %s)", p.data))
	}
	return p, usageError(fmt.Errorf("no API key for %s: set ATOLL_API_KEY", p.url))
}

// fromDataDir takes the address that the server has left in its directory.
func (p *place) fromDataDir(explicit bool) error {
	e, err := server.ReadEndpoints(p.data)
	switch {
	case err == nil:
		p.url, p.s3, p.pin = e.Control, e.S3, e.TLSCert
		return nil
	case explicit || !errors.Is(err, os.ErrNotExist):
		return &exitError{exitUnreachable, fmt.Errorf(
			"no server runs on the data directory %s (it has no readable endpoint.json): start one with `atoll serve --data %s`", p.data, p.data)}
	}
	p.url = "http://" + server.DefaultControlAddr
	return nil
}

func isLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// tlsConfig trusts the system's authorities and --ca-cert. On the server's own
// machine the certificate's file is at hand: then that very certificate is
// demanded, whatever names and signatures it has.
func (t *target) tlsConfig(p place) (*tls.Config, error) {
	if p.pin != "" {
		return pinned(p.pin)
	}
	file := t.caCert
	if file == "" {
		file = t.a.getenv(server.EnvPrefix + "CA_CERT")
	}
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError(fmt.Errorf("ca-cert: %w", err))
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(b) {
		return nil, usageError(fmt.Errorf("ca-cert: %s holds no certificate", file))
	}
	return &tls.Config{RootCAs: pool}, nil
}

func pinned(file string) (*tls.Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the server's certificate: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return &tls.Config{
		InsecureSkipVerify: true, // replaced by a stricter check, below
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 || !bytes.Equal(cs.PeerCertificates[0].Raw, block.Bytes) {
				return fmt.Errorf("the server shows another certificate than %s", file)
			}
			return nil
		},
	}, nil
}

// connection is a client that explains what went wrong.
type connection struct {
	*client.Client
	place place
}

// explain makes an error tell what to do.
func (c *connection) explain(err error) error {
	var ue *url.Error
	var ee *exitError
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.As(err, &ee):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &exitError{exitNotFound, err}
	case errors.As(err, &ue):
		hint := "Is the server running? Start it with: atoll serve"
		if c.place.data != "" {
			hint += " --data " + filepath.Clean(c.place.data)
		}
		return &exitError{exitUnreachable, fmt.Errorf("can't reach the server at %s: %w\n%s", c.URL(), ue.Err, hint)}
	}
	switch client.StatusOf(err) {
	case http.StatusUnauthorized:
		return fmt.Errorf("the server at %s does not know the API key from %s: set ATOLL_API_KEY, or name the server's data directory with --data",
			c.URL(), c.place.keyFrom)
	case http.StatusNotFound:
		return &exitError{exitNotFound, err}
	case http.StatusConflict, http.StatusPreconditionFailed:
		return &exitError{exitConflict, err}
	}
	return err
}
