package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// newLogger makes the server's log.
func newLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// accessFlush is how long a line of the access log may stay in memory.
const accessFlush = 500 * time.Millisecond

// accessLog gathers lines and writes many at a time: a system call a request
// would cost more than the line itself.
type accessLog struct {
	path string // "" if it writes to what others opened

	mu   sync.Mutex
	file *os.File // nil if path is ""
	buf  *bufio.Writer

	stop chan struct{}
	done chan struct{}
}

// openAccessLog opens the place that the setting names; off gives nil.
func openAccessLog(setting string, stderr io.Writer) (*accessLog, error) {
	l := &accessLog{stop: make(chan struct{}), done: make(chan struct{})}
	switch setting {
	case "off", "":
		return nil, nil
	case "stderr":
		l.buf = bufio.NewWriterSize(stderr, 32<<10)
	default:
		f, err := openAppend(setting)
		if err != nil {
			return nil, fmt.Errorf("open the access log: %w", err)
		}
		l.path, l.file, l.buf = setting, f, bufio.NewWriterSize(f, 32<<10)
	}
	go l.flushNowAndThen()
	return l, nil
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// Write takes one line.
func (l *accessLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *accessLog) flushNowAndThen() {
	defer close(l.done)
	t := time.NewTicker(accessFlush)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.mu.Lock()
			_ = l.buf.Flush() // a log that can't be written stops no request
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

// reopen goes on in a new file of the same name, after the old one was moved
// away.
func (l *accessLog) reopen() error {
	if l == nil || l.path == "" {
		return nil
	}
	f, err := openAppend(l.path)
	if err != nil {
		return fmt.Errorf("open the access log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err = errors.Join(l.buf.Flush(), l.file.Close())
	l.file = f
	l.buf.Reset(f)
	return err
}

func (l *accessLog) close() error {
	if l == nil {
		return nil
	}
	close(l.stop)
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.buf.Flush()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}
