package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"atoll/bench/internal/load"
	"atoll/bench/internal/s3wire"
)

// keys are the credentials that peers are started with; they are good on loopback for
// the length of a run.
var keys = s3wire.Credentials{AccessKey: "benchaccess", SecretKey: "benchsecretbenchsecret", Region: "us-east-1"}

const bucket = "bench"

// options returns what all servers have in common.
func options(c config, p *process, endpoint string) load.Options {
	return load.Options{Endpoint: endpoint, Bucket: bucket, Credentials: keys, Unsigned: c.unsigned,
		PID: p.cmd.Process.Pid, Prefix: "load/", Settle: c.settle}
}

// open makes a server of a started program.
func open(o load.Options, create bool) (*server, error) {
	b, err := load.Open(o)
	if err != nil {
		return nil, err
	}
	if create {
		if err := b.CreateBucket(); err != nil {
			return nil, err
		}
	}
	return &server{bench: b}, nil
}

func startBare(f *fleet, c config, _ string) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	// Its files must not outlive it, and it makes them in TMPDIR.
	p, err := f.start("bare", nil, []string{"TMPDIR=" + f.dir}, c.bare, "--addr", addr)
	if err != nil {
		return nil, err
	}
	if err := p.ready(addr); err != nil {
		return nil, err
	}
	s, err := open(options(c, p, "http://"+addr), false)
	if err == nil {
		s.skip = func(op load.Op) bool { return op == load.ListDelim || op == load.ListFlat }
	}
	return s, err
}

func startVersitygw(f *fleet, c config, dir string) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := f.start("versitygw", nil, nil, c.versitygw, "--access", keys.AccessKey, "--secret", keys.SecretKey,
		"--region", keys.Region, "--port", addr, "--quiet", "posix", dir)
	if err != nil {
		return nil, err
	}
	if err := p.ready(addr); err != nil {
		return nil, err
	}
	return open(options(c, p, "http://"+addr), true)
}

func startRclone(f *fleet, c config, dir string) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := f.start("rclone", nil, nil, c.rclone, "serve", "s3", dir, "--config", "", "--addr", addr,
		"--auth-key", keys.AccessKey+","+keys.SecretKey)
	if err != nil {
		return nil, err
	}
	if err := p.ready(addr); err != nil {
		return nil, err
	}
	return open(options(c, p, "http://"+addr), true)
}

// startAtoll starts atoll on an empty data directory with an API key of its own, and
// makes a disk and an S3 user through the control API.
func startAtoll(f *fleet, c config, dir string) (*server, error) {
	apiKey := "key-" + strings.ToLower(rand.Text())
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	argv := append([]string{c.atoll, "serve", "--data", dir, "--s3-addr", "127.0.0.1:0", "--control-addr", "127.0.0.1:0", "--json"}, c.atollArgs...)
	p, err := f.start("atoll", w, []string{"ATOLL_API_KEY=" + apiKey}, argv...)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	s3, control, err := endpoints(r, p)
	if err != nil {
		return nil, err
	}
	opt := options(c, p, s3)
	opt.MetricsURL, opt.Metrics = control+"/metrics", c.metrics
	if len(opt.Metrics) == 0 {
		opt.Metrics = []string{"atoll_fsync_seconds_count"} // operations per sync of the group commit
	}
	opt.Bucket, opt.Credentials, err = makeDisk(control, apiKey)
	if err != nil {
		return nil, err
	}
	return open(opt, false)
}

// endpoints reads the line of JSON in which atoll says where it listens, and goes on
// reading so that it never waits for a reader.
func endpoints(r *os.File, p *process) (s3, control string, err error) {
	if err := r.SetReadDeadline(time.Now().Add(startTime)); err != nil {
		return "", "", err
	}
	br := bufio.NewReader(r)
	for s3 == "" || control == "" {
		line, err := br.ReadBytes('\n')
		if err != nil {
			return "", "", errors.Join(err, r.Close(), p.failed())
		}
		if a, b := findEndpoints(line); a != "" && b != "" {
			s3, control = a, b
		}
	}
	go func() {
		defer r.Close()
		if r.SetReadDeadline(time.Time{}) == nil {
			_, _ = io.Copy(io.Discard, br) // until it ends
		}
	}()
	return s3, control, nil
}

// findEndpoints reads the URLs of the S3 and the control door from a line of output;
// both are empty if it is not the line that tells them.
func findEndpoints(line []byte) (s3, control string) {
	var e struct {
		S3      string `json:"s3"`
		Control string `json:"control"`
	}
	if json.Unmarshal(line, &e) != nil {
		return "", ""
	}
	return e.S3, e.Control
}

// makeDisk makes a disk and an S3 user of it.
func makeDisk(control, apiKey string) (id string, cred s3wire.Credentials, err error) {
	var disk struct {
		DiskID string `json:"diskId"`
	}
	if err := post(control+"/api/disks", apiKey, map[string]string{"name": "bench"}, &disk); err != nil {
		return "", cred, err
	}
	var user struct {
		AccessKeyID     string `json:"accessKeyId"`
		SecretAccessKey string `json:"secretAccessKey"`
	}
	err = post(control+"/api/disks/"+disk.DiskID+"/users", apiKey, map[string]string{"type": "s3", "nickname": "bench"}, &user)
	return disk.DiskID, s3wire.Credentials{AccessKey: user.AccessKeyID, SecretKey: user.SecretAccessKey, Region: keys.Region}, err
}

// post calls the control API and decodes the data of its answer.
func post(url, apiKey string, body, data any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", apiKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Success bool   `json:"success"`
		Error   string `json:"error"`
		Data    any    `json:"data"`
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("POST %s: %s: %w", url, resp.Status, err)
	}
	if !answer.Success {
		return fmt.Errorf("POST %s: %s: %s", url, resp.Status, answer.Error)
	}
	return nil
}
