package server

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certCheckEvery bounds how often handshakes look at the certificate's files.
const certCheckEvery = time.Second

// certStore serves a certificate from files and reads them again when they
// change. A pair that can't be read is reported and the old one stays: a
// half-written file must not take the server off the net.
type certStore struct {
	certFile, keyFile string
	now               func() time.Time
	log               *slog.Logger

	current atomic.Pointer[tls.Certificate]
	checked atomic.Int64 // Unix nanoseconds of the last look at the files

	mu   sync.Mutex // held while files are read
	seen [2]fileState
}

// fileState tells one state of a file from another.
type fileState struct {
	mtime time.Time
	size  int64
}

func newCertStore(certFile, keyFile string, now func() time.Time, log *slog.Logger) (*certStore, error) {
	c := &certStore{certFile: certFile, keyFile: keyFile, now: now, log: log}
	if err := c.reload(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certStore) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

// get is called in each handshake.
func (c *certStore) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := c.now().UnixNano()
	last := c.checked.Load()
	if now-last >= int64(certCheckEvery) && c.checked.CompareAndSwap(last, now) {
		c.refresh()
	}
	return c.current.Load(), nil
}

// refresh reads the files if they have changed.
func (c *certStore) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state, err := c.stat(); err == nil && state == c.seen {
		return
	}
	c.reloadOrReport()
}

// force reads the files, changed or not.
func (c *certStore) force() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reloadOrReport()
}

func (c *certStore) reloadOrReport() {
	if err := c.reload(); err != nil {
		c.log.Error("the certificate could not be read again; the old one stays", "error", err)
		return
	}
	c.log.Info("certificate read again", "file", c.certFile)
}

// reload reads the pair. What the files looked like is taken before they are
// read, so a change meanwhile is seen next time; it is kept after a failure
// too, so that broken files are reported once and not on every handshake.
func (c *certStore) reload() error {
	state, err := c.stat()
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	c.seen = state
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certStore) stat() (s [2]fileState, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		var fi fs.FileInfo
		if fi, err = os.Stat(name); err != nil {
			return s, err
		}
		s[i] = fileState{fi.ModTime(), fi.Size()}
	}
	return s, nil
}
