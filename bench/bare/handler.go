package main

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"atoll/bench/internal/content"
)

const (
	fromFile = 64 << 10  // from this size on, an object is served from a file
	buffer   = 256 << 10 // unit of reading a body, in bytes
)

// handler serves what the load generator asks for.
type handler struct {
	dir     string   // of the files
	objects sync.Map // path -> content.Body
	making  sync.Mutex
	buffers sync.Pool
}

func newHandler(dir string) *handler {
	return &handler{dir: dir, buffers: sync.Pool{New: func() any { b := make([]byte, buffer); return &b }}}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		h.get(w, r)
	case http.MethodPut:
		h.put(w, r)
	case http.MethodDelete:
		h.objects.Delete(r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "bare: no such method", http.StatusMethodNotAllowed)
	}
}

func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	v, ok := h.objects.Load(r.URL.Path)
	if !ok {
		http.Error(w, "bare: no such key (and no listings)", http.StatusNotFound)
		return
	}
	body := v.(content.Body)
	head := w.Header()
	head["Content-Type"] = []string{"application/octet-stream"}
	off, n, status := int64(0), body.Size, http.StatusOK
	if rng := r.Header.Get("Range"); rng != "" {
		last := int64(0)
		if _, err := fmt.Sscanf(rng, "bytes=%d-%d", &off, &last); err != nil || off < 0 || last < off || last >= body.Size {
			http.Error(w, "bare: bad range", http.StatusRequestedRangeNotSatisfiable)
			return
		}
		n, status = last-off+1, http.StatusPartialContent
		head["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", off, last, body.Size)}
	}
	head["Content-Length"] = []string{strconv.FormatInt(n, 10)}
	if r.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	if body.Size >= fromFile {
		h.sendFile(w, body, off, n, status)
		return
	}
	b := h.buffers.Get().(*[]byte)
	defer h.buffers.Put(b)
	body.Fill((*b)[:n], off)
	w.WriteHeader(status)
	_, _ = w.Write((*b)[:n]) // a client that went away notices by itself
}

// sendFile sends a part of a large body. An *io.LimitedReader over an *os.File is what
// net/http turns into sendfile.
func (h *handler) sendFile(w http.ResponseWriter, body content.Body, off, n int64, status int) {
	f, err := h.file(body)
	if err == nil {
		defer f.Close()
		_, err = f.Seek(off, io.SeekStart)
	}
	if err != nil {
		w.Header().Del("Content-Length")
		http.Error(w, "bare: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = io.Copy(w, &io.LimitedReader{R: f, N: n})
}

// file opens the file that holds a body; the first time it makes it.
func (h *handler) file(body content.Body) (*os.File, error) {
	name := filepath.Join(h.dir, fmt.Sprintf("%d-%d", body.Seed, body.Size))
	if f, err := os.Open(name); err == nil {
		return f, nil
	}
	h.making.Lock()
	defer h.making.Unlock()
	if f, err := os.Open(name); err == nil {
		return f, nil
	}
	if err := writeFile(name+".part", body); err != nil {
		return nil, err
	}
	if err := os.Rename(name+".part", name); err != nil {
		return nil, err
	}
	return os.Open(name)
}

func writeFile(name string, body content.Body) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	buf := make([]byte, buffer)
	for off := int64(0); off < body.Size; off += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), body.Size-off)]
		body.Fill(buf, off)
		if _, err := f.Write(buf); err != nil {
			_ = f.Close()
			return err
		}
	}
	return f.Close()
}

func (h *handler) put(w http.ResponseWriter, r *http.Request) {
	sum, tag := sha256.New(), md5.New()
	seed, size, err := h.digest(r.Body, sum, tag)
	if err != nil || size != r.ContentLength {
		http.Error(w, "bare: short body", http.StatusBadRequest)
		return
	}
	want := r.Header.Get("X-Amz-Content-Sha256")
	if want != "UNSIGNED-PAYLOAD" && want != hex.EncodeToString(sum.Sum(nil)) {
		http.Error(w, "bare: XAmzContentSHA256Mismatch", http.StatusBadRequest)
		return
	}
	// A path without a key is the bucket: there is nothing to create.
	if strings.Count(r.URL.Path, "/") > 1 {
		h.objects.Store(r.URL.Path, content.Body{Seed: seed, Size: size})
	}
	w.Header()["Etag"] = []string{`"` + hex.EncodeToString(tag.Sum(nil)) + `"`}
	w.WriteHeader(http.StatusOK)
}

// digest reads a body to its end.
func (h *handler) digest(r io.Reader, sums ...hash.Hash) (seed uint64, size int64, err error) {
	b := h.buffers.Get().(*[]byte)
	defer h.buffers.Put(b)
	for {
		n, err := io.ReadFull(r, *b)
		if size == 0 {
			seed, _ = content.Stamp((*b)[:n])
		}
		size += int64(n)
		for _, s := range sums {
			s.Write((*b)[:n])
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return seed, size, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}
