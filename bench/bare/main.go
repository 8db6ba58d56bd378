// Command bare is the floor that S3 servers are measured against: a net/http server
// that answers the load generator's requests with the right bytes and does nothing else.
// It checks no signature, keeps no data and writes nothing durably.
//
// A PUT reads the body and computes SHA-256 and MD5 of it, as any S3 server must, and
// keeps only its size and seed; a GET makes the bytes from these. A small object comes
// from memory; one of 64 KiB or more from a file (made at its first GET) by sendfile.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := command(); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func command() error {
	addr := flag.String("addr", "127.0.0.1:0", "the `address` to listen on")
	flag.Parse()
	dir, err := os.MkdirTemp("", "atoll-bare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	srv := &http.Server{Handler: newHandler(dir), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-stop
		_ = srv.Close() // it keeps nothing that could be lost
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
