package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// atoll runs a command against the server and decodes what it prints as JSON.
func (s *server) atoll(out any, args ...string) {
	s.t.Helper()
	cmd := exec.Command(binary, append(args, "--url", s.Control, "--ca-cert", certs.caFile, "--json")...)
	cmd.Env = append(cleanEnv(), "ATOLL_API_KEY="+s.apiKey)
	b, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("atoll %s: %v\n%s%s", strings.Join(args, " "), err, stderrOf(err), s.logTail())
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(b, out); err != nil {
		s.t.Fatalf("atoll %s: %v in %s", strings.Join(args, " "), err, b)
	}
}

// TestBoto3Extended drives boto3's defaults against the extended profile:
// multipart uploads, copies, streams of unknown length, ListBuckets,
// checkpoints as buckets.
func TestBoto3Extended(t *testing.T) {
	ctx := context.Background()
	for _, python := range pythons(t) {
		version := versionName(t, python, "-c", "import boto3; print('boto3-' + boto3.__version__)")
		t.Run(version, func(t *testing.T) {
			schemes(t, func(t *testing.T, https bool) {
				s := startServer(t, options{https: https, flags: []string{"--s3-profile", "extended"}})
				d, other := s.createDisk("photos"), s.createDisk("other")
				dir := t.TempDir()
				file := filepath.Join(dir, "file")
				put := func(d disk, key, text string) {
					t.Helper()
					must(t, "write "+key, os.WriteFile(file, []byte(text), 0o600))
					c := &script{[]string{python, "py/boto3_client.py"}, d.scriptEnv(t)}
					must(t, "put "+key, c.put(ctx, file, key))
				}
				put(other, "secret", "1")
				put(d, "frozen.txt", "then")
				s.atoll(nil, "checkpoint", "create", d.Bucket, "frozen")
				put(d, "frozen.txt", "now")
				env := append(d.scriptEnv(t), "OTHER="+other.Bucket, "FROZEN="+d.Bucket+".root.frozen", "SCRATCH="+dir)
				out, err := run(ctx, env, python, "py/boto3_extended.py")
				must(t, "boto3", err)
				if !strings.HasSuffix(string(out), " checks\n") {
					t.Errorf("boto3 said %s", out)
				}
			})
		})
	}
}
